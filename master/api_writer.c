/* SPDX-License-Identifier: Apache-2.0 */

/*
 * API writer
 *
 * The answer to GET_STATE may be hundreds of megabytes as a message in memory. So it never is one:
 * each task, agent and framework is built, encoded and dropped, one after the other, and only the
 * encoded form grows. The two encodings differ here and nowhere else:
 *
 *     JSON       {"tasks":[…,…],"unreachable_tasks":[]}      empty lists are shown, as Mesos does
 *     protobuf   tag length bytes  tag length bytes …        in the order written
 */

#include <string.h>

#include "common/net/pbjson.h"
#include "master/api_writer.h"

/* Of one answer: a million tasks with long labels. */
#define API_WRITER_MAX_BYTES (1U << 30)

enum {
        WIRE_VARINT = 0,
        WIRE_64BIT = 1,
        WIRE_BYTES = 2,
};

void api_writer_init(ApiWriter *w, MediaType type) {
        *w = (ApiWriter) { .type = type, .buffer = BUFFER_INIT(API_WRITER_MAX_BYTES) };
        w->json = JSON_WRITER(&w->buffer);

        if (type == MEDIA_JSON)
                json_object_begin(&w->json, NULL);
}

void api_writer_deinit(ApiWriter *w) {
        buffer_deinit(&w->buffer);
}

static void put_varint(ApiWriter *w, uint64_t value) {
        uint8_t bytes[10];
        size_t n = 0;

        do {
                bytes[n] = (uint8_t) (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
                value >>= 7;
        } while (bytes[n++] & 0x80);

        if (w->error == 0)
                w->error = buffer_append(&w->buffer, bytes, n);
}

static void put_tag(ApiWriter *w, unsigned field, unsigned wire_type) {
        put_varint(w, (uint64_t) field << 3 | wire_type);
}

void api_writer_enum(ApiWriter *w, const char *key, unsigned field, const char *name,
                     unsigned value) {
        if (w->type == MEDIA_JSON) {
                json_put_string(&w->json, key, name);
                return;
        }

        put_tag(w, field, WIRE_VARINT);
        put_varint(w, value);
}

void api_writer_double(ApiWriter *w, const char *key, unsigned field, double value) {
        uint64_t bits;
        uint8_t bytes[8];

        if (w->type == MEDIA_JSON) {
                json_put_double(&w->json, key, value);
                return;
        }

        memcpy(&bits, &value, sizeof(bits));
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (bits >> (8 * i));

        put_tag(w, field, WIRE_64BIT);
        if (w->error == 0)
                w->error = buffer_append(&w->buffer, bytes, sizeof(bytes));
}

void api_writer_message(ApiWriter *w, const char *key, unsigned field, const ProtobufCMessage *m) {
        size_t n;
        char *p;

        if (w->type == MEDIA_JSON) {
                json_put_message(&w->json, key, m);
                return;
        }

        n = protobuf_c_message_get_packed_size(m);
        put_tag(w, field, WIRE_BYTES);
        put_varint(w, n);

        if (w->error == 0)
                w->error = buffer_reserve(&w->buffer, n, &p);
        if (w->error == 0) {
                protobuf_c_message_pack(m, (uint8_t *) p);
                buffer_commit(&w->buffer, n);
        }
}

void api_writer_nested(ApiWriter *w, const char *key, unsigned field, ApiWriter *inner) {
        int r;

        assert(w->type == inner->type);

        r = api_writer_finish(inner);
        if (w->error == 0)
                w->error = r;

        if (w->type == MEDIA_JSON)
                json_put_raw(&w->json, key, buffer_data(&inner->buffer),
                             buffer_size(&inner->buffer));
        else {
                put_tag(w, field, WIRE_BYTES);
                put_varint(w, buffer_size(&inner->buffer));
                if (w->error == 0)
                        w->error = buffer_append(&w->buffer, buffer_data(&inner->buffer),
                                                 buffer_size(&inner->buffer));
        }

        api_writer_deinit(inner);
}

void api_writer_list_begin(ApiWriter *w, const char *key, unsigned field) {
        w->list_field = field;
        if (w->type == MEDIA_JSON)
                json_array_begin(&w->json, key);
}

void api_writer_item(ApiWriter *w, const ProtobufCMessage *m) {
        api_writer_message(w, NULL, w->list_field, m);
}

void api_writer_list_end(ApiWriter *w) {
        if (w->type == MEDIA_JSON)
                json_array_end(&w->json);
}

int api_writer_finish(ApiWriter *w) {
        int r;

        if (w->type != MEDIA_JSON)
                return w->error;

        json_object_end(&w->json);
        r = json_finish(&w->json);
        return w->error < 0 ? w->error : r;
}
