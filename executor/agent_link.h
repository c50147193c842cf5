#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* AgentLink: the executor's subscription to its agent, and its calls. See agent_link.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "executor/executor.h"
#include "proto/executor.pb-c.h"

typedef struct AgentLink AgentLink;

typedef struct AgentLinkOps {
        /* A subscription is about to be asked for: fill in what the agent has not acknowledged. All is borrowed. */
        void (*subscribing)(Mesos__V1__Executor__Call__Subscribe *subscribe, void *userdata);
        /* Borrowed too; SUBSCRIBED is the first of each subscription. */
        void (*event)(const Mesos__V1__Executor__Event *event, void *userdata);
        /* The call that was under way was taken, or may be repeated now. */
        void (*answered)(bool taken, void *userdata);
        /* A subscription has ended; the link goes on trying. */
        void (*lost)(void *userdata);
} AgentLinkOps;

int agent_link_new(sd_event *event, const ExecutorConfig *config, const AgentLinkOps *ops, void *userdata,
                   AgentLink **ret);
AgentLink *agent_link_free(AgentLink *l);
DEFINE_CLEANUP(AgentLink *, agent_link_free)

bool agent_link_is_ready(const AgentLink *l);
int agent_link_update(AgentLink *l, Mesos__V1__Executor__Call__Update *update);
