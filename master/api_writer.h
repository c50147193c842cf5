#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ApiWriter: a large message written piece by piece, as JSON or as protobuf. See api_writer.c. */

#include "common/base/macro.h"
#include "common/net/json_writer.h"
#include "common/net/media.h"

typedef struct ApiWriter {
        MediaType type;
        Buffer buffer;
        JsonWriter json;
        unsigned list_field;
        int error;
} ApiWriter;

void api_writer_init(ApiWriter *w, MediaType type);
void api_writer_deinit(ApiWriter *w);

/* Fields of the message, in any order; `key` is its JSON name, `field` its number. */
void api_writer_enum(ApiWriter *w, const char *key, unsigned field, const char *name,
                     unsigned value);
void api_writer_double(ApiWriter *w, const char *key, unsigned field, double value);
void api_writer_message(ApiWriter *w, const char *key, unsigned field, const ProtobufCMessage *m);

/* A message that was itself written by an ApiWriter; it is finished by this. */
void api_writer_nested(ApiWriter *w, const char *key, unsigned field, ApiWriter *inner);

/* A repeated field. An empty one shows as [] in JSON. */
void api_writer_list_begin(ApiWriter *w, const char *key, unsigned field);
void api_writer_item(ApiWriter *w, const ProtobufCMessage *m);
void api_writer_list_end(ApiWriter *w);

/* Ends the message; what it became is in w->buffer. Tells the first error. */
int api_writer_finish(ApiWriter *w);
