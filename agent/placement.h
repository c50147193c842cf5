#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Placement: where the cgroup of a container comes from. See placement.c. */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct Placement Placement;

/* Where a container lives; what the agent stores to find it again. */
typedef struct PlacementResult {
        const char *cgroup;          /* below the cgroup2 mount: "/…/holdfast-….scope", or NULL */
        const char *unit;            /* systemd's name for it; NULL: none */
        const char *invocation_id;   /* of that unit, 32 hex digits; NULL: none */
} PlacementResult;

/*
 * Called once from the loop, never from within placement_place(). `error` is 0 or a negative errno;
 * then `message` says for people what failed. All is borrowed for the call.
 */
typedef void (*PlacementPlaced)(const char *container_id, int error, const char *message,
                                const PlacementResult *result, void *userdata);

/* The container's processes are gone (0), or not within the deadline (-ETIMEDOUT). */
typedef void (*PlacementEmptied)(const char *container_id, int error, void *userdata);

/* No cgroups: --launcher=posix without systemd. */
int placement_new_none(sd_event *event, Placement **ret);

/* A directory per container below `root_name` of the cgroup2 hierarchy, wherever that is
 * mounted. */
int placement_new_subtree(sd_event *event, const char *root_name, Placement **ret);

typedef struct PlacementSystemdConfig {
        bool user;                   /* the caller's own manager, not the system's */
        const char *slice;           /* NULL: holdfast.slice */
        usec_t timeout_usec;         /* of a job; 0: a default */
} PlacementSystemdConfig;

/* A transient scope per container. Fails when the manager cannot be reached now; reconnects
 * later. */
int placement_new_systemd(sd_event *event, const PlacementSystemdConfig *config, Placement **ret);

/* One scope for all containers, a directory in it for each. `launcher` is the program holdfast-launcher, which
 * keeps the scope while no container is there. */
int placement_new_scope(sd_event *event, const PlacementSystemdConfig *config, const char *launcher, Placement **ret);

/* Callbacks that are still due are not called. */
Placement *placement_free(Placement *p);
DEFINE_CLEANUP(Placement *, placement_free)

/* "systemd", "scope", "subtree", "none". */
const char *placement_kind(const Placement *p);

/*
 * Finds a place for a launcher that has not started anything yet and is a child of the caller's.
 * `description` is for people, shown by systemctl.
 */
int placement_place(Placement *p, const char *container_id, const char *description,
                    pid_t launcher_pid, PlacementPlaced placed, void *userdata);

/* No callback of this container that is still due will be called. What is under way is undone. */
void placement_cancel(Placement *p, const char *container_id);

/* What a container may count on beside the others of this host, as cgroup2 has it. 0: nothing is said. */
typedef struct PlacementShare {
        uint64_t cpu_weight;
        uint64_t memory_low_bytes;
        uint64_t io_weight, io_bfq_weight;
} PlacementShare;

/* Again whenever it changes. What cannot be set is logged. */
void placement_set_share(Placement *p, const char *container_id, const PlacementResult *result,
                         const PlacementShare *share);

/*
 * For containers whose launcher is gone or silent: kills all in the cgroup and removes what we made
 * there. A cgroup that doesn't exist is empty. `result` is what placement_place() gave; where its
 * cgroup is NULL, because nobody wrote it down, the place is looked for by the container's id.
 */
int placement_kill(Placement *p, const char *container_id, const PlacementResult *result,
                   PlacementEmptied emptied, void *userdata);

/* Removes the empty place of a container whose launcher has ended. Idempotent; what is busy is
 * left. */
void placement_remove(Placement *p, const char *container_id, const PlacementResult *result);
