/* SPDX-License-Identifier: Apache-2.0 */

/* holdfast tasks: what runs on the cluster, and with --all what did. */

#include <stdio.h>

#include "cli/cluster.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "common/net/json_writer.h"

static const char *hostname_of(const Cluster *c, const ClusterTask *t) {
        const ClusterAgent *agent = cluster_find_agent(c, t->agent_id);

        return agent ? agent->hostname : t->agent_id;
}

static int print_table(const Cluster *c, bool all, bool no_color) {
        static const TableColumn columns[] = {
                { .title = "TASK" },
                { .title = "NAME" },
                { .title = "STATE", .state = true },
                { .title = "SINCE" },
                { .title = "CPUS", .right = true },
                { .title = "MEM MB", .right = true },
                { .title = "HOST" },
                { .title = "FRAMEWORK" },
        };
        _cleanup_(table_deinit) Table t = TABLE_INIT(columns);
        Terminal terminal = terminal_make(stdout, no_color);

        for (size_t i = 0; i < c->n_tasks; i++) {
                const ClusterTask *task = c->tasks + i;
                char since[TERMINAL_TIME_MAX] = "";
                int r = 0;

                if (task->completed && !all)
                        continue;

                r |= table_add(&t, "%s", task->id);
                r |= table_add(&t, "%s", task->name);
                r |= table_add(&t, "%s", task->state);
                r |= table_add(&t, "%s", task->since_usec > 0 ? terminal_time(task->since_usec, since) : "");
                r |= table_add(&t, "%.6g", task->cpus);
                r |= table_add(&t, "%.0f", task->mem_mb);
                r |= table_add(&t, "%s", hostname_of(c, task));
                r |= table_add(&t, "%s", task->framework_name);
                if (r < 0)
                        return -ENOMEM;
        }

        table_print(&t, &terminal);
        return CLIENT_OK;
}

static int print_json(const Cluster *c, bool all) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(256U * 1024 * 1024);
        JsonWriter w = JSON_WRITER(&b);
        int r;

        json_array_begin(&w, NULL);
        for (size_t i = 0; i < c->n_tasks; i++) {
                const ClusterTask *t = c->tasks + i;

                if (t->completed && !all)
                        continue;

                json_object_begin(&w, NULL);
                json_put_string(&w, "id", t->id);
                json_put_string(&w, "name", t->name);
                json_put_string(&w, "state", t->state);
                json_put_double(&w, "since", usec_to_secs(t->since_usec));
                json_put_double(&w, "cpus", t->cpus);
                json_put_double(&w, "mem", t->mem_mb);
                json_put_string(&w, "agent_id", t->agent_id);
                json_put_string(&w, "hostname", hostname_of(c, t));
                json_put_string(&w, "executor_id", t->executor_id);
                json_put_string(&w, "framework_id", t->framework_id);
                json_put_string(&w, "framework_name", t->framework_name);
                json_object_end(&w);
        }
        json_array_end(&w);

        r = json_finish(&w);
        if (r < 0)
                return r;

        printf("%.*s\n", (int) buffer_size(&b), buffer_data(&b));
        return CLIENT_OK;
}

static int show(const char *master, bool all, bool json, bool no_color, char **reterr_message) {
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        _cleanup_(cluster_deinit) Cluster cluster = {};
        int r;

        r = client_init(&client, master, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = cluster_load(&client, &cluster, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return json ? print_json(&cluster, all) : print_table(&cluster, all, no_color);
}

int verb_tasks(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char *message = NULL;
        char *master = NULL;
        bool all = false, json = false;
        Flag flags[] = {
                { .name = "all", .kind = FLAG_BOOL, .value = &all, .default_text = "false",
                  .help = "List those that are over, too, as far as the master remembers them." },
                { .name = "json", .kind = FLAG_BOOL, .value = &json, .default_text = "false",
                  .help = "Print one JSON array." },
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "MASTER",
                  .help = "The master to ask." },
        };
        FlagTable table = {
                .program = "holdfast tasks",
                .summary = "Lists the tasks that run on the cluster.",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, NULL);
        if (code < 0) {
                r = show(master ?: environment->master, all, json, environment->no_color, &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
