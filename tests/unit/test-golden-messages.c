/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages against recorded traffic of a Mesos cluster: events and answers are parsed and printed
 * again, requests that Mesos took are taken, those it refused get its texts, and binary answers
 * survive unpacking and packing.
 *
 * Mesos writes some answers by hand and shows empty lists there; what we print of a message never
 * does. Empty lists are therefore dropped from what was recorded. Otherwise the texts must agree,
 * the order of keys included.
 */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/parse.h"
#include "common/net/json_reader.h"
#include "common/net/pbjson.h"
#include "proto/agent.pb-c.h"
#include "proto/executor.pb-c.h"
#include "proto/internal.pb-c.h"
#include "proto/maintenance.pb-c.h"
#include "proto/master.pb-c.h"
#include "proto/quota.pb-c.h"
#include "proto/registry.pb-c.h"
#include "proto/resource_provider.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include "tests/unit/shared.h"

static size_t n_compared;

/* Calls visit for each regular file below the folder. */
static void walk(const char *folder, void (*visit)(const char *path)) {
        DIR *d = opendir(folder);
        struct dirent *entry;

        assert_non_null(d);
        while ((entry = readdir(d))) {
                _cleanup_free_ char *path = NULL;

                if (entry->d_name[0] == '.')
                        continue;

                assert_true(asprintf(&path, "%s/%s", folder, entry->d_name) > 0);
                if (entry->d_type == DT_DIR)
                        walk(path, visit);
                else
                        visit(path);
        }
        closedir(d);
}

static void walk_golden(const char *folder, void (*visit)(const char *path)) {
        _cleanup_free_ char *path = shared_path(folder);

        n_compared = 0;
        walk(path, visit);
        printf("%s: %zu\n", folder, n_compared);
}

static bool has_suffix(const char *text, const char *suffix) {
        size_t n = strlen(text), n_suffix = strlen(suffix);

        return n >= n_suffix && streq(text + n - n_suffix, suffix);
}

static void drop_empty_lists(json_t *json) {
        const char *key;
        json_t *value;
        void *next;
        size_t i;

        json_array_foreach (json, i, value)
                drop_empty_lists(value);

        json_object_foreach_safe (json, next, key, value) {
                drop_empty_lists(value);
                if (json_is_array(value) && json_array_size(value) == 0)
                        json_object_del(json, key);
        }
}

static char *dump(json_t *json) {
        char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

        assert_non_null(text);
        return text;
}

static void compare_printed(const char *path, const ProtobufCMessageDescriptor *descriptor,
                            json_t *json) {
        _cleanup_free_ char *wanted = NULL, *got = NULL, *message = NULL;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_(json_unrefp) json_t *printed = NULL;
        Buffer b = BUFFER_INIT(64 << 20);

        drop_empty_lists(json);
        wanted = dump(json);

        if (pbjson_parse(descriptor, wanted, strlen(wanted), PB_LIMITS_DEFAULT, &m, &message) !=
            PB_OK)
                fail_msg("%s: %s\n%s", path, message, wanted);

        assert_int_equal(pbjson_print(m, &b), 0);
        printed = json_loadb(buffer_data(&b), buffer_size(&b), 0, NULL);
        assert_non_null(printed);
        buffer_deinit(&b);

        got = dump(printed);
        if (!streq(wanted, got))
                fail_msg("%s:\n%s\n%s", path, wanted, got);

        n_compared++;
}

static const ProtobufCMessageDescriptor *event_descriptor(const char *path) {
        if (strstr(path, "/golden/operator/"))
                return &mesos__v1__master__event__descriptor;
        if (strstr(path, "/golden/executor/"))
                return &mesos__v1__executor__event__descriptor;

        return &mesos__v1__scheduler__event__descriptor;
}

static void visit_events(const char *path) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        size_t n;

        if (!has_suffix(path, ".events.jsonl"))
                return;

        text = rest = shared_read(path, &n);
        while ((line = strsep(&rest, "\n"))) {
                _cleanup_(json_unrefp) json_t *record = NULL;

                if (line[0] == '\0')
                        continue;

                record = json_loads(line, 0, NULL);
                assert_non_null(record);
                compare_printed(path, event_descriptor(path), json_object_get(record, "event"));
        }
}

static void test_events_are_printed_as_they_were_recorded(void **state) {
        (void) state;
        walk_golden("golden", visit_events);
        assert_true(n_compared > 500);
}

static void visit_answer(const char *path) {
        _cleanup_(json_unrefp) json_t *json = NULL;

        if (!has_suffix(path, ".json") || (!strstr(path, "/api/") && !strstr(path, "-api")))
                return;

        json = json_load_file(path, 0, NULL);
        assert_non_null(json);
        compare_printed(path,
                        strstr(path, "/agent/") || strstr(path, "/agent-api") ?
                                        &mesos__v1__agent__response__descriptor :
                                        &mesos__v1__master__response__descriptor,
                        json);
}

static void test_answers_are_printed_as_they_were_recorded(void **state) {
        (void) state;
        walk_golden("golden/snapshots", visit_answer);
        assert_true(n_compared > 50);
        walk_golden("golden/bad", visit_answer);
}

