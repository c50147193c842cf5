/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Persistent volumes in sandboxes
 *
 * With the host's filesystem a volume is a symbolic link in the sandbox:
 *
 *     <sandbox>/<container_path> ──▶ <work_dir>/volumes/roles/<role>/<persistence id>
 *
 * It is made when the sandbox is, for the executor's own volumes, and before a task is handed to its
 * executor, for the task's. The volume is given to whom the sandbox belongs to, unless others share
 * it. What it holds stays as it is, as with Mesos: a user who follows another finds files of that one.
 *
 * The sandbox belongs to somebody who may try to make us write elsewhere: nothing in it is followed.
 */

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/volume_links.h"
#include "agent/volumes.h"
#include "common/base/fd.h"
#include "common/model/explain.h"

#define REFUSE(...) explain(reterr_message, VOLUME_LINKS_E_REFUSED, __VA_ARGS__)

typedef Mesos__V1__Resource Resource;

static bool is_volume(const ResourceView *v, void *userdata) {
        (void) userdata;
        return v->persistent_volume;
}

bool volume_links_are_needed(Resource *const *resources, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (resources[i]->disk && resources[i]->disk->persistence)
                        return true;

        return false;
}

static int open_beneath(int dir_fd, const char *path) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        int fd = (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* A directory of the sandbox, its owner's; it may be there. */
static int open_or_make(int dir_fd, const char *name, const struct stat *owner) {
        int fd;

        if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;

        fd = open_beneath(dir_fd, name);
        if (fd >= 0 && fchown(fd, owner->st_uid, owner->st_gid) < 0) {
                fd_close(fd);
                return -errno;
        }

        return fd;
}

/* The directory that the last name of the path is to be in; what is missing on the way is made. */
static int open_parent(int sandbox_fd, char *path, const struct stat *owner, const char **ret_name) {
        _cleanup_fd_ int fd = open_beneath(sandbox_fd, ".");
        char *name = path, *slash;

        while (fd >= 0 && (slash = strchr(name, '/'))) {
                int next;

                *slash = '\0';
                next = *name ? open_or_make(fd, name, owner) : open_beneath(fd, ".");
                fd_close(fd);
                fd = next;
                name = slash + 1;
        }

        *ret_name = name;
        return TAKE_FD(fd);
}

/* A link of ours that leads elsewhere is from a task that has ended: no two at a time have the same path. */
static int make_link(int dir_fd, const char *name, const char *target) {
        char before[PATH_MAX];
        ssize_t n;

        if (symlinkat(target, dir_fd, name) >= 0)
                return 0;
        if (errno != EEXIST)
                return -errno;

        n = readlinkat(dir_fd, name, before, sizeof(before) - 1);
        if (n < 0)
                return -EEXIST;

        before[n] = '\0';
        if (streq(before, target))
                return 0;
        if (unlinkat(dir_fd, name, 0) < 0 || symlinkat(target, dir_fd, name) < 0)
                return -errno;

        return 0;
}

/* Whether a task that is at it has the path for another volume. */
static bool path_is_taken(const Executor *e, const Resource *volume) {
        for (const Task *t = e->tasks; t; t = t->hh.next)
                for (size_t i = 0; t->stage == TASK_LAUNCHED && i < t->info->n_resources; i++) {
                        const Mesos__V1__Resource__DiskInfo *disk = t->info->resources[i]->disk;

                        if (disk && disk->persistence && disk->volume &&
                            streq(disk->volume->container_path, volume->disk->volume->container_path) &&
                            !streq(disk->persistence->id, volume->disk->persistence->id))
                                return true;
                }

        return false;
}

static int give(const char *directory, const struct stat *owner, bool shared) {
        _cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid == owner->st_uid && st.st_gid == owner->st_gid)
                return 0;

        /* Whoever came first to a shared one keeps it. */
        if (shared && st.st_uid != geteuid())
                return 0;

        return fchown(fd, owner->st_uid, owner->st_gid) < 0 ? -errno : 0;
}

static int link_volume(const Agent *a, const Executor *e, int sandbox_fd, const struct stat *owner,
                       const Resource *volume, char **reterr_message) {
        _cleanup_free_ char *path = strdup(volume->disk->volume->container_path), *directory = NULL;
        const char *id = volume->disk->persistence->id, *name;
        _cleanup_fd_ int fd = -EBADF;
        int r;

        if (!path || volume_path(a->config, volume, &directory) < 0)
                return -ENOMEM;
        if (!directory)
                return REFUSE("the persistent volume '%s' is on a disk without a directory", id);
        if (path[0] == '/' || !path[0])
                return REFUSE("the path '%s' of the persistent volume '%s' is not relative to the sandbox", path, id);
        if (path_is_taken(e, volume))
                return REFUSE("another task of the executor has its own volume at '%s'", path);

        r = give(directory, owner, volume->shared);
        if (r < 0)
                return REFUSE("the persistent volume '%s' cannot be given to the task's user: %s", id, strerror(-r));

        fd = open_parent(sandbox_fd, path, owner, &name);
        r = fd < 0 ? fd : streq(name, "") || streq(name, ".") || streq(name, "..") ? -EINVAL
                                                                                    : make_link(fd, name, directory);
        if (r < 0)
                return REFUSE("the persistent volume '%s' cannot be linked at '%s': %s", id,
                              volume->disk->volume->container_path, strerror(-r));

        return VOLUME_LINKS_OK;
}

static int link_all(const Agent *a, const Executor *e, Resource *const *volumes, size_t n, char **reterr_message) {
        _cleanup_fd_ int sandbox_fd = open(e->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat owner;
        int r = VOLUME_LINKS_OK;

        if (sandbox_fd < 0 || fstat(sandbox_fd, &owner) < 0)
                return REFUSE("the sandbox cannot be opened: %s", strerror(errno));

        for (size_t i = 0; r == VOLUME_LINKS_OK && i < n; i++)
                r = volumes[i]->disk->volume
                            ? link_volume(a, e, sandbox_fd, &owner, volumes[i], reterr_message)
                            : REFUSE("the persistent volume '%s' has no path", volumes[i]->disk->persistence->id);

        return r;
}

/* Returns 0, VOLUME_LINKS_E_REFUSED with the reason, or -ENOMEM. */
int volume_links_make(const Agent *a, const Executor *e, Resource *const *resources, size_t n, char **reterr_message) {
        _cleanup_(resources_freep) Resources *all = NULL, *volumes = NULL;
        Resource **list;
        size_t n_list;
        int r;

        if (!volume_links_are_needed(resources, n))
                return VOLUME_LINKS_OK;

        /* In the format that says the role in one way only. */
        r = resources_from_pb(resources, n, &all, reterr_message);
        if (r != RESOURCES_OK)
                return r < 0 ? r : VOLUME_LINKS_E_REFUSED;

        volumes = resources_filter(all, is_volume, NULL);
        if (!volumes || resources_to_pb(volumes, RESOURCE_FORMAT_NEW, &list, &n_list) < 0)
                return -ENOMEM;

        r = link_all(a, e, list, n_list, reterr_message);
        resources_free_pb(list, n_list);
        return r;
}
