#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* File descriptors: closing, reading and writing in full, passing, sealing. See fd.c. */

#include <sys/types.h>

#include "common/base/macro.h"

int fd_close(int fd);

static inline void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}

#define _cleanup_fd_ _cleanup_(fd_closep)

int fd_set_nonblock(int fd, bool nonblock);
int fd_set_cloexec(int fd, bool cloexec);

int fd_write_full(int fd, const void *data, size_t n);
ssize_t fd_read_full(int fd, void *data, size_t n);

int fd_memfd_sealed(const char *name, const void *data, size_t n);
int fd_memfd_read(int fd, size_t max_bytes, void **ret, size_t *ret_n);

int fd_send(int socket_fd, const void *data, size_t n, const int *fds, size_t n_fds);
ssize_t fd_recv(int socket_fd, void *data, size_t n, int *ret_fds, size_t max_fds,
                size_t *ret_n_fds);
