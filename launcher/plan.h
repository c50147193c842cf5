#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* LaunchPlan: all that a launcher will do, decided beforehand and printable. See plan.c. */

#include <sys/types.h>

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "isolator/confinement.h"

/* Goes up with each kind of confinement: a launcher that does not know one must refuse the plan. */
#define LAUNCH_PLAN_VERSION 2

/* Of a plan that confines nothing, which every launcher can carry out. */
#define LAUNCH_PLAN_VERSION_PLAIN 1

/* Larger ones are refused on both sides; a command line and an environment are at most 2 MiB
 * each on Linux. */
#define LAUNCH_PLAN_MAX_BYTES (16U << 20)

/* A program to run. */
typedef struct LaunchCommand {
        const char *file;            /* NULL: argv[0]. Without a '/' looked up in its own PATH */
        char *const *argv;           /* NULL-terminated, at least one */
        char *const *environment;    /* NULL-terminated "NAME=value", complete; NULL: empty */
        const void *input;           /* its standard input; NULL: /dev/null */
        size_t n_input;
} LaunchCommand;

/*
 * In a plan that somebody fills in, everything is borrowed. In one that launch_plan_decode() made,
 * everything belongs to the plan.
 */
typedef struct LaunchPlan {
        const char *container_id;

        const char *runtime_directory;   /* <runtime_dir>/containers/<id>: made and removed by it */
        const char *exit_record_path;    /* <work_dir>/meta/exits/<id>; the directory exists */
        const char *log_path;            /* its own messages; NULL: the journal if there is one */

        const char *sandbox_directory;   /* exists; stdout and stderr are made in it */
        const char *working_directory;   /* NULL: the sandbox */

        uid_t uid;
        gid_t gid;
        const gid_t *groups;             /* supplementary */
        size_t n_groups;
        mode_t umask;                    /* usually 022 */
        const Confinement *confinement;  /* NULL: none */

        const LaunchCommand *fetcher;    /* runs to its end before the command; or NULL */
        const LaunchCommand *command;

        void *storage;                   /* what a decoded plan points into */
} LaunchPlan;

enum {
        LAUNCH_PLAN_OK = 0,
        LAUNCH_PLAN_E_INVALID,           /* *reterr_message says what is wrong */
        LAUNCH_PLAN_E_NEWER,             /* made for a later launcher */
};

int launch_plan_encode(const LaunchPlan *p, void **ret, size_t *ret_n);
int launch_plan_decode(const void *data, size_t n, LaunchPlan **ret, char **reterr_message);
LaunchPlan *launch_plan_free(LaunchPlan *p);
DEFINE_CLEANUP(LaunchPlan *, launch_plan_free)

/* The plan as text for people, for --dry-run. */
int launch_plan_print(const LaunchPlan *p, Buffer *b);
