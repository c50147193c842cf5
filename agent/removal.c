/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removal
 *
 * A sandbox belonged to somebody who may not wish us well, and who may still run, in another
 * container. So:
 *
 *   - its path is walked without following any symbolic link, and never out of the root;
 *   - nothing is removed while something is mounted in it: persistent volumes hold others' data;
 *   - before it is emptied it is taken from its owner, so that nobody comes in by its name;
 *   - file_remove_tree_at() then goes by descriptors, follows no link, crosses no mount.
 */

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/removal.h"
#include "common/base/fd.h"
#include "common/base/file.h"

#define MOUNTINFO_MAX ((size_t) 64 << 20)

static int open_beneath(int root_fd, const char *path, uint64_t flags) {
        struct open_how how = {
                .flags = flags | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        int fd = (int) syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* The kernel writes blanks and the like as \040. In place; returns the end of the field. */
static char *unescape(char *field) {
        char *to = field, *p = field;

        while (*p && *p != ' ' && *p != '\n') {
                if (*p == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
                        *to++ = (char) ((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
                        p += 4;
                } else
                        *to++ = *p++;
        }

        if (*p)
                p++;
        *to = '\0';
        return p;
}

/* "36 35 98:0 /root /mount/point …" */
static bool line_is_below(char *line, const char *path) {
        size_t n = strlen(path);
        char *field = line;

        for (unsigned i = 0; i < 4; i++) {
                field = strchr(field, ' ');
                if (!field)
                        return false;
                field++;
        }

        (void) unescape(field);
        return strncmp(field, path, n) == 0 && (field[n] == '/' || field[n] == '\0');
}

int removal_has_mounts(const char *mountinfo, const char *path) {
        _cleanup_free_ char *text = NULL;
        char *line, *next;
        int r;

        r = file_read_at(AT_FDCWD, mountinfo, MOUNTINFO_MAX, &text, NULL);
        if (r < 0)
                return r;

        for (line = text; *line; line = next) {
                next = line + strcspn(line, "\n");
                if (*next)
                        *next++ = '\0';
                if (line_is_below(line, path))
                        return true;
        }

        return false;
}

static int check_mounts(int fd) {
        char link[64], path[PATH_MAX];
        ssize_t n;
        int r;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return -errno;

        path[n] = '\0';
        r = removal_has_mounts("/proc/self/mountinfo", path);
        return r < 0 ? r : r > 0 ? REMOVAL_E_MOUNTED : 0;
}

/* Best effort: who has no right to do this removes what is his own anyway. */
static void take_from_owner(int parent_fd, const char *name) {
        _cleanup_fd_ int fd = openat(parent_fd, name,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0 && fchown(fd, geteuid(), getegid()) >= 0)
                (void) fchmod(fd, 0700);
}

int removal_run(const char *root, const char *path) {
        _cleanup_fd_ int root_fd = -EBADF, parent_fd = -EBADF, fd = -EBADF;
        _cleanup_free_ char *parent = strdup(path);
        char *name;
        int r;

        if (!parent)
                return -ENOMEM;

        name = strrchr(parent, '/');
        if (name)
                *name++ = '\0';
        else
                name = parent;
        if (streq(name, "") || streq(name, ".") || streq(name, ".."))
                return -EINVAL;

        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;

        parent_fd = open_beneath(root_fd, name == parent ? "." : parent, O_PATH | O_DIRECTORY);
        if (parent_fd >= 0)
                fd = open_beneath(parent_fd, name, O_PATH | O_NOFOLLOW);
        if (parent_fd == -ENOENT || fd == -ENOENT)
                return 0;
        if (parent_fd < 0 || fd < 0)
                return parent_fd < 0 ? parent_fd : fd;

        r = check_mounts(fd);
        if (r != 0)
                return r;

        take_from_owner(parent_fd, name);
        return file_remove_tree_at(parent_fd, name);
}
