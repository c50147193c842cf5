/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON values
 *
 * Puts one JSON value into one slot of a message: a field, or an element of a repeated one. What
 * kinds of value suit which field, and the words for those that don't, are Mesos's. A slot is only
 * written when its value is valid, and its memory comes out of the parser's budget.
 */

#include <math.h>
#include <stdarg.h>

#include "common/base/buffer.h"
#include "common/base/parse.h"
#include "common/net/base64.h"
#include "common/net/json_reader.h"
#include "common/net/pbfield.h"
#include "common/net/pbjson_value.h"
#include "common/net/pbpath.h"

/* How much of a peer's text is repeated to it. */
#define MAX_QUOTED 64

typedef struct Number {
        enum { NUMBER_INT, NUMBER_UINT, NUMBER_REAL } kind;
        union {
                int64_t i;
                uint64_t u;
                double d;
        };
} Number;

int pbjson_refuse(PbjsonParser *p, const char *format, ...) {
        Buffer b = BUFFER_INIT(PB_MAX_TEXT_BYTES);
        va_list ap;
        int r;

        va_start(ap, format);
        r = buffer_vprintf(&b, format, ap);
        va_end(ap);

        if (r == 0) {
                free(p->message);
                p->message = buffer_take_text(&b);
        }
        if (r < 0 || !p->message) {
                buffer_deinit(&b);
                return -ENOMEM;
        }

        return PB_E_INVALID;
}

/* An allocation failed: the peer's fault, or ours. */
int pbjson_refuse_memory(PbjsonParser *p) {
        return p->budget.exceeded ? pbjson_refuse(p, "The message would take too much memory") :
                                    -ENOMEM;
}

int pbjson_refuse_kind(PbjsonParser *p, const char *kind, const ProtobufCFieldDescriptor *field) {
        return pbjson_refuse(p, "Not expecting a JSON %s for field '%s'", kind, field->name);
}

/* Toward zero, as a cast would; false when there is no such integer. */
static bool number_to_i64(const Number *number, int64_t *ret) {
        switch (number->kind) {
        case NUMBER_INT:
                *ret = number->i;
                return true;
        case NUMBER_UINT:
                *ret = (int64_t) number->u;
                return number->u <= INT64_MAX;
        case NUMBER_REAL:
                if (!(number->d >= -0x1p63 && number->d < 0x1p63))
                        return false;

                *ret = (int64_t) number->d;
                return true;
        }

        return false;
}

static bool number_to_u64(const Number *number, uint64_t *ret) {
        switch (number->kind) {
        case NUMBER_INT:
                *ret = (uint64_t) number->i;
                return number->i >= 0;
        case NUMBER_UINT:
                *ret = number->u;
                return true;
        case NUMBER_REAL:
                if (!(number->d > -1 && number->d < 0x1p64))
                        return false;

                *ret = (uint64_t) number->d;
                return true;
        }

        return false;
}

static double number_to_double(const Number *number) {
        switch (number->kind) {
        case NUMBER_INT:
                return (double) number->i;
        case NUMBER_UINT:
                return (double) number->u;
        case NUMBER_REAL:
                return number->d;
        }

        return 0;
}

static bool number_from_text(const char *text, Number *ret) {
        *ret = (Number) { .kind = NUMBER_INT };
        if (parse_i64(text, &ret->i) == 0)
                return true;

        *ret = (Number) { .kind = NUMBER_UINT };
        if (parse_u64(text, &ret->u) == 0)
                return true;

        *ret = (Number) { .kind = NUMBER_REAL };
        if (parse_double(text, &ret->d) == 0)
                return true;

        if (!streq(text, "Infinity") && !streq(text, "-Infinity"))
                return false;

        ret->d = text[0] == '-' ? -INFINITY : INFINITY;
        return true;
}

static int out_of_range(PbjsonParser *p, const ProtobufCFieldDescriptor *field) {
        return pbjson_refuse(p, "Number out of range for field '%s'", field->name);
}

static int store_signed(PbjsonParser *p, const ProtobufCFieldDescriptor *field,
                        const Number *number, void *slot) {
        bool wide = pbfield_element_size(field) == 8;
        int64_t value;

        if (!number_to_i64(number, &value) || (!wide && (value < INT32_MIN || value > INT32_MAX)))
                return out_of_range(p, field);

        if (wide)
                *(int64_t *) slot = value;
        else
                *(int32_t *) slot = (int32_t) value;

        return VALUE_SET;
}

static int store_unsigned(PbjsonParser *p, const ProtobufCFieldDescriptor *field,
                          const Number *number, void *slot) {
        bool wide = pbfield_element_size(field) == 8;
        uint64_t value;

        if (!number_to_u64(number, &value) || (!wide && value > UINT32_MAX))
                return out_of_range(p, field);

        if (wide)
                *(uint64_t *) slot = value;
        else
                *(uint32_t *) slot = (uint32_t) value;

        return VALUE_SET;
}

