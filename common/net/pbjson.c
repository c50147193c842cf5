/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages from JSON
 *
 * The text becomes a jansson tree (json_reader.c), the tree a message, both within the caller's
 * limits; each may take max_memory_bytes. The rules are Mesos's, and as lenient:
 *
 *     unknown key, null       as if absent
 *     enum                    by name; an unknown name leaves an optional field unset
 *     number                  also as text: "5", "-Infinity"; for integers a fraction is cut off
 *     bool                    also as text: "true"
 *     no list where one is    a list of one
 *     map                     an object
 *
 * Two things are stricter, because the value would silently be another: a number that doesn't fit
 * its field is refused, and so is text with \u0000 in it.
 *
 * A required field's absence is told after everything else, for all fields at once and with their
 * places: "Missing required fields: a.b, c[1].d". Errors about a value name the field only.
 */

#include "common/net/json_reader.h"
#include "common/net/pbfield.h"
#include "common/net/pbjson.h"
#include "common/net/pbjson_value.h"
#include "common/net/pbpath.h"

static int parse_message(PbjsonParser *p, const ProtobufCMessageDescriptor *descriptor,
                         const json_t *json, unsigned depth, ProtobufCMessage **ret);

/* One value into one slot, which is written only when it is set. */
static int parse_value(PbjsonParser *p, const ProtobufCFieldDescriptor *field, const json_t *json,
                       unsigned depth, void *slot) {
        switch (json_typeof(json)) {
        case JSON_OBJECT:
                if (field->type != PROTOBUF_C_TYPE_MESSAGE)
                        return pbjson_refuse_kind(p, "object", field);

                return parse_message(p, field->descriptor, json, depth + 1, slot);
        case JSON_ARRAY:
                return pbjson_refuse_kind(p, "array", field);
        case JSON_STRING:
                return pbjson_store_text(p, field, json_string_value(json),
                                         json_string_length(json), slot);
        case JSON_INTEGER:
                return pbjson_store_int(p, field, json_integer_value(json), slot);
        case JSON_REAL:
                return pbjson_store_real(p, field, json_real_value(json), slot);
        case JSON_TRUE:
        case JSON_FALSE:
                return pbjson_store_bool(p, field, json_is_true(json), slot);
        case JSON_NULL:
                return VALUE_UNSET;
        }

        assert(false);
        return VALUE_UNSET;
}

/* Room for one more element, which is counted once it is filled. */
static void *grow(PbjsonParser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field) {
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

static int add_value(PbjsonParser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                     const json_t *json, unsigned depth) {
        void *slot;
        int r;

        slot = grow(p, m, field);
        if (!slot)
                return pbjson_refuse_memory(p);

        r = parse_value(p, field, json, depth, slot);
        if (r == VALUE_SET)
                ++*(size_t *) pbfield_quantifier(m, field);

        return r;
}

/* A map's entry is whole, or it isn't there: {"key": null} adds none. */
static int parse_entry(PbjsonParser *p, const ProtobufCMessageDescriptor *descriptor,
                       const char *name, const json_t *json, unsigned depth,
                       ProtobufCMessage **ret) {
        const ProtobufCFieldDescriptor *key = descriptor->fields, *value = key + 1;
        _cleanup_(pb_freep) ProtobufCMessage *entry = NULL;
        int r;

        entry = budget_alloc(&p->budget, descriptor->sizeof_message);
        if (!entry)
                return pbjson_refuse_memory(p);

        protobuf_c_message_init(descriptor, entry);

        r = pbjson_store_text(p, key, name, strlen(name), pbfield_slot(entry, key));
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

static int add_map(PbjsonParser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                   const json_t *json, unsigned depth) {
        const char *name;
        json_t *value;
        void *slot;
        int r;

        /* jansson's iterators take no const, and change nothing. */
        json_object_foreach ((json_t *) json, name, value) {
                slot = grow(p, m, field);
                if (!slot)
                        return pbjson_refuse_memory(p);

                r = parse_entry(p, field->descriptor, name, value, depth + 1, slot);
                if (r == VALUE_SET)
                        ++*(size_t *) pbfield_quantifier(m, field);
                else if (r != VALUE_UNSET)
                        return r;
        }

        return VALUE_SET;
}

/* Lists within lists are taken for one; how deep they go was checked with the text. */
static int parse_repeated(PbjsonParser *p, ProtobufCMessage *m,
                          const ProtobufCFieldDescriptor *field, const json_t *json,
                          unsigned depth) {
        size_t i;
        json_t *element;
        int r;

        if (json_is_object(json) && pbfield_is_map(field))
                return add_map(p, m, field, json, depth);
        if (!json_is_array(json))
                return add_value(p, m, field, json, depth);

        json_array_foreach (json, i, element) {
                r = parse_repeated(p, m, field, element, depth);
                if (r < 0 || r == VALUE_INVALID)
                        return r;
        }

        return VALUE_SET;
}

static int parse_singular(PbjsonParser *p, ProtobufCMessage *m,
                          const ProtobufCFieldDescriptor *field, const json_t *json,
                          unsigned depth) {
        int r;

        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            *(uint32_t *) pbfield_quantifier(m, field) != 0 && !json_is_null(json))
                return pbjson_refuse(p, "Not expecting field '%s' beside another of its oneof",
                                     field->name);

        r = parse_value(p, field, json, depth, pbfield_slot(m, field));
        if (r == VALUE_SET)
                pbfield_mark_set(m, field);

        return r;
}

static int parse_fields(PbjsonParser *p, ProtobufCMessage *m, const json_t *json, unsigned depth) {
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

                r = field->label == PROTOBUF_C_LABEL_REPEATED ?
                                    parse_repeated(p, m, field, value, depth) :
                                    parse_singular(p, m, field, value, depth);
                if (r < 0 || r == VALUE_INVALID)
                        return r;
        }

        return VALUE_SET;
}

