#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Cluster: what the master's /state says, as the verbs need it. See cluster.c. */

#include "cli/client.h"
#include "common/base/usec.h"

/* Texts are borrowed from the Cluster, and "" rather than NULL. */
typedef struct ClusterTask {
        const char *id;
        const char *name;
        const char *state;
        const char *agent_id;
        const char *executor_id;        /* of command tasks the task's id */
        const char *framework_id;
        const char *framework_name;
        double cpus;
        double mem_mb;
        usec_t since_usec;              /* of its latest state, CLOCK_REALTIME; 0: none */
        bool completed;
} ClusterTask;

typedef struct ClusterAgent {
        const char *id;
        const char *hostname;
        char url[128];                  /* "http://ip:port" */
        double cpus, mem_mb, disk_mb;
        double used_cpus, used_mem_mb, used_disk_mb;
        bool active;
        bool deactivated;               /* by an operator */
        const char *drain_state;        /* "DRAINING", "DRAINED" */
} ClusterAgent;

typedef struct Cluster {
        json_t *state;                  /* owned; texts point into it */
        ClusterTask *tasks;             /* owned */
        size_t n_tasks;
        ClusterAgent *agents;           /* owned */
        size_t n_agents;
} Cluster;

int cluster_load(Client *client, Cluster *ret, char **reterr_message);
void cluster_deinit(Cluster *c);

const ClusterAgent *cluster_find_agent(const Cluster *c, const char *agent_id);
int cluster_find_task(const Cluster *c, const char *text, const ClusterTask **ret,
                      char **reterr_message);

/* From an agent's own /state: where an executor's files are and its container; borrowed from `state`. */
typedef struct ClusterSandbox {
        const char *directory;
        const char *container_id;
        bool completed;                 /* the executor is over */
} ClusterSandbox;

bool cluster_find_sandbox(json_t *agent_state, const char *framework_id, const char *executor_id,
                          ClusterSandbox *ret);
