/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The payload
 *
 * What the launcher supervises: the executor and all that came of it. With a cgroup it is who is in
 * payload/; without one it is who descends from the launcher, which loses nobody because it is a
 * subreaper. The launcher's own children are counted in both cases: a process of root's may move
 * itself to another cgroup, but it does not get another ancestor.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/process.h"
#include "common/base/process_tree.h"
#include "launcher/payload.h"

/* Takes possession of a cgroup that was delegated to us, and moves the launcher into its part. */
int payload_enter_cgroup(Payload *p, const char *path) {
        _cleanup_fd_ int mount_fd = -EBADF;
        int fd, r;

        mount_fd = cgroup_open_mount(p->proc_fd);
        if (mount_fd < 0)
                return mount_fd;

        fd = cgroup_open(mount_fd, path);
        if (fd < 0)
                return fd;

        CRASH_POINT("cgroup-make");
        r = cgroup_tree_make(fd, &p->cgroup);
        if (r < 0)
                return r;

        p->kill_fd = openat(p->cgroup.payload_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        return 0;
}

void payload_deinit(Payload *p) {
        p->kill_fd = fd_close(p->kill_fd);
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

static int kill_cgroup(const Payload *p) {
        if (p->kill_fd < 0)
                return cgroup_kill(p->cgroup.payload_fd);

        return pwrite(p->kill_fd, "1", 1, 0) < 0 ? -errno : 0;
}

/* Kills all; they have not ended yet when this returns. */
int payload_kill(const Payload *p) {
        if (has_cgroup(p))
                return kill_cgroup(p);

        return process_has_children() ? process_tree_kill(p->proc_fd, getpid()) : 0;
}

/* Again, and by descent too: for those who are still there although their cgroup was killed. */
void payload_kill_strays(const Payload *p) {
        if (has_cgroup(p))
                (void) kill_cgroup(p);
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

int payload_open_memory_events(const Payload *p) {
        return has_cgroup(p) ? openat(p->cgroup.payload_fd, "memory.events", O_RDONLY | O_CLOEXEC) : -EBADF;
}

/* Whether an allocation failed at the container's limit, killed or not. Mesos's trigger, too. */
bool payload_met_memory_limit(const Payload *p) {
        uint64_t n;

        return has_cgroup(p) && cgroup_count_ooms(p->cgroup.payload_fd, &n) >= 0 && n > 0;
}

static uint64_t read_bytes(int cgroup_fd, const char *file) {
        _cleanup_free_ char *text = NULL;
        uint64_t n;

        if (file_read_at(cgroup_fd, file, 64, &text, NULL) < 0)
                return 0;

        text[strcspn(text, "\n")] = '\0';
        return parse_u64(text, &n) < 0 ? 0 : n;
}

/*
 * "Memory limit exceeded: …" with what the memory was used for, in Mesos's words; the caller's, NULL
 * out of memory. The peak is known since Linux 5.19, and is the limit anyhow.
 */
char *payload_describe_memory(const Payload *p, uint64_t *ret_max_bytes) {
        static const char *const keys[] = { "anon", "file", "kernel", "sock", "shmem" };
        uint64_t max_bytes = read_bytes(p->cgroup.payload_fd, "memory.max");
        uint64_t peak_bytes = MAX(read_bytes(p->cgroup.payload_fd, "memory.peak"), max_bytes);
        Buffer b = BUFFER_INIT(4096);
        int r;

        r = buffer_printf(&b, "Memory limit exceeded: Requested: %" PRIu64 "MB Maximum Used: %" PRIu64
                              "MB\n\nMEMORY STATISTICS: \n",
                          max_bytes >> 20, peak_bytes >> 20);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(keys); i++) {
                uint64_t n;

                if (cgroup_read_keyed(p->cgroup.payload_fd, "memory.stat", keys[i], &n) >= 0)
                        r = buffer_printf(&b, "%s %" PRIu64 "\n", keys[i], n);
        }

        *ret_max_bytes = max_bytes;
        if (r < 0) {
                buffer_deinit(&b);
                return NULL;
        }

        return buffer_take_text(&b);
}

/* Removes the cgroups below the container's own, but for the one that the launcher is in. */
void payload_remove(Payload *p) {
        cgroup_tree_remove(&p->cgroup);
}