static int parse_message(PbjsonParser *p, const ProtobufCMessageDescriptor *descriptor,
                         const json_t *json, unsigned depth, ProtobufCMessage **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        int r;

        if (depth > p->max_depth)
                return pbjson_refuse(p, "Messages nested too deeply");

        m = budget_alloc(&p->budget, descriptor->sizeof_message);
        if (!m)
                return pbjson_refuse_memory(p);

        protobuf_c_message_init(descriptor, m);

        r = parse_fields(p, m, json, depth);
        if (r != VALUE_SET)
                return r;

        *ret = TAKE_PTR(m);
        return VALUE_SET;
}

static void list_missing(const ProtobufCMessageDescriptor *descriptor, const json_t *json,
                         const PbPath *path, Buffer *b);

static void list_missing_below(const json_t *json, PbPath *path, Buffer *b) {
        const ProtobufCMessageDescriptor *descriptor = path->field->descriptor;
        const char *name;
        json_t *value;
        size_t i;

        if (json_is_array(json)) {
                json_array_foreach (json, i, value)
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

        json_object_foreach ((json_t *) json, name, value) {
                PbPath below = { .parent = path, .field = descriptor->fields + 1 };

                if (json_is_object(value))
                        list_missing(below.field->descriptor, value, &below, b);
                path->index++;
        }
}

/* All that is missing, in Mesos's order: own fields as declared, then below by number. */
static void list_missing(const ProtobufCMessageDescriptor *descriptor, const json_t *json,
                         const PbPath *path, Buffer *b) {
        const ProtobufCFieldDescriptor *fields[PB_MAX_FIELDS];
        size_t n;

        n = pbfield_declaration_order(descriptor, fields);
        for (size_t i = 0; i < n; i++) {
                const json_t *value = json_object_get(json, fields[i]->name);

                if (fields[i]->label == PROTOBUF_C_LABEL_REQUIRED &&
                    (!value || json_is_null(value)))
                        pbpath_append_missing(path, fields[i], b);
        }

        for (size_t i = 0; i < descriptor->n_fields; i++) {
                PbPath below = { .parent = path, .field = descriptor->fields + i };

                if (below.field->type == PROTOBUF_C_TYPE_MESSAGE)
                        list_missing_below(json_object_get(json, below.field->name), &below, b);
        }
}

static int refuse_incomplete(PbjsonParser *p, const ProtobufCMessageDescriptor *descriptor,
                             const json_t *json) {
        Buffer missing = BUFFER_INIT(PB_MAX_TEXT_BYTES / 2);
        int r;

        list_missing(descriptor, json, NULL, &missing);
        r = pbjson_refuse(p, "Missing required fields: %.*s", (int) buffer_size(&missing),
                          buffer_data(&missing));

        buffer_deinit(&missing);
        return r;
}

static int parse_tree(PbjsonParser *p, const ProtobufCMessageDescriptor *descriptor,
                      const json_t *json, ProtobufCMessage **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        int r;

        if (!json_is_object(json))
                return pbjson_refuse(p, "Expecting a JSON object");

        r = parse_message(p, descriptor, json, 1, &m);
        if (r != VALUE_SET)
                return r;

        if (p->incomplete)
                return refuse_incomplete(p, descriptor, json);

        *ret = TAKE_PTR(m);
        return PB_OK;
}

/* Returns PB_OK, PB_E_INVALID, PBJSON_E_SYNTAX, -ENOMEM. */
int pbjson_parse(const ProtobufCMessageDescriptor *descriptor, const char *json, size_t n,
                 PbLimits limits, ProtobufCMessage **ret, char **reterr_message) {
        PbjsonParser p = { .max_depth = limits.max_depth,
                           .budget = BUDGET_INIT(limits.max_memory_bytes) };
        _cleanup_(json_unrefp) json_t *tree = NULL;
        int r;

        /* Each message may sit in a list, the outermost in nothing. */
        r = json_read(json, n, 2 * limits.max_depth + 1, limits.max_memory_bytes, &tree,
                      reterr_message);
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