/* An HTTP message as recorded: its body, decoded if it is chunked. */
typedef struct Recorded {
        char *data; /* owned */
        char *head;
        char *body;
        size_t n_body;
} Recorded;

/* Removes the chunks' frames in place. */
static void dechunk(Recorded *r) {
        char *in = r->body, *end = r->body + r->n_body, *out = r->body;

        while (in < end) {
                size_t n = strtoul(in, &in, 16);

                in += 2;
                if (n == 0 || in + n > end)
                        break;

                memmove(out, in, n);
                out += n;
                in += n + 2;
        }

        r->n_body = (size_t) (out - r->body);
}

static bool recorded_read(const char *path, Recorded *ret) {
        Recorded r = {};
        size_t n;

        if (access(path, R_OK) < 0)
                return false;

        r.data = r.head = shared_read(path, &n);
        r.body = strstr(r.data, "\r\n\r\n");
        if (!r.body) {
                free(r.data);
                return false;
        }

        *r.body = '\0';
        r.body += 4;
        r.n_body = n - (size_t) (r.body - r.data);
        if (strcasestr(r.head, "transfer-encoding: chunked"))
                dechunk(&r);
        r.body[r.n_body] = '\0';

        *ret = r;
        return true;
}

static void recorded_done(Recorded *r) {
        free(r->data);
}

static const ProtobufCMessageDescriptor *call_descriptor(const char *path,
                                                         const Recorded *request) {
        if (startswith(request->head, "POST /api/v1/scheduler") ||
            startswith(request->head, "POST /master/api/v1/scheduler"))
                return &mesos__v1__scheduler__call__descriptor;
        if (strstr(request->head, "/api/v1/executor"))
                return &mesos__v1__executor__call__descriptor;
        if (!startswith(request->head, "POST /api/v1 "))
                return NULL;

        return strstr(path, "/agent") ? &mesos__v1__agent__call__descriptor :
                                        &mesos__v1__master__call__descriptor;
}

/* Texts of Mesos that we give too; of others only the start is ours to give. */
static void compare_refused(const char *path, const ProtobufCMessageDescriptor *descriptor,
                            const Recorded *request, const char *wanted) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;
        int r;

        r = pbjson_parse(descriptor, request->body, request->n_body, PB_LIMITS_DEFAULT, &m,
                         &message);
        if (r <= 0)
                fail_msg("%s: taken, but Mesos says: %s", path, wanted);
        if (!streq(message, wanted))
                fail_msg("%s: %s\n%s", path, wanted, message);

        n_compared++;
}

static void compare_taken(const char *path, const ProtobufCMessageDescriptor *descriptor,
                          const Recorded *request) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL, *again = NULL;
        _cleanup_free_ char *message = NULL;
        Buffer b = BUFFER_INIT(16 << 20);

        if (pbjson_parse(descriptor, request->body, request->n_body, PB_LIMITS_DEFAULT, &m,
                         &message) != PB_OK)
                fail_msg("%s: %s", path, message);

        assert_int_equal(pbjson_print(m, &b), 0);
        assert_int_equal(pbjson_parse(descriptor, buffer_data(&b), buffer_size(&b),
                                      PB_LIMITS_DEFAULT, &again, NULL),
                         PB_OK);
        buffer_deinit(&b);
        n_compared++;
}

static void visit_request(const char *path) {
        static const char *const ours[] = {
                "Failed to convert JSON into Call protobuf: ",
                "Failed to parse body into JSON: ",
        };
        _cleanup_free_ char *answer_path = strdup(path);
        const ProtobufCMessageDescriptor *descriptor;
        const char *text = NULL;
        Recorded request, answer;

        if (!has_suffix(path, ".req") || !recorded_read(path, &request))
                return;

        memcpy(answer_path + strlen(path) - 3, "res", 3);
        answer_path = realloc(answer_path, strlen(path) + 2);
        assert_non_null(answer_path);
        strcat(answer_path, "p");
        descriptor = call_descriptor(path, &request);

        if (descriptor && strcasestr(request.head, "content-type: application/json\r") &&
            recorded_read(answer_path, &answer)) {
                for (size_t i = 0; i < ELEMENTSOF(ours) && !text; i++)
                        text = startswith(answer.body, ours[i]);

                if (text)
                        compare_refused(path, descriptor, &request, text);
                else if (startswith(answer.head, "HTTP/1.1 2"))
                        compare_taken(path, descriptor, &request);

                recorded_done(&answer);
        }

        recorded_done(&request);
}

static void test_requests_meet_the_fate_they_met(void **state) {
        (void) state;
        walk_golden("golden", visit_request);
        assert_true(n_compared > 500);
}

/*
 * Packs again what was unpacked: the bytes are as many as the other implementation made, and mean
 * the same. They aren't compared one by one, because Mesos's master writes AgentInfo.checkpoint
 * last: to its v1 types it is an unknown field.
 */
