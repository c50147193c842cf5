/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups/mem
 *
 * What was asked for is protected from reclaim as long as others have more than theirs (memory.low).
 * The bound (memory.max) is the task's limit, or what it asked for. It is set at the start and only
 * raised later: what a container was once allowed to have it may be using, and to take that away
 * would be to kill it. When the bound is met, all of the container is killed, not a process of the
 * kernel's choice (memory.oom.group): half a task is worth nothing to anybody.
 *
 * Nothing gets less than 32 MB, which an executor needs to say that it has failed.
 */

#include <inttypes.h>

#include "isolator/isolator.h"

#define FLOOR_MB INT64_C(32)

static int64_t bytes_of(int64_t milli) {
        if (milli >= INT64_MAX / (1 << 20))
                return INT64_MAX;

        return MAX(milli * (1 << 20) / 1000, FLOOR_MB << 20);
}

static int set_max(const IsolatorRequest *request, unsigned flags, Confinement *c) {
        int64_t milli = request->mem.limit_milli < 0 ? request->mem.request_milli : request->mem.limit_milli;

        if (bytes_of(milli) == INT64_MAX)
                return confinement_set_cgroup(c, "memory.max", flags, "max");

        return confinement_set_cgroup(c, "memory.max", flags, "%" PRIi64, bytes_of(milli));
}

static int set_low(const IsolatorRequest *request, Confinement *c) {
        return confinement_set_cgroup(c, "memory.low", 0, "%" PRIi64, bytes_of(request->mem.request_milli));
}

static int mem_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                    char **reterr_message) {
        int r;

        (void) config;
        (void) reterr_message;
        r = set_low(request, c);
        if (r == 0)
                r = set_max(request, 0, c);
        return r < 0 ? r : confinement_set_cgroup(c, "memory.oom.group", 0, "1");
}

static int mem_update(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c) {
        int r;

        (void) config;
        r = set_low(request, c);
        return r < 0 ? r : set_max(request, SETTING_RAISE_ONLY, c);
}

static void add_stat(const char *stat, Mesos__V1__ResourceStatistics *s) {
        uint64_t v;

        if (usage_find(stat, "anon", &v)) {
                USAGE_SET(s, mem_rss_bytes, v);
                USAGE_SET(s, mem_anon_bytes, v);
        }
        if (usage_find(stat, "file", &v)) {
                USAGE_SET(s, mem_cache_bytes, v);
                USAGE_SET(s, mem_file_bytes, v);
        }
        if (usage_find(stat, "file_mapped", &v))
                USAGE_SET(s, mem_mapped_file_bytes, v);
        if (usage_find(stat, "unevictable", &v))
                USAGE_SET(s, mem_unevictable_bytes, v);
        if (usage_find(stat, "kernel", &v))
                USAGE_SET(s, mem_kmem_usage_bytes, v);
        if (usage_find(stat, "sock", &v))
                USAGE_SET(s, mem_kmem_tcp_usage_bytes, v);
}

static void mem_usage(const IsolatorConfig *config, const UsageSource *source, Mesos__V1__ResourceStatistics *s) {
        _cleanup_free_ char *stat = source->payload_fd >= 0 ? usage_read(source->payload_fd, "memory.stat") : NULL;
        uint64_t v;

        (void) config;
        if (!stat)
                return;

        add_stat(stat, s);
        if (usage_read_number(source->payload_fd, "memory.current", &v))
                USAGE_SET(s, mem_total_bytes, v);
        if (usage_read_number(source->payload_fd, "memory.swap.current", &v))
                USAGE_SET(s, mem_swap_bytes, v);
}

const IsolatorOps isolator_cgroups_mem = {
        .name = "cgroups/mem",
        .controllers = "memory",
        .plan = mem_plan,
        .update = mem_update,
        .usage = mem_usage,
};
