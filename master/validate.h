#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* May this task be launched? Judgement of tasks, groups and executors, without side effects. See
 * validate.c. */

#include "common/base/macro.h"
#include "common/model/resources.h"
#include "proto/mesos.pb-c.h"

/* Of one group: they are compared with each other. */
#define TASK_GROUP_MAX_TASKS 256

/* What the judge has to know of the world. Everything is borrowed. */
typedef struct LaunchContext {
        const char *framework_id;
        const char *agent_id;             /* of the offers */
        bool agent_takes_limits;          /* capability TASK_RESOURCE_LIMITS */
        bool task_id_taken; /* by a task of the framework that is active or unreachable */
        const Mesos__V1__ExecutorInfo
                        *running_executor; /* with the executor's id, on this agent; NULL: none */
        const Resources *available;       /* what is left of the offers */
} LaunchContext;

/* A task of LAUNCH or of a group with its resources, parsed; executor_resources is NULL for a
 * command task. */
typedef struct LaunchTask {
        const Mesos__V1__TaskInfo *info;
        const Resources *resources;
        const Resources *executor_resources;
} LaunchTask;

/* ACCEPTED or REJECTED (reject.h), or a negative errno. */
int validate_task(const LaunchTask *task, const LaunchContext *context, char **reterr_message);

/* One task of a group by itself; then the group as a whole with its executor. */
int validate_group_task(const LaunchTask *task, const LaunchContext *context,
                        char **reterr_message);
int validate_group(const Mesos__V1__ExecutorInfo *executor, const Resources *executor_resources,
                   const LaunchTask *tasks, size_t n_tasks, const LaunchContext *context,
                   char **reterr_message);
