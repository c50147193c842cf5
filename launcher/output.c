/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Output
 *
 * The launcher is root and opens two files in a directory of a stranger's. So whatever has the
 * file's name there was put there by somebody: a link to /etc/shadow, a FIFO that never opens, a
 * second name of a file elsewhere. Only a plain file with no other name will do, and its owner is
 * changed by descriptor, never by name.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "launcher/output.h"

#define OPEN_FLAGS                                                                                 \
        (O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int open_file(int sandbox_fd, const char *name, uid_t uid, gid_t gid) {
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;

        fd = openat(sandbox_fd, name, OPEN_FLAGS, 0644);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
                return -EMLINK;
        if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
                return -errno;

        /* Our umask would have made it ours alone. O_NONBLOCK is not for the program. */
        if (fchmod(fd, 0644) < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0)
                return -errno;

        return TAKE_FD(fd);
}

/* Opens both for appending, making them for this user if they are not there. */
int output_open(const char *sandbox_directory, uid_t uid, gid_t gid, int *ret_stdout_fd,
                int *ret_stderr_fd) {
        _cleanup_fd_ int sandbox_fd = -EBADF, stdout_fd = -EBADF, stderr_fd = -EBADF;

        sandbox_fd = open(sandbox_directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sandbox_fd < 0)
                return -errno;

        stdout_fd = open_file(sandbox_fd, "stdout", uid, gid);
        if (stdout_fd < 0)
                return stdout_fd;

        stderr_fd = open_file(sandbox_fd, "stderr", uid, gid);
        if (stderr_fd < 0)
                return stderr_fd;

        *ret_stdout_fd = TAKE_FD(stdout_fd);
        *ret_stderr_fd = TAKE_FD(stderr_fd);
        return 0;
}
