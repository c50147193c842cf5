#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ControlSocket: where a restarted agent finds the launcher. See control_socket.c. */

#include "common/base/macro.h"

typedef struct ControlSocket {
        char *directory;    /* owned */
        int directory_fd;
        int listen_fd;
} ControlSocket;

#define CONTROL_SOCKET_NULL ((ControlSocket) { .directory_fd = -EBADF, .listen_fd = -EBADF })

int control_socket_init(ControlSocket *s, const char *directory);
void control_socket_deinit(ControlSocket *s);

int control_socket_accept(const ControlSocket *s);
void control_socket_remove(const ControlSocket *s);
