#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* How many tasks there are in which state, by agent and by framework. See task_tally.c. */

#include <uthash.h>

#include "common/base/macro.h"
#include "common/model/task_state.h"

typedef struct Master Master;

#define TASK_TALLY_STATES 14

typedef struct TaskTally {
        const char *id; /* of the agent or framework; borrowed, as everything here */
        unsigned n_by_state[TASK_TALLY_STATES];
        const char **others;            /* the frameworks of an agent, the agents of a framework */
        size_t n_others;
        UT_hash_handle hh;
} TaskTally;

typedef struct TaskTallies {
        TaskTally *by_agent;
        TaskTally *by_framework;
} TaskTallies;

/* Counts all tasks of frameworks that are not completed; valid until something changes. */
int task_tallies_init(TaskTallies *t, Master *m);
void task_tallies_deinit(TaskTallies *t);

/* NULL when there is not one task. */
const TaskTally *task_tallies_find(TaskTally *tallies, const char *id);
