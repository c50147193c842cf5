/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Placement in a subtree
 *
 * Without systemd, or beside it, the agent keeps its containers below one directory of the cgroup2
 * hierarchy:
 *
 *     <cgroup2 mount>/<root>/<container id>/…     inside is the launcher's: isolator/cgroup.c
 *
 * The hierarchy is where the mount table says; on a hybrid host that is beside v1's. Nothing but a
 * directory is made here, so that a launcher isn't moved: it moves itself when told to go.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/placement_ops.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "isolator/cgroup.h"

typedef struct SubtreePlacement {
        Placement base;
        char *root_name;      /* owned; without slashes at its ends */
        int root_fd;
} SubtreePlacement;

static SubtreePlacement *subtree(Placement *p) {
        return CONTAINER_OF(p, SubtreePlacement, base);
}

static Placement *subtree_free(Placement *p) {
        SubtreePlacement *s = subtree(p);

        placement_deinit(&s->base);
        (void) fd_close(s->root_fd);
        free(s->root_name);
        free(s);
        return NULL;
}

static int subtree_place(Placement *p, PlacementJob *job) {
        SubtreePlacement *s = subtree(p);

        if (mkdirat(s->root_fd, job->container_id, 0755) < 0 && errno != EEXIST) {
                int r = -errno;

                placement_job_finish(job, r, "Failed to create cgroup '/%s/%s': %s", s->root_name,
                                     job->container_id, strerror(-r));
                return 0;
        }

        if (asprintf(&job->cgroup, "/%s/%s", s->root_name, job->container_id) < 0) {
                job->cgroup = NULL;
                return -ENOMEM;
        }

        placement_job_finish(job, 0, NULL);
        return 0;
}

static void subtree_remove(Placement *p, const char *container_id) {
        int r = cgroup_remove(subtree(p)->root_fd, container_id);

        if (r < 0)
                log_warning_errno(r, "Cannot remove the cgroup of container '%s': %m",
                                  container_id);
}

static int subtree_open(Placement *p, const char *container_id) {
        return cgroup_open(subtree(p)->root_fd, container_id);
}

static void subtree_undo(Placement *p, PlacementJob *job) {
        subtree_remove(p, job->container_id);
}

static int subtree_protect(Placement *p, uint64_t memory_low_bytes) {
        char text[24];
        int r;

        snprintf(text, sizeof(text), "%" PRIu64, memory_low_bytes);
        r = file_write_at(subtree(p)->root_fd, "memory.low", memory_low_bytes == UINT64_MAX ? "max" : text);
        return r == -ENOENT ? 0 : r;     /* without the controller nothing is protected */
}

/* Makes and enters the directories of the root one by one; a controller must be enabled from
 * level to level. */
static int open_root(int mount_fd, const char *name) {
        _cleanup_free_ char *copy = NULL;
        _cleanup_fd_ int fd = -EBADF;
        char *saved = NULL;

        copy = strdup(name);
        if (!copy)
                return -ENOMEM;

        fd = cgroup_open(mount_fd, "/");
        if (fd < 0)
                return fd;

        for (char *part = strtok_r(copy, "/", &saved); part; part = strtok_r(NULL, "/", &saved)) {
                int child_fd;

                /* What cannot be enabled is missed by those who set limits. */
                (void) cgroup_enable_controllers(fd);
                if (mkdirat(fd, part, 0755) < 0 && errno != EEXIST)
                        return -errno;

                child_fd = cgroup_open(fd, part);
                if (child_fd < 0)
                        return child_fd;

                (void) fd_close(fd);
                fd = child_fd;
        }

        (void) cgroup_enable_controllers(fd);
        return TAKE_FD(fd);
}

/* Whether it names a cgroup below the root of the hierarchy, and by going down only. */
static bool leads_down(const char *name) {
        if (name[0] == '\0')
                return false;

        for (const char *part = name; *part; part += strspn(part, "/")) {
                size_t n = strcspn(part, "/");

                if ((n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
                        return false;

                part += n;
        }

        return true;
}

/* "/a/b/" becomes "a/b". */
static char *trim_slashes(const char *name) {
        size_t n;

        name += strspn(name, "/");
        n = strlen(name);
        while (n > 0 && name[n - 1] == '/')
                n--;

        return strndup(name, n);
}

/* -ENOENT when no cgroup2 hierarchy is mounted, -EINVAL for a name that leads nowhere or out of
 * it. */
int placement_new_subtree(sd_event *event, const char *root_name, Placement **ret) {
        static const PlacementOps ops = {
                .kind = "subtree",
                .place = subtree_place,
                .undo = subtree_undo,
                .remove = subtree_remove,
                .open = subtree_open,
                .protect = subtree_protect,
                .free = subtree_free,
        };
        _cleanup_(placement_freep) Placement *p = NULL;
        _cleanup_fd_ int proc_fd = -EBADF;
        SubtreePlacement *s;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (SubtreePlacement) { .root_fd = -EBADF };
        p = &s->base;
        placement_init(p, &ops, event);

        s->root_name = trim_slashes(root_name);
        if (!s->root_name)
                return -ENOMEM;
        if (!leads_down(s->root_name))
                return -EINVAL;

        proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (proc_fd < 0)
                return -errno;

        p->mount_fd = cgroup_open_mount(proc_fd);
        if (p->mount_fd < 0)
                return p->mount_fd;

        s->root_fd = open_root(p->mount_fd, s->root_name);
        if (s->root_fd < 0)
                return s->root_fd;

        *ret = TAKE_PTR(p);
        return 0;
}
