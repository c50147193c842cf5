#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Leadership: whether this master is the one in charge, and who is if not. See leadership.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"

typedef struct Leadership Leadership;
typedef struct Master Master;
typedef struct Zk Zk;

/* Takes part in the election if there is one; master_elected() is called when it is won. */
int leadership_new(Master *m, Leadership **ret);
Leadership *leadership_free(Leadership *l);
DEFINE_CLEANUP(Leadership *, leadership_free)

/* The session that we are elected by; NULL without ZooKeeper. */
Zk *leadership_zk(const Leadership *l);

/* Masters that stand for election, ourselves included. */
size_t leadership_n_masters(const Leadership *l);

/* Where the leader is, for HTTP; borrowed. False: nobody leads. */
bool leadership_find(const Master *m, const char **ret_hostname, uint16_t *ret_port);

/* HttpGate, userdata is the Master: answers in place of what only a leader may answer. */
bool leadership_gate(HttpRequest *r, void *userdata);
