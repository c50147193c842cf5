/* SPDX-License-Identifier: Apache-2.0 */

/* holdfast reactivate: an agent that was deactivated, or is drained, takes work again. */

#include "cli/operator.h"
#include "cli/verb.h"

int verb_reactivate(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL, *message = NULL;
        char *master = NULL;
        Flag flags[] = {
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "HOST:PORT",
                  .help = "The master to tell." },
        };
        FlagTable table = {
                .program = "holdfast reactivate",
                .summary = "Lets agents have work again that were deactivated or are drained; not while they still drain.\n"
                           "AGENT is the id, or the hostname if only one has it.",
                .positional = "AGENT...",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0) {
                r = operator_call(master ?: environment->master, "REACTIVATE_AGENT", arguments, "reactivated", &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
