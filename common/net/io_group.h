#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* IoGroup: many descriptors that are one source of the loop. See io_group.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"

typedef struct IoGroup IoGroup;

/* May end this watch and any other of the group, but not free the group. */
typedef void (*IoReady)(uint32_t events, void *userdata);

/* Embedded in whoever owns the descriptor. */
typedef struct IoWatch {
        IoGroup *group; /* NULL: `source` of its own, or not started */
        sd_event_source *source;
        int fd;
        IoReady ready;
        void *userdata;
} IoWatch;

int io_group_new(sd_event *event, IoGroup **ret);

/* All watches must have ended. */
IoGroup *io_group_free(IoGroup *g);
DEFINE_CLEANUP(IoGroup *, io_group_free)

/* Has `ready` called from the loop with the EPOLL* events that are there. Without a group the
 * descriptor is a source like any other. */
int io_watch_start(IoWatch *w, sd_event *event, IoGroup *group, int fd, uint32_t events,
                   IoReady ready, void *userdata);
int io_watch_modify(IoWatch *w, uint32_t events);

/* Before the descriptor is closed. Does nothing to a watch that was not started, or has ended. */
void io_watch_end(IoWatch *w);
