#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Leadership: whether this master is the one in charge, and who is if not. See leadership.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"

typedef struct Leadership Leadership;
typedef struct Master Master;

/* Takes part in the election if there is one; master_elected() is called when it is won. */
int leadership_new(Master *m, Leadership **ret);
Leadership *leadership_free(Leadership *l);
DEFINE_CLEANUP(Leadership *, leadership_free)

/* HttpGate, userdata is the Master: answers in place of what only a leader may answer. */
bool leadership_gate(HttpRequest *r, void *userdata);
