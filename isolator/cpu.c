/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups/cpu
 *
 * What was asked for is a share when the machine is busy (cpu.weight: 100 for a cpu, which is what a
 * cgroup has by default), a hundredth of it for revocable cpus. A limit is a ceiling (cpu.max): what
 * the task gave as its limit, or with --cgroups_enable_cfs what it asked for.
 */

#include <inttypes.h>

#include "common/base/usec.h"
#include "isolator/isolator.h"

/* cpu.weight's bounds; Documentation/admin-guide/cgroup-v2.rst. */
#define WEIGHT_MIN 1
#define WEIGHT_MAX 10000

#define WEIGHT_PER_CPU 100
#define WEIGHT_PER_REVOCABLE_CPU 1

/* The CFS period, and the least quota that Mesos gives; the kernel takes 1 ms, too. */
#define PERIOD_USEC INT64_C(100000)
#define QUOTA_MIN_USEC INT64_C(1000)

static int64_t weight_of(const IsolatorConfig *config, const IsolatorRequest *request) {
        bool low = request->revocable_cpus && config->revocable_low_priority;
        int64_t milli = MIN(request->cpus.request_milli, INT64_C(1000) * WEIGHT_MAX);
        int64_t weight = milli * (low ? WEIGHT_PER_REVOCABLE_CPU : WEIGHT_PER_CPU) / 1000;

        return MIN(MAX(weight, (int64_t) WEIGHT_MIN), (int64_t) WEIGHT_MAX);
}

static int set_max(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c) {
        int64_t milli = request->cpus.limit_milli;

        if (milli < 0)
                milli = config->enable_cfs ? request->cpus.request_milli : DEMAND_UNLIMITED;

        /* More cpus than any machine has is as good as no bound, and no number the kernel would take. */
        if (milli > INT64_C(1000) * 1000000)
                return confinement_set_cgroup(c, "cpu.max", 0, "max %" PRIi64, PERIOD_USEC);

        return confinement_set_cgroup(c, "cpu.max", 0, "%" PRIi64 " %" PRIi64,
                                      MAX(milli * PERIOD_USEC / 1000, QUOTA_MIN_USEC), PERIOD_USEC);
}

static int cpu_update(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c) {
        int r;

        r = confinement_set_cgroup(c, "cpu.weight", 0, "%" PRIi64, weight_of(config, request));
        return r < 0 ? r : set_max(config, request, c);
}

static int cpu_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                    char **reterr_message) {
        (void) reterr_message;
        return cpu_update(config, request, c);
}

/* The processes of the container's executor count as well, as in Mesos. */
static void add_counts(int payload_fd, Mesos__V1__ResourceStatistics *s) {
        uint64_t n;

        if (usage_count(payload_fd, "cgroup.procs", &n) == 0)
                USAGE_SET(s, processes, (uint32_t) n);
        if (usage_count(payload_fd, "cgroup.threads", &n) == 0)
                USAGE_SET(s, threads, (uint32_t) n);
}

static void cpu_usage(const IsolatorConfig *config, const UsageSource *source, Mesos__V1__ResourceStatistics *s) {
        _cleanup_free_ char *stat = source->payload_fd >= 0 ? usage_read(source->payload_fd, "cpu.stat") : NULL;
        uint64_t v;

        if (!stat)
                return;

        (void) usage_add_cpu_times(stat, s);
        if (usage_find(stat, "nr_periods", &v))
                USAGE_SET(s, cpus_nr_periods, (uint32_t) v);
        if (usage_find(stat, "nr_throttled", &v))
                USAGE_SET(s, cpus_nr_throttled, (uint32_t) v);
        if (usage_find(stat, "throttled_usec", &v))
                USAGE_SET(s, cpus_throttled_time_secs, usec_to_secs(v));
        if (config->count_processes)
                add_counts(source->payload_fd, s);
}

const IsolatorOps isolator_cgroups_cpu = {
        .name = "cgroups/cpu",
        .controllers = "cpu",
        .plan = cpu_plan,
        .update = cpu_update,
        .usage = cpu_usage,
};
