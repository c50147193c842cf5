/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Classic endpoints
 *
 * Each is there twice, bare and below /master, because libprocess routed both. Those that read do
 * not mind the method; ?jsonp=f wraps what they say into f(…); for pages of a certain age.
 *
 * What changes the cluster by these paths and is not here yet answers 501 and says so.
 */

#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/base/parse.h"
#include "common/net/media.h"
#include "common/net/pbjson.h"
#include "common/net/pbwire.h"
#include "master/departure.h"
#include "master/endpoints.h"
#include "master/framework.h"
#include "master/leadership.h"
#include "master/maintenance_endpoints.h"
#include "master/master.h"
#include "master/role_view.h"
#include "master/state_view.h"
#include "master/verbosity.h"
#include "master/weights.h"
#include "proto/registry.pb-c.h"

#define ANSWER_MAX_BYTES (1U << 30)

void endpoints_answer_json(HttpRequest *r, JsonWriter *w, Buffer *b) {
        const char *callback = http_request_query(r, "jsonp");
        Buffer wrapped = BUFFER_INIT(ANSWER_MAX_BYTES);
        int k;

        k = json_finish(w);
        if (k >= 0 && callback) {
                k = buffer_printf(&wrapped, "%s(", callback);
                if (k >= 0)
                        k = buffer_append(&wrapped, buffer_data(b), buffer_size(b));
                if (k >= 0)
                        k = buffer_append_text(&wrapped, ");");
        }

        if (k < 0)
                http_request_answer_text(r, 500, "%s", strerror(-k));
        else if (callback)
                http_request_answer_buffer(r, 200, "text/javascript", &wrapped);
        else
                http_request_answer_buffer(r, 200, media_type_name(MEDIA_JSON), b);

        buffer_deinit(&wrapped);
        buffer_deinit(b);
}

static void on_health(HttpRequest *r, void *userdata _unused_) {
        http_request_answer(r, 200, NULL, NULL, 0);
}

static void on_redirect(HttpRequest *r, void *userdata) {
        const char *hostname;
        char location[512];
        uint16_t port;

        if (*http_request_rest(r)) {
                http_request_answer_text(r, 404, "404 Not Found.");
                return;
        }

        if (!leadership_find(userdata, &hostname, &port)) {
                http_request_answer_text(r, 503, "No leader elected");
                return;
        }

        snprintf(location, sizeof(location), "//%s:%u", hostname, port);
        (void) http_request_add_header(r, "Location", location);
        http_request_answer(r, 307, NULL, NULL, 0);
}

static void on_version(HttpRequest *r, void *userdata _unused_) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        json_object_begin(&w, NULL);
        state_view_version(&w, NULL);
        json_object_end(&w);
        endpoints_answer_json(r, &w, &b);
}

static void on_flags(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        json_object_begin(&w, NULL);
        state_view_flags(&w, "flags", userdata);
        json_object_end(&w);
        endpoints_answer_json(r, &w, &b);
}

static void on_state(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        state_view_state(&w, userdata);
        endpoints_answer_json(r, &w, &b);
}

static void on_state_summary(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        state_view_summary(&w, userdata);
        endpoints_answer_json(r, &w, &b);
}

static void on_slaves(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        state_view_nodes(&w, userdata, http_request_query(r, "slave_id"));
        endpoints_answer_json(r, &w, &b);
}

static void on_frameworks(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        state_view_frameworks(&w, userdata, http_request_query(r, "framework_id"));
        endpoints_answer_json(r, &w, &b);
}

static uint64_t query_number(HttpRequest *r, const char *name, uint64_t fallback) {
        const char *text = http_request_query(r, name);
        uint64_t value;

        return text && parse_u64(text, &value) >= 0 ? value : fallback;
}

static void on_tasks(HttpRequest *r, void *userdata) {
        const char *order = http_request_query(r, "order");
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        state_view_tasks(&w, userdata, &(TaskQuery) {
                .framework_id = http_request_query(r, "framework_id"),
                .task_id = http_request_query(r, "task_id"),
                .limit = query_number(r, "limit", 100),
                .offset = query_number(r, "offset", 0),
                .ascending = order && streq(order, "asc"),
        });
        endpoints_answer_json(r, &w, &b);
}

static void on_roles(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        role_view_classic(&w, userdata);
        endpoints_answer_json(r, &w, &b);
}

static void put_metric(const char *name, double value, void *userdata) {
        json_put_double(userdata, name, value);
}

