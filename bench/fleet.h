#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Fleet: simulated agents, thousands in one process. See fleet.c. */

#include "bench/line.h"

typedef struct Fleet Fleet;

typedef struct FleetConfig {
        unsigned n_agents;
        unsigned n_tasks;       /* of each agent that comes back */
        unsigned n_frameworks;  /* whose tasks these are */
        unsigned n_connections; /* to the master; agents share them when there are fewer */
        const char *resources;  /* of each agent, "cpus:10;mem:1024" */
} FleetConfig;

Fleet *fleet_new(Lines *lines, const FleetConfig *config);
Fleet *fleet_free(Fleet *f);
DEFINE_CLEANUP(Fleet *, fleet_free)

/* Where the master is from now on. Connections to an earlier one are closed. */
void fleet_set_master(Fleet *f, const struct sockaddr_in *master);

/* What became of a registration of everybody. */
typedef struct FleetRound {
        usec_t took_usec;  /* from the first message to the last answer */
        size_t n_bytes;    /* of all messages, without their heads */
        size_t n_repeated; /* messages that had to be sent again */
} FleetRound;

/* Everybody registers, or comes back with their tasks, each at a time of its own within
 * spread_usec. */
void fleet_register(Fleet *f, usec_t spread_usec, FleetRound *ret);
void fleet_reregister(Fleet *f, usec_t spread_usec, FleetRound *ret);

/* Pings answered, and tasks run, since the start. */
uint64_t fleet_pings(const Fleet *f);
uint64_t fleet_launches(const Fleet *f);
