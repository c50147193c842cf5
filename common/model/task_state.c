/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Task states
 *
 * What Mesos says about states in general; who moves a task from one to the next is decided by the
 * agent and the master. TASK_LOST is the end by the letter, although a returning agent may revise
 * it; TASK_UNREACHABLE is none. TASK_UNKNOWN is only ever an answer, never the state of a task.
 *
 * Frameworks older than the PARTITION_AWARE capability know one word for all ways to lose a task.
 */

#include "common/model/task_state.h"

bool task_state_is_terminal(TaskState s) {
        switch (s) {
        case MESOS__V1__TASK_STATE__TASK_FINISHED:
        case MESOS__V1__TASK_STATE__TASK_FAILED:
        case MESOS__V1__TASK_STATE__TASK_KILLED:
        case MESOS__V1__TASK_STATE__TASK_LOST:
        case MESOS__V1__TASK_STATE__TASK_ERROR:
        case MESOS__V1__TASK_STATE__TASK_DROPPED:
        case MESOS__V1__TASK_STATE__TASK_GONE:
        case MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR:
                return true;
        case MESOS__V1__TASK_STATE__TASK_STAGING:
        case MESOS__V1__TASK_STATE__TASK_STARTING:
        case MESOS__V1__TASK_STATE__TASK_RUNNING:
        case MESOS__V1__TASK_STATE__TASK_KILLING:
        case MESOS__V1__TASK_STATE__TASK_UNREACHABLE:
        case MESOS__V1__TASK_STATE__TASK_UNKNOWN:
        case _MESOS__V1__TASK_STATE_IS_INT_SIZE:
                return false;
        }

        return false;
}

static bool needs_partition_aware(TaskState s) {
        switch (s) {
        case MESOS__V1__TASK_STATE__TASK_DROPPED:
        case MESOS__V1__TASK_STATE__TASK_UNREACHABLE:
        case MESOS__V1__TASK_STATE__TASK_GONE:
        case MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR:
        case MESOS__V1__TASK_STATE__TASK_UNKNOWN:
                return true;
        case MESOS__V1__TASK_STATE__TASK_STAGING:
        case MESOS__V1__TASK_STATE__TASK_STARTING:
        case MESOS__V1__TASK_STATE__TASK_RUNNING:
        case MESOS__V1__TASK_STATE__TASK_KILLING:
        case MESOS__V1__TASK_STATE__TASK_FINISHED:
        case MESOS__V1__TASK_STATE__TASK_FAILED:
        case MESOS__V1__TASK_STATE__TASK_KILLED:
        case MESOS__V1__TASK_STATE__TASK_LOST:
        case MESOS__V1__TASK_STATE__TASK_ERROR:
        case _MESOS__V1__TASK_STATE_IS_INT_SIZE:
                return false;
        }

        return false;
}

TaskState task_state_for(TaskState s, bool partition_aware) {
        return !partition_aware && needs_partition_aware(s) ? MESOS__V1__TASK_STATE__TASK_LOST : s;
}

/* NULL for numbers that are no value of the enum: wires carry any. */
static const char *value_name(const ProtobufCEnumDescriptor *descriptor, int value) {
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(descriptor, value);

        return v ? v->name : NULL;
}

const char *task_state_name(TaskState s) {
        return value_name(&mesos__v1__task_state__descriptor, (int) s);
}

const char *task_source_name(int source) {
        return value_name(&mesos__v1__task_status__source__descriptor, source);
}

const char *task_reason_name(int reason) {
        return value_name(&mesos__v1__task_status__reason__descriptor, reason);
}
