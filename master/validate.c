/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Validation of launches
 *
 * The order of the checks and their texts are part of the protocol: a framework is told the first
 * thing that is wrong, in TASK_ERROR. First the task by itself, then its executor, then both
 * together against what is left of the offers.
 *
 * Pure: the caller looked up what must be known of the world and hands it in as a LaunchContext.
 */

#include <math.h>

#include "common/model/id.h"
#include "common/net/pbjson.h"
#include "common/net/pbwire.h"
#include "master/check.h"
#include "master/reject.h"
#include "master/validate.h"

/* A group's executor runs for all of its tasks and needs at least this to do so. */
#define GROUP_EXECUTOR_MIN_CPUS_MILLI 10
#define GROUP_EXECUTOR_MIN_MEM_MILLI (32 * 1000)

static int validate_id(const char *id, char **reterr_message) {
        char buf[ID_MESSAGE_MAX];

        return id_check_message(id, buf) ? reject(reterr_message, "%s", buf) : ACCEPTED;
}

static int validate_identity(const Mesos__V1__TaskInfo *task, const LaunchContext *context,
                             char **reterr_message) {
        int r;

        r = validate_id(task->task_id->value, reterr_message);
        if (r != ACCEPTED)
                return r;

        if (context->task_id_taken)
                return reject(reterr_message, "Task has duplicate ID: %s", task->task_id->value);

        if (!streq(task->agent_id->value, context->agent_id))
                return reject(reterr_message,
                              "Task uses invalid agent %s while agent %s is expected",
                              task->agent_id->value, context->agent_id);

        return ACCEPTED;
}

static int validate_policies(const Mesos__V1__TaskInfo *task, char **reterr_message) {
        int r;

        if (task->kill_policy && task->kill_policy->grace_period &&
            task->kill_policy->grace_period->nanoseconds < 0)
                return reject(reterr_message,
                              "Task's 'kill_policy.grace_period' must be non-negative");

        if (task->max_completion_time && task->max_completion_time->nanoseconds < 0)
                return reject(reterr_message, "Task's `max_completion_time` must be non-negative");

        if (task->check) {
                r = check_check(task->check, reterr_message);
                if (r != ACCEPTED)
                        return reject_prefix(r, reterr_message, "Task uses invalid check");
        }

        if (task->health_check) {
                r = check_health_check(task->health_check, reterr_message);
                if (r != ACCEPTED)
                        return reject_prefix(r, reterr_message, "Task uses invalid health check");
        }

        return ACCEPTED;
}

/* What one entry of a bag must not be mixed with. */
typedef struct RevocableSurvey {
        const char *name;
        bool revocable;
        bool found;
} RevocableSurvey;

static void survey_revocable(const ResourceView *v, int64_t milli _unused_,
                             const char *text _unused_, void *userdata) {
        RevocableSurvey *s = userdata;

        if (streq(v->name, s->name) && v->revocable == s->revocable)
                s->found = true;
}

typedef struct MixedSurvey {
        const Resources *all;
        const char *mixed;       /* name of a resource that is there revocable and not */
} MixedSurvey;

static void survey_mixed(const ResourceView *v, int64_t milli _unused_, const char *text _unused_,
                         void *userdata) {
        MixedSurvey *s = userdata;
        RevocableSurvey inner = { .name = v->name, .revocable = !v->revocable };

        if (!s->mixed && resources_foreach(s->all, survey_revocable, &inner) >= 0 && inner.found)
                s->mixed = v->name;
}

static int validate_revocable(const Resources *resources, char **reterr_message) {
        MixedSurvey survey = { .all = resources };
        int r;

        r = resources_foreach(resources, survey_mixed, &survey);
        if (r < 0)
                return r;

        if (survey.mixed)
                return reject(reterr_message,
                              "Cannot use both revocable and non-revocable '%s' at the same time",
                              survey.mixed);

        return ACCEPTED;
}

