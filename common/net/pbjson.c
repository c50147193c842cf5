/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages from JSON
 *
 * The text becomes a jansson tree (json_reader.c), the tree a message, both within the caller's
 * limits; each may take max_memory_bytes. The rules are Mesos's, and as lenient:
 *
 *     unknown key, null              as if absent
 *     enum                           by name; an unknown name leaves an optional field unset
 *     number                         also as text: "5", "-Infinity"; a fraction is cut off for integers
 *     bool                           also as text: "true"
 *     one value for a repeated field a list of one
 *     object for a map               key by key
 *
 * Two things are stricter, because the value would silently be another: a number that doesn't fit
 * its field is refused, and so is text with \u0000 in it.
 *
 * A required field's absence is told after everything else, for all fields at once and with their
 * places: "Missing required fields: a.b, c[1].d". Errors about a value name the field only.
 */

#include <math.h>
#include <stdarg.h>

#include "common/base/parse.h"
#include "common/net/base64.h"
#include "common/net/budget.h"
#include "common/net/json_reader.h"
#include "common/net/pbfield.h"
#include "common/net/pbjson.h"
#include "common/net/pbpath.h"

/* How much of a peer's text is repeated to it. */
#define MAX_QUOTED 64

typedef struct Parser {
        unsigned max_depth;
        Budget budget;
        bool incomplete;         /* a required field is missing somewhere */
        char *message;           /* owned; why the JSON is refused */
} Parser;

/* What became of one value. */
enum {
        VALUE_SET = PB_OK,
        VALUE_INVALID = PB_E_INVALID,
        VALUE_UNSET,             /* valid, and means that there is none */
};

typedef struct Number {
        enum { NUMBER_INT, NUMBER_UINT, NUMBER_REAL } kind;
        union {
                int64_t i;
                uint64_t u;
                double d;
        };
} Number;

