#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The boundary of the v1 APIs: a request becomes a message, a message an answer. See call.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"
#include "common/net/media.h"

enum {
        CALL_OK = 0,
        CALL_E_ANSWERED,      /* the request was refused and is gone */
};

/* Method, content type, body. Returns CALL_OK or CALL_E_ANSWERED.
 * Free the message with pb_free(). */
int call_decode(HttpRequest *r, const ProtobufCMessageDescriptor *descriptor,
                ProtobufCMessage **ret);

/* What the client wants to read; 406 when neither. CALL_OK or CALL_E_ANSWERED. */
int call_negotiate(HttpRequest *r, MediaType *ret);

/* 200 with the message. */
void call_answer(HttpRequest *r, MediaType type, const ProtobufCMessage *m);
