#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Self: what the launcher gives up of its own. See self.c. */

#include <linux/filter.h>
#include <sys/types.h>

#include "common/base/macro.h"

/* More than the filter has. */
#define SELF_FILTER_MAX 256

int self_protect(void);

/* Once nothing is started any more. `main_pid` is somebody to be seen in the container; `proc_fd` is /proc. */
int self_confine(int proc_fd, pid_t main_pid);

/* Memory that only starting needed. */
void self_shed(void);

/* What is let through; returns the number of instructions. */
size_t self_filter(struct sock_filter ret[static SELF_FILTER_MAX]);
