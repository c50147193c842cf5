/* SPDX-License-Identifier: Apache-2.0 */

/*
 * disk/du
 *
 * Nothing is decided before a container starts: what its sandbox occupies is measured every now and
 * then by the agent (agent/disk_watch.c), which ends a container that occupies too much.
 */

#include "isolator/isolator.h"

const IsolatorOps isolator_disk_du = { .name = "disk/du" };
