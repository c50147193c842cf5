/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Census
 *
 * Gauges are counted from the objects when somebody asks instead of being kept up to date at every
 * change: they cannot drift, and questions are rarer than changes.
 */

#include "agent/census.h"

static void count_executor(const Executor *e, Census *c) {
        switch (e->state) {
        case EXECUTOR_REGISTERING:
                c->n_executors_registering++;
                break;
        case EXECUTOR_RUNNING:
                c->n_executors_running++;
                break;
        case EXECUTOR_TERMINATING:
                c->n_executors_terminating++;
                break;
        case EXECUTOR_TERMINATED:
                break;
        }
}

static void count_task(const Task *t, Census *c) {
        if (t->state == MESOS__V1__TASK_STATE__TASK_STAGING)
                c->n_tasks_staging++;
        else if (t->state == MESOS__V1__TASK_STATE__TASK_STARTING)
                c->n_tasks_starting++;
        else if (t->state == MESOS__V1__TASK_STATE__TASK_RUNNING)
                c->n_tasks_running++;
        else if (t->state == MESOS__V1__TASK_STATE__TASK_KILLING)
                c->n_tasks_killing++;
}

static int count_framework(const Framework *f, Census *c) {
        const Executor *e;
        const Task *t;

        c->n_frameworks++;
        for (e = f->executors; e; e = e->hh.next) {
                _cleanup_(resources_freep) Resources *used = executor_used_resources(e);
                int r = used ? resources_add(c->used, used) : -ENOMEM;

                if (r < 0)
                        return r;

                count_executor(e, c);
                for (t = e->tasks; t; t = t->hh.next)
                        count_task(t, c);
        }

        return 0;
}

int census_take(const Agent *a, Census *ret) {
        _cleanup_(census_deinit) Census c = { .used = resources_new() };
        const Framework *f;
        int r;

        if (!c.used)
                return -ENOMEM;

        for (f = a->frameworks; f; f = f->hh.next) {
                r = count_framework(f, &c);
                if (r < 0)
                        return r;
        }

        *ret = c;
        c = (Census) {};
        return 0;
}

void census_deinit(Census *c) {
        c->used = resources_free(c->used);
}
