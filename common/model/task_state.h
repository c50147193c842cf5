#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Task states: which are the end, and what frameworks are told of them. See task_state.c. */

#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"

typedef Mesos__V1__TaskState TaskState;

bool task_state_is_terminal(TaskState s);

/* TASK_LOST for the states that only PARTITION_AWARE frameworks know; others unchanged. */
TaskState task_state_for(TaskState s, bool partition_aware);

/* NULL for a number that has no name. */
const char *task_state_name(TaskState s);         /* "TASK_RUNNING" */
const char *task_source_name(int source);         /* v1 name, "SOURCE_AGENT" */
const char *task_reason_name(int reason);         /* v1 name, "REASON_AGENT_REMOVED" */
