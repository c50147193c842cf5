/* SPDX-License-Identifier: Apache-2.0 */

/* holdfast run: the command line of it; run.c does it. */

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/run.h"
#include "cli/verb.h"

/* What the flags say. */
typedef struct Settings {
        char *master, *name, *command, *resources, *role, *user;
        char **environment, **uris;
        bool follow, checkpoint, json;
        usec_t offer_timeout_usec;
} Settings;

static const char *current_user(void) {
        const struct passwd *p = getpwuid(geteuid());

        return p ? p->pw_name : "root";
}

static int report_invalid(int r, const char *message) {
        fprintf(stderr, "holdfast run: %s\n", r > 0 && message ? message : strerror(abs(r)));
        return r > 0 ? EXIT_USAGE : EXIT_FAILURE;
}

static int run(const Settings *s, char *const *arguments, const CliEnvironment *environment) {
        _cleanup_(task_spec_deinit) TaskSpec spec = {};
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        _cleanup_free_ char *message = NULL;
        TaskSpecOptions spec_options = {
                .name = s->name,
                .command = s->command,
                .arguments = arguments,
                .resources = s->resources,
                .environment = s->environment,
                .uris = s->uris,
                .role = s->role,
        };
        RunOptions options = {
                .user = s->user ?: current_user(),
                .follow = s->follow,
                .checkpoint = s->checkpoint,
                .json = s->json,
                .offer_timeout_usec = s->offer_timeout_usec,
        };
        /* The task's output has stdout to itself; as JSON everything is in one stream. */
        FILE *file = s->follow && !s->json ? stderr : stdout;
        Progress progress = {
                .terminal = terminal_make(file, environment->no_color),
                .file = file,
                .json = s->json,
        };
        int r;

        r = task_spec_init(&spec, &spec_options, &message);
        if (r != TASK_SPEC_OK)
                return report_invalid(r, message);

        r = client_init(&client, s->master ?: environment->master, &message);
        if (r != CLIENT_OK)
                return client_report(r, message);

        progress.task_id = spec.task_id;
        return run_task(&client, &spec, &options, &progress);
}

int verb_run(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL;
        Settings s = {};
        Flag flags[] = {
                { .name = "checkpoint", .kind = FLAG_BOOL, .value = &s.checkpoint, .default_text = "true",
                  .help = "Let the task outlive a restart of its agent." },
                { .name = "command", .kind = FLAG_STRING, .value = &s.command, .metavar = "TEXT",
                  .help = "What to run, in a shell." },
                { .name = "env", .kind = FLAG_LIST, .value = &s.environment, .metavar = "NAME=TEXT",
                  .help = "Set a variable of the task's environment." },
                { .name = "follow", .kind = FLAG_BOOL, .value = &s.follow, .default_text = "false",
                  .help = "Print the task's output as it comes; states go to stderr then." },
                { .name = "json", .kind = FLAG_BOOL, .value = &s.json, .default_text = "false",
                  .help = "Print one JSON object per line; with --follow also for output, as base64." },
                { .name = "master", .kind = FLAG_PATH, .value = &s.master, .metavar = "MASTER",
                  .help = "The master." },
                { .name = "name", .kind = FLAG_PATH, .value = &s.name, .default_text = "task", .metavar = "NAME",
                  .help = "What to call the task." },
                { .name = "offer_timeout", .kind = FLAG_DURATION, .value = &s.offer_timeout_usec, .default_text = "0ns",
                  .metavar = "TIME", .help = "Give up when no offer was big enough for so long; 0ns waits." },
                { .name = "resources", .kind = FLAG_STRING, .value = &s.resources, .default_text = "cpus:0.1;mem:32",
                  .metavar = "TEXT", .help = "What the task needs; mem and disk in MB." },
                { .name = "role", .kind = FLAG_PATH, .value = &s.role, .default_text = "*", .metavar = "ROLE",
                  .help = "Whose share to use." },
                { .name = "uris", .kind = FLAG_LIST, .value = &s.uris, .metavar = "URI",
                  .help = "Fetch this into the sandbox first; archives are unpacked." },
                { .name = "user", .kind = FLAG_PATH, .value = &s.user, .metavar = "USER",
                  .help = "Who to run as on the agent; the caller's own name otherwise." },
        };
        FlagTable table = {
                .program = "holdfast run",
                .summary = "Runs a command on the cluster, shows its states, and exits as the command does.",
                .positional = "[-- PROGRAM [ARGUMENT ...]]",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0)
                code = run(&s, arguments, environment);

        flags_deinit(&table);
        return code;
}
