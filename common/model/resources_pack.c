/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources on the wire
 *
 * A master tells its frameworks of resources all day long, so there is a way to the wire that makes
 * no messages: what an entry is lies packed in its ResourceMeta, and how much and allocated to whom
 * are appended to that. Fields come in another order then, which means nothing to a reader.
 */

#include "common/model/resource_entry.h"

#define TAG_BYTES(field) ((uint8_t) ((field) << 3 | 2))
#define TAG_VARINT(field) ((uint8_t) ((field) << 3))
#define TAG_DOUBLE(field) ((uint8_t) ((field) << 3 | 1))

/* Numbers of Resource and of what is in it. */
enum {
        RESOURCE_SCALAR = 3,
        RESOURCE_RANGES = 4,
        RESOURCE_SET = 5,
        RESOURCE_ALLOCATION_INFO = 11,
        SCALAR_VALUE = 1,
        RANGES_RANGE = 1,
        RANGE_BEGIN = 1,
        RANGE_END = 2,
        SET_ITEM = 1,
        ALLOCATION_ROLE = 1,
};

static size_t varint_size(uint64_t value) {
        size_t n = 1;

        for (; value >= 0x80; value >>= 7)
                n++;

        return n;
}

static uint8_t *put_varint(uint8_t *p, uint64_t value) {
        for (; value >= 0x80; value >>= 7)
                *p++ = (uint8_t) (value | 0x80);
        *p++ = (uint8_t) value;
        return p;
}

static uint8_t *put_head(uint8_t *p, unsigned field, size_t n) {
        *p++ = TAG_BYTES(field);
        return put_varint(p, n);
}

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t n) {
        memcpy(p, bytes, n);
        return p + n;
}

/* With tag and length, of a content of n bytes. */
static size_t field_size(size_t n) {
        return 1 + varint_size(n) + n;
}

static size_t range_size(const ValueRange *r) {
        return 2 + varint_size(r->begin) + varint_size(r->end);
}

/* The content of Scalar, Ranges or Set. */
static size_t value_size(const Value *v) {
        size_t n = 0;

        if (v->kind == VALUE_SCALAR)
                return 1 + sizeof(double);

        for (size_t i = 0; i < v->n; i++)
                n += field_size(v->kind == VALUE_RANGES ? range_size(&v->ranges[i])
                                                        : strlen(v->items[i]));

        return n;
}

static unsigned value_field(const Value *v) {
        return v->kind == VALUE_SCALAR   ? RESOURCE_SCALAR
               : v->kind == VALUE_RANGES ? RESOURCE_RANGES
                                         : RESOURCE_SET;
}

static uint8_t *put_double(uint8_t *p, double value) {
        uint64_t bits;

        memcpy(&bits, &value, sizeof(bits));
        for (size_t i = 0; i < sizeof(bits); i++)
                *p++ = (uint8_t) (bits >> (8 * i));

        return p;
}

static uint8_t *put_range(uint8_t *p, const ValueRange *r) {
        p = put_head(p, RANGES_RANGE, range_size(r));
        *p++ = TAG_VARINT(RANGE_BEGIN);
        p = put_varint(p, r->begin);
        *p++ = TAG_VARINT(RANGE_END);
        return put_varint(p, r->end);
}

static uint8_t *put_value(uint8_t *p, const Value *v) {
        p = put_head(p, value_field(v), value_size(v));
        if (v->kind == VALUE_SCALAR) {
                *p++ = TAG_DOUBLE(SCALAR_VALUE);
                return put_double(p, value_milli_to_double(v->milli));
        }

        for (size_t i = 0; i < v->n; i++)
                if (v->kind == VALUE_RANGES)
                        p = put_range(p, &v->ranges[i]);
                else {
                        p = put_head(p, SET_ITEM, strlen(v->items[i]));
                        p = put_bytes(p, v->items[i], strlen(v->items[i]));
                }

        return p;
}

static size_t entry_size(const Entry *e) {
        size_t n = e->meta->n_packed + field_size(value_size(&e->value));

        if (e->allocation)
                n += field_size(field_size(strlen(e->allocation->role)));

        return n;
}

static uint8_t *put_entry(uint8_t *p, unsigned field, const Entry *e) {
        p = put_head(p, field, entry_size(e));
        p = put_bytes(p, e->meta->packed, e->meta->n_packed);
        p = put_value(p, &e->value);

        if (e->allocation) {
                size_t n = strlen(e->allocation->role);

                p = put_head(p, RESOURCE_ALLOCATION_INFO, field_size(n));
                p = put_head(p, ALLOCATION_ROLE, n);
                p = put_bytes(p, e->allocation->role, n);
        }

        return p;
}

/* In the new format, each as a field of that number, which is below 16. */
int resources_pack(const Resources *r, unsigned field, Buffer *b) {
        size_t n = 0;
        uint8_t *end;
        char *p;
        int k;

        assert(r);
        assert(field < 16);

        for (size_t i = 0; i < r->n; i++)
                n += field_size(entry_size(&r->entries[i]));

        k = buffer_reserve(b, n, &p);
        if (k < 0)
                return k;

        end = (uint8_t *) p;
        for (size_t i = 0; i < r->n; i++)
                end = put_entry(end, field, &r->entries[i]);
        assert(end == (uint8_t *) p + n);

        buffer_commit(b, n);
        return 0;
}
