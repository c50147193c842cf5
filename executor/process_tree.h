#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ProcessTree: the descendants of a process. See process_tree.c. */

#include <sys/types.h>

int process_tree_signal(pid_t root, int signal_number);
void process_tree_kill(pid_t root);
