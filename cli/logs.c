/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast logs
 *
 * Prints what a task wrote: the master knows its agent, the agent knows its sandbox. Works for
 * finished tasks as long as both remember them and the sandbox has not been cleaned up. With
 * --follow the agent is asked every second whether the task is over.
 */

#include <stdio.h>
#include <unistd.h>

#include "cli/cluster.h"
#include "cli/follow.h"
#include "cli/verb.h"
#include "common/base/fd.h"

#define CHECK_USEC USEC_PER_SEC
#define MAX_STATE_BYTES (64U * 1024 * 1024)

typedef struct Logs {
        Client *client;               /* borrowed, as the next two */
        const ClusterTask *task;
        const ClusterAgent *agent;
        Follow *follow;               /* owned */
        HttpFetch *check;
        sd_event_source *check_source;
        int error;
} Logs;

static void logs_deinit(Logs *l) {
        follow_free(l->follow);
        http_fetch_cancel(l->check);
        sd_event_source_disable_unref(l->check_source);
}

static int on_data(const void *data, size_t n, _unused_ void *userdata) {
        return fd_write_full(STDOUT_FILENO, data, n);
}

static void on_finished(int error, void *userdata) {
        Logs *l = userdata;

        l->error = error;
        (void) sd_event_exit(l->client->event, 0);
}

static void logs_check_later(Logs *l);

static void on_agent_state(const HttpFetchAnswer *answer, void *userdata) {
        ClusterSandbox sandbox = { .completed = true };
        json_t *state = NULL;
        Logs *l = userdata;
        bool over = false;

        l->check = NULL;
        if (answer->error == 0 && answer->status == 200)
                state = json_loadb(answer->body, answer->n_body, JSON_ALLOW_NUL, NULL);
        if (state)
                over = !cluster_find_sandbox(state, l->task->framework_id, l->task->executor_id,
                                             &sandbox) ||
                       sandbox.completed;
        json_decref(state);

        if (over)
                follow_finish(l->follow);
        else
                logs_check_later(l);
}

static int on_check(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        _cleanup_free_ char *url = NULL;
        Logs *l = userdata;
        HttpFetchRequest request;
        int r;

        l->check_source = sd_event_source_disable_unref(l->check_source);
        if (asprintf(&url, "%s/state", l->agent->url) < 0)
                return -ENOMEM;

        request = (HttpFetchRequest) {
                .method = "GET",
                .url = url,
                .content_type = "application/json",
                .timeout_usec = 10 * USEC_PER_SEC,
                .max_bytes = MAX_STATE_BYTES,
        };
        r = http_fetch_start(l->client->fetcher, &request, NULL, on_agent_state, l, &l->check);
        return r < 0 ? r : 0;
}

static void logs_check_later(Logs *l) {
        if (sd_event_add_time_relative(l->client->event, &l->check_source, CLOCK_MONOTONIC,
                                       CHECK_USEC, 0, on_check, l) >= 0)
                (void) sd_event_source_set_description(l->check_source, "logs-check");
}

static int print_file(Logs *l, const char *path, bool follow, char **reterr_message) {
        static const FollowOps ops = { .data = on_data, .finished = on_finished };
        int r;

        r = follow_new(l->client->event, l->client->fetcher, l->agent->url, path, &ops, l,
                       &l->follow);
        if (r < 0)
                return r;

        if (follow)
                logs_check_later(l);
        else
                follow_finish(l->follow);

        r = sd_event_loop(l->client->event);
        if (r < 0)
                return r;
        if (l->error < 0)
                return client_fail(CLIENT_E_REFUSED, reterr_message,
                                   "The agent at %s does not give '%s' out (any more)",
                                   l->agent->url, path);

        return CLIENT_OK;
}

static int find_file(Logs *l, bool want_stderr, char **ret, char **reterr_message) {
        ClusterSandbox sandbox;
        json_t *state;
        int r;

        r = client_get(l->client, l->agent->url, "/state", &state, reterr_message);
        if (r != CLIENT_OK)
                return r;

        if (!cluster_find_sandbox(state, l->task->framework_id, l->task->executor_id, &sandbox))
                r = client_fail(CLIENT_E_REFUSED, reterr_message,
                                "The agent at %s does not remember task '%s'", l->agent->url,
                                l->task->id);
        else if (asprintf(ret, "%s/%s", sandbox.directory, want_stderr ? "stderr" : "stdout") < 0)
                r = -ENOMEM;

        json_decref(state);
        return r;
}

static int print_logs(const char *master, const char *text, bool want_stderr, bool follow,
                      char **reterr_message) {
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        _cleanup_(cluster_deinit) Cluster cluster = {};
        _cleanup_(logs_deinit) Logs l = { .client = &client };
        _cleanup_free_ char *path = NULL;
        int r;

        r = client_init(&client, master, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = cluster_load(&client, &cluster, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = cluster_find_task(&cluster, text, &l.task, reterr_message);
        if (r != CLIENT_OK)
                return r;

        l.agent = cluster_find_agent(&cluster, l.task->agent_id);
        if (!l.agent || !l.agent->url[0])
                return client_fail(CLIENT_E_REFUSED, reterr_message,
                                   "The agent '%s' of task '%s' is not there", l.task->agent_id,
                                   l.task->id);

        r = find_file(&l, want_stderr, &path, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return print_file(&l, path, follow, reterr_message);
}

int verb_logs(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL, *message = NULL;
        bool want_stderr = false, follow = false;
        char *master = NULL;
        Flag flags[] = {
                { .name = "follow", .kind = FLAG_BOOL, .value = &follow, .default_text = "false",
                  .help = "Go on until the task is over." },
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "MASTER",
                  .help = "The master to ask." },
                { .name = "stderr", .kind = FLAG_BOOL, .value = &want_stderr,
                  .default_text = "false", .help = "Print stderr rather than stdout." },
        };
        FlagTable table = {
                .program = "holdfast logs",
                .summary = "Prints what a task wrote. TASK is its id, or its name if only one has it.",
                .positional = "TASK",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0) {
                if (arguments[0] && !arguments[1])
                        r = print_logs(master ?: environment->master, arguments[0], want_stderr,
                                       follow, &message);
                else
                        r = client_fail(CLIENT_E_USAGE, &message, "Expected exactly one TASK");
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
