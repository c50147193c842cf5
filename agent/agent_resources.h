#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* AgentResources: what the agent has, with the reservations and volumes made of it. See agent_resources.c. */

#include "agent/agent.h"
#include "common/model/conversion.h"

typedef struct AgentResources AgentResources;

int agent_resources_new(Agent *a, AgentResources **ret);
AgentResources *agent_resources_free(AgentResources *r);
DEFINE_CLEANUP(AgentResources *, agent_resources_free)

/* What there is once everything accepted has been carried out: this is what tasks and later changes build on. */
const Resources *agent_resources_total(const AgentResources *r);

/* Of these the reservations and volumes, which the configuration does not say. */
const Resources *agent_resources_checkpointed(const AgentResources *r);

/* Who asked for a change. All are called from the loop, in the order of the changes; `stage` may be missing. */
typedef struct ResourceChangeOps {
        /* The change becomes durable before it is carried out: write along what belongs to it. */
        void (*stage)(void *userdata);

        /* It is carried out, or (`error` says why) undone, and becomes durable as that: write along. */
        void (*commit)(const char *error, void *userdata);

        /* That is durable. */
        void (*done)(const char *error, void *userdata);
} ResourceChangeOps;

/* Takes `total`, what there shall be. Nothing is called from within. */
int agent_resources_change(AgentResources *r, Resources *total, const ResourceChangeOps *ops, void *userdata);

/* Reads what is stored. Fatal: what does not fit the configuration is explained in the log, -EINVAL. */
int agent_resources_recover(AgentResources *r);

/* After that: what was staged; NULL when nothing was. A change to it belongs to whoever staged it. */
int agent_resources_resume(AgentResources *r, const ResourceChangeOps *ops, void *userdata);
bool agent_resources_was_cut_off(const AgentResources *r);

/* All changes have been carried out: volumes are where they should be. */
bool agent_resources_are_settled(const AgentResources *r);
