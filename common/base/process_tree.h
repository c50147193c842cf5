#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ProcessTree: the descendants of a process, as /proc shows them. See process_tree.c. */

#include <sys/types.h>

#include "common/base/macro.h"

typedef struct ProcessInfo {
        pid_t pid;
        pid_t parent_pid;
        uint64_t start_time_ticks;
        bool is_zombie;
        bool is_member;        /* a descendant of the root; the others are dropped in the end */
} ProcessInfo;

typedef struct ProcessTree {
        ProcessInfo *processes;    /* owned */
        size_t n_processes;
} ProcessTree;

void process_tree_deinit(ProcessTree *t);

int process_tree_scan(int proc_fd, pid_t root_pid, ProcessTree *ret);
size_t process_tree_signal(const ProcessTree *t, int signal_number);
int process_tree_kill(int proc_fd, pid_t root_pid);
