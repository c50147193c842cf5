/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files
 *
 * Paths are relative to a directory descriptor, so that tests hand in a temporary directory where
 * daemons hand in /sys/fs/cgroup. A path below such a descriptor is never followed through a
 * symbolic link at its end; a path that an operator named is given with AT_FDCWD, and may be one.
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/file.h"

/* Below this many levels a directory is moved up before it is emptied, so that no tree takes all
 * descriptors. */
#define REMOVE_DEPTH_MAX 32

static int nofollow(int dir_fd) {
        return dir_fd == AT_FDCWD ? 0 : O_NOFOLLOW;
}

/*
 * Reads a whole file, of the kernel or of ours, with a NUL after the last byte that *ret_n doesn't
 * count (ret_n may be NULL). Returns 0; -EFBIG when there are more than max_bytes; a negative
 * errno.
 */
int file_read_at(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_n) {
        _cleanup_free_ char *data = NULL;
        _cleanup_fd_ int fd = -EBADF;
        size_t n_allocated = 0, n = 0;
        ssize_t k;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | nofollow(dir_fd));
        if (fd < 0)
                return -errno;

        /* Files of /proc tell no size. One byte more than allowed is asked for, to notice it. */
        do {
                char *p;

                n_allocated = MIN(MAX(n_allocated * 2, (size_t) 4096), max_bytes + 1);
                p = realloc(data, n_allocated + 1);
                if (!p)
                        return -ENOMEM;

                data = p;
                k = fd_read_full(fd, data + n, n_allocated - n);
                if (k < 0)
                        return (int) k;

                n += (size_t) k;
                if (n > max_bytes)
                        return -EFBIG;
        } while (n == n_allocated);

        data[n] = '\0';
        *ret = TAKE_PTR(data);
        if (ret_n)
                *ret_n = n;
        return 0;
}

/* Writes to a file that exists already, in one write(), as files of the kernel want it. */
int file_write_at(int dir_fd, const char *path, const char *text) {
        _cleanup_fd_ int fd = -EBADF;
        size_t n = strlen(text);
        ssize_t k;

        fd = openat(dir_fd, path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY | nofollow(dir_fd));
        if (fd < 0)
                return -errno;

        do
                k = write(fd, text, n);
        while (k < 0 && errno == EINTR);

        if (k < 0)
                return -errno;

        return (size_t) k == n ? 0 : -EIO;
}

/* Opens the directory that holds the last component of `path`, and points *ret_name at that
 * component. */
static int file_open_parent(int dir_fd, const char *path, const char **ret_name) {
        _cleanup_free_ char *parent = NULL;
        const char *slash = strrchr(path, '/');
        int fd;

        if (slash) {
                parent = strndup(path, MAX((size_t) (slash - path), (size_t) 1));
                if (!parent)
                        return -ENOMEM;
        }

        fd = openat(dir_fd, parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        *ret_name = slash ? slash + 1 : path;
        return fd;
}

static int file_write_synced(int dir_fd, const char *name, const void *data, size_t n,
                             mode_t mode) {
        _cleanup_fd_ int fd = -EBADF;
        int r;

        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        r = fd_write_full(fd, data, n);
        if (r < 0)
                return r;

        CRASH_POINT("file-written");

        /* Not left to the umask: the mode asked for is the mode. */
        if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
                return -errno;

        return 0;
}

/*
 * Puts a file in place durably: at every moment, also after a crash, `path` is what it was or what
 * it is to be, and once this has returned 0 it is the latter for good. A failure leaves the old
 * file, except that of the last step, the fsync of the directory, which leaves either.
 */
int file_replace_at(int dir_fd, const char *path, const void *data, size_t n, mode_t mode) {
        _cleanup_fd_ int parent_fd = -EBADF;
        char temporary[NAME_MAX + 1];
        const char *name = path;
        int k, r;

        parent_fd = file_open_parent(dir_fd, path, &name);
        if (parent_fd < 0)
                return parent_fd;

        /* There is one writer to each such file, so what has this name is left over from a crash
         * of ours. */
        k = snprintf(temporary, sizeof(temporary), ".%.200s.new", name);
        assert(k > 0 && (size_t) k < sizeof(temporary));
        (void) unlinkat(parent_fd, temporary, 0);

        CRASH_POINT("file-replace");
        r = file_write_synced(parent_fd, temporary, data, n, mode);
        if (r < 0) {
                (void) unlinkat(parent_fd, temporary, 0);
                return r;
        }

        CRASH_POINT("file-synced");

        if (renameat(parent_fd, temporary, parent_fd, name) < 0) {
                r = -errno;
                (void) unlinkat(parent_fd, temporary, 0);
                return r;
        }

        CRASH_POINT("file-renamed");
        if (fsync(parent_fd) < 0)
                return -errno;

        CRASH_POINT("file-replaced");
        return 0;
}

/*
 * Makes a directory and those above it that are missing, with this mode less the umask. What exists
 * is left as it is; that it is a directory is checked. A component ".." is refused with -EINVAL.
 */
int file_mkdirs_at(int dir_fd, const char *path, mode_t mode) {
        _cleanup_free_ char *copy = NULL;
        struct stat st;

        copy = strdup(path);
        if (!copy)
                return -ENOMEM;

        for (char *p = copy; *p;) {
                char *begin = p + strspn(p, "/"), *end = begin + strcspn(begin, "/"), saved = *end;

                *end = '\0';
                if (streq(begin, ".."))
                        return -EINVAL;
                if (*begin && mkdirat(dir_fd, copy, mode) < 0 && errno != EEXIST)
                        return -errno;

                *end = saved;
                p = end;
        }

        if (fstatat(dir_fd, path, &st, 0) < 0)
                return -errno;

        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* A directory that keeps its own owner out is opened up. By descriptor: names change hands. */
static int file_chmod_opath(int dir_fd, const char *name, mode_t mode) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char path[64];

        if (fd < 0)
                return -errno;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return chmod(path, mode) < 0 ? -errno : 0;
}

/* The first may be a path, of our caller's choosing; below it there are strangers' names. */
static int file_open_to_empty(int dir_fd, const char *name, bool top) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                .resolve = top ? 0 : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
        };
        int fd = (int) syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

        /* Where a tool such as valgrind doesn't know the call: mount points were looked for already. */
        if (fd < 0 && errno == ENOSYS)
                fd = openat(dir_fd, name, (int) how.flags);
        if (fd >= 0)
                return fd;

        /* What somebody mounted there isn't ours to empty. */
        return errno == EXDEV ? -EBUSY : -errno;
}

