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
#include <stdio.h>

#include "agent/isolation.h"
#include "agent/volumes.h"

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

static bool is_volume(const ResourceView *v, void *userdata) {
        (void) userdata;
        return v->persistent_volume;
}

static int volume_paths(const AgentConfig *config, Mesos__V1__Resource *const *list, size_t n, char ***ret) {
        char **paths = calloc(n + 1, sizeof(*paths));
        size_t k = 0;
        int r = paths ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < n; i++) {
                r = volume_path(config, list[i], &paths[k]);
                k += r == 0 && paths[k];
        }

        if (r < 0) {
                for (size_t i = 0; i < k; i++)
                        free(paths[i]);
                free(paths);
                return r;
        }

        *ret = paths;
        return 0;
}

/* A command's volumes are all known now. An executor of the framework's own may be given tasks later, with volumes
 * that don't exist yet: it sees where they will be. */
static int all_volumes(const AgentConfig *config, char ***ret) {
        char **paths = calloc(2, sizeof(*paths));

        if (!paths || asprintf(&paths[0], "%s/volumes", config->work_dir) < 0) {
                free(paths);
                return -ENOMEM;
        }

        *ret = paths;
        return 0;
}

int isolation_exposed(const AgentConfig *config, const Executor *e, char ***ret) {
        _cleanup_(resources_freep) Resources *used = NULL, *volumes = NULL;
        Mesos__V1__Resource **list;
        size_t n;
        int r;

        if (!e->generated)
                return all_volumes(config, ret);

        used = executor_used_resources(e);
        volumes = used ? resources_filter(used, is_volume, NULL) : NULL;
        if (!volumes)
                return -ENOMEM;

        r = resources_to_pb(volumes, RESOURCE_FORMAT_NEW, &list, &n);
        if (r < 0)
                return r;

        r = volume_paths(config, list, n, ret);
        resources_free_pb(list, n);
        return r;
}
