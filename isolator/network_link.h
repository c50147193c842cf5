#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* NetworkLink: a container's end of the host's bridge. See network_link.c. */

#include "common/base/macro.h"

typedef struct NetworkLink {
        const char *bridge;          /* made where it is missing */
        const char *gateway;         /* the bridge's own address, "10.88.0.1/16" */
        const char *host_interface;  /* the host's end */
        const char *address;         /* the container's, "10.88.0.5/16" */
        int namespace_fd;            /* the container's */
} NetworkLink;

/* Returns 0, or -1 with a text for people, NULL out of memory. Moves the calling process into the namespace. */
int network_link_make(const NetworkLink *l, char **reterr_message);
