/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Executors
 *
 * An executor, the tasks it was given and the one container it lives in. This file only keeps the
 * books; what happens to executors is decided in lifecycle.c, and their containers are container.c's.
 *
 *     REGISTERING ──SUBSCRIBE──▶ RUNNING ──shutdown, kill──▶ TERMINATING ──container gone──▶ TERMINATED
 *          └──────────────container gone, timeout─────────────────┴──────────────────────────────▲
 *
 * A TERMINATED executor stays until the last update of its tasks is acknowledged: only then nobody
 * can ask for it any more.
 */

#include <stdio.h>

#include <utlist.h>

#include "agent/container.h"
#include "agent/executor.h"
#include "common/model/convert.h"
#include "common/net/pbwire.h"

int completed_task_new(const void *packed, size_t n, CompletedTask **ret) {
        _cleanup_(completed_task_freep) CompletedTask *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;

        t->packed = malloc(n ?: 1);
        if (!t->packed)
                return -ENOMEM;

        memcpy(t->packed, packed, n);
        t->n_packed = n;
        *ret = TAKE_PTR(t);
        return 0;
}

CompletedTask *completed_task_free(CompletedTask *t) {
        if (!t)
                return NULL;

        free(t->packed);
        free(t);
        return NULL;
}

int executor_new(Framework *f, Mesos__V1__ExecutorInfo *info, bool generated, const char *container_id,
                 Executor **ret) {
        _cleanup_(executor_freep) Executor *e = NULL;

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;

        e->framework = f;
        e->generated = generated;
        e->state = EXECUTOR_REGISTERING;
        e->pending_state = MESOS__V1__TASK_STATE__TASK_STAGING;
        e->exit_status = EXIT_STATUS_UNKNOWN;
        snprintf(e->container_id, sizeof(e->container_id), "%s", container_id);

        e->id = strdup(info->executor_id->value);
        if (!e->id)
                return -ENOMEM;

        /* Last: on failure the message stays the caller's. */
        e->info = info;
        *ret = TAKE_PTR(e);
        return 0;
}

Executor *executor_free(Executor *e) {
        CompletedTask *c, *c_tmp;
        Task *t, *tmp;

        if (!e)
                return NULL;

        HASH_ITER (hh, e->tasks, t, tmp) {
                HASH_DEL(e->tasks, t);
                task_free(t);
        }
        DL_FOREACH_SAFE (e->completed, c, c_tmp) {
                DL_DELETE(e->completed, c);
                completed_task_free(c);
        }

        sd_event_source_disable_unref(e->timeout_source);
        container_free(e->container);
        if (e->info)
                pb_free(&e->info->base);
        if (e->pending_limitation)
                pb_free(&e->pending_limitation->base);
        free(e->pending_message);
        free(e->foreign_ports);
        free(e->user);
        free(e->directory);
        free(e->id);
        free(e);
        return NULL;
}

Task *executor_find_task(const Executor *e, const char *task_id) {
        Task *t;

        HASH_FIND_STR(e->tasks, task_id, t);
        return t;
}

void executor_add_task(Executor *e, Task *t) {
        HASH_ADD_KEYPTR(hh, e->tasks, t->id, strlen(t->id), t);
}

bool executor_has_tasks(const Executor *e) {
        return e->tasks;
}

usec_t executor_shutdown_grace_usec(const Executor *e, usec_t default_usec) {
        const Mesos__V1__DurationInfo *grace = e->info->shutdown_grace_period;

        return grace && grace->nanoseconds >= 0 ? duration_info_to_usec(grace) : default_usec;
}

Resources *executor_used_resources(const Executor *e) {
        _cleanup_(resources_freep) Resources *sum = NULL;
        _cleanup_free_ char *message = NULL;

        if (resources_from_pb(e->info->resources, e->info->n_resources, &sum, &message) != RESOURCES_OK) {
                sum = resources_new();
                if (!sum)
                        return NULL;
        }

        for (const Task *t = e->tasks; t; t = t->hh.next)
                if (!task_state_is_terminal(t->state) && resources_add(sum, t->resources) < 0)
                        return NULL;

        return TAKE_PTR(sum);
}
