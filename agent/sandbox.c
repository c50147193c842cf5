/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sandboxes
 *
 * Every run of an executor has a directory that outlives it, so that its owner can still read stdout
 * after a crash. Tools know the tree by heart, so it is Mesos's:
 *
 *     <work_dir>/slaves/<agent id>/frameworks/<framework id>/executors/<executor id>/runs/
 *         <container id>/     0750, owned by the task's user; stdout, stderr and the task's own files
 *         latest ──▶ <container id>
 *
 * Only the last component belongs to the user: nothing above it can be replaced from inside. The ids
 * are checked at the boundary and cannot contain '/' or be "..".
 *
 * Runs are removed by gc.c, and what is above them here, by rmdir() alone and from the same loop that
 * makes new ones: a directory that somebody is about to use is never taken away.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sandbox.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/macro.h"

char *sandbox_path(const char *work_dir, const char *agent_id, const char *framework_id, const char *executor_id,
                   const char *container_id) {
        char *path;

        if (asprintf(&path, "%s/slaves/%s/frameworks/%s/executors/%s/runs/%s", work_dir, agent_id, framework_id,
                     executor_id, container_id) < 0)
                return NULL;

        return path;
}

/* Replaced as a whole, so that a reader always finds one or the other. */
static int point_latest(int runs_dir_fd, const char *name) {
        if (unlinkat(runs_dir_fd, "latest.new", 0) < 0 && errno != ENOENT)
                return -errno;
        if (symlinkat(name, runs_dir_fd, "latest.new") < 0)
                return -errno;
        if (renameat(runs_dir_fd, "latest.new", runs_dir_fd, "latest") < 0)
                return -errno;

        return 0;
}

int sandbox_make(const char *path, uid_t uid, gid_t gid) {
        _cleanup_fd_ int runs_dir_fd = -EBADF, fd = -EBADF;
        _cleanup_free_ char *runs = strdup(path);
        char *name;
        int r;

        if (!runs)
                return -ENOMEM;

        name = strrchr(runs, '/');
        *name++ = '\0';

        r = file_mkdirs_at(AT_FDCWD, runs, 0755);
        if (r < 0)
                return r;

        runs_dir_fd = open(runs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (runs_dir_fd < 0)
                return -errno;

        if (mkdirat(runs_dir_fd, name, 0700) < 0)
                return -errno;

        fd = openat(runs_dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        if ((uid != geteuid() || gid != getegid()) && fchown(fd, uid, gid) < 0)
                return -errno;
        if (fchmod(fd, 0750) < 0)
                return -errno;

        return point_latest(runs_dir_fd, name);
}

/* A link that leads nowhere keeps no directory. */
static void unlink_dangling_latest(const char *runs) {
        _cleanup_free_ char *link = NULL;
        struct stat st;

        if (asprintf(&link, "%s/latest", runs) < 0) {
                link = NULL;
                return;
        }

        if (stat(link, &st) < 0 && errno == ENOENT)
                (void) unlink(link);
}

void sandbox_prune(const char *work_dir, const char *path) {
        _cleanup_free_ char *full = NULL;
        size_t n_top;

        if (asprintf(&full, "%s/%s", work_dir, path) < 0) {
                full = NULL;
                return;
        }

        n_top = strlen(work_dir) + strlen("/slaves");
        while (strlen(full) > n_top) {
                char *name = strrchr(full, '/');

                if (streq(name, "/runs"))
                        unlink_dangling_latest(full);
                if (rmdir(full) < 0 && errno != ENOENT)
                        return;
                *name = '\0';
        }
}
