/* SPDX-License-Identifier: Apache-2.0 */

/* Which machines and schedules operators may name, in Mesos's words. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/net/pbjson.h"
#include "master/machine.h"
#include "master/reject.h"
#include "proto/master.pb-c.h"

#define WINDOW(machines, rest)                                                                     \
        "{\"machine_ids\":[" machines "],\"unavailability\":{\"start\":{\"nanoseconds\":1}" rest   \
        "}}"
#define SCHEDULE(windows) "{\"windows\":[" windows "]}"

static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *descriptor, const char *json) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;

        if (pbjson_parse(descriptor, json, strlen(json), PB_LIMITS_DEFAULT, &m, &message) != PB_OK)
                fail_msg("%s: %s", message, json);
        return m;
}

static Mesos__V1__Maintenance__Schedule *parse_schedule(const char *json) {
        return (void *) parse(&mesos__v1__maintenance__schedule__descriptor, json);
}

static Mesos__V1__MachineID *parse_id(const char *json) {
        return (void *) parse(&mesos__v1__machine_id__descriptor, json);
}

static void assert_schedule(const char *json, const char *expected) {
        Mesos__V1__Maintenance__Schedule *s = parse_schedule(json);
        _cleanup_free_ char *message = NULL;
        int r;

        r = schedule_judge(s, &message);
        pb_free(&s->base);
        assert_string_equal(message ?: "", expected);
        assert_int_equal(r, *expected ? REJECTED : ACCEPTED);
}

static void assert_list(const char *list, const char *expected) {
        _cleanup_free_ char *message = NULL;
        Mesos__V1__Master__Call__StartMaintenance *m;
        char json[512];
        int r;

        snprintf(json, sizeof(json), "{\"machines\":[%s]}", list);
        m = (void *) parse(&mesos__v1__master__call__start_maintenance__descriptor, json);
        r = machine_ids_judge(m->machines, m->n_machines, &message);
        pb_free(&m->base);
        assert_string_equal(message ?: "", expected);
        assert_int_equal(r, *expected ? REJECTED : ACCEPTED);
}

static void assert_same(const char *a_json, const char *b_json, bool expected) {
        Mesos__V1__MachineID *a = parse_id(a_json), *b = parse_id(b_json);

        assert_int_equal(machine_id_eq(a, b), expected);
        assert_int_equal(machine_id_eq(b, a), expected);
        pb_free(&a->base);
        pb_free(&b->base);
}

static void test_machines_are_the_same_by_both_parts_and_names_in_any_case(void **state) {
        (void) state;
        assert_same("{\"hostname\":\"a\",\"ip\":\"1.2.3.4\"}",
                    "{\"hostname\":\"A\",\"ip\":\"1.2.3.4\"}", true);
        assert_same("{\"hostname\":\"a\",\"ip\":\"\"}", "{\"hostname\":\"a\"}", true);
        assert_same("{\"hostname\":\"a\",\"ip\":\"1.2.3.4\"}", "{\"hostname\":\"a\"}", false);
        assert_same("{\"hostname\":\"a\",\"ip\":\"1.2.3.4\"}", "{\"ip\":\"1.2.3.4\"}", false);
        assert_same("{\"hostname\":\"a\",\"ip\":\"1.2.3.4\"}",
                    "{\"hostname\":\"a\",\"ip\":\"1.2.3.5\"}", false);
}

static void test_a_machine_is_named_as_json(void **state) {
        Mesos__V1__MachineID *id = parse_id("{\"ip\":\"10.0.0.1\",\"hostname\":\"zork\"}");
        _cleanup_free_ char *text = machine_id_format(id);

        (void) state;
        pb_free(&id->base);
        assert_string_equal(text, "{\"hostname\":\"zork\",\"ip\":\"10.0.0.1\"}");
}

static void test_a_list_has_machines_each_once_and_named(void **state) {
        (void) state;
        assert_list("{\"hostname\":\"a\"},{\"hostname\":\"b\"},{\"ip\":\"1.2.3.4\"}", "");
        assert_list("", "List of machines is empty");
        assert_list("{}", "Both 'hostname' and 'ip' for a machine are empty");
        assert_list("{\"hostname\":\"\",\"ip\":\"\"}",
                    "Both 'hostname' and 'ip' for a machine are empty");
        assert_list("{\"ip\":\"1.2.3\"}", "Failed to parse IPv4: 1.2.3");
        assert_list("{\"hostname\":\"a\",\"ip\":\"::1\"}", "Failed to parse IPv4: ::1");
        assert_list("{\"hostname\":\"a\"},{\"hostname\":\"b\"},{\"hostname\":\"a\"}",
                    "Machine '{\"hostname\":\"a\"}' appears more than once in the schedule");
}

static void test_a_schedule_has_windows_with_machines_and_times(void **state) {
        (void) state;
        assert_schedule("{}", "");
        assert_schedule(SCHEDULE(WINDOW("{\"hostname\":\"a\"}", "")), "");
        assert_schedule(SCHEDULE(WINDOW("{\"hostname\":\"a\"}",
                                        ",\"duration\":{\"nanoseconds\":0}")),
                        "");
        assert_schedule(SCHEDULE(WINDOW("", "")),
                        "List of machines in the maintenance window is empty");
        assert_schedule(SCHEDULE(WINDOW("{\"hostname\":\"a\"}",
                                        ",\"duration\":{\"nanoseconds\":-1}")),
                        "Unavailability 'duration' is negative");
        assert_schedule(SCHEDULE(WINDOW("{}", "")),
                        "Both 'hostname' and 'ip' for a machine are empty");
        assert_schedule(SCHEDULE(WINDOW("{\"ip\":\"x\"}", "")), "Failed to parse IPv4: x");
        assert_schedule(SCHEDULE(WINDOW("{\"hostname\":\"a\"},{\"hostname\":\"b\"}", "") ","
                                 WINDOW("{\"hostname\":\"c\"},{\"hostname\":\"B\"}", "")),
                        "Machine '{\"hostname\":\"B\"}' appears more than once in the schedule");
}

static void test_a_machine_is_found_in_its_window(void **state) {
        Mesos__V1__Maintenance__Schedule *s = parse_schedule(SCHEDULE(
                        WINDOW("{\"hostname\":\"a\"}", "") "," WINDOW("{\"hostname\":\"b\"}", "")));
        Mesos__V1__MachineID *b = parse_id("{\"hostname\":\"B\"}"),
                             *c = parse_id("{\"hostname\":\"c\"}");

        (void) state;
        assert_ptr_equal(schedule_find(s, b), s->windows[1]);
        assert_null(schedule_find(s, c));
        pb_free(&b->base);
        pb_free(&c->base);
        pb_free(&s->base);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_machines_are_the_same_by_both_parts_and_names_in_any_case),
                cmocka_unit_test(test_a_machine_is_named_as_json),
                cmocka_unit_test(test_a_list_has_machines_each_once_and_named),
                cmocka_unit_test(test_a_schedule_has_windows_with_machines_and_times),
                cmocka_unit_test(test_a_machine_is_found_in_its_window),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
