/* SPDX-License-Identifier: Apache-2.0 */

/* What results of health checks mean, without a clock. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "executor/health.h"

static void expect(Health *h, bool success, usec_t now_usec, bool tell, bool kill) {
        HealthVerdict v = health_step(h, success, now_usec);

        assert_int_equal(v.tell, tell);
        assert_int_equal(v.healthy, success && tell ? true : v.healthy);
        assert_int_equal(v.kill, kill);
}

static void test_failures_count_after_the_grace_period(void **state) {
        Health h = { .grace_until_usec = 100, .max_failures = 2 };

        (void) state;
        expect(&h, false, 50, false, false);
        expect(&h, false, 100, false, false);
        expect(&h, false, 101, true, false);
        expect(&h, false, 102, true, true);
}

static void test_the_first_success_ends_the_grace_period(void **state) {
        Health h = { .grace_until_usec = 100, .max_failures = 1 };

        (void) state;
        expect(&h, false, 10, false, false);
        expect(&h, true, 20, true, false);
        expect(&h, false, 30, true, true);
}

static void test_success_is_told_when_it_is_news_and_forgives(void **state) {
        Health h = { .max_failures = 3 };

        (void) state;
        expect(&h, true, 1, true, false);
        expect(&h, true, 2, false, false);
        expect(&h, false, 3, true, false);
        expect(&h, false, 4, true, false);
        expect(&h, true, 5, true, false);
        expect(&h, false, 6, true, false);
        expect(&h, false, 7, true, false);
        expect(&h, false, 8, true, true);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_failures_count_after_the_grace_period),
                cmocka_unit_test(test_the_first_success_ends_the_grace_period),
                cmocka_unit_test(test_success_is_told_when_it_is_news_and_forgives),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
