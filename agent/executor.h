#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Executor: one executor, its tasks and its container. See executor.c. */

#include <systemd/sd-event.h>
#include <uthash.h>

#include "agent/address_pool.h"
#include "agent/task.h"
#include "common/base/macro.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "common/model/resources.h"
#include "proto/mesos.pb-c.h"

typedef struct Container Container;
typedef struct ExecutorStream ExecutorStream;
typedef struct Framework Framework;

/* A task that is over, as it was at its end. */
typedef struct CompletedTask {
        uint8_t *packed;                   /* owned; mesos.v1.Task */
        size_t n_packed;
        int64_t record;                    /* in the stored history; 0: not there */
        struct CompletedTask *prev, *next;
} CompletedTask;

/* Copies `packed`. */
int completed_task_new(const void *packed, size_t n, CompletedTask **ret);
CompletedTask *completed_task_free(CompletedTask *t);
DEFINE_CLEANUP(CompletedTask *, completed_task_free)

typedef enum ExecutorState {
        EXECUTOR_REGISTERING,     /* launched or recovered, has not subscribed in this life of the agent */
        EXECUTOR_RUNNING,         /* subscribed */
        EXECUTOR_TERMINATING,     /* told to shut down, or its container is being destroyed */
        EXECUTOR_TERMINATED,      /* its container is gone; tasks wait for acknowledgements */
} ExecutorState;

typedef struct Executor {
        Framework *framework;              /* borrowed: the owner */
        char *id;                          /* owned */
        Mesos__V1__ExecutorInfo *info;     /* owned */
        bool generated;                    /* ours, made for a command task; the master does not hear of it */
        char container_id[37];
        char *directory;                   /* owned; sandbox on the host */
        char address[ADDRESS_POOL_TEXT_MAX];   /* in a network of its own, "10.88.0.5/16"; "": none */
        char *user;                        /* owned; who it runs as, NULL without --switch_user */

        ExecutorState state;
        bool ever_subscribed;
        bool recovered;                    /* found again after a restart of the agent */
        Container *container;              /* owned; NULL once it is gone */
        ExecutorStream *stream;            /* borrowed from executor_api; NULL while not connected */
        sd_event_source *timeout_source;   /* registration, then shutdown */

        /* Why it is being ended, for the terminal updates of its tasks; TASK_STAGING: nobody said. */
        TaskState pending_state;
        int pending_reason;
        char *pending_message;             /* owned */
        Mesos__V1__TaskResourceLimitation *pending_limitation;   /* owned; NULL: no limit was met */
        char *foreign_ports;               /* owned; the last that were seen and logged, NULL: none */
        ExitStatus exit_status;            /* in EXECUTOR_TERMINATED */

        Task *tasks;                       /* uthash by id: queued, launched, terminated; owned */
        CompletedTask *completed;          /* utlist, newest first: acknowledged to the end; owned, bounded */
        size_t n_completed;
        int64_t record;                    /* in the stored history, once it is over; 0: not there */
        UT_hash_handle hh;
} Executor;

typedef struct CompletedExecutor {
        Executor *executor;                /* owned */
        struct CompletedExecutor *prev, *next;
} CompletedExecutor;

/* Takes `info`. The caller adds it to the framework. */
int executor_new(Framework *f, Mesos__V1__ExecutorInfo *info, bool generated, const char *container_id,
                 Executor **ret);
Executor *executor_free(Executor *e);
DEFINE_CLEANUP(Executor *, executor_free)

Task *executor_find_task(const Executor *e, const char *task_id);
void executor_add_task(Executor *e, Task *t);

/* Queued, launched, or terminated but not acknowledged. */
bool executor_has_tasks(const Executor *e);

/* How long it may take to shut down: its own word, else the agent's default. */
usec_t executor_shutdown_grace_usec(const Executor *e, usec_t default_usec);

/* Its own resources and those of its unfinished tasks; owned by the caller, NULL out of memory. */
Resources *executor_used_resources(const Executor *e);
