#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Container: one launcher with what runs under it, from sandbox to exit record. See container.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "common/base/process.h"

typedef struct Agent Agent;
typedef struct Container Container;
typedef struct Executor Executor;

/* How to find a container's launcher and cgroup again; strings owned by whoever holds the struct. */
typedef struct ContainerIdentity {
        pid_t launcher_pid;
        uint64_t launcher_start;     /* ticks since boot, against reuse of the pid */
        char *cgroup;                /* below the cgroup2 mount, "/holdfast.slice/…"; NULL: none */
        char *unit;                  /* NULL: no scope */
        char *invocation_id;
} ContainerIdentity;

void container_identity_deinit(ContainerIdentity *i);

typedef struct ContainerEnd {
        ExitStatus status;           /* of the executor; unknown when nobody witnessed it */
        bool launched;               /* the executor was running at all */
        bool called_off;             /* not launched: its launcher was stopped before the agent said go */
        const char *limitation;      /* the limit that ended it, for people; NULL: none did */
        uint64_t memory_max_bytes;   /* with a limitation */
        const char *message;         /* why it did not start, or why the status is unknown; NULL: an ordinary end */
} ContainerEnd;

typedef struct ContainerOps {
        /* The sandbox cannot be made (message as Mesos words it): nothing was started, nothing will be. */
        void (*refused)(Container *c, const char *message, void *userdata);

        /* Its launcher is placed: when the identity is durable, call container_go(). */
        void (*placed)(Container *c, const ContainerIdentity *identity, void *userdata);

        /* The executor was exec'd. */
        void (*started)(Container *c, void *userdata);

        /* Its limits could not be changed, and are no longer what its tasks were promised. */
        void (*update_failed)(Container *c, int error, void *userdata);

        /* Everything in it is gone. The container may be freed from here. */
        void (*ended)(Container *c, const ContainerEnd *end, void *userdata);
} ContainerOps;

/* Begins to make a container for the executor; ops are called from the loop, never from within. */
int container_new(Agent *a, Executor *e, const ContainerOps *ops, void *userdata, Container **ret);

/* Takes up a container of an earlier life of the agent: its launcher, or its exit record, or its absence. */
int container_adopt(Agent *a, Executor *e, const ContainerIdentity *identity, const ContainerOps *ops, void *userdata,
                    Container **ret);

/* Drops the agent's end only: what runs goes on. */
Container *container_free(Container *c);
DEFINE_CLEANUP(Container *, container_free)

void container_go(Container *c);

/* It may have waited for the executor's own persistent volumes. */
void container_volumes_settled(Container *c);

/* Asks the launcher whether it is there. One that does not answer is killed, and everything in its
 * container; how that ended is not known then. */
void container_check(Container *c);

/* Kills everything in it; ended() follows. */
void container_destroy(Container *c);

/* A signal for the executor's process alone. -ESRCH when it is not running. */
int container_signal(Container *c, int signal_number);

/* Has its limits follow what its executor and tasks now ask for. Asynchronous. */
int container_update(Container *c);

Executor *container_executor(const Container *c);     /* the owner it was made for */
pid_t container_pid(const Container *c);              /* of the launcher; 0 before it is known */
pid_t container_executor_pid(const Container *c);     /* 0 when not running */
const char *container_cgroup(const Container *c);     /* as in ContainerIdentity */
