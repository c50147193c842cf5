/* SPDX-License-Identifier: Apache-2.0 */

/*
 * posix/cpu, posix/mem
 *
 * No confinement at all: the names stand for measuring. Memory is that of the process tree. So is
 * cpu time, unless the container has a cgroup, which counts processes that have ended, too: a sum
 * over those that live goes down when one ends, and no rate can be made of it.
 */

#include "isolator/isolator.h"

static bool sum_tree(const UsageSource *source, ProcessTreeSum *ret) {
        return source->processes && source->pid > 0 && process_table_sum(source->processes, source->pid, ret);
}

static void cpu_usage(const IsolatorConfig *config, const UsageSource *source, Mesos__V1__ResourceStatistics *s) {
        _cleanup_free_ char *stat = source->payload_fd >= 0 ? usage_read(source->payload_fd, "cpu.stat") : NULL;
        ProcessTreeSum sum;

        (void) config;
        if ((stat && usage_add_cpu_times(stat, s)) || !sum_tree(source, &sum))
                return;

        USAGE_SET(s, cpus_user_time_secs, sum.user_secs);
        USAGE_SET(s, cpus_system_time_secs, sum.system_secs);
}

static void mem_usage(const IsolatorConfig *config, const UsageSource *source, Mesos__V1__ResourceStatistics *s) {
        ProcessTreeSum sum;

        (void) config;
        if (sum_tree(source, &sum))
                USAGE_SET(s, mem_rss_bytes, sum.rss_bytes);
}

const IsolatorOps isolator_posix_cpu = { .name = "posix/cpu", .usage = cpu_usage };
const IsolatorOps isolator_posix_mem = { .name = "posix/mem", .usage = mem_usage };
