#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Task: one task on this agent. See task.c. */

#include <uthash.h>

#include "common/base/macro.h"
#include "common/model/resources.h"
#include "common/model/task_state.h"
#include "proto/mesos.pb-c.h"

typedef enum TaskStage {
        TASK_QUEUED,          /* waits for its executor to subscribe */
        TASK_LAUNCHED,        /* the executor has it, or may have it */
        TASK_TERMINATED,      /* terminal state known, not yet acknowledged by the scheduler */
} TaskStage;

typedef struct Task {
        char *id;                            /* owned */
        Mesos__V1__TaskInfo *info;           /* owned */
        TaskStage stage;
        TaskState state;                     /* latest we know */
        TaskState forwarded_state;           /* of the newest update the scheduler was sent; TASK_STAGING: none */
        uint8_t forwarded_uuid[16];
        bool has_forwarded;
        uint64_t order;                      /* of arrival, for queued tasks */
        bool recorded;                       /* may be delivered: a crash would not forget it */
        bool unrecordable;             /* the disk refused it; nothing of it is stored */
        bool kill_pending;                   /* to be killed when its executor is back */
        Mesos__V1__KillPolicy *kill_policy;  /* owned; of the pending kill, NULL: the task's own */
        Mesos__V1__TaskStatus **statuses;    /* owned; one per run of equal states, oldest first, no data */
        size_t n_statuses;
        Resources *resources;                /* owned */
        UT_hash_handle hh;
} Task;

/* Takes `info`. Fails with TASK_E_INVALID when its resources do not parse. */
enum {
        TASK_OK = 0,
        TASK_E_INVALID,
};
int task_new(Mesos__V1__TaskInfo *info, Task **ret);
Task *task_free(Task *t);
DEFINE_CLEANUP(Task *, task_free)

/* Remembers a status for /state and re-registration; the state only changes up to the first terminal one. */
int task_note_status(Task *t, const Mesos__V1__TaskStatus *status);

/* The newest update that the scheduler was sent. */
void task_note_forwarded(Task *t, TaskState state, const uint8_t uuid[static 16]);

/* As the master and GET_TASKS show it: the packed mesos.v1.Task. */
int task_pack(const Task *t, const char *framework_id, const char *agent_id, const char *executor_id,
              uint8_t **ret, size_t *ret_n);

/* The same as a message; free with pb_free(). NULL out of memory. */
Mesos__V1__Task *task_to_pb(const Task *t, const char *framework_id, const char *agent_id,
                            const char *executor_id);
