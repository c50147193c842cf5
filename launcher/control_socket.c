/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The control socket
 *
 *     <runtime_dir>/containers/<container id>/launcher.sock
 *
 * In a directory that only we and root can enter, in a place that nobody empties while we live. Who
 * connects is looked at all the same: it must be root, or whoever we are.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "launcher/control_socket.h"
#include "launcher/wire.h"

/* Agents connect one at a time; a restarted one may find its dead predecessor still queued. */
#define LISTEN_BACKLOG 8

/* By way of /proc/self/fd, since a socket's address holds 107 bytes and a path may be longer. */
static int open_listen_fd(int directory_fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        /* Left by a launcher of this container that died; there are never two at a time. */
        (void) unlinkat(directory_fd, LAUNCHER_SOCKET_NAME, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%i/%s",
                        directory_fd, LAUNCHER_SOCKET_NAME);
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        if (listen(fd, LISTEN_BACKLOG) < 0)
                return -errno;

        return TAKE_FD(fd);
}

/* Makes the directory and the socket in it. The caller's umask is 077: both are ours from the
 * first moment. */
int control_socket_init(ControlSocket *s, const char *directory) {
        _cleanup_(control_socket_deinit) ControlSocket new = CONTROL_SOCKET_NULL;
        int r;

        new.directory = strdup(directory);
        if (!new.directory)
                return -ENOMEM;

        r = file_mkdirs_at(AT_FDCWD, directory, 0755);
        if (r < 0)
                return r;

        new.directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (new.directory_fd < 0)
                return -errno;

        new.listen_fd = open_listen_fd(new.directory_fd);
        if (new.listen_fd < 0)
                return new.listen_fd;

        CRASH_POINT("socket-bound");
        *s = new;
        new = CONTROL_SOCKET_NULL;
        return 0;
}

void control_socket_deinit(ControlSocket *s) {
        (void) fd_close(s->listen_fd);
        (void) fd_close(s->directory_fd);
        free(s->directory);
        *s = CONTROL_SOCKET_NULL;
}

/* Returns a connection of the agent's, -EPERM for somebody else's, a negative errno. */
int control_socket_accept(const ControlSocket *s) {
        _cleanup_fd_ int fd = -EBADF;
        struct ucred peer;

        fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return -errno;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t) { sizeof(peer) }) < 0)
                return -errno;
        if (peer.uid != 0 && peer.uid != geteuid())
                return -EPERM;

        return TAKE_FD(fd);
}

/* What somebody who connects this moment loses is a last hello: the exit record says the same. */
void control_socket_remove(const ControlSocket *s) {
        (void) unlinkat(s->directory_fd, LAUNCHER_SOCKET_NAME, 0);
        CRASH_POINT("socket-removed");
        (void) file_remove_tree_at(AT_FDCWD, s->directory);
        CRASH_POINT("directory-removed");
}
