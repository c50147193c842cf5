/* SPDX-License-Identifier: Apache-2.0 */

/* Durations as Mesos prints them, and arithmetic that saturates. */

#include "common/base/macro.h"
#include "common/base/parse.h"
#include "common/base/usec.h"
#include "tests/unit/test.h"

static void assert_text(usec_t t, const char *expected) {
        char buf[USEC_TEXT_MAX];

        assert_string_equal(usec_format(t, buf), expected);
}

static void test_whole_durations_use_the_largest_unit(_unused_ void **state) {
        assert_text(0, "0ns");
        assert_text(1, "1us");
        assert_text(2 * USEC_PER_SEC, "2secs");
        assert_text(15 * USEC_PER_MINUTE, "15mins");
        assert_text(6 * USEC_PER_HOUR, "6hrs");
        assert_text(7 * USEC_PER_DAY, "1weeks");
        assert_text(60 * USEC_PER_SEC, "1mins");
}

static void test_a_fraction_goes_to_the_next_smaller_unit_where_that_is_whole(_unused_ void **state) {
        assert_text(1500 * USEC_PER_MSEC, "1500ms");
        assert_text(90 * USEC_PER_MINUTE, "90mins");
        assert_text(90 * USEC_PER_SEC, "90secs");
        assert_text(25 * USEC_PER_HOUR, "25hrs");
        assert_text(10 * USEC_PER_DAY, "10days");
        assert_text(1500, "1500us");
}

static void test_a_fraction_stays_where_two_units_would_be_needed(_unused_ void **state) {
        assert_text(1001500, "1.0015secs");
        assert_text(USEC_PER_DAY + USEC_PER_HOUR + USEC_PER_MINUTE + USEC_PER_SEC, "1.04237268518519days");
}

static void test_every_power_of_two_fits_the_buffer_and_whole_ones_parse_back(_unused_ void **state) {
        for (unsigned i = 0; i < 53; i++) {
                char buf[USEC_TEXT_MAX];
                usec_t t = UINT64_C(1) << i, back;

                assert_true(strlen(usec_format(t, buf)) < USEC_TEXT_MAX);
                assert_int_equal(parse_duration(buf, &back), 0);
                if (!strchr(buf, '.'))
                        assert_int_equal(back, t);
        }
}

static void test_arithmetic_saturates(_unused_ void **state) {
        assert_int_equal(usec_add(USEC_INFINITY - 1, 2), USEC_INFINITY);
        assert_int_equal(usec_add(3, 4), 7);
        assert_int_equal(usec_sub(3, 4), 0);
        assert_int_equal(usec_sub(4, 3), 1);
        assert_int_equal(usec_sub(USEC_INFINITY, 3), USEC_INFINITY);
}

static void test_seconds_from_the_wire_may_be_anything(_unused_ void **state) {
        assert_int_equal(usec_from_secs(-1), 0);
        assert_int_equal(usec_from_secs(0.0 / 0.0), 0);
        assert_int_equal(usec_from_secs(1e300), USEC_INFINITY);
        assert_int_equal(usec_from_secs(1.5), 1500000);
        assert_true(usec_to_secs(2500000) == 2.5);
}

static void test_backoff_doubles_up_to_its_maximum(_unused_ void **state) {
        assert_int_equal(usec_backoff(1000, 60000, 0), 1000);
        assert_int_equal(usec_backoff(1000, 60000, 1), 2000);
        assert_int_equal(usec_backoff(1000, 60000, 5), 32000);
        assert_int_equal(usec_backoff(1000, 60000, 6), 60000);
        assert_int_equal(usec_backoff(1000, 60000, 1000), 60000);
}

static void test_jitter_stays_below_its_maximum(_unused_ void **state) {
        assert_int_equal(usec_jitter(0), 0);
        for (unsigned i = 0; i < 100; i++)
                assert_true(usec_jitter(10) < 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_durations_use_the_largest_unit),
                cmocka_unit_test(test_a_fraction_goes_to_the_next_smaller_unit_where_that_is_whole),
                cmocka_unit_test(test_a_fraction_stays_where_two_units_would_be_needed),
                cmocka_unit_test(test_every_power_of_two_fits_the_buffer_and_whole_ones_parse_back),
                cmocka_unit_test(test_arithmetic_saturates),
                cmocka_unit_test(test_seconds_from_the_wire_may_be_anything),
                cmocka_unit_test(test_backoff_doubles_up_to_its_maximum),
                cmocka_unit_test(test_jitter_stays_below_its_maximum),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
