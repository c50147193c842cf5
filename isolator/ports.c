/* SPDX-License-Identifier: Apache-2.0 */

/*
 * network/ports
 *
 * Nothing is decided before a container starts: the TCP ports that its processes listen on are held
 * against its ports every now and then by the agent (agent/ports_watch.c), which ends a container
 * that listens on others. Which processes are whose is told by cgroups.
 */

#include "isolator/isolator.h"

static int ports_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        (void) config;
        if (!host->cgroups)
                return isolator_refuse(reterr_message,
                                       "network/ports needs a cgroup2 hierarchy and --launcher=linux, to tell whose a "
                                       "process is");

        return ISOLATOR_OK;
}

const IsolatorOps isolator_network_ports = { .name = "network/ports", .probe = ports_probe };