static void on_metrics(HttpRequest *r, void *userdata) {
        const char *timeout = http_request_query(r, "timeout");
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        usec_t timeout_usec;
        int k;

        /* Nothing here takes long enough to time out, but a bad duration is still told. */
        if (timeout && parse_duration(timeout, &timeout_usec) < 0) {
                http_request_answer_text(r, 400,
                                         "Invalid timeout '%s': Failed to convert '' to number.\n",
                                         timeout);
                return;
        }

        json_object_begin(&w, NULL);
        k = metrics_foreach(userdata, put_metric, &w);
        if (k < 0)
                w.error = k;
        json_object_end(&w);
        endpoints_answer_json(r, &w, &b);
}

static void on_system_stats(HttpRequest *r, void *userdata _unused_) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        struct sysinfo info;
        double loads[3];

        json_object_begin(&w, NULL);
        if (getloadavg(loads, 3) == 3) {
                json_put_double(&w, "avg_load_15min", loads[2]);
                json_put_double(&w, "avg_load_1min", loads[0]);
                json_put_double(&w, "avg_load_5min", loads[1]);
        }
        json_put_int(&w, "cpus_total", sysconf(_SC_NPROCESSORS_ONLN));
        if (sysinfo(&info) == 0) {
                json_put_uint(&w, "mem_free_bytes", (uint64_t) info.freeram * info.mem_unit);
                json_put_uint(&w, "mem_total_bytes", (uint64_t) info.totalram * info.mem_unit);
        }
        json_object_end(&w);
        endpoints_answer_json(r, &w, &b);
}

static void on_logging_toggle(HttpRequest *r, void *userdata) {
        const char *level_text = http_request_query(r, "level"),
                   *duration_text = http_request_query(r, "duration");
        Master *m = userdata;
        usec_t duration_usec;
        uint64_t level;
        int k;

        if (!level_text && !duration_text) {
                http_request_answer_text(r, 200, "%u\n", verbosity_get(m));
                return;
        }

        if (!level_text || !duration_text) {
                http_request_answer_text(r, 400, "Expecting '%s=value' in query.\n",
                                         level_text ? "duration" : "level");
                return;
        }

        if (parse_u64(level_text, &level) < 0 || level > UINT32_MAX ||
            parse_duration(duration_text, &duration_usec) < 0) {
                http_request_answer_text(r, 400, "Cannot use level '%s' for '%s'.\n", level_text,
                                         duration_text);
                return;
        }

        k = verbosity_set(m, (unsigned) level, duration_usec);
        if (k < 0)
                http_request_answer_text(r, 500, "%s", strerror(-k));
        else
                http_request_answer(r, 200, NULL, NULL, 0);
}

/* No files are served: logs are in the journal. */
static void on_files(HttpRequest *r, void *userdata _unused_) {
        if (http_request_query(r, "path"))
                http_request_answer_text(r, 404, "%s", "");
        else
                http_request_answer_text(r, 400, "Expecting 'path=value' in query.\n");
}

static void answer_literal(HttpRequest *r, const char *json) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        json_put_raw(&w, NULL, json, strlen(json));
        endpoints_answer_json(r, &w, &b);
}

static void on_files_debug(HttpRequest *r, void *userdata _unused_) {
        answer_literal(r, "{}");
}

static void answer_not_here(HttpRequest *r) {
        http_request_answer_text(r, 501, "501 Not Implemented. This version of Holdfast has no %s.",
                                 http_request_path(r));
}

/* Shown as they are while there are none; setting them is for later versions. */
static void answer_read_only(HttpRequest *r, const char *json) {
        if (streq(http_request_method(r), "GET"))
                answer_literal(r, json);
        else
                answer_not_here(r);
}

static void on_empty_object(HttpRequest *r, void *userdata _unused_) {
        answer_read_only(r, "{}");
}

static void on_weights(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        Master *m = userdata;

        if (streq(http_request_method(r), "PUT")) {
                weights_put(m, r);
                return;
        }

        if (!streq(http_request_method(r), "GET")) {
                (void) http_request_add_header(r, "Allow", "GET, PUT");
                http_request_answer_text(r, 405,
                                         "405 Method Not Allowed. Expecting one of { 'GET', 'PUT' }, but received '%s'.",
                                         http_request_method(r));
                return;
        }

        weights_to_json(m, &w);
        endpoints_answer_json(r, &w, &b);
}

