#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What agents send us, and whether they are still there. See agent_link.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"
#include "common/net/peer.h"

typedef struct Node Node;

/* HttpHandler of "/master": messages are taken here, other requests for unknown paths refused. */
void agent_link_on_request(HttpRequest *r, void *userdata);

/* PeerExited. */
void agent_link_on_exited(const Upid *peer, void *userdata);

/* Pings from now on; an agent that does not answer
 * max_agent_ping_timeouts in a row is unreachable. */
int agent_link_start_pings(Node *n);

/* The link broke: no offers until it is back, and for that it has --agent_reregister_timeout. */
void agent_link_disconnect(Node *n);
