#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What the kinds of placement share and where they differ. For placement*.c only; see
 * placement.c. */

#include <systemd/sd-bus.h>

#include "agent/placement.h"

typedef enum PlacementJobState {
        PLACEMENT_JOB_QUEUED,        /* others are ahead */
        PLACEMENT_JOB_WAITING,       /* for a connection to the manager */
        PLACEMENT_JOB_SUBMITTED,     /* the call is on its way, or its fate is being asked for */
        PLACEMENT_JOB_STARTING,      /* the manager works on it */
        PLACEMENT_JOB_LEARNING,      /* it has been done; what became of it is asked for */
        PLACEMENT_JOB_FINISHED,      /* the callback is due in the next turn of the loop */
} PlacementJobState;

/* A container on its way to its place. */
typedef struct PlacementJob {
        Placement *placement;        /* borrowed: the owner */
        char *container_id;          /* owned, as all texts here */
        char *description;
        pid_t launcher_pid;
        PlacementPlaced placed;
        void *userdata;

        int error;                   /* the result, from FINISHED on */
        char *message;
        char *cgroup;
        char *unit;
        char *invocation_id;
        sd_event_source *finish_source;

        PlacementJobState state;     /* from here on: systemd's */
        usec_t deadline_usec;
        usec_t patience_usec;        /* how long a stop that forbids starts is waited for; 0: there was none */
        sd_event_source *check_source;
        sd_bus_slot *slot;           /* the call whose answer is awaited */

        struct PlacementJob *prev, *next;
} PlacementJob;

typedef struct PlacementOps {
        const char *kind;
        int (*place)(Placement *p, PlacementJob *job);
        void (*undo)(Placement *p, PlacementJob *job);               /* may be NULL */
        void (*finished)(Placement *p);                              /* a job is, or was; may be NULL */
        void (*remove)(Placement *p, const char *container_id);      /* whose path nobody wrote down; may be NULL */
        int (*open)(Placement *p, const char *container_id);         /* the cgroup; may be NULL */
        /* For what has a unit of its own; NULL: cgroups are ours to write to. */
        void (*set_share)(Placement *p, const char *unit, const PlacementShare *share);
        Placement *(*free)(Placement *p);
} PlacementOps;

typedef struct PlacementEmptying PlacementEmptying;

/* First member of each kind. */
struct Placement {
        const PlacementOps *ops;
        sd_event *event;                  /* referenced */
        int mount_fd;                     /* of the cgroup2 hierarchy; negative: none is mounted */
        PlacementJob *jobs;               /* utlist; owned */
        PlacementEmptying *emptyings;     /* utlist; owned */
};

void placement_init(Placement *p, const PlacementOps *ops, sd_event *event);
void placement_deinit(Placement *p);

/* Ends a job: the callback is called in the next turn of the loop. `message` NULL when all is
 * well. */
void placement_job_finish(PlacementJob *job, int error, const char *format, ...) _printf_(3, 4);
