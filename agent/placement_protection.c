/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Protection
 *
 * memory.low protects a container as far as what it is in is protected itself: the kernel hands down, from the top,
 * what the parent has, in proportion to what each child claims. So the parent of our containers (the slice, the one
 * scope, our directory) is given the sum of its children's claims, neither less, which would be shared out, nor more,
 * which systemd's way of mounting cgroup2 (memory_recursiveprot) would give to whoever exceeds their claim.
 *
 * The sum is read from the children and not kept: that way containers of the agent's former life count, and what
 * has ended does not. It follows changes with a delay, so that a thousand containers are looked at once.
 */

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/placement_ops.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "isolator/cgroup.h"

/* Protection matters when memory is short, which takes longer. */
#define DELAY_USEC USEC_PER_SEC

/* "18446744073709551615\n", "max\n" */
#define NUMBER_MAX_BYTES 32

static void dir_closep(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

/* What cannot be read claims nothing, nor does what has ended and is still to be removed. */
static uint64_t claim_of(int parent_fd, const char *child) {
        _cleanup_fd_ int fd = openat(parent_fd, child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        uint64_t n;

        if (fd < 0 || cgroup_is_populated(fd) == 0 || file_read_at(fd, "memory.low", NUMBER_MAX_BYTES, &text, NULL) < 0)
                return 0;

        text[strcspn(text, "\n")] = '\0';
        return streq(text, "max") ? UINT64_MAX : parse_u64(text, &n) < 0 ? 0 : n;
}

int placement_sum_claims(int parent_fd, uint64_t *ret) {
        _cleanup_(dir_closep) DIR *d = NULL;
        const struct dirent *e;
        uint64_t sum = 0;
        int fd;

        fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        d = fdopendir(fd);
        if (!d) {
                int r = -errno;

                (void) fd_close(fd);
                return r;
        }

        while ((e = readdir(d)))
                if (e->d_type == DT_DIR && e->d_name[0] != '.' && __builtin_add_overflow(sum, claim_of(fd, e->d_name), &sum))
                        sum = UINT64_MAX;

        *ret = sum;
        return 0;
}

static int on_delay(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Placement *p = userdata;
        _cleanup_fd_ int fd = cgroup_open(p->mount_fd, p->parent);
        uint64_t bytes;
        int r;

        /* The last container has gone, and what it was in has gone with it. */
        if (fd < 0 || placement_sum_claims(fd, &bytes) < 0)
                return 0;

        /* Where nobody ever claimed anything it is the operator's. */
        if (bytes == p->protected_bytes || (bytes == 0 && p->protected_bytes == UINT64_MAX))
                return 0;

        r = p->ops->protect(p, bytes);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot protect the memory of containers: %m");
        else
                p->protected_bytes = bytes;
        return 0;
}

static int schedule(Placement *p) {
        int r;

        if (!p->protect_source) {
                r = sd_event_add_time_relative(p->event, &p->protect_source, CLOCK_MONOTONIC, DELAY_USEC, 0, on_delay, p);
                if (r >= 0)
                        (void) sd_event_source_set_description(p->protect_source, "placement-protection");
                return r;
        }

        r = sd_event_source_get_enabled(p->protect_source, NULL);
        if (r != 0)
                return r;

        r = sd_event_source_set_time_relative(p->protect_source, DELAY_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(p->protect_source, SD_EVENT_ONESHOT);
}

void placement_protect_parent_of(Placement *p, const char *cgroup) {
        const char *name = strrchr(cgroup, '/');
        int r;

        if (!p->ops->protect || p->mount_fd < 0 || !name)
                return;

        if (!p->parent || strncmp(p->parent, cgroup, (size_t) (name - cgroup)) != 0 || p->parent[name - cgroup] != '\0') {
                free(p->parent);
                p->parent = strndup(cgroup, (size_t) (name - cgroup));
                p->protected_bytes = UINT64_MAX;
        }

        r = p->parent ? schedule(p) : -ENOMEM;
        if (r < 0)
                (void) log_warning_errno(r, "Cannot protect the memory of containers: %m");
}