static int validate_bag(Mesos__V1__Resource *const *list, size_t n, const Resources *parsed,
                        char **reterr_message) {
        int r;

        r = resources_validate_use(list, n, reterr_message);
        if (r != RESOURCES_OK)
                return r;

        return resources_validate_allocation(parsed, reterr_message);
}

static int validate_own_resources(const LaunchTask *task, char **reterr_message) {
        int r;

        if (task->info->n_resources == 0)
                return reject(reterr_message, "Task uses no resources");

        r = validate_bag(task->info->resources, task->info->n_resources, task->resources,
                         reterr_message);
        if (r != ACCEPTED)
                return reject_prefix(r, reterr_message, "Invalid task resources");

        r = validate_revocable(task->resources, reterr_message);
        return reject_prefix(r, reterr_message, "Task mixes revocable and non-revocable resources");
}

static int validate_limit(const Mesos__V1__TaskInfo__LimitsEntry *limit, const Resources *resources,
                          char **reterr_message) {
        double value = limit->value ? limit->value->value : 0;
        bool cpus = streq(limit->key ?: "", "cpus");

        if (!cpus && !streq(limit->key ?: "", "mem"))
                return reject(reterr_message,
                              "Only cpus and mem may be included in a task's resource limits");

        if (!resources_has(resources, limit->key))
                return reject(reterr_message,
                              "When a %s limit is set, a %s request must also be set",
                              cpus ? "cpu" : "memory", cpus ? "cpu" : "memory");

        if (isnan(value) ||
            (!isinf(value) &&
             value * 1000 + 0.5 < (double) resources_scalar_milli(resources, limit->key)) ||
            (isinf(value) && value < 0))
                return reject(reterr_message,
                              "The %s limit must be greater than or equal to the %s request",
                              cpus ? "cpu" : "memory", cpus ? "cpu" : "memory");

        return ACCEPTED;
}

static int validate_limits(const LaunchTask *task, const LaunchContext *context,
                           char **reterr_message) {
        int r;

        if (task->info->n_limits == 0)
                return ACCEPTED;

        for (size_t i = 0; i < task->info->n_limits; i++) {
                r = validate_limit(task->info->limits[i], task->resources, reterr_message);
                if (r != ACCEPTED)
                        return r;
        }

        if (!context->agent_takes_limits)
                return reject(reterr_message, "Agent %s is not TASK_RESOURCE_LIMITS capable",
                              context->agent_id);

        return ACCEPTED;
}

/* What LAUNCH and LAUNCH_GROUP ask of a task alike. */
static int validate_task_itself(const LaunchTask *task, const LaunchContext *context,
                                char **reterr_message) {
        int r;

        r = validate_identity(task->info, context, reterr_message);
        if (r == ACCEPTED)
                r = validate_policies(task->info, reterr_message);
        if (r == ACCEPTED)
                r = validate_own_resources(task, reterr_message);
        if (r != ACCEPTED)
                return r;

        if (task->info->command) {
                r = check_command(task->info->command, reterr_message);
                if (r != ACCEPTED)
                        return reject_prefix(r, reterr_message, "Task's `CommandInfo` is invalid");
        }

        if (task->info->container) {
                r = check_container(task->info->container, reterr_message);
                if (r != ACCEPTED)
                        return reject_prefix(r, reterr_message,
                                             "Task's `ContainerInfo` is invalid");
        }

        return validate_limits(task, context, reterr_message);
}

static int validate_default_executor(const Mesos__V1__ExecutorInfo *e, char **reterr_message) {
        if (e->command)
                return reject(reterr_message,
                              "'ExecutorInfo.command' must not be set for 'DEFAULT' executor");

        if (!e->container)
                return ACCEPTED;

        if (e->container->type != MESOS__V1__CONTAINER_INFO__TYPE__MESOS)
                return reject(reterr_message, "'ExecutorInfo.container.type' must be 'MESOS' for "
                                              "'DEFAULT' executor");

        if (e->container->mesos && e->container->mesos->image)
                return reject(reterr_message, "'ExecutorInfo.container.mesos.image' must not be "
                                              "set for 'DEFAULT' executor");

        return ACCEPTED;
}

