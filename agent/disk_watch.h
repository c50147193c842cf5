#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* DiskWatch: what the sandboxes of running containers occupy, and which occupies too much. See disk_watch.c. */

#include "agent/agent.h"

int disk_watch_new(Agent *a, DiskWatch **ret);
DiskWatch *disk_watch_free(DiskWatch *w);
DEFINE_CLEANUP(DiskWatch *, disk_watch_free)

/* Recovery is complete: who lives is known. NULL: nothing to do. */
void disk_watch_start(DiskWatch *w);

/* The last figures; nothing of a container that was not measured yet, or for NULL. For usage_deinit(). */
void disk_watch_add_usage(const DiskWatch *w, const Executor *e, Mesos__V1__ResourceStatistics *s);
