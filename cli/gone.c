/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast gone
 *
 * There is no way back: the agent's id is refused for ever, its tasks are over in the books of the
 * master at once, and if the agent is there it ends them. So a person is asked first.
 */

#include "cli/operator.h"
#include "cli/verb.h"

static int mark_gone(const char *master, char *const *agents, bool yes, char **reterr_message) {
        for (size_t i = 0; agents[i] && !yes; i++)
                if (!operator_may("The tasks of agent '%s' end, and it can never come back. Go on?", agents[i]))
                        return client_fail(CLIENT_E_REFUSED, reterr_message, "Nothing was done");

        return operator_call(master, "MARK_AGENT_GONE", agents, "gone", reterr_message);
}

int verb_gone(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL, *message = NULL;
        char *master = NULL;
        bool yes = false;
        Flag flags[] = {
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "HOST:PORT",
                  .help = "The master to tell." },
                { .name = "yes", .kind = FLAG_BOOL, .value = &yes, .default_text = "false",
                  .help = "Do not ask." },
        };
        FlagTable table = {
                .program = "holdfast gone",
                .summary = "Declares that agents will never return: their tasks are over (TASK_GONE_BY_OPERATOR), and should\n"
                           "one come back it is sent away. That cannot be undone. AGENT is the id, or the hostname if only\n"
                           "one has it.",
                .positional = "AGENT...",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0) {
                r = mark_gone(master ?: environment->master, arguments, yes, &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
