/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Conversions
 *
 * Messages count time in nanoseconds and we in microseconds; attributes are written as text and
 * sent as messages. Nothing here judges: a negative duration is refused by who validates the
 * message, and counts as none elsewhere.
 */

#include "common/model/convert.h"
#include "common/model/explain.h"
#include "common/model/value.h"

void *message_copy(const void *message) {
        const ProtobufCMessage *m = message;
        _cleanup_free_ uint8_t *packed = NULL;
        size_t n;

        assert(message);

        n = protobuf_c_message_get_packed_size(m);
        packed = malloc(n + 1);
        if (!packed)
                return NULL;

        protobuf_c_message_pack(m, packed);
        return protobuf_c_message_unpack(m->descriptor, NULL, n, packed);
}

void *message_free(void *message) {
        if (message)
                protobuf_c_message_free_unpacked(message, NULL);

        return NULL;
}

bool message_equal(const void *a, const void *b) {
        const ProtobufCMessage *x = a, *y = b;
        _cleanup_free_ uint8_t *packed = NULL;
        size_t n;

        assert(a);
        assert(b);

        n = protobuf_c_message_get_packed_size(x);
        if (x->descriptor != y->descriptor || n != protobuf_c_message_get_packed_size(y))
                return false;

        packed = malloc(2 * n + 1);
        if (!packed)
                return false;

        protobuf_c_message_pack(x, packed);
        protobuf_c_message_pack(y, packed + n);
        return memcmp(packed, packed + n, n) == 0;
}

int64_t duration_info_to_nsec(const Mesos__V1__DurationInfo *d) {
        return d ? d->nanoseconds : 0;
}

static usec_t nsec_to_usec(int64_t nsec) {
        return nsec > 0 ? (usec_t) nsec / 1000 : 0;
}

usec_t duration_info_to_usec(const Mesos__V1__DurationInfo *d) {
        return d ? nsec_to_usec(d->nanoseconds) : 0;
}

usec_t time_info_to_usec(const Mesos__V1__TimeInfo *t) {
        return t ? nsec_to_usec(t->nanoseconds) : 0;
}

int64_t usec_to_nsec(usec_t t) {
        return t > INT64_MAX / 1000 ? INT64_MAX : (int64_t) t * 1000;
}

static int set_text(Mesos__V1__Attribute *a, const char *value) {
        a->text = malloc(sizeof(*a->text));
        if (!a->text)
                return -ENOMEM;

        mesos__v1__value__text__init(a->text);
        a->text->value = strdup(value);
        return a->text->value ? 0 : -ENOMEM;
}

static int set_value(Mesos__V1__Attribute *a, const Value *v) {
        a->type = (Mesos__V1__Value__Type) v->kind;
        switch (v->kind) {
        case VALUE_SCALAR:
                return value_to_scalar_pb(v, &a->scalar);
        case VALUE_RANGES:
                return value_to_ranges_pb(v, &a->ranges);
        case VALUE_TEXT:
                return set_text(a, v->text);
        case VALUE_SET:
                return ATTRIBUTES_E_INVALID;
        }

        return ATTRIBUTES_E_INVALID;
}

static void attribute_freep(Mesos__V1__Attribute **a) {
        *a = message_free(*a);
}

static int attribute_parse(const char *item, Mesos__V1__Attribute **ret, char **reterr_message) {
        _cleanup_(attribute_freep) Mesos__V1__Attribute *a = NULL;
        _cleanup_(value_deinit) Value v = VALUE_NULL;
        _cleanup_free_ char *reason = NULL;
        const char *colon = strchr(item, ':');
        int r;

        if (!colon || colon == item || colon[1] == '\0')
                return explain(reterr_message, ATTRIBUTES_E_INVALID,
                               "Invalid attribute key:value pair '%s'", item);

        a = malloc(sizeof(*a));
        if (!a)
                return -ENOMEM;

        mesos__v1__attribute__init(a);
        a->name = strndup(item, (size_t) (colon - item));
        if (!a->name)
                return -ENOMEM;

        r = value_parse(colon + 1, &v, &reason);
        if (r < 0)
                return r;
        if (r != VALUE_OK)
                return explain(reterr_message, ATTRIBUTES_E_INVALID,
                               "Failed to parse attribute %s text %s error %s", a->name, colon + 1,
                               reason);

        r = set_value(a, &v);
        if (r < 0)
                return r;
        if (r != ATTRIBUTES_OK)
                return explain(reterr_message, ATTRIBUTES_E_INVALID,
                               "Bad type for attribute %s text %s type SET", a->name, colon + 1);

        *ret = TAKE_PTR(a);
        return ATTRIBUTES_OK;
}

static void attributes_free(Mesos__V1__Attribute **list, size_t n) {
        for (size_t i = 0; i < n; i++)
                message_free(list[i]);
        free(list);
}

/* Returns 0, ATTRIBUTES_E_INVALID with the reason, or -ENOMEM. */
int attributes_parse(const char *text, Mesos__V1__Attribute ***ret, size_t *ret_n,
                     char **reterr_message) {
        _cleanup_free_ char *copy = strdup(text);
        Mesos__V1__Attribute **list;
        char *save = NULL;
        size_t n = 0;
        int r;

        /* As many items as characters, at most. */
        list = calloc(strlen(text) + 1, sizeof(*list));
        if (!copy || !list) {
                free(list);
                return -ENOMEM;
        }

        for (char *item = strtok_r(copy, ";\n", &save); item;
             item = strtok_r(NULL, ";\n", &save), n++) {
                r = attribute_parse(item, &list[n], reterr_message);
                if (r != ATTRIBUTES_OK) {
                        attributes_free(list, n);
                        return r;
                }
        }

        *ret = list;
        *ret_n = n;
        return ATTRIBUTES_OK;
}

int attribute_format(const Mesos__V1__Attribute *a, Buffer *b) {
        _cleanup_(value_deinit) Value v = VALUE_NULL;
        int r;

        assert(a);

        if (a->text)
                return buffer_append_text(b, a->text->value);

        if (a->scalar) {
                (void) value_milli_from_double(a->scalar->value, &v.milli);
                return value_format(&v, b);
        }

        r = a->ranges ? value_from_ranges_pb(a->ranges, &v)
            : a->set  ? value_from_set_pb(a->set, &v)
                      : 0;
        return r < 0 ? r : value_format(&v, b);
}
