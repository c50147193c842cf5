/* SPDX-License-Identifier: Apache-2.0 */

/* holdfast agents: the machines of the cluster, what they have and what of it is in use. */

#include <stdio.h>

#include "cli/cluster.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "common/net/json_writer.h"

static const char *state_of(const ClusterAgent *a) {
        if (streq(a->drain_state, "DRAINING"))
                return "draining";
        if (streq(a->drain_state, "DRAINED"))
                return "drained";
        if (a->deactivated)
                return "deactivated";

        return a->active ? "active" : "inactive";
}

static int print_table(const Cluster *c, bool no_color) {
        static const TableColumn columns[] = {
                { .title = "AGENT" },
                { .title = "HOST" },
                { .title = "STATE" },
                { .title = "CPUS", .right = true },
                { .title = "USED", .right = true },
                { .title = "MEM MB", .right = true },
                { .title = "USED", .right = true },
                { .title = "DISK MB", .right = true },
                { .title = "USED", .right = true },
        };
        _cleanup_(table_deinit) Table t = TABLE_INIT(columns);
        Terminal terminal = terminal_make(stdout, no_color);

        for (size_t i = 0; i < c->n_agents; i++) {
                const ClusterAgent *a = c->agents + i;
                int r = 0;

                r |= table_add(&t, "%s", a->id);
                r |= table_add(&t, "%s", a->hostname);
                r |= table_add(&t, "%s", state_of(a));
                r |= table_add(&t, "%.6g", a->cpus);
                r |= table_add(&t, "%.6g", a->used_cpus);
                r |= table_add(&t, "%.0f", a->mem_mb);
                r |= table_add(&t, "%.0f", a->used_mem_mb);
                r |= table_add(&t, "%.0f", a->disk_mb);
                r |= table_add(&t, "%.0f", a->used_disk_mb);
                if (r < 0)
                        return -ENOMEM;
        }

        table_print(&t, &terminal);
        return CLIENT_OK;
}

static void write_amounts(JsonWriter *w, const char *key, double cpus, double mem_mb, double disk_mb) {
        json_object_begin(w, key);
        json_put_double(w, "cpus", cpus);
        json_put_double(w, "mem", mem_mb);
        json_put_double(w, "disk", disk_mb);
        json_object_end(w);
}

static int print_json(const Cluster *c) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(64U * 1024 * 1024);
        JsonWriter w = JSON_WRITER(&b);
        int r;

        json_array_begin(&w, NULL);
        for (size_t i = 0; i < c->n_agents; i++) {
                const ClusterAgent *a = c->agents + i;

                json_object_begin(&w, NULL);
                json_put_string(&w, "id", a->id);
                json_put_string(&w, "hostname", a->hostname);
                json_put_string(&w, "url", a->url);
                json_put_bool(&w, "active", a->active);
                json_put_bool(&w, "deactivated", a->deactivated);
                if (*a->drain_state)
                        json_put_string(&w, "drain_state", a->drain_state);
                write_amounts(&w, "resources", a->cpus, a->mem_mb, a->disk_mb);
                write_amounts(&w, "used_resources", a->used_cpus, a->used_mem_mb, a->used_disk_mb);
                json_object_end(&w);
        }
        json_array_end(&w);

        r = json_finish(&w);
        if (r < 0)
                return r;

        printf("%.*s\n", (int) buffer_size(&b), buffer_data(&b));
        return CLIENT_OK;
}

static int show(const char *master, bool json, bool no_color, char **reterr_message) {
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        _cleanup_(cluster_deinit) Cluster cluster = {};
        int r;

        r = client_init(&client, master, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = cluster_load(&client, &cluster, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return json ? print_json(&cluster) : print_table(&cluster, no_color);
}

int verb_agents(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char *message = NULL;
        char *master = NULL;
        bool json = false;
        Flag flags[] = {
                { .name = "json", .kind = FLAG_BOOL, .value = &json, .default_text = "false",
                  .help = "Print one JSON array." },
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "MASTER",
                  .help = "The master to ask." },
        };
        FlagTable table = {
                .program = "holdfast agents",
                .summary = "Lists the machines of the cluster.",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, NULL);
        if (code < 0) {
                r = show(master ?: environment->master, json, environment->no_color, &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
