/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The payload
 *
 * What the launcher supervises: the executor and all that came of it. With a cgroup it is who is in
 * payload/; without one it is who descends from the launcher, which loses nobody because it is a
 * subreaper. The launcher's own children are counted in both cases: a process of root's may move
 * itself to another cgroup, but it does not get another ancestor.
 */

#include <signal.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/process.h"
#include "common/base/process_tree.h"
#include "launcher/payload.h"

/* Takes possession of a cgroup that was delegated to us, and moves the launcher into its part. */
int payload_enter_cgroup(Payload *p, const char *path) {
        _cleanup_fd_ int mount_fd = -EBADF;
        int fd;

        mount_fd = cgroup_open_mount(p->proc_fd);
        if (mount_fd < 0)
                return mount_fd;

        fd = cgroup_open(mount_fd, path);
        if (fd < 0)
                return fd;

        CRASH_POINT("cgroup-make");
        return cgroup_tree_make(fd, &p->cgroup);
}

void payload_deinit(Payload *p) {
        cgroup_tree_deinit(&p->cgroup);
}

static bool has_cgroup(const Payload *p) {
        return p->cgroup.payload_fd >= 0;
}

bool payload_is_empty(const Payload *p) {
        if (process_has_children())
                return false;

        /* Somebody else's children in our cgroup (nsenter, say) count, too. A cgroup that cannot be
         * read is no reason to wait for it. */
        return !has_cgroup(p) || cgroup_is_populated(p->cgroup.payload_fd) <= 0;
}

/* Kills all; they have not ended yet when this returns. */
int payload_kill(const Payload *p) {
        if (has_cgroup(p))
                return cgroup_kill(p->cgroup.payload_fd);

        return process_has_children() ? process_tree_kill(p->proc_fd, getpid()) : 0;
}

/* Again, and by descent too: for those who are still there although their cgroup was killed. */
void payload_kill_strays(const Payload *p) {
        if (has_cgroup(p))
                (void) cgroup_kill(p->cgroup.payload_fd);
        if (process_has_children())
                (void) process_tree_kill(p->proc_fd, getpid());
}

int payload_signal(const Payload *p, int signal_number) {
        _cleanup_(process_tree_deinit) ProcessTree t = {};
        int r;

        if (signal_number == SIGKILL)
                return payload_kill(p);
        if (has_cgroup(p))
                return cgroup_signal(p->cgroup.payload_fd, signal_number);

        r = process_tree_scan(p->proc_fd, getpid(), &t);
        if (r < 0)
                return r;

        (void) process_tree_signal(&t, signal_number);
        return 0;
}

/* Whether the kernel killed anything in it for memory; without that controller nobody knows. */
bool payload_was_oom_killed(const Payload *p) {
        uint64_t n;

        return has_cgroup(p) && cgroup_count_oom_kills(p->cgroup.payload_fd, &n) >= 0 && n > 0;
}

/* Removes the cgroups below the container's own, but for the one that the launcher is in. */
void payload_remove(Payload *p) {
        cgroup_tree_remove(&p->cgroup);
}
