/* SPDX-License-Identifier: Apache-2.0 */

/* When old sandboxes go, in numbers. */

#include "tests/unit/test.h"

#include <stdio.h>

#include "agent/gc_schedule.h"

#define WEEK USEC_PER_WEEK
#define HOUR USEC_PER_HOUR
/* The host has been up for a while. */
#define START (1000 * HOUR)

static int setup(void **state) {
        GcSchedule *s;

        assert_int_equal(gc_schedule_new(&s), 0);
        *state = s;
        return 0;
}

static int teardown(void **state) {
        gc_schedule_free(*state);
        return 0;
}

static void add(GcSchedule *s, const char *path, usec_t age_usec, usec_t now_usec) {
        assert_int_equal(gc_schedule_add(s, path, age_usec, now_usec), GC_SCHEDULE_OK);
}

static void test_the_fuller_the_disk_the_younger_they_go(void **state) {
        (void) state;

        assert_int_equal(gc_max_age_usec(WEEK, 0.1, 0), WEEK / 10 * 9);
        assert_int_equal(gc_max_age_usec(WEEK, 0.1, 0.4), WEEK / 2);
        assert_int_equal(gc_max_age_usec(WEEK, 0, 0), WEEK);
        assert_int_equal(gc_max_age_usec(WEEK, 0.25, 0.25), WEEK / 2);

        /* As a real agent reports it for 11.375 % in use. */
        assert_int_equal(gc_max_age_usec(WEEK, 0.1, 0.113751517) / USEC_PER_SEC, 475523);
}

static void test_without_headroom_left_nothing_is_kept(void **state) {
        GcSchedule *s = *state;

        assert_int_equal(gc_max_age_usec(WEEK, 0.1, 0.95), 0);
        assert_int_equal(gc_max_age_usec(WEEK, 1, 0), 0);

        add(s, "new", 0, START);
        assert_string_equal(gc_schedule_due(s, 0, START), "new");
}

static void test_what_ended_first_goes_first_and_not_before_its_time(void **state) {
        GcSchedule *s = *state;

        add(s, "a", 0, START);
        add(s, "b", 0, START + HOUR);
        assert_null(gc_schedule_due(s, 2 * HOUR, START + 2 * HOUR - 1));
        assert_string_equal(gc_schedule_due(s, 2 * HOUR, START + 2 * HOUR), "a");
        gc_schedule_drop(s, "a");
        assert_null(gc_schedule_due(s, 2 * HOUR, START + 2 * HOUR));
        assert_string_equal(gc_schedule_due(s, 2 * HOUR, START + 3 * HOUR), "b");
        gc_schedule_drop(s, "b");
        assert_null(gc_schedule_due(s, 0, START + 9 * HOUR));
        assert_int_equal(gc_schedule_count(s), 0);
}

static void test_what_is_found_on_the_disk_takes_its_place_by_age(void **state) {
        GcSchedule *s = *state;

        add(s, "ended here", 0, START);
        add(s, "younger", 3 * HOUR, START + HOUR);
        add(s, "older than the boot", 5000 * HOUR, START + HOUR);
        add(s, "old", 4 * HOUR, START + HOUR);

        static const char *const order[] = { "older than the boot", "old", "younger",
                                             "ended here" };
        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                assert_string_equal(gc_schedule_due(s, 0, START + HOUR), order[i]);
                gc_schedule_drop(s, order[i]);
        }
}

static void test_found_again_it_keeps_the_age_it_has(void **state) {
        GcSchedule *s = *state;

        add(s, "a", 0, START);
        assert_int_equal(gc_schedule_add(s, "a", WEEK, START), GC_SCHEDULE_E_KNOWN);
        assert_int_equal(gc_schedule_count(s), 1);
        assert_null(gc_schedule_due(s, HOUR, START));
}

static void test_the_next_moment_is_that_of_the_oldest(void **state) {
        GcSchedule *s = *state;

        assert_true(gc_schedule_next_due(s, WEEK, START) == USEC_INFINITY);
        add(s, "a", 0, START);
        add(s, "b", HOUR, START);
        assert_int_equal(gc_schedule_next_due(s, 2 * HOUR, START), START + HOUR);
        assert_int_equal(gc_schedule_next_due(s, HOUR / 2, START), START);
        assert_true(gc_schedule_next_due(s, USEC_INFINITY, START) == USEC_INFINITY);
        assert_null(gc_schedule_due(s, USEC_INFINITY, START));
}

static void test_past_the_bound_the_oldest_goes_at_any_age(void **state) {
        GcSchedule *s = *state;
        char path[32];

        for (unsigned i = 0; i <= GC_SCHEDULE_MAX; i++) {
                snprintf(path, sizeof(path), "run-%u", i);
                add(s, path, 0, START + i);
        }

        assert_string_equal(gc_schedule_due(s, WEEK, START + 2 * GC_SCHEDULE_MAX), "run-0");
        gc_schedule_drop(s, "run-0");
        assert_null(gc_schedule_due(s, WEEK, START + 2 * GC_SCHEDULE_MAX));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_the_fuller_the_disk_the_younger_they_go),
                TEST(test_without_headroom_left_nothing_is_kept),
                TEST(test_what_ended_first_goes_first_and_not_before_its_time),
                TEST(test_what_is_found_on_the_disk_takes_its_place_by_age),
                TEST(test_found_again_it_keeps_the_age_it_has),
                TEST(test_the_next_moment_is_that_of_the_oldest),
                TEST(test_past_the_bound_the_oldest_goes_at_any_age),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
