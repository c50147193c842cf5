#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Drain: agents that operators want empty, or without new work. See drain.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"
#include "proto/master.pb-c.h"

typedef struct DrainChange DrainChange;
typedef struct Master Master;
typedef struct Node Node;

/* What operators ask for; each answers the request, at once when it refuses, else when it is
 * recorded. */
void drain_agent(Master *m, HttpRequest *r, const Mesos__V1__Master__Call__DrainAgent *call);
void drain_deactivate_agent(Master *m, HttpRequest *r, const char *agent_id);
void drain_reactivate_agent(Master *m, HttpRequest *r, const char *agent_id);

/* What is recorded of an agent, registered or not; NULL: it is not draining. Good for this turn. */
const Mesos__V1__DrainInfo *drain_find(const Master *m, const char *agent_id);

/* The agent is let in: whether it may be offered. And when it has been told so: what it has to
 * do. */
bool drain_is_deactivated(const Master *m, const char *agent_id);
void drain_resume(Node *n);

/* Something of the agent has ended: perhaps it was the last. */
void drain_check(Node *n);

/* Nothing of what is under way takes effect any more; registry and server must be gone already. */
void drain_stop(Master *m);
