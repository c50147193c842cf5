#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Usage: what containers consume, from /proc and from their cgroups. See usage.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "common/model/resources.h"
#include "proto/mesos.pb-c.h"

typedef struct ProcessTable ProcessTable;

/* Reads all processes of the system once, for any number of containers. `proc_fd` is /proc. */
int process_table_new(int proc_fd, ProcessTable **ret);
ProcessTable *process_table_free(ProcessTable *t);
DEFINE_CLEANUP(ProcessTable *, process_table_free)

/* CPU time and memory of a process and all below it; nothing when there is no such process. */
void usage_add_tree(ProcessTable *t, pid_t root, Mesos__V1__ResourceStatistics *s);

/* The same of a cgroup, and more, as far as its files exist; replaces figures of the tree. */
int usage_add_cgroup(int cgroup_fd, Mesos__V1__ResourceStatistics *s);

/* What was asked for is what is allowed, unless a limit says more. */
void usage_add_limits(const Resources *resources, Mesos__V1__ResourceStatistics *s);
