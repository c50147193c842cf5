/* SPDX-License-Identifier: Apache-2.0 */

/* Minimums: what is worth an offer, as the flag says it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/minimum.h"

static bool met(const char *minimums, const char *resources) {
        _cleanup_(minimums_freep) Minimums *m = NULL, *copy = NULL;
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *message = NULL;

        assert_int_equal(minimums_parse(minimums, &m, &message), 0);
        assert_int_equal(resources_parse(resources, "*", &r, &message), 0);
        copy = minimums_copy(m);
        assert_non_null(copy);
        assert_int_equal(minimums_met(m, r), minimums_met(copy, r));
        return minimums_met(m, r);
}

static void test_one_set_reached_is_enough(void **state) {
        (void) state;

        assert_true(met(MINIMUMS_DEFAULT, "cpus:0.01"));
        assert_true(met(MINIMUMS_DEFAULT, "mem:32"));
        assert_false(met(MINIMUMS_DEFAULT, "cpus:0.009;mem:31.999;disk:1000"));
        assert_false(met(MINIMUMS_DEFAULT, ""));
}

static void test_a_set_is_reached_in_all_its_quantities(void **state) {
        (void) state;

        assert_true(met("cpus:1;mem:100|gpus:1", "cpus:1;mem:100"));
        assert_false(met("cpus:1;mem:100|gpus:1", "cpus:1;mem:99"));
        assert_false(met("cpus:1;mem:100|gpus:1", "mem:100"));
        assert_true(met("cpus:1;mem:100|gpus:1", "gpus:1"));
}

static void test_reserved_and_unreserved_count_together(void **state) {
        (void) state;

        assert_true(met("cpus:3", "cpus:1;cpus(a):2"));
}

static void test_no_set_at_all_lets_everything_pass(void **state) {
        (void) state;

        assert_true(met("", "ports:[1-2]"));
}

static void test_bad_quantities_are_refused(void **state) {
        static const struct {
                const char *text;
                const char *message;
        } bad[] = {
                { "cpus", "Missing ':' in 'cpus'" },
                { "cpus:1|:2", "Missing ':' in ':2'" },
                { "cpus:x", "'x' is no quantity" },
                { "cpus:-1", "'-1' is no quantity" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *message = NULL;
                Minimums *m = NULL;

                assert_int_equal(minimums_parse(bad[i].text, &m, &message), MINIMUMS_E_INVALID);
                assert_string_equal(message, bad[i].message);
                assert_null(m);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_set_reached_is_enough),
                cmocka_unit_test(test_a_set_is_reached_in_all_its_quantities),
                cmocka_unit_test(test_reserved_and_unreserved_count_together),
                cmocka_unit_test(test_no_set_at_all_lets_everything_pass),
                cmocka_unit_test(test_bad_quantities_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
