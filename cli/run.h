#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Run: one task from its offer to its end. See run.c. */

#include "cli/client.h"
#include "cli/progress.h"
#include "cli/task_spec.h"

typedef struct RunOptions {
        const char *user;
        bool follow;
        bool checkpoint;
        bool json;
        usec_t offer_timeout_usec;    /* 0: wait as long as it takes */
} RunOptions;

/* Everything is borrowed. Returns the exit code of `holdfast run`. */
int run_task(Client *client, const TaskSpec *spec, const RunOptions *options, Progress *progress);
