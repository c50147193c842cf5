#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: an operator's request that is answered when the registry has what it asks for. See
 * promise.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"

/* Embedded in what waits: must not move, and must be kept or broken while the request is there. */
typedef struct Promise {
        HttpRequest *request;      /* NULL: nobody asked, or has left, or was answered */
} Promise;

#define PROMISE_NULL ((Promise) {})

/* `request` may be NULL. */
void promise_init(Promise *p, HttpRequest *request);

/* An empty answer with that status, or one with a text. */
void promise_keep(Promise *p, unsigned status);
void promise_break(Promise *p, unsigned status, const char *text);
