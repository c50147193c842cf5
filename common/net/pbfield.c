/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fields by descriptor
 *
 * protobuf-c lays a message out as a plain struct, and its descriptor says where each field lies
 * and what tells whether it is set: a has_x beside optional numbers and bytes, an x_case for the
 * members of a oneof, an n_x for repeated fields, and for strings and messages the pointer itself.
 * What checks, compares and prints messages of any type uses these functions and needn't know.
 */

#include "common/net/pbfield.h"

/*
 * The fields as the schema declares them, which is how JSON and error texts list them; returns how
 * many. Descriptors have them by number only, but the struct was declared in the schema's order, so
 * that of the offsets is the same.
 */
size_t pbfield_declaration_order(const ProtobufCMessageDescriptor *descriptor,
                                 const ProtobufCFieldDescriptor *ret[static PB_MAX_FIELDS]) {
        size_t n = descriptor->n_fields;

        assert(n <= PB_MAX_FIELDS);

        /* Nearly sorted already, which is what insertion sort is best at. */
        for (size_t i = 0; i < n; i++) {
                const ProtobufCFieldDescriptor *field = descriptor->fields + i;
                size_t k = i;

                for (; k > 0 && ret[k - 1]->offset > field->offset; k--)
                        ret[k] = ret[k - 1];
                ret[k] = field;
        }

        return n;
}

size_t pbfield_element_size(const ProtobufCFieldDescriptor *field) {
        switch (field->type) {
        case PROTOBUF_C_TYPE_INT32:
        case PROTOBUF_C_TYPE_SINT32:
        case PROTOBUF_C_TYPE_SFIXED32:
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_FIXED32:
        case PROTOBUF_C_TYPE_FLOAT:
        case PROTOBUF_C_TYPE_ENUM:
                return 4;
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_SINT64:
        case PROTOBUF_C_TYPE_SFIXED64:
        case PROTOBUF_C_TYPE_UINT64:
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_DOUBLE:
                return 8;
        case PROTOBUF_C_TYPE_BOOL:
                return sizeof(protobuf_c_boolean);
        case PROTOBUF_C_TYPE_STRING:
        case PROTOBUF_C_TYPE_MESSAGE:
                return sizeof(void *);
        case PROTOBUF_C_TYPE_BYTES:
                return sizeof(ProtobufCBinaryData);
        }

        assert(false);
        return 0;
}

/* protobuf-c takes map<k, v> for repeated XEntry { key = 1, value = 2 }: only the name tells. */
bool pbfield_is_map(const ProtobufCFieldDescriptor *field) {
        const ProtobufCMessageDescriptor *entry = field->descriptor;
        size_t n;

        if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE ||
            entry->n_fields != 2)
                return false;

        n = strlen(entry->name);
        return n > 5 && streq(entry->name + n - 5, "Entry") &&
               streq(entry->fields[0].name, "key") && streq(entry->fields[1].name, "value");
}

bool pbfield_has_enum_value(const ProtobufCFieldDescriptor *field, int value) {
        return protobuf_c_enum_descriptor_get_value(field->descriptor, value) != NULL;
}

/* Says that the slot of a singular field was filled. */
void pbfield_mark_set(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field) {
        void *quantifier = pbfield_quantifier(m, field);

        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                *(uint32_t *) quantifier = field->id;
        else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && !pbfield_is_pointer(field))
                *(protobuf_c_boolean *) quantifier = true;
}

/* Makes an optional number unset again. */
void pbfield_reset(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field) {
        size_t n = pbfield_element_size(field);
        void *slot = pbfield_slot(m, field), *quantifier = pbfield_quantifier(m, field);

        assert(field->label == PROTOBUF_C_LABEL_OPTIONAL && !pbfield_is_pointer(field));

        if (field->default_value)
                memcpy(slot, field->default_value, n);
        else
                memset(slot, 0, n);

        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                *(uint32_t *) quantifier = 0;
        else
                *(protobuf_c_boolean *) quantifier = false;
}
