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
        /* What containers are in has this much to hand down to them; may be NULL. */
        int (*protect)(Placement *p, uint64_t memory_low_bytes);
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
        char *parent;                     /* the cgroup that containers are in; owned; NULL: none was */
        uint64_t protected_bytes;         /* what that was given; UINT64_MAX: not known */
        sd_event_source *protect_source;
};

/* See placement_protection.c. The container in this cgroup claims memory, another amount of it, or none any more. */
void placement_protect_parent_of(Placement *p, const char *cgroup);
int placement_sum_claims(int parent_fd, uint64_t *ret);

/* Of a placement by systemd: for one of its units; NULL: for the slice. */
int placement_systemd_protect(Placement *p, const char *unit, uint64_t memory_low_bytes);

void placement_init(Placement *p, const PlacementOps *ops, sd_event *event);
void placement_deinit(Placement *p);

/* Ends a job: the callback is called in the next turn of the loop. `message` NULL when all is
 * well. */
void placement_job_finish(PlacementJob *job, int error, const char *format, ...) _printf_(3, 4);
