/* SPDX-License-Identifier: Apache-2.0 */

/* Task states: which are the end, and what frameworks that are not partition aware hear instead. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/model/task_state.h"

static const struct {
        const char *name;
        int state;
        bool terminal;
        bool needs_partition_aware;
} states[] = {
        { "TASK_STARTING", 0, false, false },        { "TASK_RUNNING", 1, false, false },
        { "TASK_FINISHED", 2, true, false },         { "TASK_FAILED", 3, true, false },
        { "TASK_KILLED", 4, true, false },           { "TASK_LOST", 5, true, false },
        { "TASK_STAGING", 6, false, false },         { "TASK_ERROR", 7, true, false },
        { "TASK_KILLING", 8, false, false },         { "TASK_DROPPED", 9, true, true },
        { "TASK_UNREACHABLE", 10, false, true },     { "TASK_GONE", 11, true, true },
        { "TASK_GONE_BY_OPERATOR", 12, true, true }, { "TASK_UNKNOWN", 13, false, true },
};

static void test_every_state_has_its_name_number_and_end(void **state) {
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                TaskState s = (TaskState) states[i].state;

                assert_string_equal(task_state_name(s), states[i].name);
                assert_int_equal(task_state_is_terminal(s), states[i].terminal);
        }

        assert_int_equal(mesos__v1__task_state__descriptor.n_values, ELEMENTSOF(states));
}

static void test_frameworks_that_are_not_partition_aware_hear_task_lost(void **state) {
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                TaskState s = (TaskState) states[i].state;

                assert_int_equal(task_state_for(s, true), s);
                assert_string_equal(task_state_name(task_state_for(s, false)),
                                    states[i].needs_partition_aware ? "TASK_LOST" : states[i].name);
        }
}

static void test_sources_and_reasons_have_their_v1_names(void **state) {
        (void) state;

        assert_string_equal(task_source_name(1), "SOURCE_AGENT");
        assert_string_equal(task_reason_name(11), "REASON_AGENT_REMOVED");
        assert_string_equal(task_reason_name(34), "REASON_AGENT_DRAINING");
}

static void test_numbers_from_the_wire_that_mean_nothing_have_no_name(void **state) {
        (void) state;

        assert_null(task_state_name((TaskState) 99));
        assert_false(task_state_is_terminal((TaskState) 99));
        assert_int_equal(task_state_for((TaskState) 99, false), 99);
        assert_null(task_reason_name(-1));
        assert_null(task_source_name(3));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_state_has_its_name_number_and_end),
                cmocka_unit_test(test_frameworks_that_are_not_partition_aware_hear_task_lost),
                cmocka_unit_test(test_sources_and_reasons_have_their_v1_names),
                cmocka_unit_test(test_numbers_from_the_wire_that_mean_nothing_have_no_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
