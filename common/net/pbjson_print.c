/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages as JSON
 *
 * Mesos's rules, which are not those of proto3: names as in the schema, in the schema's order;
 * enums by name; bytes in base64; 64-bit integers as numbers; maps as objects. A field is printed
 * when it is set, and also when it isn't but has an explicit default and is not deprecated: so
 * FrameworkInfo always shows "checkpoint":false and never an unset "role":"*". Unknown fields are
 * not printed.
 */

#include "common/net/pbfield.h"
#include "common/net/pbjson.h"

static bool is_printed(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field) {
        if (pbfield_count(m, field) > 0)
                return true;

        return field->default_value && field->label != PROTOBUF_C_LABEL_REPEATED &&
               !(field->flags & PROTOBUF_C_FIELD_FLAG_DEPRECATED);
}

/*
 * Picks what is printed, in the schema's order: as pbfield_declaration_order(), but on the few
 * fields that are set rather than on all.
 */
static size_t pick_fields(const ProtobufCMessage *m,
                          const ProtobufCFieldDescriptor *ret[static PB_MAX_FIELDS]) {
        const ProtobufCMessageDescriptor *descriptor = m->descriptor;
        size_t n = 0;

        assert(descriptor->n_fields <= PB_MAX_FIELDS);

        for (size_t i = 0; i < descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *field = descriptor->fields + i;
                size_t k;

                if (!is_printed(m, field))
                        continue;

                for (k = n++; k > 0 && ret[k - 1]->offset > field->offset; k--)
                        ret[k] = ret[k - 1];
                ret[k] = field;
        }

        return n;
}

static void print_enum(JsonWriter *w, const char *key, const ProtobufCFieldDescriptor *field,
                       int value) {
        const ProtobufCEnumValue *v;

        v = protobuf_c_enum_descriptor_get_value(field->descriptor, value);
        if (v)
                json_put_string(w, key, v->name);
        else
                json_put_int(w, key, value);
}

static void print_value(JsonWriter *w, const char *key, const ProtobufCFieldDescriptor *field,
                        const void *value) {
        const ProtobufCBinaryData *bytes = value;

        switch (field->type) {
        case PROTOBUF_C_TYPE_INT32:
        case PROTOBUF_C_TYPE_SINT32:
        case PROTOBUF_C_TYPE_SFIXED32:
                return json_put_int(w, key, *(const int32_t *) value);
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_SINT64:
        case PROTOBUF_C_TYPE_SFIXED64:
                return json_put_int(w, key, *(const int64_t *) value);
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_FIXED32:
                return json_put_uint(w, key, *(const uint32_t *) value);
        case PROTOBUF_C_TYPE_UINT64:
        case PROTOBUF_C_TYPE_FIXED64:
                return json_put_uint(w, key, *(const uint64_t *) value);
        case PROTOBUF_C_TYPE_FLOAT:
                return json_put_double(w, key, (double) *(const float *) value);
        case PROTOBUF_C_TYPE_DOUBLE:
                return json_put_double(w, key, *(const double *) value);
        case PROTOBUF_C_TYPE_BOOL:
                return json_put_bool(w, key, *(const protobuf_c_boolean *) value);
        case PROTOBUF_C_TYPE_ENUM:
                return print_enum(w, key, field, *(const int *) value);
        case PROTOBUF_C_TYPE_STRING:
                return json_put_string(w, key, *(char *const *) value);
        case PROTOBUF_C_TYPE_BYTES:
                return json_put_base64(w, key, bytes->data, bytes->len);
        case PROTOBUF_C_TYPE_MESSAGE:
                return json_put_message(w, key, *(ProtobufCMessage *const *) value);
        }

        assert(false);
}

/* Strings keep their default where others keep its address. */
static void print_default(JsonWriter *w, const ProtobufCFieldDescriptor *field) {
        if (field->type == PROTOBUF_C_TYPE_STRING)
                json_put_string(w, field->name, field->default_value);
        else
                print_value(w, field->name, field, field->default_value);
}

static void print_map(JsonWriter *w, const ProtobufCMessage *m,
                      const ProtobufCFieldDescriptor *field) {
        json_object_begin(w, field->name);

        for (size_t i = 0; i < pbfield_count(m, field); i++) {
                const ProtobufCMessage *entry = *(ProtobufCMessage **) pbfield_at(m, field, i);
                const ProtobufCFieldDescriptor *key = entry->descriptor->fields, *value = key + 1;
                const char *name = *(char **) pbfield_slot(entry, key);

                assert(key->type == PROTOBUF_C_TYPE_STRING);
                print_value(w, name ?: "", value, pbfield_slot(entry, value));
        }

        json_object_end(w);
}

static void print_repeated(JsonWriter *w, const ProtobufCMessage *m,
                           const ProtobufCFieldDescriptor *field) {
        if (pbfield_is_map(field))
                return print_map(w, m, field);

        json_array_begin(w, field->name);
        for (size_t i = 0; i < pbfield_count(m, field); i++)
                print_value(w, NULL, field, pbfield_at(m, field, i));
        json_array_end(w);
}

/* The message as the value of key; NULL is printed as an empty object. */
void json_put_message(JsonWriter *w, const char *key, const ProtobufCMessage *m) {
        const ProtobufCFieldDescriptor *fields[PB_MAX_FIELDS];
        size_t n;

        json_object_begin(w, key);

        n = m ? pick_fields(m, fields) : 0;
        for (size_t i = 0; i < n; i++)
                if (fields[i]->label == PROTOBUF_C_LABEL_REPEATED)
                        print_repeated(w, m, fields[i]);
                else if (pbfield_count(m, fields[i]) > 0)
                        print_value(w, fields[i]->name, fields[i], pbfield_slot(m, fields[i]));
                else
                        print_default(w, fields[i]);

        json_object_end(w);
}

/* On failure (-ENOBUFS at the buffer's maximum, -ENOMEM) the buffer is as long as before. */
int pbjson_print(const ProtobufCMessage *m, Buffer *b) {
        size_t n_before = buffer_size(b);
        JsonWriter w = JSON_WRITER(b);
        int r;

        json_put_message(&w, NULL, m);

        r = json_finish(&w);
        if (r < 0)
                b->end = b->begin + n_before;

        return r;
}
