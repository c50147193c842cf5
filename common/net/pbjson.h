#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Protobuf messages as JSON by walking descriptors, with Mesos's rules. See pbjson.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/buffer.h"
#include "common/net/pbwire.h"

/* Parses; free as with pb_unpack(). Error texts are those Mesos gives, clients match on them. */
int pbjson_parse(const ProtobufCMessageDescriptor *descriptor, const char *json, size_t n, PbLimits limits,
                 ProtobufCMessage **ret, char **reterr_message);

/* Appends the message as one JSON object. */
int pbjson_print(const ProtobufCMessage *m, Buffer *b);

/*
 * A streaming writer for JSON that is not a message (/state, /metrics/snapshot, --json of the CLI).
 * Keys and commas are its business; errors stick and are told once by json_finish().
 */
typedef struct JsonWriter {
        Buffer *buffer;
        int error;
        bool comma;
} JsonWriter;

#define JSON_WRITER(b) ((JsonWriter) { .buffer = (b) })

/* key is NULL inside arrays and at the top. */
void json_object_begin(JsonWriter *w, const char *key);
void json_object_end(JsonWriter *w);
void json_array_begin(JsonWriter *w, const char *key);
void json_array_end(JsonWriter *w);
void json_string(JsonWriter *w, const char *key, const char *value);
void json_string_n(JsonWriter *w, const char *key, const char *value, size_t n);
void json_int(JsonWriter *w, const char *key, int64_t value);
void json_uint(JsonWriter *w, const char *key, uint64_t value);
void json_double(JsonWriter *w, const char *key, double value);   /* always with a fraction: 5.0 */
void json_milli(JsonWriter *w, const char *key, int64_t thousandths);
void json_bool(JsonWriter *w, const char *key, bool value);
void json_null(JsonWriter *w, const char *key);
void json_message(JsonWriter *w, const char *key, const ProtobufCMessage *m);
int json_finish(JsonWriter *w);
