#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A streaming writer for JSON that is not a message (/state, /metrics/snapshot, --json of the CLI).
 * Keys and commas are its business; errors stick and are told once by json_finish(). The names keep
 * clear of jansson, which has a json_string() and a json_null() of its own. See json_writer.c.
 */

#include "common/base/buffer.h"

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
void json_put_string(JsonWriter *w, const char *key, const char *value); /* NULL: null */
void json_put_string_n(JsonWriter *w, const char *key, const char *value, size_t n);
void json_put_int(JsonWriter *w, const char *key, int64_t value);
void json_put_uint(JsonWriter *w, const char *key, uint64_t value);
void json_put_double(JsonWriter *w, const char *key,
                     double value); /* always with a fraction: 5.0 */
void json_put_milli(JsonWriter *w, const char *key, int64_t thousandths);
void json_put_bool(JsonWriter *w, const char *key, bool value);
void json_put_null(JsonWriter *w, const char *key);
void json_put_base64(JsonWriter *w, const char *key, const void *data, size_t n);
void json_put_raw(JsonWriter *w, const char *key, const char *json, size_t n); /* printed before */
int json_finish(JsonWriter *w);
