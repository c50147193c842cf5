#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Spawn: one program of the plan, from decision to process. See spawn.c and child.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "launcher/limits.h"
#include "launcher/plan.h"

/* Where it is to run: descriptors of the launcher's, borrowed. */
typedef struct SpawnPlace {
        int proc_fd;             /* /proc */
        int cgroup_fd;           /* the cgroup to be born in, or negative */
        bool cgroup_was_killed;
        int stdout_fd;
        int stderr_fd;
        int launcher_pid_fd;     /* of the calling process: readable once it is dead */
} SpawnPlace;

/* All that the child needs, made before it exists: it cannot allocate anything. */
typedef struct ChildContext {
        const LaunchPlan *plan;
        const LaunchCommand *command;
        SpawnPlace place;
        Limits limits;
        unsigned clone_flags;    /* CLONE_NEW* */
        char **files;            /* NULL-terminated: what to try to execute, in this order; owned */
        char **script_argv;      /* for a script without "#!", the file goes to [1]; owned */
        int stdin_fd;            /* owned */
        int status_fd;           /* where to report; owned */
        int *mount_fds;          /* the opened sources of the confinement's mounts, as many; owned */
        /* Set in the child's own memory: */
        int *root_fd;            /* the root that it is to have; negative: the host's */
        int32_t *failed_item;    /* the mount at which a step failed */
        int exit_fd;             /* where an init tells how the command ended; owned; negative: there is no init */
        int ready_fd;            /* it waits for a byte from here before it goes on; owned, or negative */
        int ready_write_fd;      /* owned, or negative */
        bool join_cgroup;        /* it was not born in its cgroup and has to move */
        bool switch_user;
} ChildContext;

/* What a child that did not get to exec reports: fixed size, atomic in a pipe. */
typedef struct ChildFailure {
        uint32_t step;
        int32_t error;           /* positive errno */
        int32_t item;            /* of the list that the step goes through; negative: of no interest */
} ChildFailure;

typedef struct SpawnedChild {
        pid_t pid;
        int pid_fd;              /* owned by the caller */
        int status_fd;           /* owned by the caller: a ChildFailure, or at once the end */
        int exit_fd;             /* owned by the caller: a wait status of the command, which `pid` is only the
                                  * init of; negative where it is the command itself */
} SpawnedChild;

enum {
        SPAWN_OK = 0,
        SPAWN_E_NETWORK,         /* *reterr_message says why, NULL out of memory */
};

int spawn(const LaunchPlan *plan, const LaunchCommand *command, const SpawnPlace *place,
          SpawnedChild *ret, char **reterr_message);

/* Runs in the child. */
_noreturn_ void child_run(ChildContext *c);

/* "change user": what a failing step was about to do; "execute" is the last. */
const char *child_step_name(uint32_t step);
