/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Directories of persistent volumes
 *
 * They hold somebody's data for as long as its volume exists, so both their beginning and their end
 * are on the disk before the agent writes down that they are: a volume that was acknowledged is
 * there after a power failure, and a destroyed one does not come back with old data in it when its
 * name is used again.
 *
 * Their content is a stranger's. It is removed in the way sandboxes are, see removal.c.
 */

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/removal.h"
#include "agent/volume_dir.h"
#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/file.h"

static int sync_directory(int dir_fd, const char *path) {
        _cleanup_fd_ int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The directories that the last name of the path, and those above it, are written in. */
static int sync_parents(int root_fd, const char *path) {
        _cleanup_free_ char *above = strdup(path);
        char *slash;
        int r;

        if (!above)
                return -ENOMEM;

        while ((slash = strrchr(above, '/'))) {
                *slash = '\0';
                r = sync_directory(root_fd, above);
                if (r < 0)
                        return r;
        }

        return sync_directory(root_fd, ".");
}

int volume_dir_make(const char *root, const char *path) {
        _cleanup_fd_ int root_fd = -EBADF;
        int r;

        r = file_mkdirs_at(AT_FDCWD, root, 0755);
        if (r < 0)
                return r;

        root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;

        r = file_mkdirs_at(root_fd, path, 0755);
        CRASH_POINT("volume-made");
        return r < 0 ? r : sync_parents(root_fd, path);
}

int volume_dir_remove(const char *root, const char *path) {
        _cleanup_fd_ int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (root_fd < 0)
                return errno == ENOENT ? 0 : -errno;

        r = removal_run(root, path);
        if (r != REMOVAL_OK)
                return r;

        CRASH_POINT("volume-removed");
        r = sync_parents(root_fd, path);
        return r == -ENOENT ? 0 : r;
}

int volume_dir_empty(const char *root) {
        _cleanup_fd_ int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *entry;
        DIR *d;
        int r = 0;

        if (root_fd < 0)
                return -errno;

        d = fdopendir(dup(root_fd));
        if (!d)
                return -errno;

        while (r == 0 && (entry = readdir(d)))
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        r = removal_run(root, entry->d_name);

        (void) closedir(d);
        if (r == 0 && fsync(root_fd) < 0)
                return -errno;
        return r;
}
