/* SPDX-License-Identifier: Apache-2.0 */

/* Updates of the executor until they are acknowledged. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "executor/update_queue.h"

static void add(UpdateQueue *q, Mesos__V1__TaskState state) {
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;
        Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;

        id.value = (char *) "t";
        status.task_id = &id;
        status.state = state;
        assert_int_equal(update_queue_add(q, &status), 0);
}

static void test_updates_go_out_in_order_and_leave_by_uuid(void **state) {
        UpdateQueue q = {};
        Update *u;

        (void) state;
        add(&q, MESOS__V1__TASK_STATE__TASK_STARTING);
        add(&q, MESOS__V1__TASK_STATE__TASK_RUNNING);
        assert_int_equal(q.n, 2);

        u = update_queue_next_unsent(&q);
        assert_int_equal(u->message.status->state, MESOS__V1__TASK_STATE__TASK_STARTING);
        assert_memory_equal(u->message.status->uuid.data, u->uuid, sizeof(u->uuid));
        u->sent = true;
        u = update_queue_next_unsent(&q);
        assert_int_equal(u->message.status->state, MESOS__V1__TASK_STATE__TASK_RUNNING);
        assert_memory_not_equal(u->uuid, q.first->uuid, sizeof(u->uuid));
        u->sent = true;
        assert_null(update_queue_next_unsent(&q));

        assert_false(update_queue_acknowledge(&q, "0123456789abcdef", 16));
        assert_false(update_queue_acknowledge(&q, q.first->uuid, 15));
        assert_true(update_queue_acknowledge(&q, u->uuid, 16));
        assert_int_equal(q.n, 1);
        assert_int_equal(q.first->message.status->state, MESOS__V1__TASK_STATE__TASK_STARTING);

        update_queue_deinit(&q);
        assert_null(q.first);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_updates_go_out_in_order_and_leave_by_uuid),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
