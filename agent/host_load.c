/* SPDX-License-Identifier: Apache-2.0 */

/* The load and memory of the host, as /system/stats.json and the system metrics show them. */

#include <sys/sysinfo.h>

#include "agent/host_load.h"

int host_load_read(HostLoad *ret) {
        double scale = 1U << SI_LOAD_SHIFT;
        struct sysinfo si;

        if (sysinfo(&si) < 0)
                return -errno;

        *ret = (HostLoad) {
                .load_1min = (double) si.loads[0] / scale,
                .load_5min = (double) si.loads[1] / scale,
                .load_15min = (double) si.loads[2] / scale,
                .n_cpus = (uint64_t) get_nprocs(),
                .mem_total_bytes = (uint64_t) si.totalram * si.mem_unit,
                .mem_free_bytes = (uint64_t) si.freeram * si.mem_unit,
        };
        return 0;
}
