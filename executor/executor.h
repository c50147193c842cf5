#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Executor: runs one command task for an agent, through the agent's restarts. See executor.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/net/http_client.h"

/* What the agent says in the environment; texts are borrowed for the executor's life. */
typedef struct ExecutorConfig {
        const char *framework_id;
        const char *executor_id;
        HttpAddress agent;
        const char *token;               /* for "Authorization: Bearer", NULL: none */
        bool checkpoint;                 /* outlive the agent */
        usec_t recovery_timeout_usec;
        usec_t backoff_max_usec;
        usec_t shutdown_grace_usec;
        char *const *env;                /* of the task, before its own variables */
} ExecutorConfig;

typedef struct Executor Executor;

/* The loop's exit code becomes the program's. */
int executor_new(sd_event *event, const ExecutorConfig *config, Executor **ret);
Executor *executor_free(Executor *e);
DEFINE_CLEANUP(Executor *, executor_free)
