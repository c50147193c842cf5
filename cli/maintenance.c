/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast maintenance
 *
 *     show                       what is planned, what frameworks say to it, what is down
 *     schedule MACHINE…          these will be away from then on, for so long
 *     cancel MACHINE…            these will not
 *     down MACHINE…              now: agents there end with their tasks, and are kept away
 *     up MACHINE…                again
 *
 * The protocol only replaces the whole schedule. People think of machines, so the schedule is read,
 * changed and written back; of two who do that at the same time the later one wins.
 */

#include <stdio.h>
#include <time.h>

#include "cli/machines.h"
#include "cli/operator.h"
#include "cli/table.h"
#include "cli/verb.h"

typedef struct MaintenanceOptions {
        usec_t in_usec;
        usec_t duration_usec;      /* USEC_INFINITY: no end is planned */
        bool json;
        bool yes;
        bool no_color;
} MaintenanceOptions;

static const char *text_of(json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key)) ?: "";
}

/* ---- showing ---- */

static usec_t time_of(json_t *unavailability, const char *key) {
        json_t *time = json_object_get(unavailability, key);
        json_int_t nsec = json_integer_value(json_object_get(time, "nanoseconds"));

        return time ? (usec_t) MAX(nsec, (json_int_t) 0) / 1000 : USEC_INFINITY;
}

static const char *format_date(usec_t usec, char *buf, size_t n) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        struct tm tm = {};

        (void) localtime_r(&seconds, &tm);
        if (usec == USEC_INFINITY || strftime(buf, n, "%Y-%m-%d %H:%M", &tm) == 0)
                return "-";
        return buf;
}

static json_t *find_draining(json_t *status, json_t *id) {
        json_t *list = json_object_get(status, "draining_machines");

        for (size_t i = 0; i < json_array_size(list); i++)
                if (machines_same(json_object_get(json_array_get(list, i), "id"), id))
                        return json_array_get(list, i);

        return NULL;
}

static unsigned count_answers(json_t *machine, const char *answer) {
        json_t *statuses = json_object_get(machine, "statuses");
        unsigned n = 0;

        for (size_t i = 0; i < json_array_size(statuses); i++)
                n += streq(text_of(json_array_get(statuses, i), "status"), answer);

        return n;
}

static int add_row(Table *t, json_t *status, json_t *id, json_t *unavailability) {
        json_t *draining = find_draining(status, id);
        usec_t duration_usec = time_of(unavailability, "duration");
        char date[32], duration[USEC_TEXT_MAX];
        int r = 0;

        r |= table_add(t, "%s", text_of(id, "hostname"));
        r |= table_add(t, "%s", text_of(id, "ip"));
        r |= table_add(t, "%s", draining ? "draining" : "down");
        r |= table_add(t, "%s", format_date(time_of(unavailability, "start"), date, sizeof(date)));
        r |= table_add(t, "%s", duration_usec == USEC_INFINITY ? "-" : usec_format(duration_usec, duration));
        r |= table_add(t, "%u", count_answers(draining, "ACCEPT"));
        r |= table_add(t, "%u", count_answers(draining, "DECLINE"));
        return r < 0 ? -ENOMEM : 0;
}

static int print_table(const Machines *m, bool no_color) {
        static const TableColumn columns[] = {
                { .title = "HOST" },
                { .title = "IP" },
                { .title = "MODE" },
                { .title = "BEGINS" },
                { .title = "FOR" },
                { .title = "ACCEPTED", .right = true },
                { .title = "DECLINED", .right = true },
        };
        _cleanup_(table_deinit) Table t = TABLE_INIT(columns);
        Terminal terminal = terminal_make(stdout, no_color);
        json_t *windows = json_object_get(m->schedule, "windows");

        for (size_t i = 0; i < json_array_size(windows); i++) {
                json_t *window = json_array_get(windows, i), *ids = json_object_get(window, "machine_ids");

                for (size_t k = 0; k < json_array_size(ids); k++)
                        if (add_row(&t, m->status, json_array_get(ids, k),
                                    json_object_get(window, "unavailability")) < 0)
                                return -ENOMEM;
        }

        table_print(&t, &terminal);
        return CLIENT_OK;
}

static int print_json(const Machines *m) {
        json_t *both = json_pack("{s:O,s:O}", "schedule", m->schedule, "status", m->status);
        _cleanup_free_ char *text = both ? json_dumps(both, JSON_COMPACT) : NULL;

        json_decref(both);
        if (!text)
                return -ENOMEM;

        printf("%s\n", text);
        return CLIENT_OK;
}

static int show(_unused_ Client *c, Machines *m, _unused_ json_t *ids, const MaintenanceOptions *o,
                _unused_ char **reterr_message) {
        return o->json ? print_json(m) : print_table(m, o->no_color);
}

/* ---- changing ---- */

static int post(Client *c, const char *path, json_t *body, char **reterr_message) {
        _cleanup_free_ char *text = json_dumps(body, JSON_COMPACT);

        return text ? client_post(c, c->master_url, path, text, reterr_message) : -ENOMEM;
}

