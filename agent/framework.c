/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frameworks
 *
 * A framework is known here from its first task until its last executor is gone and acknowledged.
 * Its FrameworkInfo is what the master said last.
 */

#include <utlist.h>

#include "agent/framework.h"
#include "common/net/pbwire.h"

int framework_new(Mesos__V1__FrameworkInfo *info, const char *pid, Framework **ret) {
        _cleanup_(framework_freep) Framework *f = NULL;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;

        f->id = strdup(info->id->value);
        f->pid = strdup(pid);
        if (!f->id || !f->pid)
                return -ENOMEM;

        /* Last: on failure the message stays the caller's. */
        f->info = info;
        *ret = TAKE_PTR(f);
        return 0;
}

Framework *framework_free(Framework *f) {
        CompletedExecutor *c, *c_tmp;
        Executor *e, *e_tmp;

        if (!f)
                return NULL;

        HASH_ITER (hh, f->executors, e, e_tmp) {
                HASH_DEL(f->executors, e);
                executor_free(e);
        }
        DL_FOREACH_SAFE (f->completed, c, c_tmp) {
                DL_DELETE(f->completed, c);
                executor_free(c->executor);
                free(c);
        }

        if (f->info)
                pb_free(&f->info->base);
        free(f->pid);
        free(f->id);
        free(f);
        return NULL;
}

bool framework_has_capability(const Framework *f, Mesos__V1__FrameworkInfo__Capability__Type type) {
        for (size_t i = 0; i < f->info->n_capabilities; i++)
                if (f->info->capabilities[i]->has_type && f->info->capabilities[i]->type == type)
                        return true;

        return false;
}

bool framework_is_partition_aware(const Framework *f) {
        return framework_has_capability(f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE);
}

bool framework_checkpoints(const Framework *f) {
        return f->info->has_checkpoint && f->info->checkpoint;
}

Executor *framework_find_executor(const Framework *f, const char *executor_id) {
        Executor *e;

        HASH_FIND_STR(f->executors, executor_id, e);
        return e;
}

Executor *framework_find_task(const Framework *f, const char *task_id, Task **ret_task) {
        for (Executor *e = f->executors; e; e = e->hh.next) {
                Task *t = executor_find_task(e, task_id);

                if (t) {
                        *ret_task = t;
                        return e;
                }
        }

        return NULL;
}
