#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What happens when an offer, a framework or an agent leaves. See departure.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/net/http_server.h"

typedef struct Departure Departure;
typedef struct Framework Framework;
typedef struct Master Master;
typedef struct Node Node;
typedef struct Offer Offer;

/* Offers go back to the allocator, unfiltered; `rescind` tells the framework. All of an agent or a
 * framework: inverse offers as well. */
void departure_return_offer(Offer *o, bool rescind);
void departure_return_node_offers(Node *n, bool rescind);
void departure_return_framework_offers(Framework *f, bool rescind);

/* The stream broke or was cut: offers go back, the failover timeout starts. Closes what is still
 * open. */
void departure_disconnect_framework(Framework *f);

/* For good: shut down on its agents, its tasks killed in our books, archived. `f` may be freed. */
void departure_remove_framework(Framework *f, const char *why);

/* Its agent is cut off: tasks and executors of frameworks that do not checkpoint will not survive
 * it. */
void departure_drop_unrecoverable(Node *n);

/*
 * An agent is given up. Each is recorded in the registry first and takes effect when that is
 * durable; until then the node is `leaving`, and neither offered nor listened to when it registers
 * again.
 */
void departure_mark_unreachable(Node *n, const char *message);
void departure_unregister(Node *n, const char *message);

/* Registered, recovered or unreachable, by an operator's word; the request (NULL: there is none) is
 * answered when it is recorded, or told why it cannot be. */
void departure_mark_gone(Master *m, const char *agent_id, HttpRequest *request);

/* Another agent came to its address. What is recorded for that one afterwards takes effect later. */
void departure_replace(Node *n);

/* Its machine goes down for maintenance, and it with it. */
void departure_machine_down(Node *n);

/* The same of one that was not back since our start: the last master may not have got so far. */
void departure_recovered_down(Master *m, const char *agent_id);

/* What is kept of unreachable tasks is dropped, and their ids are free again: of an agent that is
 * back, and says itself what it has; of agents the registry has forgotten. */
void departure_forget_unreachable(Master *m, const char *agent_id);
void departure_forget_pruned(Master *m);

/* In the registry, and not back in time after our start. */
void departure_give_up_recovered(Master *m, const char *agent_id);

/* Is the registry just being told what becomes of this agent; that it is gone? */
bool departure_is_under_way(const Master *m, const char *agent_id);
bool departure_is_marking_gone(const Master *m, const char *agent_id);

/* Nothing of what is under way takes effect any more; the registry must be gone already. */
void departure_stop(Master *m);
