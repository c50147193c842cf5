/* SPDX-License-Identifier: Apache-2.0 */

/* holdfast deactivate: nothing new for an agent; what runs there runs on. */

#include "cli/operator.h"
#include "cli/verb.h"

int verb_deactivate(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL, *message = NULL;
        char *master = NULL;
        Flag flags[] = {
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "HOST:PORT",
                  .help = "The master to tell." },
        };
        FlagTable table = {
                .program = "holdfast deactivate",
                .summary = "Keeps new work from agents; what runs there runs on. It stays so, whatever is restarted, until\n"
                           "they are reactivated. AGENT is the id, or the hostname if only one has it.",
                .positional = "AGENT...",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0) {
                r = operator_call(master ?: environment->master, "DEACTIVATE_AGENT", arguments, "deactivated", &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