static int _printf_(2, 3) refuse(Parser *p, const char *format, ...) {
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
static int refuse_memory(Parser *p) {
        return p->budget.exceeded ? refuse(p, "The message would take too much memory") : -ENOMEM;
}

static int refuse_kind(Parser *p, const char *kind, const ProtobufCFieldDescriptor *field) {
        return refuse(p, "Not expecting a JSON %s for field '%s'", kind, field->name);
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
                if (!(number->d > -0x1p63 - 1 && number->d < 0x1p63))
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

static int out_of_range(Parser *p, const ProtobufCFieldDescriptor *field) {
        return refuse(p, "Number out of range for field '%s'", field->name);
}

static int store_signed(Parser *p, const ProtobufCFieldDescriptor *field, const Number *number, void *slot) {
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

static int store_unsigned(Parser *p, const ProtobufCFieldDescriptor *field, const Number *number, void *slot) {
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

static int store_number(Parser *p, const ProtobufCFieldDescriptor *field, const Number *number, void *slot) {
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

        return refuse_kind(p, "number", field);
}

static int store_string(Parser *p, const ProtobufCFieldDescriptor *field, const char *text, size_t n, void *slot) {
        char *copy;

        if (memchr(text, '\0', n))
                return refuse(p, "Not expecting a NUL character in field '%s'", field->name);

        copy = budget_strndup(&p->budget, text, n);
        if (!copy)
                return refuse_memory(p);

        *(char **) slot = copy;
        return VALUE_SET;
}

static int store_bytes(Parser *p, const ProtobufCFieldDescriptor *field, const char *text, size_t n, void *slot) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t n_data;
        char c;

        data = budget_alloc(&p->budget, base64_decoded_max(n));
        if (!data)
                return refuse_memory(p);

        if (base64_decode(text, n, data, &n_data, &c) < 0)
                return refuse(p, "Failed to base64 decode bytes field '%s': Invalid character '%c'", field->name,
                              c >= ' ' && c <= '~' ? c : '?');

        *(ProtobufCBinaryData *) slot = (ProtobufCBinaryData) { .len = n_data, .data = TAKE_PTR(data) };
        return VALUE_SET;
}

static int store_enum(Parser *p, const ProtobufCFieldDescriptor *field, const char *text, void *slot) {
        const ProtobufCEnumValue *value;

        value = protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, text);
        if (value) {
                *(int *) slot = value->value;
                return VALUE_SET;
        }

        if (field->label == PROTOBUF_C_LABEL_REQUIRED)
                return refuse(p, "Failed to find enum for '%.*s'", MAX_QUOTED, text);

        return VALUE_UNSET;
}

static int store_bool_text(Parser *p, const ProtobufCFieldDescriptor *field, const char *text, void *slot) {
        if (!streq(text, "true") && !streq(text, "false"))
                return refuse(p, "Failed to parse '%.*s' as a JSON boolean for field '%s'", MAX_QUOTED, text,
                              field->name);

        *(protobuf_c_boolean *) slot = text[0] == 't';
        return VALUE_SET;
}

static int store_number_text(Parser *p, const ProtobufCFieldDescriptor *field, const char *text, size_t n,
                             void *slot) {
        Number number;

        if (memchr(text, '\0', n) || !number_from_text(text, &number))
                return refuse(p, "Failed to parse '%.*s' as a JSON number for field '%s'", MAX_QUOTED, text,
                              field->name);

        return store_number(p, field, &number, slot);
}

/* Many things may come as text, and the keys of maps do. */
static int store_text(Parser *p, const ProtobufCFieldDescriptor *field, const char *text, size_t n, void *slot) {
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
                return refuse_kind(p, "string", field);
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

static int store_bool(Parser *p, const ProtobufCFieldDescriptor *field, bool value, void *slot) {
        if (field->type != PROTOBUF_C_TYPE_BOOL)
                return refuse_kind(p, "boolean", field);

        *(protobuf_c_boolean *) slot = value;
        return VALUE_SET;
}

static int parse_message(Parser *p, const ProtobufCMessageDescriptor *descriptor, const json_t *json,
                         unsigned depth, ProtobufCMessage **ret);

/* One value into one slot, which is written only when it is set. */
static int parse_value(Parser *p, const ProtobufCFieldDescriptor *field, const json_t *json, unsigned depth,
                       void *slot) {
        Number number;

        switch (json_typeof(json)) {
        case JSON_OBJECT:
                if (field->type != PROTOBUF_C_TYPE_MESSAGE)
                        return refuse_kind(p, "object", field);

                return parse_message(p, field->descriptor, json, depth + 1, slot);
        case JSON_ARRAY:
                return refuse_kind(p, "array", field);
        case JSON_STRING:
                return store_text(p, field, json_string_value(json), json_string_length(json), slot);
        case JSON_INTEGER:
                number = (Number) { .kind = NUMBER_INT, .i = json_integer_value(json) };
                return store_number(p, field, &number, slot);
        case JSON_REAL:
                number = (Number) { .kind = NUMBER_REAL, .d = json_real_value(json) };
                return store_number(p, field, &number, slot);
        case JSON_TRUE:
        case JSON_FALSE:
                return store_bool(p, field, json_is_true(json), slot);
        case JSON_NULL:
                return VALUE_UNSET;
        }

        assert(false);
        return VALUE_UNSET;
}

/* Room for one more element, which is counted once it is filled. */
static void *grow(Parser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field) {
        size_t n = pbfield_count(m, field), size = pbfield_element_size(field);
        void **array = pbfield_slot(m, field), *larger;

        /* At each power of two the array doubles. */
        if ((n & (n - 1)) == 0) {
                larger = budget_resize_array(&p->budget, *array, MAX(2 * n, (size_t) 1), size);
                if (!larger)
                        return NULL;

                *array = larger;
        }

        return (char *) *array + n * size;
}

static int add_value(Parser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, const json_t *json,
                     unsigned depth) {
        void *slot;
        int r;

        slot = grow(p, m, field);
        if (!slot)
                return refuse_memory(p);

        r = parse_value(p, field, json, depth, slot);
        if (r == VALUE_SET)
                ++*(size_t *) pbfield_quantifier(m, field);

        return r;
}

/* A map's entry is whole, or it isn't there: {"key": null} adds none. */
static int parse_entry(Parser *p, const ProtobufCMessageDescriptor *descriptor, const char *name,
                       const json_t *json, unsigned depth, ProtobufCMessage **ret) {
        const ProtobufCFieldDescriptor *key = descriptor->fields, *value = key + 1;
        _cleanup_(pb_freep) ProtobufCMessage *entry = NULL;
        int r;

        entry = budget_alloc(&p->budget, descriptor->sizeof_message);
        if (!entry)
                return refuse_memory(p);

        protobuf_c_message_init(descriptor, entry);

        r = store_text(p, key, name, strlen(name), pbfield_slot(entry, key));
        if (r != VALUE_SET)
                return r;
        pbfield_mark_set(entry, key);

        r = parse_value(p, value, json, depth + 1, pbfield_slot(entry, value));
        if (r != VALUE_SET)
                return r;
        pbfield_mark_set(entry, value);

        *ret = TAKE_PTR(entry);
        return VALUE_SET;
}

static int add_map(Parser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, const json_t *json,
                   unsigned depth) {
        const char *name;
        json_t *value;
        void *slot;
        int r;

        /* jansson's iterators take no const, and change nothing. */
        json_object_foreach((json_t *) json, name, value) {
                slot = grow(p, m, field);
                if (!slot)
                        return refuse_memory(p);

                r = parse_entry(p, field->descriptor, name, value, depth + 1, slot);
                if (r == VALUE_SET)
                        ++*(size_t *) pbfield_quantifier(m, field);
                else if (r != VALUE_UNSET)
                        return r;
        }

        return VALUE_SET;
}

/* Lists within lists are taken for one; how deep they go was checked with the text. */
static int parse_repeated(Parser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                          const json_t *json, unsigned depth) {
        size_t i;
        json_t *element;
        int r;

        if (json_is_object(json) && pbfield_is_map(field))
                return add_map(p, m, field, json, depth);
        if (!json_is_array(json))
                return add_value(p, m, field, json, depth);

        json_array_foreach(json, i, element) {
                r = parse_repeated(p, m, field, element, depth);
                if (r < 0 || r == VALUE_INVALID)
                        return r;
        }

        return VALUE_SET;
}

static int parse_singular(Parser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                          const json_t *json, unsigned depth) {
        int r;

        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(uint32_t *) pbfield_quantifier(m, field) != 0 &&
            !json_is_null(json))
                return refuse(p, "Not expecting field '%s' beside another of its oneof", field->name);

        r = parse_value(p, field, json, depth, pbfield_slot(m, field));
        if (r == VALUE_SET)
                pbfield_mark_set(m, field);

        return r;
}

static int parse_fields(Parser *p, ProtobufCMessage *m, const json_t *json, unsigned depth) {
        const ProtobufCMessageDescriptor *descriptor = m->descriptor;
        int r;

        /* By name, so that of several errors it is always the same that is told. */
        for (size_t i = 0; i < descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *field =
                                descriptor->fields + descriptor->fields_sorted_by_name[i];
                const json_t *value = json_object_get(json, field->name);

                if (!value || json_is_null(value)) {
                        p->incomplete |= field->label == PROTOBUF_C_LABEL_REQUIRED;
                        continue;
                }

                r = field->label == PROTOBUF_C_LABEL_REPEATED ? parse_repeated(p, m, field, value, depth) :
                                                                parse_singular(p, m, field, value, depth);
                if (r < 0 || r == VALUE_INVALID)
                        return r;
        }

        return VALUE_SET;
}

static int parse_message(Parser *p, const ProtobufCMessageDescriptor *descriptor, const json_t *json,
                         unsigned depth, ProtobufCMessage **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        int r;

        if (depth > p->max_depth)
                return refuse(p, "Messages nested too deeply");

        m = budget_alloc(&p->budget, descriptor->sizeof_message);
        if (!m)
                return refuse_memory(p);

        protobuf_c_message_init(descriptor, m);

        r = parse_fields(p, m, json, depth);
        if (r != VALUE_SET)
                return r;

        *ret = TAKE_PTR(m);
        return VALUE_SET;
}

static void list_missing(const ProtobufCMessageDescriptor *descriptor, const json_t *json, const PbPath *path,
                         Buffer *b);

static void list_missing_below(const json_t *json, PbPath *path, Buffer *b) {
        const ProtobufCMessageDescriptor *descriptor = path->field->descriptor;
        const char *name;
        json_t *value;
        size_t i;

        if (json_is_array(json)) {
                json_array_foreach(json, i, value)
                        list_missing_below(value, path, b);
                return;
        }
        if (!json_is_object(json))
                return;

        if (!pbfield_is_map(path->field)) {
                list_missing(descriptor, json, path, b);
                path->index++;
                return;
        }

        json_object_foreach((json_t *) json, name, value) {
                PbPath below = { .parent = path, .field = descriptor->fields + 1 };

                if (json_is_object(value))
                        list_missing(below.field->descriptor, value, &below, b);
                path->index++;
        }
}

/* All that is missing, in Mesos's order: a message's own fields as declared, then below by number. */
static void list_missing(const ProtobufCMessageDescriptor *descriptor, const json_t *json, const PbPath *path,
                         Buffer *b) {
        const ProtobufCFieldDescriptor *fields[PB_MAX_FIELDS];
        size_t n;

        n = pbfield_declaration_order(descriptor, fields);
        for (size_t i = 0; i < n; i++) {
                const json_t *value = json_object_get(json, fields[i]->name);

                if (fields[i]->label == PROTOBUF_C_LABEL_REQUIRED && (!value || json_is_null(value)))
                        pbpath_append_missing(path, fields[i], b);
        }

        for (size_t i = 0; i < descriptor->n_fields; i++) {
                PbPath below = { .parent = path, .field = descriptor->fields + i };

                if (below.field->type == PROTOBUF_C_TYPE_MESSAGE)
                        list_missing_below(json_object_get(json, below.field->name), &below, b);
        }
}

static int refuse_incomplete(Parser *p, const ProtobufCMessageDescriptor *descriptor, const json_t *json) {
        Buffer missing = BUFFER_INIT(PB_MAX_TEXT_BYTES / 2);
        int r;

        list_missing(descriptor, json, NULL, &missing);
        r = refuse(p, "Missing required fields: %.*s", (int) buffer_size(&missing), buffer_data(&missing));

        buffer_deinit(&missing);
        return r;
}

static int parse_tree(Parser *p, const ProtobufCMessageDescriptor *descriptor, const json_t *json,
                      ProtobufCMessage **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        int r;

        if (!json_is_object(json))
                return refuse(p, "Expecting a JSON object");

        r = parse_message(p, descriptor, json, 1, &m);
        if (r != VALUE_SET)
                return r;

        if (p->incomplete)
                return refuse_incomplete(p, descriptor, json);

        *ret = TAKE_PTR(m);
        return PB_OK;
}

/* Returns PB_OK, PB_E_INVALID, PBJSON_E_SYNTAX, -ENOMEM. */
int pbjson_parse(const ProtobufCMessageDescriptor *descriptor, const char *json, size_t n, PbLimits limits,
                 ProtobufCMessage **ret, char **reterr_message) {
        Parser p = { .max_depth = limits.max_depth, .budget = BUDGET_INIT(limits.max_memory_bytes) };
        _cleanup_(json_unrefp) json_t *tree = NULL;
        int r;

        /* Each message may sit in a list, the outermost in nothing. */
        r = json_read(json, n, 2 * limits.max_depth + 1, limits.max_memory_bytes, &tree, reterr_message);
        if (r < 0)
                return r;
        if (r > 0)
                return r == JSON_READ_E_SYNTAX ? PBJSON_E_SYNTAX : PB_E_INVALID;

        r = parse_tree(&p, descriptor, tree, ret);
        if (r == PB_E_INVALID && reterr_message)
                *reterr_message = TAKE_PTR(p.message);

        free(p.message);
        return r;
}
