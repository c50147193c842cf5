/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources: what is refused and in which words, formats, and the laws of arithmetic. The texts of
 * the first part are those a Mesos 1.12 master answered.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/model/resources.h"
#include "tests/unit/seed.h"

static Resources *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        assert_int_equal(resources_parse(text, "*", &r, &message), 0);
        assert_non_null(r);
        return r;
}

static void assert_resources(const Resources *r, const char *text) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 20);
        _cleanup_free_ char *formatted = NULL;

        assert_return_code(resources_format(r, &b), 0);
        formatted = buffer_take_text(&b);
        assert_string_equal(formatted, text);
}

static void test_flags_become_resources(void **state) {
        _cleanup_(resources_freep) Resources *r = parse(
                        "cpus:4;mem:2048;disk:4096;ports:[31000-31010,31020-31030];cpus(ra):2;mem(ra):512;disk(rb):100;"
                        "gadgets:{a,b,c};widgets:7.25");

        (void) state;

        assert_resources(r, "cpus:4; mem:2048; disk:4096; ports:[31000-31010, 31020-31030]; "
                            "cpus(reservations: [(STATIC,ra)]):2; mem(reservations: [(STATIC,ra)]):512; "
                            "disk(reservations: [(STATIC,rb)]):100; gadgets:{a, b, c}; widgets:7.25");
        assert_int_equal(resources_scalar_milli(r, "cpus"), 6000);
        assert_int_equal(resources_scalar_milli(r, "gpus"), 0);
        assert_true(resources_has(r, "ports"));
        assert_false(resources_has(r, "gpus"));
}

static void test_the_default_role_owns_what_is_given_to_nobody(void **state) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *message = NULL;

        (void) state;

        assert_int_equal(resources_parse("cpus:1;mem(*):2;disk(b):3", "a", &r, &message), 0);
        assert_resources(r, "cpus(reservations: [(STATIC,a)]):1; mem:2; disk(reservations: [(STATIC,b)]):3");
}

static void test_equal_entries_of_a_flag_add_up_and_zero_vanishes(void **state) {
        _cleanup_(resources_freep) Resources *r = parse("cpus:1;mem:0;cpus:0.5;ports:[1-2];ports:[3-4]");
        _cleanup_(resources_freep) Resources *none = parse("");

        (void) state;

        assert_resources(r, "cpus:1.5; ports:[1-4]");
        assert_resources(none, "{}");
        assert_true(resources_is_empty(none));
}

static void test_bad_flags_are_refused_in_mesos_words(void **state) {
        static const struct {
                const char *text;
                const char *message;
        } bad[] = {
                { "cpus", "Bad value for resources, missing or extra ':' in cpus" },
                { "cpus:1:2", "Bad value for resources, missing or extra ':' in cpus:1:2" },
                { "cpus(a:1", "Bad value for resources, mismatched parentheses in cpus(a:1" },
                { "cpus:abc", "Bad type for resource cpus value abc type TEXT" },
                { "ports:[1-2", "Failed to parse resource ports value [1-2 error Mismatched brackets" },
                { "cpus:-1", "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0" },
                { "cpus(a/):1", "Resource 'cpus:1' is invalid: Role 'a/' cannot end with a slash" },
                { "x:1;x:{a}", "Resources with the same name ('x') but different types are not allowed" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *message = NULL;
                Resources *r = NULL;

                assert_int_equal(resources_parse(bad[i].text, "*", &r, &message), RESOURCES_E_INVALID);
                assert_string_equal(message, bad[i].message);
                assert_null(r);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flags_become_resources),
                cmocka_unit_test(test_the_default_role_owns_what_is_given_to_nobody),
                cmocka_unit_test(test_equal_entries_of_a_flag_add_up_and_zero_vanishes),
                cmocka_unit_test(test_bad_flags_are_refused_in_mesos_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
