/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics
 *
 * Names are Mesos's: tools key on "slave/". Counters are kept in AgentCounters, gauges are taken
 * from the objects and the host at the moment somebody asks. What this agent has no part for, such
 * as a cache of fetched files, is truthfully zero.
 */

#include "agent/agent_resources.h"
#include "agent/census.h"
#include "agent/gc.h"
#include "agent/host_load.h"
#include "agent/metrics.h"

/* Amounts of one resource, in thousandths. */
typedef struct Amount {
        int64_t total, used;
} Amount;

typedef enum Kind {
        CPUS,
        DISK,
        GPUS,
        MEM,
        N_KINDS,
} Kind;

static const char *const kind_names[N_KINDS] = { "cpus", "disk", "gpus", "mem" };

typedef struct Sample {
        const Agent *agent;
        Census census;
        HostLoad host;
        Amount firm[N_KINDS], revocable[N_KINDS];
        double uptime_secs;
} Sample;

/* A visitor for one column of the amounts. */
typedef struct Column {
        Sample *sample;
        bool used;
} Column;

static void add_amount(const ResourceView *v, int64_t milli, const char *text, void *userdata) {
        Column *column = userdata;

        (void) text;

        for (unsigned k = 0; k < N_KINDS; k++) {
                Amount *amount = v->revocable ? &column->sample->revocable[k]
                                              : &column->sample->firm[k];

                if (!v->scalar || !streq(v->name, kind_names[k]))
                        continue;
                if (column->used)
                        amount->used += milli;
                else
                        amount->total += milli;
        }
}

static int sample_take(const Agent *a, usec_t now_usec, Sample *s) {
        int r;

        s->agent = a;
        s->uptime_secs = usec_to_secs(usec_sub(now_usec, a->start_time_usec));

        r = census_take(a, &s->census);
        if (r < 0)
                return r;

        r = host_load_read(&s->host);
        if (r < 0)
                return r;

        r = resources_foreach(agent_resources_total(a->resources), add_amount, &(Column) { .sample = s });
        if (r < 0)
                return r;

        return resources_foreach(s->census.used, add_amount,
                                 &(Column) { .sample = s, .used = true });
}

static void sample_deinit(Sample *s) {
        census_deinit(&s->census);
}

static double percent(const Amount *a) {
        return a->total == 0 ? 0 : (double) a->used / (double) a->total;
}

static double milli(int64_t thousandths) {
        return (double) thousandths / 1000;
}

#define METRIC(symbol, expression)                                                                 \
        static double symbol(const Sample *s) {                                                    \
                return (double) (expression);                                                      \
        }

#define COUNTER(symbol) METRIC(symbol, s->agent->counters.symbol)

