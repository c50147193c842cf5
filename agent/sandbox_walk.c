/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Walk of the sandboxes
 *
 * What an earlier life of the agent, or an earlier agent, left in the work directory. Printed is
 * what can be removed as a whole: runs, and directories above them that have none.
 *
 *     slaves/<agent id>/frameworks/<framework id>/executors/<executor id>/runs/<container id>
 *     slaves/<agent id>/frameworks/<framework id>/executors/<executor id>        nothing in runs/
 *     slaves/<agent id>/frameworks/<framework id>                                no executor
 *     slaves/<agent id>                                                          no framework
 *     meta/exits/<container id>
 *
 * Names are taken as they are: whether they are ids, and whose, is the reader's to know. One with a
 * newline in it is nothing we made and is passed over.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/sandbox_walk.h"
#include "common/base/fd.h"
#include "common/base/macro.h"

/* One level of the tree: what is below each directory there. */
static const char *const levels[] = { "frameworks", "executors", "runs" };

typedef struct Walk {
        FILE *f;
        char path[PATH_MAX];
} Walk;

static bool is_ours(const char *name) {
        return name[0] != '.' && !strchr(name, '\n') && !streq(name, "latest");
}

/* Appends "/name" to the path; returns its former length, or a negative errno. */
static ssize_t path_push(Walk *w, const char *name) {
        size_t n = strlen(w->path);
        int k = snprintf(w->path + n, sizeof(w->path) - n, "%s%s", n > 0 ? "/" : "", name);

        if (k < 0 || (size_t) k >= sizeof(w->path) - n) {
                w->path[n] = '\0';
                return -ENAMETOOLONG;
        }

        return (ssize_t) n;
}

static void path_pop(Walk *w, ssize_t n) {
        w->path[n] = '\0';
}

static void print_entry(Walk *w, int dir_fd, const char *name) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                fprintf(w->f, "%lld %s\n", (long long) st.st_mtim.tv_sec, w->path);
}

/* A long task that writes to its output only leaves the directory's own time as it was. */
static void print_run(Walk *w, int fd) {
        static const char *const names[] = { ".", "stdout", "stderr" };
        long long mtime_sec = 0;
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) >= 0)
                        mtime_sec = MAX(mtime_sec, (long long) st.st_mtim.tv_sec);

        fprintf(w->f, "%lld %s\n", mtime_sec, w->path);
}

static unsigned walk_level(Walk *w, int dir_fd, const char *name, size_t level);

/* One directory: those below it, or itself when there are none. */
static void walk_entry(Walk *w, int dir_fd, const char *name, size_t level) {
        _cleanup_fd_ int fd = -EBADF;
        ssize_t outer = path_push(w, name);

        if (outer < 0)
                return;

        fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && level == ELEMENTSOF(levels))
                print_run(w, fd);
        else if (fd >= 0 && walk_level(w, fd, levels[level], level + 1) == 0)
                print_entry(w, dir_fd, name);

        path_pop(w, outer);
}

/* Returns how many entries it has; one that cannot be looked into is not taken for empty. */
static unsigned walk_level(Walk *w, int dir_fd, const char *name, size_t level) {
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct dirent *e;
        unsigned n = 0;
        ssize_t outer;
        DIR *d;

        if (fd < 0)
                return errno != ENOENT;

        d = fdopendir(fd);
        if (!d) {
                (void) fd_close(fd);
                return 1;
        }

        outer = path_push(w, name);
        while (outer >= 0 && (e = readdir(d)))
                if (is_ours(e->d_name)) {
                        n++;
                        walk_entry(w, fd, e->d_name, level);
                }

        (void) closedir(d);
        if (outer < 0)
                return 1;

        path_pop(w, outer);
        return n;
}

static void walk_exits(Walk *w, int dir_fd) {
        _cleanup_fd_ int fd = openat(dir_fd, "meta/exits",
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct dirent *e;
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

        if (!d)
                return;

        (void) TAKE_FD(fd);
        while ((e = readdir(d))) {
                if (streq(e->d_name, ".") || streq(e->d_name, "..") || strchr(e->d_name, '\n'))
                        continue;

                snprintf(w->path, sizeof(w->path), "meta/exits/%s", e->d_name);
                print_entry(w, dirfd(d), e->d_name);
        }
        (void) closedir(d);
}

int sandbox_walk(const char *work_dir, FILE *f) {
        _cleanup_fd_ int fd = open(work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Walk w = { .f = f };

        if (fd < 0)
                return -errno;

        (void) walk_level(&w, fd, "slaves", 0);
        walk_exits(&w, fd);
        return fflush(f) == 0 ? 0 : -errno;
}
