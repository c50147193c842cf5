#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* TaskSpec: the task that `holdfast run` was asked for. See task_spec.c. */

#include "common/base/macro.h"
#include "common/model/resources.h"

/* As the command line has it; everything is borrowed. */
typedef struct TaskSpecOptions {
        const char *name;
        const char *command;          /* for a shell; NULL: arguments[0] is the program */
        char *const *arguments;       /* NULL-terminated */
        const char *resources;
        char *const *environment;     /* "NAME=value", NULL-terminated; or NULL */
        char *const *uris;            /* NULL-terminated; or NULL */
        const char *role;
} TaskSpecOptions;

typedef struct TaskSpec {
        char *task_id;                                    /* owned */
        const char *name;                                 /* borrowed */
        const char *role;                                 /* borrowed */
        Resources *wanted;                                /* owned */
        Mesos__V1__CommandInfo command; /* its texts are borrowed, what follows is owned */
        Mesos__V1__Environment environment;
        Mesos__V1__Environment__Variable **variables;
        char **variable_names;
        size_t n_variables;
        Mesos__V1__CommandInfo__URI **uris;
} TaskSpec;

enum {
        TASK_SPEC_OK = 0,
        TASK_SPEC_E_INVALID,         /* *reterr_message says why */
        TASK_SPEC_E_TOO_SMALL,       /* the offer has not enough */
};

int task_spec_init(TaskSpec *s, const TaskSpecOptions *options, char **reterr_message);
void task_spec_deinit(TaskSpec *s);

int task_spec_take(const TaskSpec *s, const Mesos__V1__Offer *offer, Mesos__V1__Resource ***ret,
                   size_t *ret_n);