static int validate_executor_type(const Mesos__V1__ExecutorInfo *e, char **reterr_message) {
        if (!e->has_type)
                return ACCEPTED;

        switch (e->type) {
        case MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT:
                return validate_default_executor(e, reterr_message);
        case MESOS__V1__EXECUTOR_INFO__TYPE__CUSTOM:
                if (!e->command)
                        return reject(reterr_message,
                                      "'ExecutorInfo.command' must be set for 'CUSTOM' executor");
                return ACCEPTED;
        case MESOS__V1__EXECUTOR_INFO__TYPE__UNKNOWN:
        case _MESOS__V1__EXECUTOR_INFO__TYPE_IS_INT_SIZE:
                break;
        }

        return reject(reterr_message, "Unknown executor type");
}

static int validate_executor_parts(const Mesos__V1__ExecutorInfo *e, const Resources *resources,
                                   char **reterr_message) {
        int r;

        if (e->shutdown_grace_period && e->shutdown_grace_period->nanoseconds < 0)
                return reject(reterr_message,
                              "ExecutorInfo's 'shutdown_grace_period' must be non-negative");

        r = validate_bag(e->resources, e->n_resources, resources, reterr_message);
        if (r != ACCEPTED)
                return reject_prefix(r, reterr_message, "Invalid executor resources");

        r = validate_revocable(resources, reterr_message);
        if (r != ACCEPTED)
                return reject_prefix(r, reterr_message,
                                     "Executor mixes revocable and non-revocable resources");

        if (e->command) {
                r = check_command(e->command, reterr_message);
                if (r != ACCEPTED)
                        return reject_prefix(r, reterr_message,
                                             "Executor's `CommandInfo` is invalid");
        }

        if (e->container) {
                r = check_container(e->container, reterr_message);
                if (r != ACCEPTED)
                        return reject_prefix(r, reterr_message,
                                             "Executor's `ContainerInfo` is invalid");

                if (e->container->linux_info && e->container->linux_info->has_share_cgroups &&
                    e->container->linux_info->share_cgroups)
                        return reject(reterr_message, "The 'share_cgroups' field cannot be set to "
                                                      "'true' on executor "
                                                      "containers");
        }

        return ACCEPTED;
}

/* Both descriptions, so that somebody can find the difference. */
static int reject_incompatible(const Mesos__V1__ExecutorInfo *existing,
                               const Mesos__V1__ExecutorInfo *e, char **reterr_message) {
        static const char ruler[] = "------------------------------------------------------------";
        Buffer was = BUFFER_INIT(1U << 20), now = BUFFER_INIT(1U << 20);
        int r;

        r = pbjson_print(&existing->base, &was);
        if (r >= 0)
                r = pbjson_print(&e->base, &now);
        if (r >= 0)
                r = reject(reterr_message,
                           "ExecutorInfo is not compatible with existing ExecutorInfo with same "
                           "ExecutorID.\n%s\nExisting "
                           "ExecutorInfo:\n%.*s\n%s\nExecutorInfo:\n%.*s\n%s\n",
                           ruler, (int) buffer_size(&was), buffer_data(&was), ruler,
                           (int) buffer_size(&now), buffer_data(&now), ruler);

        buffer_deinit(&was);
        buffer_deinit(&now);
        return r;
}

