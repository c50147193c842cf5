/* SPDX-License-Identifier: Apache-2.0 */

/* Filters: refuse_seconds is any double a framework likes to send. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/base/macro.h"
#include "common/model/filters.h"

static void test_refuse_seconds_become_a_time_or_the_default(void **state) {
        static const struct {
                double seconds;
                usec_t usec;
        } cases[] = {
                { 0, 0 },
                { 0.5, 500000 },
                { 5, 5 * USEC_PER_SEC },
                { 3600, USEC_PER_HOUR },
                { 365.0 * 24 * 3600, 365 * USEC_PER_DAY },
                { 366.0 * 24 * 3600, 365 * USEC_PER_DAY },
                { 1e9, 365 * USEC_PER_DAY },
                { -1, 5 * USEC_PER_SEC },
                { 1e300, 5 * USEC_PER_SEC },
                { INFINITY, 5 * USEC_PER_SEC },
                { NAN, 5 * USEC_PER_SEC },
        };
        Mesos__V1__Filters filters = MESOS__V1__FILTERS__INIT;

        (void) state;

        assert_int_equal(filters_refuse_usec(NULL), 5 * USEC_PER_SEC);
        assert_int_equal(filters_refuse_usec(&filters), 5 * USEC_PER_SEC);

        filters.has_refuse_seconds = true;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                filters.refuse_seconds = cases[i].seconds;
                assert_int_equal(filters_refuse_usec(&filters), cases[i].usec);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refuse_seconds_become_a_time_or_the_default),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
