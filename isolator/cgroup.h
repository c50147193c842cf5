#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Cgroup: one container's part of the cgroup2 hierarchy, by directory fd. See cgroup.c. */

#include <sys/types.h>

#include "common/base/macro.h"

/* Where cgroup2 is mounted, also beside v1 hierarchies; -ENOENT when it isn't. `proc_fd` is
 * /proc. */
int cgroup_find_mount(int proc_fd, char **ret);

/* Opens a cgroup given as "/a/b" below the mount. */
int cgroup_open_mount(int proc_fd);
int cgroup_open(int mount_fd, const char *path);

/* Where the cgroup with this id is, "/a/b" below the mount; -ESTALE when there is none any more. */
int cgroup_path_of_id(int mount_fd, uint64_t id, char **ret);

/* The cgroup of a process, "/a/b". */
int cgroup_path_of_process(int proc_fd, pid_t pid, char **ret);

/* cgroup.controllers of the nearest user@….service above us: what a manager of our own can hand out. */
int cgroup_read_user_controllers(int proc_fd, int mount_fd, char **ret);

/* The inside of a container's cgroup. */
typedef struct CgroupTree {
        int fd;             /* the container's own, delegated to us: holds no process */
        int payload_fd;     /* limits and statistics of the whole container: holds no process */
        int main_fd;        /* the executor and its tasks */
} CgroupTree;

#define CGROUP_TREE_NULL ((CgroupTree) { -EBADF, -EBADF, -EBADF })

int cgroup_tree_make(int cgroup_fd, CgroupTree *ret);
void cgroup_tree_remove(CgroupTree *t);
void cgroup_tree_deinit(CgroupTree *t);

int cgroup_enable_controllers(int cgroup_fd);
int cgroup_join(int cgroup_fd, const char *child);
int cgroup_kill(int cgroup_fd);
typedef void CgroupVisitor(uint64_t id, void *userdata);
typedef void CgroupProcessVisitor(pid_t pid, void *userdata);
int cgroup_foreach(int cgroup_fd, CgroupVisitor *visit, void *userdata);
int cgroup_foreach_process(int cgroup_fd, CgroupProcessVisitor *visit, void *userdata);
int cgroup_signal(int cgroup_fd, int signal_number);
int cgroup_is_populated(int cgroup_fd);
int cgroup_count_oom_kills(int cgroup_fd, uint64_t *ret);
int cgroup_count_ooms(int cgroup_fd, uint64_t *ret);

/* The number after "name " in a file of such lines; -ENODATA when there is none. */
int cgroup_read_keyed(int cgroup_fd, const char *path, const char *name, uint64_t *ret);
int cgroup_remove(int parent_fd, const char *name);
