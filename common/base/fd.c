/* SPDX-License-Identifier: Apache-2.0 */

/*
 * File descriptors
 *
 * What every program does with descriptors and always half: close without losing errno, read and
 * write until all is through, pass them over a Unix socket, hand a blob to another process as a
 * memfd that nobody can change any more. Whatever this file opens or receives is close-on-exec.
 */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"

/* More descriptors in one message have no use here; the kernel allows 253. */
#define FDS_PER_MESSAGE_MAX 16

#define MEMFD_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Closes unless negative, keeps errno. Returns -EBADF: fd = fd_close(fd); */
int fd_close(int fd) {
        if (fd >= 0) {
                int saved_errno = errno;

                /* Linux has released the descriptor whatever close() says, so there is nothing
                 * to retry. */
                (void) close(fd);
                errno = saved_errno;
        }

        return -EBADF;
}

static int fd_set_flag(int fd, int get, int set, int flag, bool on) {
        int flags, wanted;

        flags = fcntl(fd, get);
        if (flags < 0)
                return -errno;

        wanted = on ? flags | flag : flags & ~flag;
        if (wanted != flags && fcntl(fd, set, wanted) < 0)
                return -errno;

        return 0;
}

int fd_set_nonblock(int fd, bool nonblock) {
        return fd_set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, nonblock);
}

int fd_set_cloexec(int fd, bool cloexec) {
        return fd_set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, cloexec);
}

/* Writes all n bytes. Returns 0 or a negative errno; then an unknown part has been written. */
int fd_write_full(int fd, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                ssize_t k = write(fd, p, n);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (k == 0)
                        return -EIO;

                p += k;
                n -= (size_t) k;
        }

        return 0;
}

/* Reads until n bytes are there or the file ends; returns how many, or a negative errno. */
ssize_t fd_read_full(int fd, void *data, size_t n) {
        char *p = data;
        size_t done = 0;

        while (done < n) {
                ssize_t k = read(fd, p + done, n - done);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (k == 0)
                        break;

                done += (size_t) k;
        }

        return (ssize_t) done;
}

/*
 * Returns a memfd with these contents that can no longer be changed by anybody, its offset at the
 * start; or a negative errno. `name` is only seen in /proc/PID/fd.
 */
int fd_memfd_sealed(const char *name, const void *data, size_t n) {
        _cleanup_fd_ int fd = -EBADF;
        int r;

        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;

        r = fd_write_full(fd, data, n);
        if (r < 0)
                return r;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;

        if (fcntl(fd, F_ADD_SEALS, MEMFD_SEALS) < 0)
                return -errno;

        return TAKE_FD(fd);
}

/*
 * Reads the whole of a sealed memfd, wherever its offset is, with a NUL after the last byte that
 * *ret_n doesn't count. Returns 0; -EPERM when it isn't sealed, for then its sender could still
 * change what we checked; -EFBIG when it is larger than max_bytes.
 */
int fd_memfd_read(int fd, size_t max_bytes, void **ret, size_t *ret_n) {
        _cleanup_free_ char *data = NULL;
        struct stat st;
        int seals;

        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0)
                return errno == EINVAL ? -EPERM : -errno;
        if ((seals & MEMFD_SEALS) != MEMFD_SEALS)
                return -EPERM;

        if (fstat(fd, &st) < 0)
                return -errno;
        if ((uint64_t) st.st_size > max_bytes)
                return -EFBIG;

        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return -ENOMEM;

        for (size_t done = 0; done < (size_t) st.st_size;) {
                ssize_t k = pread(fd, data + done, (size_t) st.st_size - done, (off_t) done);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;

                done += (size_t) k;
        }

        data[st.st_size] = '\0';
        *ret = TAKE_PTR(data);
        *ret_n = (size_t) st.st_size;
        return 0;
}

/*
 * Sends one message with descriptors attached, which stay the caller's. For message sockets: a
 * stream may take a part only, and that is -EIO here. -EAGAIN when a non-blocking socket is full.
 */
int fd_send(int socket_fd, const void *data, size_t n, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * FDS_PER_MESSAGE_MAX)];
        } control = {};
        struct iovec iov = { .iov_base = (void *) data, .iov_len = n };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t k;

        assert(n_fds <= FDS_PER_MESSAGE_MAX);

        if (n_fds > 0) {
                m.msg_control = &control;
                m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                control.header = (struct cmsghdr) {
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int) * n_fds),
                };
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        }

        do
                k = sendmsg(socket_fd, &m, MSG_NOSIGNAL);
        while (k < 0 && errno == EINTR);

        if (k < 0)
                return -errno;

        return (size_t) k == n ? 0 : -EIO;
}

/* Takes the descriptors out of a received message; closes those beyond max_fds. Returns whether
 * all fitted. */
static bool fd_take_rights(struct msghdr *m, int *ret_fds, size_t max_fds, size_t *ret_n_fds) {
        size_t n_fds = 0;
        bool fitted = true;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;

                for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (n_fds < max_fds)
                                ret_fds[n_fds++] = fd;
                        else {
                                (void) fd_close(fd);
                                fitted = false;
                        }
                }
        }

        *ret_n_fds = n_fds;
        return fitted;
}

/*
 * Receives one message and up to max_fds descriptors (ret_fds and ret_n_fds may be NULL when that
 * is 0), which become the caller's. Returns the number of bytes, 0 at the end; -EMSGSIZE when bytes
 * or descriptors didn't fit, and then none of them are kept; -EAGAIN as recv().
 */
ssize_t fd_recv(int socket_fd, void *data, size_t n, int *ret_fds, size_t max_fds,
                size_t *ret_n_fds) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * FDS_PER_MESSAGE_MAX)];
        } control;
        struct iovec iov = { .iov_base = data, .iov_len = n };
        struct msghdr m = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        size_t n_fds = 0;
        bool fitted;
        ssize_t k;

        assert(max_fds <= FDS_PER_MESSAGE_MAX);

        do
                k = recvmsg(socket_fd, &m, MSG_CMSG_CLOEXEC);
        while (k < 0 && errno == EINTR);

        if (k < 0)
                return -errno;

        fitted = fd_take_rights(&m, ret_fds, max_fds, &n_fds);
        if (!fitted || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
                for (size_t i = 0; i < n_fds; i++)
                        ret_fds[i] = fd_close(ret_fds[i]);
                return -EMSGSIZE;
        }

        if (ret_n_fds)
                *ret_n_fds = n_fds;
        return k;
}