static int store_number(PbjsonParser *p, const ProtobufCFieldDescriptor *field,
                        const Number *number, void *slot) {
        switch (field->type) {
        case PROTOBUF_C_TYPE_INT32:
        case PROTOBUF_C_TYPE_SINT32:
        case PROTOBUF_C_TYPE_SFIXED32:
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_SINT64:
        case PROTOBUF_C_TYPE_SFIXED64:
                return store_signed(p, field, number, slot);
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_FIXED32:
        case PROTOBUF_C_TYPE_UINT64:
        case PROTOBUF_C_TYPE_FIXED64:
                return store_unsigned(p, field, number, slot);
        case PROTOBUF_C_TYPE_FLOAT:
                *(float *) slot = (float) number_to_double(number);
                return VALUE_SET;
        case PROTOBUF_C_TYPE_DOUBLE:
                *(double *) slot = number_to_double(number);
                return VALUE_SET;
        case PROTOBUF_C_TYPE_BOOL:
        case PROTOBUF_C_TYPE_ENUM:
        case PROTOBUF_C_TYPE_STRING:
        case PROTOBUF_C_TYPE_BYTES:
        case PROTOBUF_C_TYPE_MESSAGE:
                break;
        }

        return pbjson_refuse_kind(p, "number", field);
}

static int store_string(PbjsonParser *p, const ProtobufCFieldDescriptor *field, const char *text,
                        size_t n, void *slot) {
        char *copy;

        if (memchr(text, '\0', n))
                return pbjson_refuse(p, "Not expecting a NUL character in field '%s'", field->name);

        copy = budget_strndup(&p->budget, text, n);
        if (!copy)
                return pbjson_refuse_memory(p);

        *(char **) slot = copy;
        return VALUE_SET;
}

static int store_bytes(PbjsonParser *p, const ProtobufCFieldDescriptor *field, const char *text,
                       size_t n, void *slot) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t n_data;
        char c;

        data = budget_alloc(&p->budget, base64_decoded_max(n));
        if (!data)
                return pbjson_refuse_memory(p);

        if (base64_decode(text, n, data, &n_data, &c) < 0)
                return pbjson_refuse(
                                p,
                                "Failed to base64 decode bytes field '%s': Invalid character '%c'",
                                field->name, c >= ' ' && c <= '~' ? c : '?');

        *(ProtobufCBinaryData *) slot =
                        (ProtobufCBinaryData) { .len = n_data, .data = TAKE_PTR(data) };
        return VALUE_SET;
}

static int store_enum(PbjsonParser *p, const ProtobufCFieldDescriptor *field, const char *text,
                      void *slot) {
        const ProtobufCEnumValue *value;

        value = protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, text);
        if (value) {
                *(int *) slot = value->value;
                return VALUE_SET;
        }

        if (field->label == PROTOBUF_C_LABEL_REQUIRED)
                return pbjson_refuse(p, "Failed to find enum for '%.*s'", MAX_QUOTED, text);

        return VALUE_UNSET;
}

static int store_bool_text(PbjsonParser *p, const ProtobufCFieldDescriptor *field, const char *text,
                           void *slot) {
        if (!streq(text, "true") && !streq(text, "false"))
                return pbjson_refuse(p, "Failed to parse '%.*s' as a JSON boolean for field '%s'",
                                     MAX_QUOTED, text, field->name);

        *(protobuf_c_boolean *) slot = text[0] == 't';
        return VALUE_SET;
}

static int store_number_text(PbjsonParser *p, const ProtobufCFieldDescriptor *field,
                             const char *text, size_t n, void *slot) {
        Number number;

        if (memchr(text, '\0', n) || !number_from_text(text, &number))
                return pbjson_refuse(p, "Failed to parse '%.*s' as a JSON number for field '%s'",
                                     MAX_QUOTED, text, field->name);

        return store_number(p, field, &number, slot);
}

/* Many things may come as text, and the keys of maps do. */
int pbjson_store_text(PbjsonParser *p, const ProtobufCFieldDescriptor *field, const char *text,
                      size_t n, void *slot) {
        if (n > 0 && text[0] == JSON_NUMBER_MARK) {
                Number number;

                return number_from_text(text + 1, &number) ? store_number(p, field, &number, slot) :
                                                             out_of_range(p, field);
        }

        switch (field->type) {
        case PROTOBUF_C_TYPE_STRING:
                return store_string(p, field, text, n, slot);
        case PROTOBUF_C_TYPE_BYTES:
                return store_bytes(p, field, text, n, slot);
        case PROTOBUF_C_TYPE_ENUM:
                return store_enum(p, field, text, slot);
        case PROTOBUF_C_TYPE_BOOL:
                return store_bool_text(p, field, text, slot);
        case PROTOBUF_C_TYPE_MESSAGE:
                return pbjson_refuse_kind(p, "string", field);
        case PROTOBUF_C_TYPE_INT32:
        case PROTOBUF_C_TYPE_SINT32:
        case PROTOBUF_C_TYPE_SFIXED32:
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_SINT64:
        case PROTOBUF_C_TYPE_SFIXED64:
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_FIXED32:
        case PROTOBUF_C_TYPE_UINT64:
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_FLOAT:
        case PROTOBUF_C_TYPE_DOUBLE:
                break;
        }

        return store_number_text(p, field, text, n, slot);
}

int pbjson_store_int(PbjsonParser *p, const ProtobufCFieldDescriptor *field, int64_t value,
                     void *slot) {
        return store_number(p, field, &(Number) { .kind = NUMBER_INT, .i = value }, slot);
}

int pbjson_store_real(PbjsonParser *p, const ProtobufCFieldDescriptor *field, double value,
                      void *slot) {
        return store_number(p, field, &(Number) { .kind = NUMBER_REAL, .d = value }, slot);
}

int pbjson_store_bool(PbjsonParser *p, const ProtobufCFieldDescriptor *field, bool value,
                      void *slot) {
        if (field->type != PROTOBUF_C_TYPE_BOOL)
                return pbjson_refuse_kind(p, "boolean", field);

        *(protobuf_c_boolean *) slot = value;
        return VALUE_SET;
}
