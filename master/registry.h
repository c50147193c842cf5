#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Registry: what a master must not forget, in words that survive it. See registry.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/net/json_writer.h"
#include "proto/registry.pb-c.h"

typedef struct Registry Registry;
typedef struct Zk Zk;

typedef Mesos__Internal__Registry__Slave RegistrySlave;
typedef Mesos__Internal__Registry__UnreachableSlave RegistryUnreachable;
typedef Mesos__Internal__Registry__GoneSlave RegistryGone;
typedef Mesos__Internal__Registry__Machine RegistryMachine;
typedef Mesos__Internal__Registry__Weight RegistryWeight;

/* A change is durable (0), or could not be made so (negative errno): then we must not go on as if
 * it were. Comes from the loop, never from within the call that asked. */
typedef void (*RegistryDone)(int error, void *userdata);

enum {
        REGISTRY_OK = 0,
        REGISTRY_E_UNUSABLE,  /* *reterr_message says why: damaged, or written by a later version */
        REGISTRY_E_UNKNOWN,   /* no such agent or machine, as far as this change is concerned */
        REGISTRY_E_GONE,      /* the agent was declared gone, and that is final */
        REGISTRY_E_TOO_LARGE, /* more than a store takes in one piece */
};

/* Of an AgentInfo, packed: what a store takes in one piece, less what else is said of an agent. */
#define REGISTRY_AGENT_MAX_BYTES (512U << 10)

typedef enum RegistryStorage {
        REGISTRY_MEMORY, /* for trying out and for tests */
        REGISTRY_SQLITE, /* for a master that is alone */
        REGISTRY_ZOOKEEPER,
} RegistryStorage;

typedef struct RegistryConfig {
        RegistryStorage storage;
        const char *path;      /* SQLITE: of the database; borrowed for the call */
        Zk *zk;                /* ZOOKEEPER: outlives the registry, which fails with its session */
        const char *master_id; /* ZOOKEEPER: new with each start; borrowed for the call */
        usec_t fetch_timeout_usec; /* longest load; 0: any */
        usec_t store_timeout_usec; /* longest commit; 0: any */
} RegistryConfig;

int registry_new(sd_event *event, const RegistryConfig *config, Registry **ret,
                 char **reterr_message);
Registry *registry_free(Registry *r);
DEFINE_CLEANUP(Registry *, registry_free)

/* Reads all there is, once; before `loaded` lookups find nothing and nothing may be changed. Why it
 * failed is in the log. */
int registry_load(Registry *r, RegistryDone loaded, void *userdata);
bool registry_is_loaded(const Registry *r);

/* Told how long each change took to become durable. */
typedef void (*RegistryStored)(usec_t took_usec, void *userdata);
void registry_observe(Registry *r, RegistryStored stored, void *userdata);

typedef struct RegistryStats {
        uint64_t size_bytes;
        unsigned n_queued; /* changes not yet durable */
        usec_t fetch_usec; /* it took to load */
} RegistryStats;

RegistryStats registry_stats(Registry *r);

/*
 * Changes. REGISTRY_OK: queued, `done` (may be NULL) will come; any other result: nothing is queued
 * and it will not. Negative errno means that the registry has failed. A change builds on what was
 * queued before it.
 */

/* Admitted, or changed, or back from being unreachable; info->id must be set. What was said of
 * draining and deactivation is kept. REGISTRY_E_GONE, REGISTRY_E_TOO_LARGE. */
int registry_put_agent(Registry *r, const Mesos__V1__AgentInfo *info, RegistryDone done,
                       void *userdata);
/* Forgets an admitted agent; others stay what they are. */
int registry_remove_agent(Registry *r, const char *agent_id, RegistryDone done, void *userdata);
/* Keeps what was said of draining and deactivation; a gone agent stays gone. */
int registry_mark_unreachable(Registry *r, const char *agent_id, usec_t since_usec,
                              RegistryDone done, void *userdata);
int registry_mark_gone(Registry *r, const char *agent_id, usec_t since_usec, RegistryDone done,
                       void *userdata);
/* Of an admitted or unreachable agent; drain_info NULL: not draining. REGISTRY_E_UNKNOWN. */
int registry_set_drain(Registry *r, const char *agent_id, const Mesos__V1__DrainInfo *drain_info,
                       bool deactivated, RegistryDone done, void *userdata);

/* Forgets unreachable and gone agents older than the age or beyond the count, oldest first, per
 * list. Not in one piece; `done` comes after the last. */
int registry_prune(Registry *r, usec_t older_than_usec, uint64_t max_count, RegistryDone done,
                   void *userdata);

/* Replaces the schedule, NULL or an empty one: none. Its machines are DRAINING from now on unless
 * they are DOWN; machines not in it are forgotten. REGISTRY_E_TOO_LARGE. */
int registry_set_maintenance(Registry *r, const Mesos__V1__Maintenance__Schedule *schedule,
                             RegistryDone done, void *userdata);
/* Of machines in the schedule. UP: they are forgotten and leave the schedule.
 * REGISTRY_E_UNKNOWN: one of them is not in it. */
int registry_set_machines_mode(Registry *r, Mesos__V1__MachineID *const *ids, size_t n_ids,
                               Mesos__V1__MachineInfo__Mode mode, RegistryDone done,
                               void *userdata);

/* Roles that are not mentioned keep what they have; a quota without guarantees and limits is none.
 * REGISTRY_E_TOO_LARGE. */
int registry_set_weights(Registry *r, Mesos__V1__WeightInfo *const *weights, size_t n_weights,
                         RegistryDone done, void *userdata);
int registry_set_quota_configs(Registry *r, Mesos__V1__Quota__QuotaConfig *const *configs,
                               size_t n_configs, RegistryDone done, void *userdata);

/*
 * Lookups see what is durable, and what they return is good until the next turn of the loop.
 * Visitors stop when they return other than 0, and that is passed on.
 */

const RegistrySlave *registry_find_agent(const Registry *r, const char *agent_id);
uint64_t registry_count_agents(const Registry *r);
typedef int (*RegistryAgentVisitor)(const RegistrySlave *agent, void *userdata);
int registry_foreach_agent(const Registry *r, RegistryAgentVisitor visit, void *userdata);

const RegistryUnreachable *registry_find_unreachable(const Registry *r, const char *agent_id);
bool registry_is_unreachable(const Registry *r, const char *agent_id, usec_t *ret_since_usec);
uint64_t registry_count_unreachable(const Registry *r);
typedef int (*RegistryUnreachableVisitor)(const RegistryUnreachable *agent, void *userdata);
int registry_foreach_unreachable(const Registry *r, RegistryUnreachableVisitor visit,
                                 void *userdata);

bool registry_is_gone(const Registry *r, const char *agent_id);
uint64_t registry_count_gone(const Registry *r);

/* NULL: none. */
const Mesos__V1__Maintenance__Schedule *registry_schedule(const Registry *r);
typedef int (*RegistryMachineVisitor)(const Mesos__V1__MachineInfo *machine, void *userdata);
int registry_foreach_machine(const Registry *r, RegistryMachineVisitor visit, void *userdata);

RegistryWeight *const *registry_weights(const Registry *r, size_t *ret_n);
Mesos__V1__Quota__QuotaConfig *const *registry_quota_configs(const Registry *r, size_t *ret_n);

/* The whole of it as Mesos shows its own; an empty object before it is loaded. */
void registry_to_json(const Registry *r, const Mesos__V1__MasterInfo *leader, JsonWriter *w);
