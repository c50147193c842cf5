#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ProcessTable: all processes of the system at one moment, and sums of trees. See process_table.c. */

#include <sys/types.h>

#include "common/base/macro.h"

typedef struct ProcessTable ProcessTable;

/* Reads all processes of the system once, for any number of containers. `proc_fd` is /proc. */
int process_table_new(int proc_fd, ProcessTable **ret);
ProcessTable *process_table_free(ProcessTable *t);
DEFINE_CLEANUP(ProcessTable *, process_table_free)

typedef struct ProcessTreeSum {
        double user_secs, system_secs;
        uint64_t rss_bytes;
} ProcessTreeSum;

/* Of a process and all below it; false when there is no such process. */
bool process_table_sum(ProcessTable *t, pid_t root, ProcessTreeSum *ret);
