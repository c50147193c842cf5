#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Census: how many of everything there are, and what they use together. See census.c. */

#include "agent/agent.h"

typedef struct Census {
        uint64_t n_frameworks;
        uint64_t n_executors_registering, n_executors_running, n_executors_terminating;
        uint64_t n_tasks_staging, n_tasks_starting, n_tasks_running, n_tasks_killing;
        Resources *used;     /* owned */
} Census;

int census_take(const Agent *a, Census *ret);
void census_deinit(Census *c);
