#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Task: one task as the master knows it. See task.c. */

#include <uthash.h>

#include "common/base/macro.h"
#include "common/model/resources.h"
#include "common/model/task_state.h"
#include "proto/mesos.pb-c.h"

typedef struct Framework Framework;
typedef struct Node Node;
typedef struct Task Task;

/* A status as it was told, packed; several in a row with the same state keep only the last. */
typedef struct TaskStatusRecord {
        void *packed;
        uint32_t n_packed;
        TaskState state;
        double timestamp_secs;
} TaskStatusRecord;

struct Task {
        char *id;
        char *agent_id;
        char *executor_id; /* NULL: a command task, whose executor is the agent's business */
        Framework *framework;       /* owns us, in one of its three collections */
        Node *node;                 /* where it runs; NULL once unreachable or completed */

        TaskState state;            /* the latest we know of */
        TaskState update_state;     /* of the last update forwarded; lags behind state */
        bool has_update;            /* … by this master: update_state and update_uuid are set */
        bool has_update_uuid;
        uint8_t update_uuid[16];
        bool reported;              /* by its agent, which is just coming back */
        bool kill_wanted;           /* by its framework, whether or not the agent has heard of it */

        void *packed;               /* owned: mesos.v1.Task without state and statuses */
        size_t n_packed;
        Resources *resources;       /* owned; what it holds, NULL as soon as it holds nothing */
        TaskStatusRecord *statuses; /* owned */
        size_t n_statuses;

        UT_hash_handle hh;          /* by id, in framework->tasks or ->unreachable_tasks */
        Task *prev, *next;          /* in framework->completed_tasks */
        Task *node_prev, *node_next;     /* of the same node, or unreachable agent */
};

/* What was launched, in the new resource format and with
 * `resources` parsed from it (taken over). */
int task_new_from_info(const Mesos__V1__TaskInfo *info, const char *framework_id,
                       Resources *resources, Task **ret);

/* What an agent reports that came back. RESOURCES_E_INVALID when its resources make no sense. */
int task_new_from_report(const Mesos__V1__Task *report, Task **ret);
Task *task_free(Task *t);
DEFINE_CLEANUP(Task *, task_free)

bool task_is_terminal(const Task *t);

/* Neither terminal nor unreachable: it holds resources of its agent. */
bool task_is_active(const Task *t);

int task_add_status(Task *t, const Mesos__V1__TaskStatus *status);

/* The last status told, unpacked; NULL when there is none. Free with pb_free(). */
Mesos__V1__TaskStatus *task_last_status(const Task *t);

/* When the first status came, or 0. */
double task_first_timestamp(const Task *t);

/* The whole of it as a message of its own. Free with pb_free(). */
int task_to_pb(const Task *t, Mesos__V1__Task **ret);