static int validate_executor(const Mesos__V1__ExecutorInfo *e, const Resources *resources,
                             const LaunchContext *context, char **reterr_message) {
        int r;

        r = validate_id(e->executor_id->value, reterr_message);
        if (r == ACCEPTED)
                r = validate_executor_type(e, reterr_message);
        if (r != ACCEPTED)
                return r;

        if (context->running_executor && !pb_equal(&context->running_executor->base, &e->base))
                return reject_incompatible(context->running_executor, e, reterr_message);

        if (!e->framework_id)
                return reject(reterr_message, "'ExecutorInfo.framework_id' must be set");

        if (!streq(e->framework_id->value, context->framework_id))
                return reject(reterr_message,
                              "ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: "
                              "%s)",
                              e->framework_id->value, context->framework_id);

        return validate_executor_parts(e, resources, reterr_message);
}

/* Adding ranges and sets merges them, so what two both name would be counted, and had, once too
 * often. */
static int add_disjoint(Resources *total, const Resources *next, const char *subject,
                        char **reterr_message) {
        int r;

        r = resources_validate_disjoint(total, next);
        if (r == RESOURCES_E_INVALID)
                return reject(reterr_message, "%s use the same items of ranges or sets", subject);
        if (r < 0)
                return r;

        return resources_add(total, next);
}

/* `subject` is "task and its executor is" and the like, as the sentence goes on. */
static int validate_fits(const Resources *total, const Resources *available, const char *subject,
                         char **reterr_message) {
        Buffer wanted = BUFFER_INIT(64U << 10), left = BUFFER_INIT(64U << 10);
        int r;

        if (resources_contains(available, total))
                return ACCEPTED;

        r = resources_format(total, &wanted);
        if (r >= 0)
                r = resources_format(available, &left);
        if (r >= 0)
                r = reject(reterr_message,
                           "Total resources %.*s required by %s more than available %.*s",
                           (int) buffer_size(&wanted), buffer_data(&wanted), subject,
                           (int) buffer_size(&left), buffer_data(&left));

        buffer_deinit(&wanted);
        buffer_deinit(&left);
        return r;
}

static int validate_task_executor(const LaunchTask *task, const LaunchContext *context,
                                  char **reterr_message) {
        const Mesos__V1__ExecutorInfo *e = task->info->executor;

        if (!e == !task->info->command)
                return reject(reterr_message,
                              "Task should have at least one (but not both) of CommandInfo or "
                              "ExecutorInfo present");
        if (!e)
                return ACCEPTED;

        if (e->has_type && e->type != MESOS__V1__EXECUTOR_INFO__TYPE__CUSTOM)
                return reject(reterr_message, "'ExecutorInfo.type' must be 'CUSTOM'");

        if (!e->command)
                return reject(reterr_message, "'ExecutorInfo.command' must be set");

        return validate_executor(e, task->executor_resources, context, reterr_message);
}

int validate_task(const LaunchTask *task, const LaunchContext *context, char **reterr_message) {
        _cleanup_(resources_freep) Resources *total = NULL;
        int r;

        assert(task);
        assert(context);
        assert(reterr_message);

        r = validate_task_itself(task, context, reterr_message);
        if (r == ACCEPTED)
                r = validate_task_executor(task, context, reterr_message);
        if (r != ACCEPTED)
                return r;

        total = resources_copy(task->resources);
        if (!total)
                return -ENOMEM;

        if (task->executor_resources && !context->running_executor) {
                r = add_disjoint(total, task->executor_resources, "Task and its executor",
                                 reterr_message);
                if (r != ACCEPTED)
                        return r;
        }

        r = validate_revocable(total, reterr_message);
        if (r != ACCEPTED)
                return reject_prefix(r, reterr_message,
                                     "Task and its executor mix revocable and non-revocable "
                                     "resources");

        return validate_fits(total, context->available, "task and its executor is", reterr_message);
}

