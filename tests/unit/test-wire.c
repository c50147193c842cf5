/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "launcher/wire.h"

#define BOOT_ID "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

static void request_round_trip(const LauncherRequest *r, LauncherRequest *ret) {
        _cleanup_free_ void *data = NULL;
        size_t n;

        assert_int_equal(launcher_request_encode(r, &data, &n), 0);
        assert_int_equal(launcher_request_decode(data, n, ret), 0);
        assert_int_equal(ret->kind, r->kind);
        assert_int_equal(ret->serial, r->serial);
}

static void event_round_trip(const LauncherEvent *e, LauncherEvent *ret) {
        _cleanup_free_ void *data = NULL;
        size_t n;

        assert_int_equal(launcher_event_encode(e, &data, &n), 0);
        assert_int_equal(launcher_event_decode(data, n, ret), 0);
        assert_int_equal(ret->kind, e->kind);
}

static void test_requests_come_across(void **state) {
        LauncherRequest r;

        (void) state;
        request_round_trip(&(LauncherRequest) { .serial = 1,
                                                .kind = LAUNCHER_REQUEST_GO,
                                                .cgroup = "/a/b" },
                           &r);
        assert_string_equal(r.cgroup, "/a/b");
        launcher_request_deinit(&r);

        request_round_trip(&(LauncherRequest) { .serial = 2, .kind = LAUNCHER_REQUEST_GO }, &r);
        assert_null(r.cgroup);
        launcher_request_deinit(&r);

        request_round_trip(&(LauncherRequest) { .serial = 3,
                                                .kind = LAUNCHER_REQUEST_KILL,
                                                .signal_number = 15,
                                                .main_only = true },
                           &r);
        assert_int_equal(r.signal_number, 15);
        assert_true(r.main_only);
        launcher_request_deinit(&r);

        request_round_trip(&(LauncherRequest) { .serial = 4, .kind = LAUNCHER_REQUEST_STATUS }, &r);
        launcher_request_deinit(&r);
        request_round_trip(&(LauncherRequest) { .serial = 5, .kind = LAUNCHER_REQUEST_RELEASE },
                           &r);
        launcher_request_deinit(&r);
        request_round_trip(&(LauncherRequest) { .serial = 6, .kind = LAUNCHER_REQUEST_UNKNOWN },
                           &r);
        launcher_request_deinit(&r);
}

static void test_events_come_across(void **state) {
        ExitRecord record = {
                .kind = EXIT_RECORD_EXITED,
                .container_id = (char *) "c1",
                .boot_id = BOOT_ID,
                .status = { .known = true, .wait_status = 9 },
        };
        LauncherEvent e, hello = {
                .kind = LAUNCHER_EVENT_HELLO,
                .hello = { .version = 1,
                           .container_id = "c1",
                           .boot_id = BOOT_ID,
                           .pid = 77,
                           .start_time_ticks = 88,
                           .state = LAUNCHER_ENDED,
                           .main_pid = 99,
                           .cgroup = "/a",
                           .exit = &record,
                           .exit_recorded = true },
        };

        (void) state;
        event_round_trip(&hello, &e);
        assert_string_equal(e.hello.container_id, "c1");
        assert_string_equal(e.hello.boot_id, BOOT_ID);
        assert_int_equal(e.hello.state, LAUNCHER_ENDED);
        assert_int_equal(e.hello.main_pid, 99);
        assert_string_equal(e.hello.cgroup, "/a");
        assert_true(e.hello.exit_recorded);
        assert_int_equal(e.hello.exit->status.wait_status, 9);
        launcher_event_deinit(&e);

        hello.hello = (LauncherHello) {
                .version = 1, .container_id = "c1", .boot_id = BOOT_ID, .pid = 77
        };
        event_round_trip(&hello, &e);
        assert_int_equal(e.hello.state, LAUNCHER_WAITING);
        assert_int_equal(e.hello.main_pid, 0);
        assert_null(e.hello.exit);
        launcher_event_deinit(&e);

        event_round_trip(&(LauncherEvent) { .kind = LAUNCHER_EVENT_STARTED,
                                            .pid = 5,
                                            .start_time_ticks = 6 },
                         &e);
        assert_int_equal(e.pid, 5);
        launcher_event_deinit(&e);

        event_round_trip(&(LauncherEvent) { .kind = LAUNCHER_EVENT_ENDED,
                                            .exit = record,
                                            .left_behind = true },
                         &e);
        assert_string_equal(e.exit.container_id, "c1");
        assert_false(e.recorded);
        assert_true(e.left_behind);
        launcher_event_deinit(&e);

        event_round_trip(
                        &(LauncherEvent) { .kind = LAUNCHER_EVENT_REPLY, .serial = 3, .error = 22 },
                        &e);
        assert_int_equal(e.serial, 3);
        assert_int_equal(e.error, 22);
        launcher_event_deinit(&e);
}

static void test_a_later_version_is_passed_over(void **state) {
        /* Field 99, a varint; and a request of that kind. */
        static const uint8_t event[] = { 0x98, 0x06, 0x01 },
                             request[] = { 0x08, 0x07, 0x98, 0x06, 0x01 };
        LauncherRequest r;
        LauncherEvent e;

        (void) state;
        assert_int_equal(launcher_event_decode(event, sizeof(event), &e), 0);
        assert_int_equal(e.kind, LAUNCHER_EVENT_UNKNOWN);
        launcher_event_deinit(&e);
        assert_int_equal(launcher_request_decode(request, sizeof(request), &r), 0);
        assert_int_equal(r.kind, LAUNCHER_REQUEST_UNKNOWN);
        assert_int_equal(r.serial, 7);
        launcher_request_deinit(&r);
}

static void test_what_is_no_message_is_refused(void **state) {
        /* A hello in a state that isn't known here cannot be acted on. */
        static const uint8_t odd_state[] = { 0x0a, 0x30, 0x08, 0x01, 0x12, 0x01, 'c', 0x1a, 36,
                                             '0',  '1',  '2',  '3',  '4',  '5',  '6', '7',  '-',
                                             '0',  '1',  '2',  '3',  '-',  '0',  '1', '2',  '3',
                                             '-',  '0',  '1',  '2',  '3',  '-',  '0', '1',  '2',
                                             '3',  '4',  '5',  '6',  '7',  '8',  '9', 'a',  'b',
                                             0x20, 0x01, 0x28, 0x01, 0x30, 0x63 };
        LauncherRequest r;
        LauncherEvent e;

        (void) state;
        assert_int_equal(launcher_event_decode("\xff\xff", 2, &e), -EBADMSG);
        assert_int_equal(launcher_request_decode("\xff\xff", 2, &r), -EBADMSG);
        assert_int_equal(launcher_request_decode("", 0, &r), -EBADMSG);
        assert_int_equal(launcher_event_decode(odd_state, sizeof(odd_state), &e), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests_come_across),
                cmocka_unit_test(test_events_come_across),
                cmocka_unit_test(test_a_later_version_is_passed_over),
                cmocka_unit_test(test_what_is_no_message_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
