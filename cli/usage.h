#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* UsageSample: what containers of the cluster used at one moment. See usage.c. */

#include "cli/client.h"
#include "common/base/usec.h"

/* A figure that an agent does not tell is negative. Texts are borrowed from the sample. */
typedef struct UsageRow {
        const char *container_id;       /* "" from agents that do not tell */
        const char *executor_id;        /* of command tasks the task's id */
        const char *framework_id;
        const char *hostname;
        double at_secs;                 /* CLOCK_REALTIME of the agent */
        double cpu_secs;                /* used since its start */
        double throttled_secs;
        double cpus, cpus_limit;        /* asked for; the most it gets */
        double mem_bytes, mem_limit_bytes;
        double pids;                    /* processes and threads */
        double cpu_stall, mem_stall, io_stall;     /* percent of the last ten seconds in which some of it waited */

        double cpus_used;               /* from here on: since an earlier sample */
        double throttled;               /* part of the time, 0 to 1 */
} UsageRow;

typedef struct UsageAgent {
        const char *url, *hostname;     /* borrowed */
} UsageAgent;

typedef struct UsageSample {
        json_t **documents;             /* owned; NULL: that agent did not answer */
        size_t n_documents;
        size_t n_silent;                /* agents that did not answer */
        char *why_silent;               /* the first one's reason; owned */
        UsageRow *rows;                 /* by container id; owned */
        size_t n_rows;
} UsageSample;

/* Asks all agents at once. `agents` must live as long as the sample. Negative errno only for ourselves. */
int usage_sample_take(Client *client, const UsageAgent *agents, size_t n_agents, UsageSample *ret);
void usage_sample_deinit(UsageSample *s);

/* Fills in what is per second. */
void usage_sample_compare(UsageSample *s, const UsageSample *earlier);