#define RESOURCE(symbol, kind)                                                                     \
        METRIC(symbol##_total, milli(s->firm[kind].total))                                         \
        METRIC(symbol##_used, milli(s->firm[kind].used))                                           \
        METRIC(symbol##_percent, percent(&s->firm[kind]))                                          \
        METRIC(symbol##_revocable_total, milli(s->revocable[kind].total))                          \
        METRIC(symbol##_revocable_used, milli(s->revocable[kind].used))                            \
        METRIC(symbol##_revocable_percent, percent(&s->revocable[kind]))

COUNTER(tasks_finished)
COUNTER(tasks_failed)
COUNTER(tasks_killed)
COUNTER(tasks_lost)
COUNTER(tasks_gone)
COUNTER(executors_terminated)
COUNTER(executors_preempted)
COUNTER(valid_status_updates)
COUNTER(invalid_status_updates)
COUNTER(valid_framework_messages)
COUNTER(invalid_framework_messages)
COUNTER(container_launch_errors)
COUNTER(recovery_errors)
COUNTER(task_fetches_succeeded)
COUNTER(task_fetches_failed)
METRIC(recovery_time_secs, usec_to_secs(s->agent->counters.recovery_time_usec))
METRIC(registered, s->agent->state == AGENT_RUNNING)
METRIC(uptime_secs, s->uptime_secs)
METRIC(frameworks_active, s->census.n_frameworks)
METRIC(executors_registering, s->census.n_executors_registering)
METRIC(executors_running, s->census.n_executors_running)
METRIC(executors_terminating, s->census.n_executors_terminating)
METRIC(tasks_staging, s->census.n_tasks_staging)
METRIC(tasks_starting, s->census.n_tasks_starting)
METRIC(tasks_running, s->census.n_tasks_running)
METRIC(tasks_killing, s->census.n_tasks_killing)
METRIC(gc_failed, gc_figures(s->agent->gc).n_failed)
METRIC(gc_pending, gc_figures(s->agent->gc).n_pending)
METRIC(gc_succeeded, gc_figures(s->agent->gc).n_succeeded)
METRIC(gc_max_age_secs, usec_to_secs(gc_figures(s->agent->gc).max_age_usec))
METRIC(load_1min, s->host.load_1min)
METRIC(load_5min, s->host.load_5min)
METRIC(load_15min, s->host.load_15min)
METRIC(host_cpus, s->host.n_cpus)
METRIC(host_mem_total, s->host.mem_total_bytes)
METRIC(host_mem_free, s->host.mem_free_bytes)
RESOURCE(cpus, CPUS)
RESOURCE(disk, DISK)
RESOURCE(gpus, GPUS)
RESOURCE(mem, MEM)

/* Sorted by name; NULL is zero. */
static const struct {
        const char *name;
        double (*value)(const Sample *s);
} metrics[] = {
        { "containerizer/fetcher/cache_size_total_bytes", NULL },
        { "containerizer/fetcher/cache_size_used_bytes", NULL },
        { "containerizer/fetcher/task_fetches_failed", task_fetches_failed },
        { "containerizer/fetcher/task_fetches_succeeded", task_fetches_succeeded },
        { "containerizer/mesos/container_destroy_errors", NULL },
        { "containerizer/mesos/provisioner/bind/remove_rootfs_errors", NULL },
        { "containerizer/mesos/provisioner/remove_container_errors", NULL },
        { "gc/path_removals_failed", gc_failed },
        { "gc/path_removals_pending", gc_pending },
        { "gc/path_removals_succeeded", gc_succeeded },
        { "resource_provider_manager/events/disconnect", NULL },
        { "resource_provider_manager/events/subscribe", NULL },
        { "resource_provider_manager/subscribed", NULL },
        { "slave/container_launch_errors", container_launch_errors },
        { "slave/cpus_percent", cpus_percent },
        { "slave/cpus_revocable_percent", cpus_revocable_percent },
        { "slave/cpus_revocable_total", cpus_revocable_total },
        { "slave/cpus_revocable_used", cpus_revocable_used },
        { "slave/cpus_total", cpus_total },
        { "slave/cpus_used", cpus_used },
        { "slave/disk_percent", disk_percent },
        { "slave/disk_revocable_percent", disk_revocable_percent },
        { "slave/disk_revocable_total", disk_revocable_total },
        { "slave/disk_revocable_used", disk_revocable_used },
        { "slave/disk_total", disk_total },
        { "slave/disk_used", disk_used },
        { "slave/executor_directory_max_allowed_age_secs", gc_max_age_secs },
        { "slave/executors_preempted", executors_preempted },
        { "slave/executors_registering", executors_registering },
        { "slave/executors_running", executors_running },
        { "slave/executors_terminated", executors_terminated },
        { "slave/executors_terminating", executors_terminating },
        { "slave/frameworks_active", frameworks_active },
        { "slave/gpus_percent", gpus_percent },
        { "slave/gpus_revocable_percent", gpus_revocable_percent },
        { "slave/gpus_revocable_total", gpus_revocable_total },
        { "slave/gpus_revocable_used", gpus_revocable_used },
        { "slave/gpus_total", gpus_total },
        { "slave/gpus_used", gpus_used },
        { "slave/invalid_framework_messages", invalid_framework_messages },
        { "slave/invalid_status_updates", invalid_status_updates },
        { "slave/mem_percent", mem_percent },
        { "slave/mem_revocable_percent", mem_revocable_percent },
        { "slave/mem_revocable_total", mem_revocable_total },
        { "slave/mem_revocable_used", mem_revocable_used },
        { "slave/mem_total", mem_total },
        { "slave/mem_used", mem_used },
        { "slave/recovery_errors", recovery_errors },
        { "slave/recovery_time_secs", recovery_time_secs },
        { "slave/registered", registered },
        { "slave/tasks_failed", tasks_failed },
        { "slave/tasks_finished", tasks_finished },
        { "slave/tasks_gone", tasks_gone },
        { "slave/tasks_killed", tasks_killed },
        { "slave/tasks_killing", tasks_killing },
        { "slave/tasks_lost", tasks_lost },
        { "slave/tasks_running", tasks_running },
        { "slave/tasks_staging", tasks_staging },
        { "slave/tasks_starting", tasks_starting },
        { "slave/uptime_secs", uptime_secs },
        { "slave/valid_framework_messages", valid_framework_messages },
        { "slave/valid_status_updates", valid_status_updates },
        { "system/cpus_total", host_cpus },
        { "system/load_15min", load_15min },
        { "system/load_1min", load_1min },
        { "system/load_5min", load_5min },
        { "system/mem_free_bytes", host_mem_free },
        { "system/mem_total_bytes", host_mem_total },
};

int agent_metrics_foreach(const Agent *a, usec_t now_usec, MetricVisit visit, void *userdata) {
        _cleanup_(sample_deinit) Sample s = {};
        int r;

        r = sample_take(a, now_usec, &s);
        if (r < 0)
                return r;

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(metrics); i++)
                r = visit(metrics[i].name, metrics[i].value ? metrics[i].value(&s) : 0, userdata);

        return r;
}
