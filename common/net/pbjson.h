#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Protobuf messages as JSON, with Mesos's rules. See pbjson.c and pbjson_print.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/buffer.h"
#include "common/net/json_writer.h"
#include "common/net/pbwire.h"

enum {
        /* Beside those of pb_unpack(): not JSON at all. */
        PBJSON_E_SYNTAX = PB_E_INVALID + 1,
};

/*
 * Parses; free as with pb_unpack(). Error texts are those Mesos gives, clients match on them. They
 * come without the prefix, which is the endpoint's: PBJSON_E_SYNTAX mostly goes by "Failed to parse
 * body into JSON: ", PB_E_INVALID by "Failed to convert JSON into Call protobuf: ".
 */
int pbjson_parse(const ProtobufCMessageDescriptor *descriptor, const char *json, size_t n,
                 PbLimits limits, ProtobufCMessage **ret, char **reterr_message);

/* Appends the message as one JSON object. */
int pbjson_print(const ProtobufCMessage *m, Buffer *b);

void json_put_message(JsonWriter *w, const char *key, const ProtobufCMessage *m);
