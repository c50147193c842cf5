/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reconciliation
 *
 * A framework that was away asks what became of its tasks. The first rule that holds answers:
 *
 *     task known                                      its latest state
 *     agent recovered, or unnamed while any is        nothing: it may yet report the task
 *     agent registered, task unknown to it            GONE
 *     agent (or the task itself) unreachable          UNREACHABLE
 *     agent gone                                      GONE_BY_OPERATOR
 *     otherwise                                       UNKNOWN
 *
 * Frameworks that are not partition aware hear LOST for the last four. A pure function: the caller
 * has looked everything up.
 */

#include "master/reconcile.h"

static ReconcileAnswer answer(const ReconcileQuestion *q, TaskState state, const char *message) {
        return (ReconcileAnswer) {
                .state = task_state_for(state, q->partition_aware),
                .message = message,
        };
}

static ReconcileAnswer answer_unreachable(const ReconcileQuestion *q) {
        ReconcileAnswer a = answer(q, MESOS__V1__TASK_STATE__TASK_UNREACHABLE,
                                   "Reconciliation: Task is unreachable");

        a.tell_unreachable_time = true;
        return a;
}

ReconcileAnswer reconcile_task(const ReconcileQuestion *q) {
        if (q->task_known)
                return (ReconcileAnswer) {
                        .state = q->task_state,
                        .message = "Reconciliation: Latest task state",
                };

        switch (q->agent) {
        case AGENT_RECOVERED:
                return (ReconcileAnswer) { .silent = true };

        case AGENT_REGISTERED:
                return answer(q, MESOS__V1__TASK_STATE__TASK_GONE,
                              "Reconciliation: Task is unknown to the agent");

        case AGENT_UNREACHABLE:
                return answer_unreachable(q);

        case AGENT_GONE:
                return answer(q, MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR,
                              "Reconciliation: Task is gone");

        case AGENT_UNNAMED:
                if (q->any_agent_recovered)
                        return (ReconcileAnswer) { .silent = true };
                if (q->task_unreachable)
                        return answer_unreachable(q);
                break;

        case AGENT_UNKNOWN:
                break;
        }

        return answer(q, MESOS__V1__TASK_STATE__TASK_UNKNOWN, "Reconciliation: Task is unknown");
}
