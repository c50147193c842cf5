#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* MasterLink: finding, registering with and hearing from the master. See master_link.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"
#include "common/net/peer.h"
#include "proto/internal.pb-c.h"

typedef struct Agent Agent;
typedef struct Executor Executor;
typedef struct MasterLink MasterLink;

int master_link_new(Agent *a, MasterLink **ret);
MasterLink *master_link_free(MasterLink *l);
DEFINE_CLEANUP(MasterLink *, master_link_free)

/* Recovery is over: begin to register. */
void master_link_start(MasterLink *l);

/* A libprocess message or another request below /slave(1); userdata is the MasterLink. */
void master_link_handle(HttpRequest *request, void *userdata);

/* A connection to somebody broke; for the peer pool. */
void master_link_exited(MasterLink *l, const Upid *peer);

/* The master's view of us is wrong: tells it everything anew. */
void master_link_resync(MasterLink *l, const char *why);

bool master_link_is_registered(const MasterLink *l);
const char *master_link_hostname(const MasterLink *l);   /* of the master we are registered with; NULL when not */

/* One-way messages; lost when there is no master (who asks again at re-registration). */
void master_link_send(MasterLink *l, const char *name, const ProtobufCMessage *m);
void master_link_send_exited_executor(MasterLink *l, const Executor *e);
void master_link_unregister(MasterLink *l);
