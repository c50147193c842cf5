#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Payload: all processes of the container but the launcher. See payload.c. */

#include "common/base/macro.h"
#include "isolator/cgroup.h"

typedef struct Payload {
        int proc_fd;          /* borrowed: /proc */
        CgroupTree cgroup;    /* all negative where there is none */
        int kill_fd;          /* cgroup.kill: held, since the container may be able to bar the way to it */
} Payload;

#define PAYLOAD_INIT(fd) ((Payload) { .proc_fd = (fd), .cgroup = CGROUP_TREE_NULL, .kill_fd = -EBADF })

int payload_enter_cgroup(Payload *p, const char *path);
void payload_deinit(Payload *p);

bool payload_is_empty(const Payload *p);
int payload_signal(const Payload *p, int signal_number);
int payload_kill(const Payload *p);
void payload_kill_strays(const Payload *p);
/* A descriptor that is POLLPRI when the kernel has had to act for memory; -EBADF where nobody counts that. */
int payload_open_memory_events(const Payload *p);
bool payload_met_memory_limit(const Payload *p);
char *payload_describe_memory(const Payload *p, uint64_t *ret_max_bytes);
bool payload_was_oom_killed(const Payload *p);
void payload_remove(Payload *p);
