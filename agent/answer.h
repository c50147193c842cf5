#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The answers that all plain endpoints share. See answer.c. */

#include "common/net/http_server.h"
#include "common/net/media.h"

/* How much one answer may have: /state of an agent with 10,000 tasks has about 10 MB. */
#define ANSWER_MAX_BYTES ((size_t) 256 << 20)

/* 200 with JSON; with ?jsonp=f in the request, with f(JSON) as a script. */
void answer_json(HttpRequest *r, Buffer *body);

/* 200 with a message. */
void answer_message(HttpRequest *r, MediaType type, const ProtobufCMessage *m);

/* 500, or 503 when it is memory that lacks, for a negative errno. */
void answer_error(HttpRequest *r, int error);

void answer_not_found(HttpRequest *r);