static int validate_group_container(const Mesos__V1__TaskInfo *task, char **reterr_message) {
        bool probes_network;

        if (!task->container)
                return ACCEPTED;

        if (task->container->type == MESOS__V1__CONTAINER_INFO__TYPE__DOCKER)
                return reject(reterr_message, "Docker ContainerInfo is not supported on the task");

        probes_network = task->health_check &&
                (task->health_check->type == MESOS__V1__HEALTH_CHECK__TYPE__HTTP ||
                 task->health_check->type == MESOS__V1__HEALTH_CHECK__TYPE__TCP);

        if (task->container->n_network_infos > 0 && probes_network)
                return reject(reterr_message, "HTTP and TCP health checks are not supported for "
                                              "nested containers not "
                                              "joining parent's network");

        return ACCEPTED;
}

int validate_group_task(const LaunchTask *task, const LaunchContext *context,
                        char **reterr_message) {
        int r;

        r = validate_task_itself(task, context, reterr_message);
        if (r == ACCEPTED)
                r = validate_group_container(task->info, reterr_message);
        if (r > 0) {
                _cleanup_free_ char *inner = TAKE_PTR(*reterr_message);

                return reject(reterr_message, "Task '%s' is invalid: %s",
                              task->info->task_id->value, inner);
        }

        return r;
}

/* "None" where the executor names no such resource at all. */
static int validate_group_minimum(const Mesos__V1__ExecutorInfo *e, const Resources *resources,
                                  char **reterr_message) {
        int64_t cpus_milli = resources_scalar_milli(resources, "cpus");
        int64_t mem_milli = resources_scalar_milli(resources, "mem");
        const char *id = e->executor_id->value;

        if (!resources_has(resources, "cpus"))
                return reject(reterr_message,
                              "Executor '%s' uses less CPUs (None) than the minimum required "
                              "(0.01)",
                              id);
        if (cpus_milli < GROUP_EXECUTOR_MIN_CPUS_MILLI)
                return reject(reterr_message,
                              "Executor '%s' uses less CPUs (%g) than the minimum required (0.01)",
                              id, (double) cpus_milli / 1000);

        if (!resources_has(resources, "mem"))
                return reject(reterr_message,
                              "Executor '%s' uses less memory (None) than the minimum required "
                              "(32MB)",
                              id);
        if (mem_milli < GROUP_EXECUTOR_MIN_MEM_MILLI)
                return reject(reterr_message,
                              "Executor '%s' uses less memory (%gMB) than the minimum required "
                              "(32MB)",
                              id, (double) mem_milli / 1000);

        if (!resources_has(resources, "disk"))
                return reject(reterr_message, "Executor '%s' must specify 'disk' resources", id);

        return ACCEPTED;
}

int validate_group(const Mesos__V1__ExecutorInfo *executor, const Resources *executor_resources,
                   const LaunchTask *tasks, size_t n_tasks, const LaunchContext *context,
                   char **reterr_message) {
        _cleanup_(resources_freep) Resources *total = NULL;
        int r;

        assert(executor);
        assert(context);
        assert(reterr_message);

        for (size_t i = 0; i < n_tasks; i++)
                if (tasks[i].info->executor && tasks[i].info->executor != executor &&
                    !pb_equal(&tasks[i].info->executor->base, &executor->base))
                        return reject(reterr_message,
                                      "The `ExecutorInfo` of task '%s' is different from the one "
                                      "of "
                                      "the task group",
                                      tasks[i].info->task_id->value);

        if (!executor->has_type)
                return reject(reterr_message, "'ExecutorInfo.type' must be set");

        r = validate_executor(executor, executor_resources, context, reterr_message);
        if (r == ACCEPTED)
                r = validate_group_minimum(executor, executor_resources, reterr_message);
        if (r != ACCEPTED)
                return r;

        total = context->running_executor ? resources_new() : resources_copy(executor_resources);
        if (!total)
                return -ENOMEM;

        for (size_t i = 0; i < n_tasks; i++) {
                r = add_disjoint(total, tasks[i].resources, "Task group and its executor",
                                 reterr_message);
                if (r != ACCEPTED)
                        return r;
        }

        return validate_fits(total, context->available, "task group and its executor are",
                             reterr_message);
}
