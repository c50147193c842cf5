#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* History: what is over and may still be asked about. See history.c. */

#include "agent/agent.h"

/* The task is over, and leaves its executor's books and the checkpoint; it is freed. */
void history_add_task(Agent *a, Executor *e, Task *t);

/* The same for an executor without tasks, which its framework's history takes, or frees. */
void history_add_executor(Agent *a, Executor *e);

/* The same for a framework without executors. */
void history_add_framework(Agent *a, Framework *f);

/* A framework that comes back after that has its completed executors again. */
void history_revive_framework(Agent *a, Framework *f);

/* The sandbox is being removed: a later life need not know of who was in it. */
void history_forget_sandbox(Agent *a, const char *directory);

/* Recovery: after the checkpoint's frameworks and executors. -EBADMSG when something is damaged. */
int history_load(Agent *a);
