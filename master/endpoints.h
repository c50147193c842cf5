#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The classic HTTP endpoints: /state, /metrics/snapshot, /redirect… See endpoints.c. */

#include "common/net/http_server.h"
#include "common/net/json_writer.h"

typedef struct Master Master;

int endpoints_add_routes(Master *m);

/* Sends what was written, in ?jsonp=f if that is asked for, or says that it could not be. Frees the
 * buffer. */
void endpoints_answer_json(HttpRequest *r, JsonWriter *w, Buffer *b);
