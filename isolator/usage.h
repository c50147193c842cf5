#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Usage: what containers consume, as the kernel's files have it. See usage.c. */

#include "isolator/process_table.h"
#include "proto/mesos.pb-c.h"

/* Where figures of a container come from. All is borrowed. */
typedef struct UsageSource {
        const char *container_id;
        int payload_fd;              /* its cgroup; negative: it has none */
        ProcessTable *processes;     /* NULL: none */
        pid_t pid;                   /* its first process; 0: not known */
        const char *interfaces;      /* /proc/net/dev of the host; NULL: not read */
} UsageSource;

#define USAGE_SET(s, field, value)                                                                 \
        do {                                                                                       \
                (s)->has_##field = true;                                                           \
                (s)->field = (value);                                                              \
        } while (false)

/* NULL when it cannot be read, as when its controller isn't enabled. */
char *usage_read(int cgroup_fd, const char *name);

/* The number after "key " in a file of such lines; the number that is all of a file. */
bool usage_find(const char *text, const char *key, uint64_t *ret);
bool usage_read_number(int cgroup_fd, const char *name, uint64_t *ret);

/* Times of cpu.stat, which every cgroup has, ended processes included; false when there are none. */
bool usage_add_cpu_times(const char *cpu_stat, Mesos__V1__ResourceStatistics *s);

/* Counts the lines of a file (cgroup.procs, cgroup.threads) in a cgroup and those below it. */
int usage_count(int cgroup_fd, const char *name, uint64_t *ret);

/* Pressure: the part of the time in which some or all of the container waited for a resource. */
typedef struct UsagePressure {
        bool known;
        double some_avg10, full_avg10;     /* percent of the last ten seconds */
        uint64_t some_usec, full_usec;     /* ever */
} UsagePressure;

/* Frees what was allocated for figures that are messages of their own. */
void usage_deinit(Mesos__V1__ResourceStatistics *s);

/* What ResourceStatistics has no field for. */
typedef struct UsageMore {
        UsagePressure cpu, memory, io;
        bool has_mem_peak, has_mem_events, has_pids, has_pids_max, has_pids_denied;
        uint64_t mem_peak_bytes;
        uint64_t mem_low, mem_high, mem_max, mem_oom, mem_oom_kill;     /* memory.events */
        uint64_t pids, pids_max;     /* processes and threads */
        uint64_t pids_denied;        /* that there were to be, and would have been too many; ever */
} UsageMore;

UsageMore usage_read_more(int cgroup_fd);
