#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Status updates: from agents to frameworks, acknowledgements back, and those the master makes
 * itself. See status_router.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/model/task_state.h"
#include "common/net/peer.h"
#include "proto/internal.pb-c.h"
#include "proto/scheduler.pb-c.h"

typedef struct Framework Framework;
typedef struct Master Master;
typedef struct Task Task;

typedef Mesos__V1__TaskStatus__Reason TaskReason;

/* What the master says about a task on its own account. It carries no uuid and is sent once. */
typedef struct MasterStatus {
        const char *task_id;
        const char *agent_id;            /* NULL: not told */
        const char *executor_id;         /* NULL: none */
        TaskState state;
        TaskReason reason;
        const char *message;
        usec_t unreachable_usec;         /* wall clock; 0: not told */
        const Mesos__V1__ContainerStatus *container_status;     /* borrowed, may be NULL */
        const protobuf_c_boolean *healthy;
} MasterStatus;

/* From an agent. */
void status_router_update(Master *m, const Upid *from, const Mesos__Internal__StatusUpdate *update);

/* ACKNOWLEDGE from the framework. */
void status_router_acknowledge(Master *m, Framework *f,
                               const Mesos__V1__Scheduler__Call__Acknowledge *ack);

/* Only tells the framework. */
void status_router_tell(Framework *f, const MasterStatus *s);

/* Tells the framework the latest known state of a task, as `reason` and `message` say why. */
void status_router_tell_latest(Task *t, TaskState state, TaskReason reason, const char *message);

/*
 * Changes the task's state in our books and returns its resources if that ends it; `silent` keeps
 * it from the framework. The task stays in the collection it is in.
 */
void status_router_transition(Task *t, const MasterStatus *s, bool silent);

/* Moves a task that is through from the live ones to the completed ones, giving back what it may
 * still hold. */
void status_router_retire(Task *t);