/* The value of a form field in a body like "a=1&b=2", not decoded: ids need no escapes. Owned. */
static char *form_field(HttpRequest *r, const char *name) {
        size_t n, n_name = strlen(name);
        const char *body = http_request_body(r, &n), *end = body + n;

        for (const char *p = body; p && p < end;) {
                const char *next = memchr(p, '&', (size_t) (end - p)) ?: end;

                if ((size_t) (next - p) > n_name && memcmp(p, name, n_name) == 0 &&
                    p[n_name] == '=')
                        return strndup(p + n_name + 1, (size_t) (next - p) - n_name - 1);

                p = next < end ? next + 1 : end;
        }

        return NULL;
}

/* Operations on an agent's resources: what is wrong with the request is told even though we lack
 * them. */
static void answer_operation(HttpRequest *r, Master *m, const char *list_name) {
        _cleanup_free_ char *agent_id = NULL, *list = NULL;

        if (!streq(http_request_method(r), "POST")) {
                media_answer_not_post(r);
                return;
        }

        agent_id = form_field(r, "slaveId");
        list = form_field(r, list_name);
        if (!agent_id)
                http_request_answer_text(r, 400,
                                         "Missing 'slaveId' query parameter in the request body");
        else if (!list)
                http_request_answer_text(r, 400, "Missing '%s' query parameter in the request body",
                                         list_name);
        else if (!node_find(&m->nodes, agent_id))
                http_request_answer_text(r, 400, "No agent found with specified ID");
        else
                answer_not_here(r);
}

static void on_reservation(HttpRequest *r, void *userdata) {
        answer_operation(r, userdata, "resources");
}

static void on_volume(HttpRequest *r, void *userdata) {
        answer_operation(r, userdata, "volumes");
}

static void on_teardown(HttpRequest *r, void *userdata) {
        _cleanup_free_ char *id = NULL;
        Master *m = userdata;
        Framework *f;

        if (!streq(http_request_method(r), "POST")) {
                media_answer_not_post(r);
                return;
        }

        id = form_field(r, "frameworkId");
        f = id ? framework_find(&m->frameworks, id) : NULL;
        if (!id)
                http_request_answer_text(
                                r, 400,
                                "Missing 'frameworkId' query parameter in the request body");
        else if (!f)
                http_request_answer_text(r, 400, "No framework found with specified ID");
        else {
                departure_remove_framework(f, "an operator asked for it");
                http_request_answer(r, 200, NULL, NULL, 0);
        }
}

/* Some tools read the registry as Mesos keeps it. */
static void on_registry(HttpRequest *r, void *userdata) {
        Master *m = userdata;
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        registry_to_json(m->registry, m->info, &w);
        endpoints_answer_json(r, &w, &b);
}

static void on_unknown(HttpRequest *r, void *userdata _unused_) {
        http_request_answer_text(r, 404, "404 Not Found.");
}

int endpoints_add_routes(Master *m) {
#define BOTH(path, handler) { path, handler }, { "/master" path, handler }
        static const struct {
                const char *path;
                HttpHandler handler;
        } routes[] = {
                BOTH("/health", on_health),
                BOTH("/flags", on_flags),
                BOTH("/redirect", on_redirect),
                BOTH("/state", on_state),
                BOTH("/state-summary", on_state_summary),
                BOTH("/slaves", on_slaves),
                BOTH("/frameworks", on_frameworks),
                BOTH("/tasks", on_tasks),
                BOTH("/roles", on_roles),
                BOTH("/teardown", on_teardown),
                BOTH("/quota", on_empty_object),
                BOTH("/weights", on_weights),
                BOTH("/maintenance/schedule", maintenance_endpoints_on_schedule),
                BOTH("/maintenance/status", maintenance_endpoints_on_status),
                BOTH("/machine/down", maintenance_endpoints_on_down),
                BOTH("/machine/up", maintenance_endpoints_on_up),
                BOTH("/reserve", on_reservation),
                BOTH("/unreserve", on_reservation),
                BOTH("/create-volumes", on_volume),
                BOTH("/destroy-volumes", on_volume),
                { "/", on_unknown },
                { "/version", on_version },
                { "/metrics/snapshot", on_metrics },
                { "/system/stats.json", on_system_stats },
                { "/logging/toggle", on_logging_toggle },
                { "/files/browse", on_files },
                { "/files/read", on_files },
                { "/files/download", on_files },
                { "/files/debug", on_files_debug },
                { "/registrar(1)/registry", on_registry },
        };
#undef BOTH
        int r;

        for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
                r = http_server_route(m->http, routes[i].path, routes[i].handler, m);
                if (r < 0)
                        return r;
        }

        return 0;
}
