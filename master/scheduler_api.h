#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* /api/v1/scheduler: who may call, SUBSCRIBE, and the way to
 * the other calls. See scheduler_api.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"

typedef struct Master Master;

/* HttpHandler; userdata is the Master. */
void scheduler_api_on_request(HttpRequest *r, void *userdata);

/* Cuts the frameworks whose streams ran full; called outside of
 * anything that works on a framework. */
void scheduler_api_cut_overflowed(Master *m);
