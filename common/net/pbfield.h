#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Fields of protobuf messages, reached by their descriptors. See pbfield.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/macro.h"

/* No message of ours has more; the tests hold every schema against it. */
#define PB_MAX_FIELDS 64

size_t pbfield_declaration_order(const ProtobufCMessageDescriptor *descriptor,
                                 const ProtobufCFieldDescriptor *ret[static PB_MAX_FIELDS]);
size_t pbfield_element_size(const ProtobufCFieldDescriptor *field);
bool pbfield_is_map(const ProtobufCFieldDescriptor *field);
bool pbfield_has_enum_value(const ProtobufCFieldDescriptor *field, int value);
void pbfield_mark_set(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field);
void pbfield_reset(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field);

static inline bool pbfield_is_pointer(const ProtobufCFieldDescriptor *field) {
        return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
}

/* Const in, plain out, as strchr() does it: who may write to the message may write here. */
static inline void *pbfield_slot(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field) {
        return (char *) m + field->offset;
}

/* The has_x, n_x or x_case that goes with the field. */
static inline void *pbfield_quantifier(const ProtobufCMessage *m,
                                       const ProtobufCFieldDescriptor *field) {
        return (char *) m + field->quantifier_offset;
}

/* How many values the field has: 0 or 1 unless it is repeated. Required numbers always have one. */
static inline size_t pbfield_count(const ProtobufCMessage *m,
                                   const ProtobufCFieldDescriptor *field) {
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
                return *(const size_t *) pbfield_quantifier(m, field);
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            *(const uint32_t *) pbfield_quantifier(m, field) != field->id)
                return 0;
        if (pbfield_is_pointer(field)) {
                const void *p = *(const void *const *) pbfield_slot(m, field);

                /* An unset string with a default points at the default. */
                return p && p != field->default_value;
        }
        if (field->label == PROTOBUF_C_LABEL_OPTIONAL &&
            !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
                return *(const protobuf_c_boolean *) pbfield_quantifier(m, field) != 0;

        return 1;
}

/* Where value i lies; i is below pbfield_count(). */
static inline void *pbfield_at(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                               size_t i) {
        void *slot = pbfield_slot(m, field);

        if (field->label != PROTOBUF_C_LABEL_REPEATED)
                return slot;

        return *(char **) slot + i * pbfield_element_size(field);
}
