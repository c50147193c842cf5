/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast kill
 *
 * The protocol lets only a task's own scheduler kill it: whoever subscribed with that framework's id
 * would take the framework over. What an operator can do is send a signal to the container it runs
 * in, by KILL_CONTAINER at its agent. SIGTERM reaches the executor, which ends its tasks as if it had
 * been told to shut down (of our command executor: TASK_KILLED, after the grace period). SIGKILL
 * leaves nobody to tell: TASK_FAILED. Either way the scheduler did not ask for it and may start the
 * task again, and other tasks of the same executor end too.
 */

#include <signal.h>
#include <stdio.h>

#include "cli/cluster.h"
#include "cli/verb.h"
#include "common/base/parse.h"
#include "common/net/json_writer.h"

#define CHECK_USEC (200 * USEC_PER_MSEC)

/* Names people give to signals. */
static const struct {
        const char *name;
        int number;
} signals[] = {
        { "HUP", SIGHUP },   { "INT", SIGINT },   { "QUIT", SIGQUIT },
        { "KILL", SIGKILL }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
        { "TERM", SIGTERM }, { "CONT", SIGCONT }, { "STOP", SIGSTOP },
};

static int parse_signal(const char *text, int *ret, char **reterr_message) {
        const char *name = startswith(text, "SIG") ?: text;
        uint64_t number;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (streq(name, signals[i].name)) {
                        *ret = signals[i].number;
                        return CLIENT_OK;
                }

        if (parse_u64(text, &number) < 0 || number == 0 || number >= (uint64_t) _NSIG)
                return client_fail(CLIENT_E_USAGE, reterr_message,
                                   "--signal=%s: expected TERM, KILL, or a number", text);

        *ret = (int) number;
        return CLIENT_OK;
}

static int post_kill(Client *client, const char *agent_url, const char *container_id, int number,
                     char **reterr_message) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(65536);
        _cleanup_free_ char *call = NULL;
        JsonWriter w = JSON_WRITER(&b);
        int r;

        json_object_begin(&w, NULL);
        json_put_string(&w, "type", "KILL_CONTAINER");
        json_object_begin(&w, "kill_container");
        json_object_begin(&w, "container_id");
        json_put_string(&w, "value", container_id);
        json_object_end(&w);
        json_put_int(&w, "signal", number);
        json_object_end(&w);
        json_object_end(&w);
        r = json_finish(&w);
        if (r < 0)
                return r;

        call = buffer_take_text(&b);
        if (!call)
                return -ENOMEM;

        return client_post(client, agent_url, "/api/v1", call, reterr_message);
}

static bool is_running(const Cluster *c, const ClusterTask *t, const char **ret_state) {
        for (size_t i = 0; i < c->n_tasks; i++) {
                const ClusterTask *other = c->tasks + i;

                if (streq(other->id, t->id) && streq(other->framework_id, t->framework_id)) {
                        *ret_state = other->state;
                        if (!other->completed)
                                return true;
                }
        }

        return false;
}

/* Asks the master until it counts the task among those that are over. */
static int wait_for_end(Client *client, const ClusterTask *t, usec_t timeout_usec,
                        char **reterr_message) {
        usec_t deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), timeout_usec);

        for (;;) {
                _cleanup_(cluster_deinit) Cluster cluster = {};
                const char *state = "gone";
                int r;

                r = cluster_load(client, &cluster, reterr_message);
                if (r != CLIENT_OK)
                        return r;

                if (!is_running(&cluster, t, &state)) {
                        printf("%s: %s\n", t->id, state);
                        return CLIENT_OK;
                }
                if (usec_now(CLOCK_MONOTONIC) >= deadline_usec)
                        return client_fail(CLIENT_E_REFUSED, reterr_message, "'%s' has not ended yet: %s "
                                           "(--signal=KILL does not ask)", t->id, state);

                r = client_pause(client, CHECK_USEC);
                if (r < 0)
                        return r;
        }
}

static int kill_found(Client *client, const Cluster *cluster, const ClusterTask *t, int number,
                      usec_t timeout_usec, char **reterr_message) {
        const ClusterAgent *agent = cluster_find_agent(cluster, t->agent_id);
        _cleanup_free_ char *container_id = NULL;
        ClusterSandbox sandbox;
        json_t *state;
        int r;

        if (t->completed)
                return client_fail(CLIENT_E_REFUSED, reterr_message, "'%s' is over: %s", t->id,
                                   t->state);
        if (!agent || !agent->url[0])
                return client_fail(CLIENT_E_REFUSED, reterr_message,
                                   "The agent '%s' of task '%s' is not there", t->agent_id, t->id);

        r = client_get(client, agent->url, "/state", &state, reterr_message);
        if (r != CLIENT_OK)
                return r;

        if (cluster_find_sandbox(state, t->framework_id, t->executor_id, &sandbox))
                container_id = strdup(sandbox.container_id);
        json_decref(state);
        if (!container_id)
                return client_fail(CLIENT_E_REFUSED, reterr_message,
                                   "The agent at %s has no container of task '%s'", agent->url,
                                   t->id);

        r = post_kill(client, agent->url, container_id, number, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return wait_for_end(client, t, timeout_usec, reterr_message);
}

static int kill_task(const char *master, const char *text, const char *signal_text,
                     usec_t timeout_usec, char **reterr_message) {
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        _cleanup_(cluster_deinit) Cluster cluster = {};
        const ClusterTask *task;
        int number = 0, r;

        r = parse_signal(signal_text, &number, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = client_init(&client, master, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = cluster_load(&client, &cluster, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = cluster_find_task(&cluster, text, &task, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return kill_found(&client, &cluster, task, number, timeout_usec, reterr_message);
}

int verb_kill(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL, *message = NULL;
        char *master = NULL, *signal_text = NULL;
        usec_t timeout_usec;
        Flag flags[] = {
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "MASTER",
                  .help = "The master to ask." },
                { .name = "signal", .kind = FLAG_PATH, .value = &signal_text,
                  .default_text = "TERM", .metavar = "SIGNAL",
                  .help = "What to send: TERM asks the executor to end its tasks (TASK_KILLED), KILL ends it on the spot "
                          "(TASK_FAILED)." },
                { .name = "timeout", .kind = FLAG_DURATION, .value = &timeout_usec,
                  .default_text = "15secs", .metavar = "TIME",
                  .help = "How long to wait for its end." },
        };
        FlagTable table = {
                .program = "holdfast kill",
                .summary = "Sends a signal to the container of a task, and waits for the task's end. Its scheduler did not\n"
                           "ask for it and may start it again. TASK is the id, or the name if only one has it.",
                .positional = "TASK",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0) {
                if (arguments[0] && !arguments[1])
                        r = kill_task(master ?: environment->master, arguments[0], signal_text,
                                      timeout_usec, &message);
                else
                        r = client_fail(CLIENT_E_USAGE, &message, "Expected exactly one TASK");
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
