#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Framework: what the agent runs for one framework. See framework.c. */

#include <uthash.h>

#include "agent/executor.h"
#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"

typedef struct Framework {
        char *id;                          /* owned */
        char *pid;                         /* owned; UPID of a driver, "@0.0.0.0:0" of v1 frameworks */
        Mesos__V1__FrameworkInfo *info;    /* owned */
        bool terminating;
        Executor *executors;               /* uthash by id; owned */
        CompletedExecutor *completed;      /* utlist, newest first; owned */
        size_t n_completed;
        int64_t record;                    /* in the stored history, once it is over; 0: not there */
        UT_hash_handle hh;
} Framework;

/* A framework that is over, with what operators may still ask about it. */
typedef struct CompletedFramework {
        Framework *framework;              /* owned; its executors hash is empty */
        struct CompletedFramework *prev, *next;
} CompletedFramework;

/* Takes `info` (whose id is set). */
int framework_new(Mesos__V1__FrameworkInfo *info, const char *pid, Framework **ret);
Framework *framework_free(Framework *f);
DEFINE_CLEANUP(Framework *, framework_free)

bool framework_has_capability(const Framework *f, Mesos__V1__FrameworkInfo__Capability__Type type);
bool framework_is_partition_aware(const Framework *f);
bool framework_checkpoints(const Framework *f);

Executor *framework_find_executor(const Framework *f, const char *executor_id);

/* The executor that has the task queued, launched or terminated; NULL when none. */
Executor *framework_find_task(const Framework *f, const char *task_id, Task **ret_task);
