#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Processes by pidfd, and an exit status that can say "unknown". See process.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

/* How a process ended. We never invent one: what nobody witnessed is not known. */
typedef struct ExitStatus {
        bool known;
        int wait_status;   /* as waitpid() gives it, when known */
} ExitStatus;

#define EXIT_STATUS_UNKNOWN ((ExitStatus) {})

bool exit_status_is_success(ExitStatus s);
char *exit_status_describe(ExitStatus s);

int process_pidfd_open(pid_t pid);
int process_pidfd_signal(int pid_fd, int signal_number);
int process_pidfd_reap(int pid_fd, ExitStatus *ret);

/* Alive or not yet reaped. A subreaper has children as long as anything it started lives on. */
bool process_has_children(void);

int process_start_time(pid_t pid, uint64_t *ret_ticks);
int process_boot_id(char ret[static 37]);

int process_reset_signals(void);
