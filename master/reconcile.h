#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What a framework that asks for the state of a task is told. See reconcile.c. */

#include "common/base/macro.h"
#include "common/model/task_state.h"

/* Where the agent of a task stands with us. */
typedef enum AgentStanding {
        AGENT_UNNAMED,         /* the framework did not say which agent */
        AGENT_UNKNOWN,
        AGENT_RECOVERED,       /* in the registry, not back since our start */
        AGENT_REGISTERED,
        AGENT_UNREACHABLE,
        AGENT_GONE,
} AgentStanding;

typedef struct ReconcileQuestion {
        bool task_known;              /* among the framework's live tasks */
        TaskState task_state;         /* … and this is what it was last told */
        bool task_unreachable;        /* among its unreachable ones */
        AgentStanding agent;
        bool any_agent_recovered;
        bool partition_aware;
} ReconcileQuestion;

typedef struct ReconcileAnswer {
        bool silent;                  /* nothing can be said yet: it shall ask again */
        TaskState state;
        const char *message;
        bool tell_unreachable_time;
} ReconcileAnswer;

ReconcileAnswer reconcile_task(const ReconcileQuestion *q);
