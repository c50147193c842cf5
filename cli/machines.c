/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Machines
 *
 * A machine is a hostname and an address, as its agent announces both; people name one of the two.
 * Whatever the schedule or an agent says helps to complete it, so that machines that are down, and
 * have no agent, can be named as well.
 *
 * The schedule is replaced as a whole: what is changed here is the copy that was read just before.
 */

#include <strings.h>

#include "cli/machines.h"

#define NSEC_PER_USEC 1000

static const char *text_of(json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key)) ?: "";
}

bool machines_same(json_t *a, json_t *b) {
        return strcasecmp(text_of(a, "hostname"), text_of(b, "hostname")) == 0 &&
               streq(text_of(a, "ip"), text_of(b, "ip"));
}

int machines_load(Client *c, Machines *ret, char **reterr_message) {
        Machines m = {};
        int r;

        r = client_get(c, c->master_url, "/maintenance/schedule", &m.schedule, reterr_message);
        if (r == CLIENT_OK)
                r = client_get(c, c->master_url, "/maintenance/status", &m.status, reterr_message);
        if (r == CLIENT_OK)
                r = client_get(c, c->master_url, "/slaves", &m.slaves, reterr_message);
        if (r != CLIENT_OK) {
                machines_deinit(&m);
                return r;
        }

        *ret = m;
        return CLIENT_OK;
}

void machines_deinit(Machines *m) {
        json_decref(m->schedule);
        json_decref(m->status);
        json_decref(m->slaves);
        *m = (Machines) {};
}

static json_t *make_id(const char *hostname, const char *ip) {
        json_t *id = json_object();

        if (*hostname)
                (void) json_object_set_new(id, "hostname", json_string(hostname));
        if (*ip)
                (void) json_object_set_new(id, "ip", json_string(ip));
        return id;
}

/* The one machine that goes by a name, of all that are looked at. */
typedef struct Search {
        const char *text;
        json_t *found;         /* owned; NULL: none yet */
        bool ambiguous;
} Search;

static void search_look(Search *s, json_t *id) {
        if (strcasecmp(text_of(id, "hostname"), s->text) != 0 && !streq(text_of(id, "ip"), s->text))
                return;

        if (!s->found)
                s->found = json_incref(id);
        else if (!machines_same(s->found, id))
                s->ambiguous = true;
}

static void search_schedule(Search *s, json_t *schedule) {
        json_t *windows = json_object_get(schedule, "windows");

        for (size_t i = 0; i < json_array_size(windows); i++) {
                json_t *ids = json_object_get(json_array_get(windows, i), "machine_ids");

                for (size_t k = 0; k < json_array_size(ids); k++)
                        search_look(s, json_array_get(ids, k));
        }
}

/* An agent's pid is slave(1)@ip:port. */
static void search_agents(Search *s, json_t *agents) {
        for (size_t i = 0; i < json_array_size(agents); i++) {
                json_t *agent = json_array_get(agents, i), *id;
                const char *at = strrchr(text_of(agent, "pid"), '@');
                _cleanup_free_ char *ip = at ? strndup(at + 1, strcspn(at + 1, ":")) : NULL;

                if (!ip)
                        continue;

                id = make_id(text_of(agent, "hostname"), ip);
                search_look(s, id);
                json_decref(id);
        }
}

static int find_one(const Machines *m, const char *text, json_t **ret, char **reterr_message) {
        const char *slash = strchr(text, '/');
        Search s = { .text = text };

        if (slash) {
                _cleanup_free_ char *hostname = strndup(text, (size_t) (slash - text));

                *ret = hostname ? make_id(hostname, slash + 1) : NULL;
                return *ret ? CLIENT_OK : -ENOMEM;
        }

        search_schedule(&s, m->schedule);
        search_agents(&s, json_object_get(m->slaves, "slaves"));
        if (s.found && !s.ambiguous) {
                *ret = s.found;
                return CLIENT_OK;
        }

        json_decref(s.found);
        return client_fail(
                        CLIENT_E_REFUSED, reterr_message,
                        s.ambiguous ? "More than one machine goes by '%s': name one as HOSTNAME/IP"
                                    : "No machine is known as '%s': name it as HOSTNAME/IP",
                        text);
}

int machines_find(const Machines *m, char *const *texts, json_t **ret, char **reterr_message) {
        json_t *list = json_array();
        int r = list ? CLIENT_OK : -ENOMEM;

        for (size_t i = 0; r == CLIENT_OK && texts[i]; i++) {
                json_t *id = NULL;

                r = find_one(m, texts[i], &id, reterr_message);
                if (r == CLIENT_OK && json_array_append_new(list, id) < 0)
                        r = -ENOMEM;
        }

        if (r != CLIENT_OK) {
                json_decref(list);
                return r;
        }

        *ret = list;
        return CLIENT_OK;
}

static bool contains(json_t *ids, json_t *id) {
        for (size_t i = 0; i < json_array_size(ids); i++)
                if (machines_same(json_array_get(ids, i), id))
                        return true;

        return false;
}

int machines_unschedule(Machines *m, json_t *ids) {
        json_t *windows = json_object_get(m->schedule, "windows");

        for (size_t i = json_array_size(windows); i-- > 0;) {
                json_t *list = json_object_get(json_array_get(windows, i), "machine_ids");

                for (size_t k = json_array_size(list); k-- > 0;)
                        if (contains(ids, json_array_get(list, k)) &&
                            json_array_remove(list, k) < 0)
                                return -EINVAL;

                if (json_array_size(list) == 0 && json_array_remove(windows, i) < 0)
                        return -EINVAL;
        }

        return 0;
}

static json_t *make_time(usec_t usec) {
        return json_pack("{s:I}", "nanoseconds", (json_int_t) usec * NSEC_PER_USEC);
}

int machines_schedule(Machines *m, json_t *ids, usec_t start_usec, usec_t duration_usec) {
        json_t *windows, *unavailability;
        int r;

        r = machines_unschedule(m, ids);
        if (r < 0)
                return r;

        unavailability = json_pack("{s:o*}", "start", make_time(start_usec));
        if (duration_usec != USEC_INFINITY)
                (void) json_object_set_new(unavailability, "duration", make_time(duration_usec));

        windows = json_object_get(m->schedule, "windows");
        if (!windows) {
                windows = json_array();
                if (json_object_set_new(m->schedule, "windows", windows) < 0)
                        return -ENOMEM;
        }

        return json_array_append_new(windows, json_pack("{s:O,s:o*}", "machine_ids", ids,
                                                        "unavailability", unavailability)) < 0
                               ? -ENOMEM
                               : 0;
}