static void compare_packed(const char *path, const ProtobufCMessageDescriptor *descriptor,
                           const void *data, size_t n) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL, *again = NULL;
        _cleanup_free_ char *message = NULL;
        _cleanup_free_ uint8_t *packed = NULL;

        if (pb_unpack(descriptor, data, n, PB_LIMITS_DEFAULT, &m, &message) != PB_OK)
                fail_msg("%s: %s: %s", path, descriptor->name, message);

        assert_int_equal(protobuf_c_message_get_packed_size(m), n);
        packed = malloc(n + 1);
        assert_non_null(packed);
        protobuf_c_message_pack(m, packed);
        assert_int_equal(pb_unpack(descriptor, packed, n, PB_LIMITS_DEFAULT, &again, NULL), PB_OK);
        assert_true(pb_equal(m, again));
        assert_int_equal(m->n_unknown_fields, 0);
        n_compared++;
}

static void visit_binary_answer(const char *path) {
        const ProtobufCMessageDescriptor *descriptor =
                        strstr(path, "/agent-") ? &mesos__v1__agent__response__descriptor :
                                                  &mesos__v1__master__response__descriptor;
        bool is_stream = strstr(path, "subscribe");
        Recorded answer;

        if (!has_suffix(path, ".resp") || !recorded_read(path, &answer))
                return;

        if (!is_stream)
                compare_packed(path, descriptor, answer.body, answer.n_body);
        else
                for (char *p = answer.body, *end = p + answer.n_body; p < end;) {
                        size_t n = strtoul(p, &p, 10);

                        p++;
                        if (p + n > end)
                                break;

                        compare_packed(path,
                                       strstr(path, "scheduler") ?
                                                       &mesos__v1__scheduler__event__descriptor :
                                                       &mesos__v1__master__event__descriptor,
                                       p, n);
                        p += n;
                }

        recorded_done(&answer);
}

static void test_binary_answers_survive_unpacking_and_packing(void **state) {
        (void) state;
        walk_golden("golden/protobuf", visit_binary_answer);
        assert_true(n_compared > 20);
}

static const ProtobufCMessageDescriptor *const messages[] = {
#define MESSAGE(x) &x,
#define ENUM(x)
#include "tests/unit/descriptors.inc"
#undef MESSAGE
#undef ENUM
};

/* By what stands in the request line: mesos.internal.RunTaskMessage and so on. */
static const ProtobufCMessageDescriptor *find_internal(const char *name, size_t n) {
        if (n == strlen("mesos.scheduler.Call") && memcmp(name, "mesos.scheduler.Call", n) == 0)
                return &mesos__internal__scheduler_call__descriptor;

        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                if (strlen(messages[i]->name) == n && memcmp(messages[i]->name, name, n) == 0)
                        return messages[i];

        return NULL;
}

/* One "POST /slave(1)/mesos.internal.X" with its body; returns where it ends, NULL at the end. */
static char *visit_message(const char *path, char *request, char *end) {
        char *head_end = memmem(request, (size_t) (end - request), "\r\n\r\n", 4), *line_end, *name;
        Recorded r = {};

        if (!head_end)
                return NULL;

        *head_end = '\0';
        r.head = request;
        r.body = head_end + 4;
        line_end = strstr(request, " HTTP/1.");
        name = strstr(request, "/mesos.");

        if (strcasestr(request, "transfer-encoding: chunked")) {
                char *last = memmem(r.body, (size_t) (end - r.body), "\r\n0\r\n\r\n", 7);

                if (!last)
                        return NULL;
                r.n_body = (size_t) (last + 7 - r.body);
                end = r.body + r.n_body;
                dechunk(&r);
        } else {
                char *length = strcasestr(request, "content-length: ");

                r.n_body = length ? strtoul(length + strlen("content-length: "), NULL, 10) : 0;
                if (r.n_body > (size_t) (end - r.body))
                        return NULL;
                end = r.body + r.n_body;
        }

        if (name && line_end && name < line_end) {
                const ProtobufCMessageDescriptor *descriptor =
                                find_internal(name + 1, (size_t) (line_end - name - 1));

                if (!descriptor)
                        fail_msg("%s: no schema for %.*s", path, (int) (line_end - name), name);
                compare_packed(path, descriptor, r.body, r.n_body);
        }

        return end;
}

static void visit_flow(const char *path) {
        _cleanup_free_ char *data = NULL;
        char *p, *end;
        size_t n;

        if (!strstr(path, "-flows/"))
                return;

        data = p = shared_read(path, &n);
        end = data + n;
        while (p && p < end && startswith(p, "POST /"))
                p = visit_message(path, p, end);
}

static void test_libprocess_messages_survive_unpacking_and_packing(void **state) {
        (void) state;
        walk_golden("golden/wire", visit_flow);
        assert_true(n_compared > 100);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_events_are_printed_as_they_were_recorded),
                cmocka_unit_test(test_answers_are_printed_as_they_were_recorded),
                cmocka_unit_test(test_requests_meet_the_fate_they_met),
                cmocka_unit_test(test_binary_answers_survive_unpacking_and_packing),
                cmocka_unit_test(test_libprocess_messages_survive_unpacking_and_packing),
        };

        free(shared_path("golden"));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
