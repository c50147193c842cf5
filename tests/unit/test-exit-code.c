/* SPDX-License-Identifier: Apache-2.0 */

/* Exit codes: what the last status of a task becomes. */

#include "cli/exit_code.h"
#include "common/base/macro.h"
#include "tests/unit/test.h"

static int code_of(Mesos__V1__TaskState state, const char *message) {
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;

        status.state = state;
        status.message = (char *) message;
        return exit_code_of_task(&status);
}

static int code_of_failure(const char *message) {
        return code_of(MESOS__V1__TASK_STATE__TASK_FAILED, message);
}

static void test_a_finished_task_is_success_whatever_it_says(_unused_ void **state) {
        assert_int_equal(code_of(MESOS__V1__TASK_STATE__TASK_FINISHED, NULL), 0);
        assert_int_equal(code_of(MESOS__V1__TASK_STATE__TASK_FINISHED, "Command exited with status 3"), 0);
}

static void test_a_status_in_the_message_is_the_exit_code(_unused_ void **state) {
        assert_int_equal(code_of_failure("Command exited with status 1"), 1);
        assert_int_equal(code_of_failure("Command exited with status 255"), 255);
        assert_int_equal(code_of_failure("Command exited with status 256"), EXIT_FAILED);
        assert_int_equal(code_of_failure("Command exited with status 0"), EXIT_FAILED);
        assert_int_equal(code_of_failure("Command exited with status 7 or so"), EXIT_FAILED);
}

static void test_a_signal_in_the_message_is_128_and_its_number(_unused_ void **state) {
        assert_int_equal(code_of_failure("Command terminated with signal Killed"), 128 + 9);
        assert_int_equal(code_of_failure("Command terminated with signal Terminated"), 128 + 15);
        assert_int_equal(code_of_failure("Command terminated with signal Segmentation fault (core dumped)"), 128 + 11);
        assert_int_equal(code_of_failure("Command terminated with signal Stopped (signal)"), 128 + 19);
        assert_int_equal(code_of_failure("Command terminated with signal Nonsense"), EXIT_FAILED);
}

static void test_failures_without_a_status_and_other_ends_have_codes_of_their_own(_unused_ void **state) {
        assert_int_equal(code_of_failure(NULL), EXIT_FAILED);
        assert_int_equal(code_of_failure("Failed to launch container"), EXIT_FAILED);
        assert_int_equal(code_of(MESOS__V1__TASK_STATE__TASK_KILLED, "Command terminated with signal Killed"), EXIT_KILLED);
        assert_int_equal(code_of(MESOS__V1__TASK_STATE__TASK_ERROR, NULL), EXIT_ERROR);
        assert_int_equal(code_of(MESOS__V1__TASK_STATE__TASK_LOST, NULL), EXIT_LOST);
        assert_int_equal(code_of(MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR, NULL), EXIT_LOST);
        assert_int_equal(code_of(MESOS__V1__TASK_STATE__TASK_UNKNOWN, NULL), EXIT_LOST);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_finished_task_is_success_whatever_it_says),
                cmocka_unit_test(test_a_status_in_the_message_is_the_exit_code),
                cmocka_unit_test(test_a_signal_in_the_message_is_128_and_its_number),
                cmocka_unit_test(test_failures_without_a_status_and_other_ends_have_codes_of_their_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
