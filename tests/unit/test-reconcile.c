/* SPDX-License-Identifier: Apache-2.0 */

/* Reconciliation: what a framework that asks for a task is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/reconcile.h"

#define STATE(name) MESOS__V1__TASK_STATE__TASK_##name

static void assert_answer(ReconcileQuestion q, TaskState state, const char *message) {
        ReconcileAnswer a = reconcile_task(&q);

        assert_false(a.silent);
        assert_int_equal(a.state, state);
        assert_string_equal(a.message, message);
}

static void test_known_task_is_answered_with_its_state_whatever_its_agent(void **state) {
        (void) state;

        for (int agent = AGENT_UNNAMED; agent <= AGENT_GONE; agent++)
                assert_answer((ReconcileQuestion) { .task_known = true,
                                                   .task_state = STATE(STAGING),
                                                   .agent = agent },
                              STATE(STAGING), "Reconciliation: Latest task state");
}

static void test_nothing_is_said_while_the_agent_may_yet_report_the_task(void **state) {
        ReconcileQuestion recovered = { .agent = AGENT_RECOVERED, .partition_aware = true };
        ReconcileQuestion unnamed = { .agent = AGENT_UNNAMED, .any_agent_recovered = true };

        (void) state;
        assert_true(reconcile_task(&recovered).silent);
        assert_true(reconcile_task(&unnamed).silent);
}

static void test_other_recovered_agents_do_not_silence_a_question_about_this_one(void **state) {
        (void) state;
        assert_answer((ReconcileQuestion) { .agent = AGENT_UNKNOWN,
                                           .any_agent_recovered = true,
                                           .partition_aware = true },
                      STATE(UNKNOWN), "Reconciliation: Task is unknown");
}

static void test_aware_frameworks_are_told_what_became_of_the_agent(void **state) {
        (void) state;
        assert_answer((ReconcileQuestion) { .agent = AGENT_REGISTERED, .partition_aware = true },
                      STATE(GONE), "Reconciliation: Task is unknown to the agent");
        assert_answer((ReconcileQuestion) { .agent = AGENT_UNREACHABLE, .partition_aware = true },
                      STATE(UNREACHABLE), "Reconciliation: Task is unreachable");
        assert_answer((ReconcileQuestion) { .agent = AGENT_GONE, .partition_aware = true },
                      STATE(GONE_BY_OPERATOR), "Reconciliation: Task is gone");
        assert_answer((ReconcileQuestion) { .agent = AGENT_UNNAMED, .partition_aware = true },
                      STATE(UNKNOWN), "Reconciliation: Task is unknown");
}

static void test_unaware_frameworks_are_told_lost_with_the_same_words(void **state) {
        static const AgentStanding standings[] = { AGENT_UNNAMED, AGENT_UNKNOWN, AGENT_REGISTERED,
                                                   AGENT_UNREACHABLE, AGENT_GONE };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(standings); i++) {
                ReconcileQuestion q = { .agent = standings[i] };
                ReconcileQuestion aware = { .agent = standings[i], .partition_aware = true };

                assert_int_equal(reconcile_task(&q).state, STATE(LOST));
                assert_string_equal(reconcile_task(&q).message, reconcile_task(&aware).message);
        }
}

static void test_unreachable_task_needs_no_agent_named_and_comes_with_a_time(void **state) {
        ReconcileQuestion q = { .agent = AGENT_UNNAMED,
                                .task_unreachable = true,
                                .partition_aware = true };

        (void) state;
        assert_int_equal(reconcile_task(&q).state, STATE(UNREACHABLE));
        assert_true(reconcile_task(&q).tell_unreachable_time);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_task_is_answered_with_its_state_whatever_its_agent),
                cmocka_unit_test(test_nothing_is_said_while_the_agent_may_yet_report_the_task),
                cmocka_unit_test(
                                test_other_recovered_agents_do_not_silence_a_question_about_this_one),
                cmocka_unit_test(test_aware_frameworks_are_told_what_became_of_the_agent),
                cmocka_unit_test(test_unaware_frameworks_are_told_lost_with_the_same_words),
                cmocka_unit_test(test_unreachable_task_needs_no_agent_named_and_comes_with_a_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
