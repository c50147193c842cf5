/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-network
 *
 * Connects one container to the host's bridge and ends. The launcher runs it between making a
 * container's first process, which waits, and letting it go on. It is a program of its own so that
 * the launcher, which stays, is free of libnl; and the one with CAP_NET_ADMIN for a few
 * milliseconds.
 *
 *     holdfast-network BRIDGE GATEWAY HOST-INTERFACE ADDRESS PID
 *
 * What goes wrong is one line on stderr, which the task's message will show.
 */

#include <fcntl.h>
#include <stdio.h>

#include "common/base/fd.h"
#include "common/base/parse.h"
#include "isolator/network_link.h"

static int usage(FILE *f, int status) {
        (void) fputs("Usage: holdfast-network BRIDGE GATEWAY HOST-INTERFACE ADDRESS PID\n\n"
                     "Connects the network namespace of process PID to a bridge of this host. Run by holdfast-launcher.\n",
                     f);
        return status;
}

int main(int argc, char *argv[]) {
        _cleanup_free_ char *message = NULL;
        _cleanup_fd_ int namespace_fd = -EBADF;
        char path[64];
        uint64_t pid;

        if (argc == 2 && streq(argv[1], "--help"))
                return usage(stdout, 0);
        if (argc == 2 && streq(argv[1], "--version")) {
                (void) puts("holdfast-network " PACKAGE_VERSION);
                return 0;
        }
        if (argc != 6 || parse_u64(argv[5], &pid) < 0 || pid == 0 || pid > INT32_MAX)
                return usage(stderr, 2);

        (void) snprintf(path, sizeof(path), "/proc/%i/ns/net", (int) pid);
        namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
        if (namespace_fd < 0) {
                (void) fprintf(stderr, "cannot open the network of process %i: %s\n", (int) pid, strerror(errno));
                return 1;
        }

        const NetworkLink link = {
                .bridge = argv[1],
                .gateway = argv[2],
                .host_interface = argv[3],
                .address = argv[4],
                .namespace_fd = namespace_fd,
        };

        if (network_link_make(&link, &message) < 0) {
                (void) fprintf(stderr, "%s\n", message ? message : "out of memory");
                return 1;
        }

        return 0;
}
