#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Inventory: what an agent tells a master when it registers again. See inventory.c. */

#include "agent/agent.h"
#include "proto/internal.pb-c.h"

/* The arrays, the tasks and what is completed are owned; frameworks and executors are the agent's own. */
typedef struct Inventory {
        Mesos__V1__FrameworkInfo **frameworks;
        Mesos__V1__ExecutorInfo **executors;
        Mesos__V1__Task **tasks;
        Mesos__Internal__Archive__Framework **completed;
        size_t n_frameworks, n_executors, n_tasks, n_completed;
} Inventory;

/* Valid until something changes; deinit it whatever the result. */
int inventory_take(const Agent *a, Inventory *v);
void inventory_deinit(Inventory *v);