static int file_open_dir_to_empty(int dir_fd, const char *name, bool top) {
        struct statx sx;
        struct stat st;
        int fd;

        if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &sx) >= 0 &&
            (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return -EBUSY;

        fd = file_open_to_empty(dir_fd, name, top);
        if (fd == -EACCES && file_chmod_opath(dir_fd, name, 0700) == 0)
                fd = file_open_to_empty(dir_fd, name, top);
        if (fd < 0)
                return fd;

        /* Nothing can be taken out of a directory that its owner may not write to. */
        if (fstat(fd, &st) >= 0 && (st.st_mode & 0700) != 0700)
                (void) fchmod(fd, 0700);

        return fd;
}

typedef struct TreeRemoval {
        int top_fd;        /* where directories from too far below are moved to */
        unsigned n_moved;
        int error;         /* the first; the rest of the tree goes all the same */
} TreeRemoval;

static int remove_dir(TreeRemoval *t, int dir_fd, const char *name, unsigned depth);

/* Returns 0 when it is gone from here. */
static int remove_entry(TreeRemoval *t, int dir_fd, const char *name, unsigned depth) {
        char moved[32];

        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;

        if (depth < REMOVE_DEPTH_MAX)
                return remove_dir(t, dir_fd, name, depth + 1);

        do
                (void) snprintf(moved, sizeof(moved), ".removed-%u", t->n_moved++);
        while (faccessat(t->top_fd, moved, F_OK, AT_SYMLINK_NOFOLLOW) >= 0);

        return renameat(dir_fd, name, t->top_fd, moved) < 0 ? -errno : 0;
}

/* Removes what the directory stream shows; returns whether anything went. */
static bool remove_entries(TreeRemoval *t, DIR *d, unsigned depth) {
        bool any = false;
        struct dirent *e;
        int r;

        for (;;) {
                errno = 0;
                e = readdir(d);
                if (!e) {
                        t->error = t->error ?: -errno;
                        return any;
                }

                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;

                r = remove_entry(t, dirfd(d), e->d_name, depth);
                any = any || r == 0;
                if (r < 0)
                        t->error = t->error ?: r;
        }
}

static int remove_dir(TreeRemoval *t, int dir_fd, const char *name, unsigned depth) {
        DIR *d;
        int fd;

        fd = file_open_dir_to_empty(dir_fd, name, depth == 0);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;

        d = fdopendir(fd);
        if (!d) {
                int r = -errno;

                (void) fd_close(fd);
                return r;
        }

        if (depth == 0)
                t->top_fd = fd;

        /* Again until a pass removes nothing: directories from far below arrive in the top one
         * meanwhile. */
        while (remove_entries(t, d, depth))
                rewinddir(d);

        (void) closedir(d);
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * Removes a file, or a directory with all that is in it. Symbolic links are removed, never
 * followed; what is mounted there stays, and is -EBUSY; any depth is fine, and it doesn't matter
 * who renames what under our hands. What cannot be removed doesn't keep the rest: the first error
 * is returned at the end. Something that isn't there is success. It goes through strangers' trees
 * at their size: not for the loop of a daemon.
 */
int file_remove_tree_at(int dir_fd, const char *name) {
        TreeRemoval t = { .top_fd = -EBADF };
        int r;

        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;

        r = remove_dir(&t, dir_fd, name, 0);

        /* That it is not empty says less than why it isn't. */
        return r == 0 ? 0 : t.error ?: r;
}
