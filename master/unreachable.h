#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Unreachable tasks by agent: found when their agent returns, or never will. See unreachable.c. */

#include <uthash.h>

#include "common/base/macro.h"

typedef struct Task Task;
typedef struct UnreachableAgent UnreachableAgent;

typedef struct UnreachableIndex {
        UnreachableAgent *agents;        /* owned, by id; those that have a task here */
        UnreachableAgent *visited;       /* stays while it is, whatever becomes of its tasks */
} UnreachableIndex;

/* The index must be empty. */
void unreachable_index_deinit(UnreachableIndex *x);

/* The task must have no node, and may be in the index once. */
int unreachable_index_add(UnreachableIndex *x, Task *t);
void unreachable_index_remove(UnreachableIndex *x, Task *t);

/* One of the agent's tasks; NULL when there is none (any more). */
Task *unreachable_index_first(const UnreachableIndex *x, const char *agent_id);

/* All agents in it; `visit` may take any of the agent's own tasks out. */
typedef void (*UnreachableVisitor)(const char *agent_id, void *userdata);
void unreachable_index_foreach(UnreachableIndex *x, UnreachableVisitor visit, void *userdata);