static void tell(json_t *ids, const char *what) {
        for (size_t i = 0; i < json_array_size(ids); i++) {
                json_t *id = json_array_get(ids, i);
                const char *hostname = text_of(id, "hostname");

                printf("%s: %s\n", *hostname ? hostname : text_of(id, "ip"), what);
        }
}

static int schedule(Client *c, Machines *m, json_t *ids, const MaintenanceOptions *o, char **reterr_message) {
        int r;

        r = machines_schedule(m, ids, usec_add(usec_now(CLOCK_REALTIME), o->in_usec), o->duration_usec);
        if (r >= 0)
                r = post(c, "/maintenance/schedule", m->schedule, reterr_message);
        if (r == CLIENT_OK)
                tell(ids, "scheduled");
        return r;
}

static int cancel(Client *c, Machines *m, json_t *ids, const MaintenanceOptions *o _unused_, char **reterr_message) {
        int r;

        r = machines_unschedule(m, ids);
        if (r >= 0)
                r = post(c, "/maintenance/schedule", m->schedule, reterr_message);
        if (r == CLIENT_OK)
                tell(ids, "not scheduled any more");
        return r;
}

static int down(Client *c, Machines *m _unused_, json_t *ids, const MaintenanceOptions *o, char **reterr_message) {
        int r;

        if (!o->yes && !operator_may("The tasks on %zu machines end. Go on?", json_array_size(ids)))
                return client_fail(CLIENT_E_REFUSED, reterr_message, "Nothing was done");

        r = post(c, "/machine/down", ids, reterr_message);
        if (r == CLIENT_OK)
                tell(ids, "down");
        return r;
}

static int up(Client *c, Machines *m _unused_, json_t *ids, const MaintenanceOptions *o _unused_,
              char **reterr_message) {
        int r;

        r = post(c, "/machine/up", ids, reterr_message);
        if (r == CLIENT_OK)
                tell(ids, "up");
        return r;
}

static const struct {
        const char *name;
        bool takes_machines;
        int (*run)(Client *c, Machines *m, json_t *ids, const MaintenanceOptions *o, char **reterr_message);
} commands[] = {
        { "show", false, show },
        { "schedule", true, schedule },
        { "cancel", true, cancel },
        { "down", true, down },
        { "up", true, up },
};

static int run(const char *master, size_t command, char *const *texts, const MaintenanceOptions *o,
               char **reterr_message) {
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        _cleanup_(machines_deinit) Machines machines = {};
        json_t *ids = NULL;
        int r;

        r = client_init(&client, master, reterr_message);
        if (r == CLIENT_OK)
                r = machines_load(&client, &machines, reterr_message);
        if (r == CLIENT_OK)
                r = machines_find(&machines, texts, &ids, reterr_message);
        if (r == CLIENT_OK)
                r = commands[command].run(&client, &machines, ids, o, reterr_message);

        json_decref(ids);
        return r;
}

static int dispatch(const char *master, char *const *arguments, const MaintenanceOptions *o, char **reterr_message) {
        const char *name = arguments[0] ?: "show";
        char *const *texts = arguments[0] ? arguments + 1 : arguments;

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                if (!streq(commands[i].name, name))
                        continue;
                if (commands[i].takes_machines != (texts[0] != NULL))
                        return client_fail(CLIENT_E_USAGE, reterr_message, "%s: expected %s MACHINE", name,
                                           commands[i].takes_machines ? "a" : "no");

                return run(master, i, texts, o, reterr_message);
        }

        return client_fail(CLIENT_E_USAGE, reterr_message,
                           "'%s' is not a command: expected show, schedule, cancel, down or up", name);
}

int verb_maintenance(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL, *message = NULL;
        MaintenanceOptions o = { .no_color = environment->no_color };
        char *master = NULL;
        Flag flags[] = {
                { .name = "duration", .kind = FLAG_DURATION, .value = &o.duration_usec, .metavar = "TIME",
                  .help = "For schedule: how long they will be away; otherwise for good." },
                { .name = "in", .kind = FLAG_DURATION, .value = &o.in_usec, .default_text = "0ns", .metavar = "TIME",
                  .help = "For schedule: how long from now they will be away." },
                { .name = "json", .kind = FLAG_BOOL, .value = &o.json, .default_text = "false",
                  .help = "For show: print one JSON object, with the master's schedule and status." },
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "HOST:PORT",
                  .help = "The master to ask." },
                { .name = "yes", .kind = FLAG_BOOL, .value = &o.yes, .default_text = "false",
                  .help = "For down: do not ask." },
        };
        FlagTable table = {
                .program = "holdfast maintenance",
                .summary = "Plans the maintenance of machines. show: what is planned, and how many frameworks that use them\n"
                           "accept or decline it. schedule, cancel: they will be away, or will not. down: their agents end\n"
                           "with all tasks and are kept away until up. MACHINE is HOSTNAME/IP as its agent announces them, or\n"
                           "one of the two where that is enough to find it.",
                .positional = "[show | schedule MACHINE... | cancel MACHINE... | down MACHINE... | up MACHINE...]",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0) {
                if (!flags[0].given)
                        o.duration_usec = USEC_INFINITY;
                r = dispatch(master ?: environment->master, arguments, &o, &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
