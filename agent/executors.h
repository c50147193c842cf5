#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What happens to executors: launch, subscription, shutdown, end. See executors.c. */

#include "agent/agent.h"
#include "agent/container.h"

/* Makes an executor for the framework and begins to launch its container. Takes `info`. */
int executors_launch(Agent *a, Framework *f, Mesos__V1__ExecutorInfo *info, bool generated, Executor **ret);

/* It subscribed: deliver what is queued. The stream is in place. */
void executors_subscribed(Agent *a, Executor *e);

/* SHUTDOWN, and an end by force after its grace period. */
void executors_shutdown(Agent *a, Executor *e);

/* The one whose container this is, as long as it is there. */
Executor *executors_find_live(const Agent *a, const char *container_id);

/* By force at once, with what its unfinished tasks are told: a state (of partition-aware frameworks), reason, message. */
void executors_destroy(Agent *a, Executor *e, TaskState state, int reason, const char *message);

/* The same for one that met a limit which the agent watches over: its tasks fail with the reason and the resources
 * that it has too much of. */
void executors_exceeded(Agent *a, Executor *e, int reason, const char *message, const Resources *met);

/* Frees it if its container is gone and nothing of its tasks is left to say. True when it was freed. */
bool executors_tidy(Agent *a, Executor *e);

/* Persistent volumes are where they should be: what waited for that goes on. */
void executors_volumes_settled(Agent *a);

void executors_shutdown_framework(Agent *a, Framework *f);

/* Tells its container what its unfinished tasks may use together. */
void executors_update_limits(Executor *e);

/* Takes up an executor of an earlier life; it is in state REGISTERING and waits to be heard of. */
int executors_adopt(Agent *a, Executor *e, const ContainerIdentity *identity);
