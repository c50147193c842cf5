#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Media types of the v1 APIs: which encoding a request has, and which one its sender wants back. See media.c. */

#include "common/base/buffer.h"
#include "common/net/http_server.h"
#include "common/net/pbwire.h"

typedef enum MediaType {
        MEDIA_JSON,
        MEDIA_PROTOBUF,
} MediaType;

const char *media_type_name(MediaType t);     /* "application/json" */

/* Exactly one of the two names; false for anything else, parameters included. */
bool media_type_parse(const char *content_type, MediaType *ret);

/* Whether an Accept header allows the name; absent and wildcards allow all, q=0 forbids. */
bool media_accepts(const char *accept, const char *name);

/* JSON if it may be, else protobuf; false when neither may. */
bool media_negotiate(const char *accept, MediaType *ret);

/* PB_OK, PB_E_INVALID with Mesos's wording, -ENOMEM. Free as with pb_unpack(). */
int media_decode(MediaType t, const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
                 ProtobufCMessage **ret, char **reterr_message);

int media_encode(MediaType t, const ProtobufCMessage *m, Buffer *b);

/* 405 with Allow, in Mesos's words; `other` may be NULL. */
void media_answer_method(HttpRequest *r, const char *allowed, const char *other);
void media_answer_not_post(HttpRequest *r);
