/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The classic endpoints of maintenance
 *
 *     /maintenance/schedule     GET: the schedule; POST: a new one
 *     /maintenance/status       GET: which machines are draining or down
 *     /machine/down  /machine/up    POST: a list of machines
 *
 * They say and do what the calls of the v1 API do; only the bodies are bare JSON.
 */

#include "common/net/json_reader.h"
#include "common/net/media.h"
#include "common/net/pbjson.h"
#include "common/net/pbwire.h"
#include "master/endpoints.h"
#include "master/maintenance.h"
#include "master/maintenance_endpoints.h"
#include "master/maintenance_view.h"
#include "master/master.h"
#include "proto/master.pb-c.h"

#define BODY_MAX_BYTES (64U << 20)

/* Writes one message, which is freed, or says why there is none. */
static void answer_message(HttpRequest *r, int k, ProtobufCMessage *message) {
        Buffer b = BUFFER_INIT(BODY_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        if (k < 0)
                w.error = k;
        else {
                json_put_message(&w, NULL, message);
                pb_free(message);
        }
        endpoints_answer_json(r, &w, &b);
}

/* Mesos words what is wrong with a body here as in the v1 API, but without saying what it read it
 * for. */
static void answer_bad(HttpRequest *r, int k, const char *error) {
        http_request_answer_text(r, k < 0 ? 500 : 400, "%s",
                                 error ?: strerror(k < 0 ? -k : EBADMSG));
}

/* Whether the body is JSON that begins with that bracket; answers when it is not. */
static bool is_json(HttpRequest *r, char bracket) {
        _cleanup_(json_unrefp) json_t *tree = NULL;
        _cleanup_free_ char *error = NULL;
        const char *body;
        size_t n;
        int k;

        body = http_request_body(r, &n);
        k = json_read(body, n, PB_LIMITS_DEFAULT.max_depth, PB_LIMITS_DEFAULT.max_memory_bytes,
                      &tree, &error);
        if (k != JSON_READ_OK) {
                answer_bad(r, k, error);
                return false;
        }

        if (bracket == '[' ? json_is_array(tree) : json_is_object(tree))
                return true;

        answer_bad(r, 1, "Unexpected JSON type parsed");
        return false;
}

static int parse(HttpRequest *r, const ProtobufCMessageDescriptor *descriptor, const char *json,
                 size_t n, ProtobufCMessage **ret) {
        _cleanup_free_ char *error = NULL;
        int k;

        k = pbjson_parse(descriptor, json, n, PB_LIMITS_DEFAULT, ret, &error);
        if (k != PB_OK)
                answer_bad(r, k, error);

        return k;
}

void maintenance_endpoints_on_status(HttpRequest *r, void *userdata) {
        Mesos__V1__Maintenance__ClusterStatus *status = NULL;
        int k;

        if (!streq(http_request_method(r), "GET")) {
                media_answer_method(r, "GET", NULL);
                return;
        }

        k = maintenance_view_status(userdata, &status);
        answer_message(r, k, (ProtobufCMessage *) status);
}

static void get_schedule(HttpRequest *r, Master *m) {
        Mesos__V1__Maintenance__Schedule *schedule = NULL;
        int k;

        k = maintenance_view_schedule(m, &schedule);
        answer_message(r, k, (ProtobufCMessage *) schedule);
}

static void post_schedule(HttpRequest *r, Master *m) {
        _cleanup_(pb_freep) ProtobufCMessage *schedule = NULL;
        const char *body;
        size_t n;

        if (!is_json(r, '{'))
                return;

        body = http_request_body(r, &n);
        if (parse(r, &mesos__v1__maintenance__schedule__descriptor, body, n, &schedule) == PB_OK)
                maintenance_update_schedule(m->maintenance, r,
                                            (Mesos__V1__Maintenance__Schedule *) schedule);
}

void maintenance_endpoints_on_schedule(HttpRequest *r, void *userdata) {
        if (streq(http_request_method(r), "GET"))
                get_schedule(r, userdata);
        else if (streq(http_request_method(r), "POST"))
                post_schedule(r, userdata);
        else
                media_answer_method(r, "GET", "POST");
}

/* A bare list is no message: it is put into the call that has such a list. */
static int parse_machines(HttpRequest *r, ProtobufCMessage **ret) {
        Buffer b = BUFFER_INIT(BODY_MAX_BYTES);
        const char *body;
        size_t n;
        int k;

        body = http_request_body(r, &n);
        k = buffer_append_text(&b, "{\"machines\":");
        if (k >= 0)
                k = buffer_append(&b, body, n);
        if (k >= 0)
                k = buffer_append_text(&b, "}");
        if (k < 0)
                answer_bad(r, k, NULL);
        else
                k = parse(r, &mesos__v1__master__call__start_maintenance__descriptor,
                          buffer_data(&b), buffer_size(&b), ret);

        buffer_deinit(&b);
        return k;
}

static void on_machines(HttpRequest *r, Master *m,
                        void (*change)(Maintenance *x, HttpRequest *r,
                                       Mesos__V1__MachineID *const *ids, size_t n_ids)) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        const Mesos__V1__Master__Call__StartMaintenance *list;

        if (!streq(http_request_method(r), "POST")) {
                media_answer_not_post(r);
                return;
        }

        if (!is_json(r, '[') || parse_machines(r, &message) != PB_OK)
                return;

        list = (Mesos__V1__Master__Call__StartMaintenance *) message;
        change(m->maintenance, r, list->machines, list->n_machines);
}

void maintenance_endpoints_on_down(HttpRequest *r, void *userdata) {
        on_machines(r, userdata, maintenance_start);
}

void maintenance_endpoints_on_up(HttpRequest *r, void *userdata) {
        on_machines(r, userdata, maintenance_stop);
}
