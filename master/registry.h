#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Registry: which agents there are, in words that survive us. See registry.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "proto/mesos.pb-c.h"

typedef struct Registry Registry;

/* A change is durable (0), or could not be made so (negative errno): then we must not go on as if
 * it were. */
typedef void (*RegistryDone)(int error, void *userdata);

enum {
        REGISTRY_OK = 0,
        REGISTRY_E_UNUSABLE, /* *reterr_message says why: damaged, or written by a later version */
};

/* `path` NULL: in memory, for trying out and for tests. */
int registry_open(sd_event *event, const char *path, Registry **ret, char **reterr_message);
Registry *registry_free(Registry *r);
DEFINE_CLEANUP(Registry *, registry_free)

/* Told how long each change took to become durable. */
typedef void (*RegistryStored)(usec_t took_usec, void *userdata);
void registry_observe(Registry *r, RegistryStored stored, void *userdata);

/* All admitted agents, as read back; stops when `visit` returns other than 0 and passes that on. */
typedef int (*RegistryVisitor)(const Mesos__V1__AgentInfo *info, void *userdata);
int registry_foreach_agent(Registry *r, RegistryVisitor visit, void *userdata);

/* Admitted, or changed, or back from being unreachable; info->id must be set. `done` may be NULL in
 * all of these. */
int registry_put_agent(Registry *r, const Mesos__V1__AgentInfo *info, RegistryDone done,
                       void *userdata);
int registry_remove_agent(Registry *r, const char *agent_id, RegistryDone done, void *userdata);
int registry_mark_unreachable(Registry *r, const char *agent_id, usec_t since_usec,
                              RegistryDone done, void *userdata);
int registry_mark_gone(Registry *r, const char *agent_id, usec_t since_usec, RegistryDone done,
                       void *userdata);

/* Forgets unreachable and gone agents older than the age or beyond the count, oldest first. */
int registry_prune(Registry *r, usec_t older_than_usec, uint64_t max_count);

bool registry_is_unreachable(Registry *r, const char *agent_id, usec_t *ret_since_usec);
bool registry_is_gone(Registry *r, const char *agent_id);
uint64_t registry_count_unreachable(Registry *r);

typedef struct RegistryStats {
        uint64_t size_bytes;
        unsigned n_queued;              /* changes not yet durable */
        usec_t fetch_usec;              /* it took to open */
} RegistryStats;

RegistryStats registry_stats(Registry *r);
