/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast
 *
 * The command line of the cluster: one verb per file. It uses the public API only, so it works with
 * any master that speaks it.
 */

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>

#include "cli/exit_code.h"
#include "cli/verb.h"
#include "common/base/log.h"

static const struct {
        const char *name;
        const char *summary;
        VerbRun run;
} verbs[] = {
        { "run", "Run a command on the cluster and exit as it does", verb_run },
        { "agents", "List the machines of the cluster", verb_agents },
        { "tasks", "List what is running", verb_tasks },
        { "top", "Show what containers use", verb_top },
        { "logs", "Print the output of a task", verb_logs },
        { "kill", "End a task", verb_kill },
        { "drain", "Empty agents", verb_drain },
        { "deactivate", "Keep new work from agents", verb_deactivate },
        { "reactivate", "Let agents have work again", verb_reactivate },
        { "gone", "Declare that agents will never return", verb_gone },
        { "maintenance", "Plan the maintenance of machines, begin and end it", verb_maintenance },
        { "version", "Print versions", verb_version },
};

static void print_usage(FILE *file) {
        fprintf(file, "Usage: holdfast VERB [--name=value ...]\n\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                fprintf(file, "  %-13s%s\n", verbs[i].name, verbs[i].summary);
        fprintf(file,
                "\nThe master is given with --master=HOST:PORT (or zk://HOST:PORT/PATH) or in HOLDFAST_MASTER\n"
                "or MESOS_MASTER.\n"
                "See `holdfast VERB --help` for the options of a verb.\n");
}

static int dispatch(int argc, char **argv) {
        CliEnvironment environment = {
                .master = getenv("HOLDFAST_MASTER") ?: getenv("MESOS_MASTER"),
                .no_color = getenv("NO_COLOR") && getenv("NO_COLOR")[0],
        };

        if (argc < 2) {
                print_usage(stderr);
                return EXIT_USAGE;
        }
        if (streq(argv[1], "--help") || streq(argv[1], "help")) {
                print_usage(stdout);
                return EXIT_SUCCESS;
        }
        if (streq(argv[1], "--version"))
                argv[1] = (char *) "version";

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(argv[1], verbs[i].name))
                        return verbs[i].run(argc - 1, argv + 1, &environment);

        fprintf(stderr,
                "holdfast: there is no verb '%s'\n\nSee `holdfast --help` for a list of verbs.\n",
                argv[1]);
        return EXIT_USAGE;
}

int main(int argc, char **argv) {
        int code;

        /* What goes wrong, verbs tell in words of their own. */
        log_open("holdfast");
        log_set_max_level(LOG_ERR);

        /* A pager that ends is told by write(). */
        (void) signal(SIGPIPE, SIG_IGN);

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
                log_error("Out of memory");
                return EXIT_FAILURE;
        }

        code = dispatch(argc, argv);
        curl_global_cleanup();

        if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
                return EXIT_FAILURE;
        return code;
}
