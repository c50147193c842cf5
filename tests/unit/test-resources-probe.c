/* SPDX-License-Identifier: Apache-2.0 */

/* Finding resources: what is given wins, what is missing is found, errors say what is wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/resources_probe.h"

static const HostCapacity big = { .n_cpus = 8, .mem_mb = 16384, .disk_mb = 100000 };
static const HostCapacity small = { .n_cpus = 1, .mem_mb = 2047, .disk_mb = 10239 };

/* What the flag gives on a host, as people read it; the caller frees it. */
static char *probe_as(const char *text, const char *role, const HostCapacity *host) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *message = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(4096);

        if (resources_probe(text, role, host, &r, &message) != RESOURCES_OK)
                fail_msg("%s", message);
        assert_int_equal(resources_format(r, &b), 0);
        return strndup(buffer_data(&b), buffer_size(&b));
}

static void assert_probe(const char *text, const HostCapacity *host, const char *wanted) {
        _cleanup_free_ char *found = probe_as(text, "*", host);

        assert_string_equal(found, wanted);
}

static void assert_refused(const char *text, const char *why) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *message = NULL;

        assert_int_equal(resources_probe(text, "*", &big, &r, &message), RESOURCES_E_INVALID);
        assert_non_null(message);
        assert_non_null(strstr(message, why));
        assert_null(r);
}

static void test_host_gives_what_is_not_said(void **state) {
        (void) state;

        assert_probe(NULL, &big, "cpus:8; mem:15360; disk:94880; ports:[31000-32000]");
        assert_probe(" \n", &big, "cpus:8; mem:15360; disk:94880; ports:[31000-32000]");
}

static void test_small_host_keeps_half(void **state) {
        (void) state;

        assert_probe("", &small, "cpus:1; mem:1023; disk:5119; ports:[31000-32000]");
}

static void test_given_names_win(void **state) {
        (void) state;

        assert_probe("cpus:2;mem:100;disk:5;ports:[1-2]", &big,
                     "cpus:2; mem:100; disk:5; ports:[1-2]");
        assert_probe("mem(role):100", &big,
                     "mem(reservations: [(STATIC,role)]):100; cpus:8; disk:94880; "
                     "ports:[31000-32000]");
        assert_probe(" widgets:3; cpus : 1.5", &big,
                     "widgets:3; cpus:1.5; mem:15360; disk:94880; ports:[31000-32000]");
}

static void test_zero_means_none_rather_than_find_out(void **state) {
        (void) state;

        assert_probe("disk:0;ports:[]", &big, "cpus:8; mem:15360");
}

static void test_json_is_taken_as_well(void **state) {
        (void) state;

        assert_probe("[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0}},"
                     "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":64}}]",
                     &big, "mem:64; disk:94880; ports:[31000-32000]");
}

static void test_default_role_is_for_all(void **state) {
        _cleanup_free_ char *found = probe_as("cpus:2;disk:0;ports:[1-1]", "ops", &big);

        (void) state;

        assert_string_equal(found, "cpus(reservations: [(STATIC,ops)]):2; ports(reservations: "
                                   "[(STATIC,ops)]):[1-1]; "
                                   "mem(reservations: [(STATIC,ops)]):15360");
}

static void test_errors_say_what_is_wrong(void **state) {
        (void) state;

        assert_refused("cpus", "cpus");
        assert_refused("cpus:x:y", "cpus:x:y");
        assert_refused("[{]", "");
        assert_refused("[1]", "");
        assert_refused("[{\"name\":\"cpus\"}]", "type");
}

static void test_this_host_has_something(void **state) {
        HostCapacity host;

        (void) state;

        assert_int_equal(host_capacity_read("/", &host), 0);
        assert_true(host.n_cpus > 0 && host.mem_mb > 0 && host.disk_mb > 0);
        assert_int_equal(host_capacity_read("/nonexistent", &host), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_host_gives_what_is_not_said),
                cmocka_unit_test(test_small_host_keeps_half),
                cmocka_unit_test(test_given_names_win),
                cmocka_unit_test(test_zero_means_none_rather_than_find_out),
                cmocka_unit_test(test_json_is_taken_as_well),
                cmocka_unit_test(test_default_role_is_for_all),
                cmocka_unit_test(test_errors_say_what_is_wrong),
                cmocka_unit_test(test_this_host_has_something),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
