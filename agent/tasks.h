#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What happens to tasks: run, deliver, kill, update, acknowledge. See tasks.c. */

#include "agent/agent.h"
#include "agent/status_manager.h"

/* From the master. Each takes nothing: messages are copied where they are kept. */
void tasks_run(Agent *a, const Mesos__Internal__RunTaskMessage *m);
void tasks_kill(Agent *a, const char *framework_id, const char *task_id, const Mesos__V1__KillPolicy *policy);

/* Hands a queued task to its subscribed executor, unless its volumes are still being made. */
void tasks_deliver(Agent *a, Executor *e, Task *t);

/* A status from an executor's UPDATE (or its unacknowledged ones).  */
/* What the status manager said, or a negative errno: then the status was not taken. */
int tasks_update(Agent *a, Executor *e, const Mesos__V1__TaskStatus *status);

/* A status of our own making for a task; `state` is mapped for frameworks that are not partition-aware. */
void tasks_tell(Agent *a, Framework *f, const char *executor_id, Task *t, TaskState state, int reason,
                const char *message);

/* The same for a task nobody keeps. */
void tasks_tell_unknown(Agent *a, const Mesos__V1__FrameworkInfo *framework, const char *task_id,
                        const char *executor_id, TaskState state, int reason, const char *message);

/* Every unfinished task of an executor that is gone. `limitation` NULL: no limit was met. */
void tasks_end_all(Agent *a, Executor *e, TaskState state, int reason, const char *message,
                   const Mesos__V1__TaskResourceLimitation *limitation);

/* Kills that came while the executor was away. */
void tasks_kill_pending(Agent *a, Executor *e);

extern const StatusManagerOps tasks_status_ops;
