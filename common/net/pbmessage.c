/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages in memory
 *
 * What can be asked of any message by way of its descriptor, wherever it comes from: whether it is
 * complete, whether it says the same as another. How bytes become messages is in pbwire.c.
 */

#include "common/net/pbfield.h"
#include "common/net/pbpath.h"
#include "common/net/pbwire.h"

/* Looks into the message's own fields first, then below, as the walk does. */
static void find_missing(const ProtobufCMessage *m, const PbPath *path, Buffer *missing) {
        const ProtobufCFieldDescriptor *fields[PB_MAX_FIELDS];
        size_t n;

        n = pbfield_declaration_order(m->descriptor, fields);
        for (size_t i = 0; i < n && buffer_size(missing) == 0; i++)
                if (fields[i]->label == PROTOBUF_C_LABEL_REQUIRED &&
                    pbfield_count(m, fields[i]) == 0)
                        pbpath_append_missing(path, fields[i], missing);

        for (size_t i = 0; i < n && buffer_size(missing) == 0; i++) {
                PbPath here = { .parent = path, .field = fields[i] };

                if (fields[i]->type != PROTOBUF_C_TYPE_MESSAGE)
                        continue;

                for (; here.index < pbfield_count(m, fields[i]) && buffer_size(missing) == 0;
                     here.index++)
                        find_missing(*(ProtobufCMessage **) pbfield_at(m, fields[i], here.index),
                                     &here, missing);
        }
}

/*
 * Required numbers are always there in C, and required bytes may be empty: only strings and
 * messages can be found missing.
 */
char *pb_missing_field(const ProtobufCMessage *m) {
        Buffer missing = BUFFER_INIT(PB_MAX_TEXT_BYTES);

        find_missing(m, NULL, &missing);
        if (buffer_size(&missing) == 0)
                return NULL;

        return buffer_take_text(&missing);
}

static bool value_equal(const ProtobufCFieldDescriptor *field, const void *a, const void *b) {
        const ProtobufCBinaryData *x = a, *y = b;

        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
                return pb_equal(*(ProtobufCMessage *const *) a, *(ProtobufCMessage *const *) b);
        if (field->type == PROTOBUF_C_TYPE_STRING)
                return streq(*(char *const *) a, *(char *const *) b);
        if (field->type == PROTOBUF_C_TYPE_BYTES)
                return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);

        return memcmp(a, b, pbfield_element_size(field)) == 0;
}

static bool unknown_equal(const ProtobufCMessageUnknownField *a,
                          const ProtobufCMessageUnknownField *b) {
        return a->tag == b->tag && a->wire_type == b->wire_type && a->len == b->len &&
               (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

bool pb_equal(const ProtobufCMessage *a, const ProtobufCMessage *b) {
        if (a->descriptor != b->descriptor || a->n_unknown_fields != b->n_unknown_fields)
                return false;

        for (size_t i = 0; i < a->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *field = a->descriptor->fields + i;
                size_t n = pbfield_count(a, field);

                if (pbfield_count(b, field) != n)
                        return false;
                for (size_t k = 0; k < n; k++)
                        if (!value_equal(field, pbfield_at(a, field, k), pbfield_at(b, field, k)))
                                return false;
        }

        for (size_t i = 0; i < a->n_unknown_fields; i++)
                if (!unknown_equal(a->unknown_fields + i, b->unknown_fields + i))
                        return false;

        return true;
}
