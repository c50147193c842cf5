#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* PortScan: the ports that processes of cgroups listen on; in holdfast-worker. See port_scan.c. */

#include <stdio.h>

#include "common/base/macro.h"

typedef struct PortScan PortScan;

/* What is listened on in our network namespace now, TCP over IPv4 and IPv6. `proc_fd` is borrowed. */
int port_scan_new(int proc_fd, PortScan **ret);
PortScan *port_scan_free(PortScan *s);
DEFINE_CLEANUP(PortScan *, port_scan_free)

/* Prints "<index> <port>" for each port that a process of the cgroup, or of one below it, listens on. */
int port_scan_cgroup(PortScan *s, int cgroup_fd, unsigned index, FILE *f);
