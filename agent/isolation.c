/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Isolation
 *
 * Isolators know containers, not tasks. A container is asked to hold what its executor and its
 * unfinished tasks asked for, together. Limits are the tasks' alone: an executor gets one as soon as
 * one of its tasks has one, and then it is the sum of the limits, where a task without one counts
 * with what it asked for; one that is unlimited makes the whole unlimited. Only of cpus, where no
 * quota is the rule, a single task without a limit leaves the container without one.
 * (Mesos: slave.cpp, computeExecutorLimits().)
 */

#include <math.h>

#include "agent/isolation.h"

static bool is_revocable_cpus(const ResourceView *v, void *userdata) {
        (void) userdata;
        return v->revocable && streq(v->name, "cpus");
}

/* Of one task; negative when it gave none. */
static int64_t task_limit_milli(const Mesos__V1__TaskInfo *info, const char *name) {
        for (size_t i = 0; i < info->n_limits; i++) {
                double value;

                if (!info->limits[i]->key || !streq(info->limits[i]->key, name) || !info->limits[i]->value)
                        continue;

                value = info->limits[i]->value->value;
                return value > 1e12 ? DEMAND_UNLIMITED : (int64_t) llround(value * 1000);
        }

        return -1;
}

static int64_t sum(int64_t a, int64_t b) {
        return a > DEMAND_UNLIMITED - b ? DEMAND_UNLIMITED : a + b;
}

/* The limit of the container; negative: none. */
static int64_t limit_milli(const Executor *e, const char *name, int64_t own_milli, bool all_must) {
        int64_t total = own_milli;
        bool any = false;

        for (const Task *t = e->tasks; t; t = t->hh.next) {
                int64_t limit = t->stage < TASK_TERMINATED ? task_limit_milli(t->info, name) : 0;

                if (t->stage >= TASK_TERMINATED)
                        continue;
                if (limit < 0 && all_must)
                        return -1;

                any = any || limit >= 0;
                total = sum(total, limit >= 0 ? limit : resources_scalar_milli(t->resources, name));
        }

        return any ? total : -1;
}

int isolation_request(const Executor *e, const Identity *identity, IsolatorRequest *ret) {
        _cleanup_(resources_freep) Resources *used = executor_used_resources(e), *own = NULL;
        _cleanup_free_ char *why = NULL;
        int r;

        if (!used)
                return -ENOMEM;

        r = resources_from_pb(e->info->resources, e->info->n_resources, &own, &why);
        if (r != RESOURCES_OK)
                return r < 0 ? r : -EINVAL;

        *ret = (IsolatorRequest) {
                .container_id = e->container_id,
                .sandbox = e->directory,
                .uid = identity ? identity->uid : 0,
                .gid = identity ? identity->gid : 0,
                .address = *e->address ? e->address : NULL,
                .cpus.request_milli = resources_scalar_milli(used, "cpus"),
                .mem.request_milli = resources_scalar_milli(used, "mem"),
                .revocable_cpus = resources_any(used, is_revocable_cpus, NULL),
                .info = e->info->container,
        };
        ret->cpus.limit_milli = limit_milli(e, "cpus", resources_scalar_milli(own, "cpus"), true);
        ret->mem.limit_milli = limit_milli(e, "mem", resources_scalar_milli(own, "mem"), false);
        return 0;
}

/* Why the limits of a task would not hold here; NULL when they do. */
const char *isolation_refuse_limits(const IsolatorSet *isolators, const Mesos__V1__TaskInfo *info) {
        if (task_limit_milli(info, "cpus") >= 0 && !isolator_set_has(isolators, "cgroups/cpu"))
                return "CPU limits can only be set on tasks launched in Mesos containers when the agent has "
                       "loaded the 'cgroups/cpu' isolator";
        if (task_limit_milli(info, "mem") >= 0 && !isolator_set_has(isolators, "cgroups/mem"))
                return "Memory limits can only be set on tasks launched in Mesos containers when the agent has "
                       "loaded the 'cgroups/mem' isolator";

        return NULL;
}
