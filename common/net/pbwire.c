/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Protobuf from strangers
 *
 * protobuf-c trusts its input: it recurses as deep as the bytes say, makes 100 bytes of memory out
 * of one, and lets pass what proto2 forbids. So bytes are walked first, along the descriptor and
 * without taking memory:
 *
 *     walk      depth, what unpacking will cost, wire types, UTF-8, enums, required fields
 *     unpack    protobuf-c, on a budget (budget.c) in case the estimate was short
 *     mend      unknown values of optional enums become unknown fields, as proto2 wants it
 *
 * What comes out can be used without doubt: every required field is there, every string is text
 * without NUL, every enum value has a name, every map entry has its key and value. Unknown fields
 * are kept and sent on, so that older code in the middle doesn't strip what newer ends agree on.
 *
 * One liberty is taken: proto2 lets a singular message occur any number of times, all of which are
 * merged, at quadratic cost. No encoder writes that; more than a few are refused.
 */

#include <stdarg.h>
#include <stdio.h>

#include "common/net/arena.h"
#include "common/net/budget.h"
#include "common/net/pbfield.h"
#include "common/net/pbpath.h"
#include "common/net/pbwire.h"
#include "common/net/utf8.h"

/* Occurrences of a singular message that we are ready to merge. */
#define MAX_MERGED 8

/* What protobuf-c notes about each field while unpacking: 40 bytes, in slabs that double. */
#define SCRATCH_BYTES 80

/* What malloc() adds to each piece, more or less. */
#define MALLOC_BYTES 16

enum {
        WIRE_VARINT = 0,
        WIRE_FIXED64 = 1,
        WIRE_BYTES = 2,
        WIRE_FIXED32 = 5,
};

typedef struct Bytes {
        const uint8_t *p;
        size_t n;
} Bytes;

/* One field as it lies on the wire. */
typedef struct Item {
        uint32_t number;
        unsigned wire_type;
        uint64_t value; /* WIRE_VARINT */
        Bytes bytes;    /* WIRE_BYTES */
        size_t n;       /* the whole of it */
} Item;

/* What occurred in one message: each field how often, and how many items in all. */
typedef struct Seen {
        uint32_t n[PB_MAX_FIELDS];
        size_t n_items;
} Seen;

typedef struct Walk {
        unsigned max_depth;
        Budget budget;
        Buffer missing; /* required fields that are not there, comma-separated */
        bool has_unknown_enums;
        char *message; /* owned; why the bytes are refused */
} Walk;

static int _printf_(3, 4) refuse(Walk *w, const PbPath *path, const char *format, ...) {
        Buffer b = BUFFER_INIT(PB_MAX_TEXT_BYTES);
        va_list ap;

        va_start(ap, format);
        (void) buffer_vprintf(&b, format, ap);
        va_end(ap);
        if (path) {
                (void) buffer_append_text(&b, " in '");
                pbpath_append(path, &b);
                (void) buffer_append_char(&b, '\'');
        }

        free(w->message);
        w->message = buffer_take_text(&b);
        if (!w->message) {
                buffer_deinit(&b);
                return -ENOMEM;
        }

        return PB_E_INVALID;
}

static bool bytes_take_varint(Bytes *b, uint64_t *ret) {
        uint64_t value = 0;

        /* Nearly all of them are one byte long. */
        if (b->n > 0 && b->p[0] < 0x80) {
                *ret = *b->p++;
                b->n--;
                return true;
        }

        for (unsigned i = 0; i < 10 && i < b->n; i++) {
                value |= (uint64_t) (b->p[i] & 0x7f) << (7 * i);
                if (b->p[i] < 0x80) {
                        b->p += i + 1;
                        b->n -= i + 1;
                        *ret = value;
                        return true;
                }
        }

        return false;
}

static bool bytes_skip(Bytes *b, size_t n) {
        if (n > b->n)
                return false;

        b->p += n;
        b->n -= n;
        return true;
}

static bool bytes_take_payload(Bytes *b, Item *item) {
        uint64_t length;

        switch (item->wire_type) {
        case WIRE_VARINT:
                return bytes_take_varint(b, &item->value);
        case WIRE_FIXED64:
                return bytes_skip(b, 8);
        case WIRE_FIXED32:
                return bytes_skip(b, 4);
        case WIRE_BYTES:
                if (!bytes_take_varint(b, &length) || length > b->n)
                        return false;

                item->bytes = (Bytes) { b->p, (size_t) length };
                return bytes_skip(b, (size_t) length);
        default:
                /* Groups went out of use before Mesos began. */
                return false;
        }
}

static bool bytes_take_item(Bytes *b, Item *ret) {
        const uint8_t *begin = b->p;
        Item item = {};
        uint64_t tag;

        if (!bytes_take_varint(b, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
                return false;

        item.number = (uint32_t) (tag >> 3);
        item.wire_type = tag & 7;
        if (!bytes_take_payload(b, &item))
                return false;

        item.n = (size_t) (b->p - begin);
        *ret = item;
        return true;
}

static unsigned wire_type_of(const ProtobufCFieldDescriptor *field) {
        switch (field->type) {
        case PROTOBUF_C_TYPE_INT32:
        case PROTOBUF_C_TYPE_SINT32:
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_SINT64:
        case PROTOBUF_C_TYPE_UINT64:
        case PROTOBUF_C_TYPE_BOOL:
        case PROTOBUF_C_TYPE_ENUM:
                return WIRE_VARINT;
        case PROTOBUF_C_TYPE_SFIXED32:
        case PROTOBUF_C_TYPE_FIXED32:
        case PROTOBUF_C_TYPE_FLOAT:
                return WIRE_FIXED32;
        case PROTOBUF_C_TYPE_SFIXED64:
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_DOUBLE:
                return WIRE_FIXED64;
        case PROTOBUF_C_TYPE_STRING:
        case PROTOBUF_C_TYPE_BYTES:
        case PROTOBUF_C_TYPE_MESSAGE:
                return WIRE_BYTES;
        }

        assert(false);
        return WIRE_BYTES;
}

static int walk_enum(Walk *w, uint64_t value, const PbPath *path) {
        /* Negative numbers take ten bytes on the wire, the upper ones of which mean nothing. */
        int number = (int) (uint32_t) value;

        if (pbfield_has_enum_value(path->field, number))
                return 0;
        if (path->field->label == PROTOBUF_C_LABEL_REQUIRED)
                return refuse(w, path, "Unknown enum value %d", number);

        w->has_unknown_enums = true;
        return 0;
}

static int walk_text(Walk *w, Bytes text, const PbPath *path) {
        if (memchr(text.p, '\0', text.n))
                return refuse(w, path, "NUL character");
        if (!utf8_is_valid((const char *) text.p, text.n))
                return refuse(w, path, "Invalid UTF-8");

        return 0;
}

/* Repeated numbers in one piece, which a reader must accept whether the schema says so or not. */
static int walk_packed(Walk *w, Bytes packed, const PbPath *path) {
        size_t size = pbfield_element_size(path->field);
        unsigned wire_type = wire_type_of(path->field);
        uint64_t value;
        int r;

        if (wire_type != WIRE_VARINT) {
                if (packed.n % size != 0)
                        return refuse(w, path, "Bytes cut short");

                return budget_charge(&w->budget, packed.n) ? 0 : refuse(w, path, "Too much memory");
        }

        while (packed.n > 0) {
                if (!bytes_take_varint(&packed, &value))
                        return refuse(w, path, "Bytes cut short");
                if (!budget_charge(&w->budget, size))
                        return refuse(w, path, "Too much memory");

                if (path->field->type == PROTOBUF_C_TYPE_ENUM) {
                        r = walk_enum(w, value, path);
                        if (r != 0)
                                return r;
                }
        }

        return 0;
}

static int walk_message(Walk *w, const ProtobufCMessageDescriptor *descriptor, Bytes bytes,
                        unsigned depth, const PbPath *path);

static int walk_field(Walk *w, const Item *item, unsigned depth, const PbPath *path) {
        const ProtobufCFieldDescriptor *field = path->field;
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        unsigned wire_type = wire_type_of(field);

        if (item->wire_type != wire_type) {
                if (repeated && item->wire_type == WIRE_BYTES)
                        return walk_packed(w, item->bytes, path);

                return refuse(w, path, "Wrong type");
        }

        if (repeated && !budget_charge(&w->budget, pbfield_element_size(field)))
                return refuse(w, path, "Too much memory");

        if (field->type == PROTOBUF_C_TYPE_ENUM)
                return walk_enum(w, item->value, path);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
                return walk_message(w, field->descriptor, item->bytes, depth + 1, path);
        if (wire_type != WIRE_BYTES)
                return 0;

        if (!budget_charge(&w->budget, item->bytes.n + 1 + MALLOC_BYTES))
                return refuse(w, path, "Too much memory");

        return field->type == PROTOBUF_C_TYPE_STRING ? walk_text(w, item->bytes, path) : 0;
}

/* Notes the required fields that didn't occur. The entry of a map is whole or it is nothing. */
static void walk_missing(Walk *w, const ProtobufCMessageDescriptor *descriptor, const Seen *seen,
                         const PbPath *path) {
        const ProtobufCFieldDescriptor *fields[PB_MAX_FIELDS];
        bool is_entry = path && pbfield_is_map(path->field);
        bool complete = true;
        size_t n;

        for (size_t i = 0; i < descriptor->n_fields; i++)
                if (seen->n[i] == 0 &&
                    (is_entry || descriptor->fields[i].label == PROTOBUF_C_LABEL_REQUIRED))
                        complete = false;
        if (complete)
                return;

        n = pbfield_declaration_order(descriptor, fields);
        for (size_t i = 0; i < n; i++)
                if (seen->n[fields[i] - descriptor->fields] == 0 &&
                    (is_entry || fields[i]->label == PROTOBUF_C_LABEL_REQUIRED))
                        pbpath_append_missing(path, fields[i], &w->missing);
}

static int walk_items(Walk *w, const ProtobufCMessageDescriptor *descriptor, Bytes bytes,
                      unsigned depth, const PbPath *path, Seen *seen) {
        int r;

        for (; bytes.n > 0; seen->n_items++) {
                const ProtobufCFieldDescriptor *field;
                Item item;
                PbPath here;

                if (!bytes_take_item(&bytes, &item))
                        return refuse(w, path, "Bytes cut short or not of a message");
                if (!budget_charge(&w->budget, SCRATCH_BYTES))
                        return refuse(w, path, "Too much memory");

                field = protobuf_c_message_descriptor_get_field(descriptor, item.number);
                if (!field) {
                        if (!budget_charge(&w->budget, sizeof(ProtobufCMessageUnknownField) +
                                                                       item.n + MALLOC_BYTES))
                                return refuse(w, path, "Too much memory");
                        continue;
                }

                here = (PbPath) { .parent = path,
                                  .field = field,
                                  .index = seen->n[field - descriptor->fields]++ };
                if (field->label != PROTOBUF_C_LABEL_REPEATED &&
                    field->type == PROTOBUF_C_TYPE_MESSAGE && here.index >= MAX_MERGED)
                        return refuse(w, &here, "Too many occurrences");

                r = walk_field(w, &item, depth, &here);
                if (r != 0)
                        return r;
        }

        return 0;
}

static int walk_message(Walk *w, const ProtobufCMessageDescriptor *descriptor, Bytes bytes,
                        unsigned depth, const PbPath *path) {
        Seen seen = {};
        int r;

        assert(descriptor->n_fields <= PB_MAX_FIELDS);

        if (depth > w->max_depth)
                return refuse(w, path, "Messages nested too deeply");
        if (!budget_charge(&w->budget, descriptor->sizeof_message + MALLOC_BYTES))
                return refuse(w, path, "Too much memory");

        r = walk_items(w, descriptor, bytes, depth, path, &seen);
        if (r != 0)
                return r;

        walk_missing(w, descriptor, &seen, path);

        /* The scratch memory is only needed while the message and those around it are unpacked. */
        w->budget.used_bytes -= seen.n_items * SCRATCH_BYTES;
        return 0;
}

static int walk_bytes(Walk *w, const ProtobufCMessageDescriptor *descriptor, Bytes bytes) {
        int r;

        r = walk_message(w, descriptor, bytes, 1, NULL);
        if (r != 0)
                return r;

        if (buffer_size(&w->missing) > 0)
                return refuse(w, NULL, "Missing required fields: %.*s",
                              (int) buffer_size(&w->missing), buffer_data(&w->missing));

        return 0;
}

/* As protobuf-c does it: without an allocator memory comes from malloc(). */
static void *take_memory(const ProtobufCAllocator *a, size_t n) {
        return a ? a->alloc(a->allocator_data, n) : malloc(n);
}

static void give_memory(const ProtobufCAllocator *a, void *p) {
        if (a)
                a->free(a->allocator_data, p);
        else
                free(p);
}

static int keep_unknown(ProtobufCMessage *m, uint32_t number, uint64_t value,
                        const ProtobufCAllocator *allocator) {
        ProtobufCMessageUnknownField *fields;
        uint8_t *data;
        size_t n = 0;

        data = take_memory(allocator, 10);
        if (!data)
                return -ENOMEM;

        fields = take_memory(allocator, (m->n_unknown_fields + 1) * sizeof(*fields));
        if (!fields) {
                give_memory(allocator, data);
                return -ENOMEM;
        }

        for (; value >= 0x80; value >>= 7)
                data[n++] = (uint8_t) (value | 0x80);
        data[n++] = (uint8_t) value;

        for (size_t i = 0; i < m->n_unknown_fields; i++)
                fields[i] = m->unknown_fields[i];
        fields[m->n_unknown_fields++] = (ProtobufCMessageUnknownField) {
                .tag = number,
                .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT,
                .len = n,
                .data = data,
        };
        give_memory(allocator, m->unknown_fields);
        m->unknown_fields = fields;
        return 0;
}

/* Takes unnamed values out of an enum, repeated or optional, and keeps them as unknown fields. */
static int mend_enum(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                     const ProtobufCAllocator *allocator) {
        size_t n = pbfield_count(m, field), n_kept = 0;
        int r;

        for (size_t i = 0; i < n; i++) {
                int value = *(int *) pbfield_at(m, field, i);

                if (pbfield_has_enum_value(field, value)) {
                        *(int *) pbfield_at(m, field, n_kept++) = value;
                        continue;
                }

                r = keep_unknown(m, field->id, (uint64_t) (int64_t) value, allocator);
                if (r < 0)
                        return r;
        }

        if (n_kept == n)
                return 0;

        if (field->label == PROTOBUF_C_LABEL_REPEATED)
                *(size_t *) pbfield_quantifier(m, field) = n_kept;
        else
                pbfield_reset(m, field);

        return 0;
}

static int mend_enums(ProtobufCMessage *m, const ProtobufCAllocator *allocator) {
        int r;

        for (size_t i = 0; i < m->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *field = m->descriptor->fields + i;

                if (field->type == PROTOBUF_C_TYPE_ENUM) {
                        r = mend_enum(m, field, allocator);
                        if (r < 0)
                                return r;
                } else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
                        for (size_t k = 0; k < pbfield_count(m, field); k++) {
                                r = mend_enums(*(ProtobufCMessage **) pbfield_at(m, field, k),
                                               allocator);
                                if (r < 0)
                                        return r;
                        }
        }

        return 0;
}

/* What is known of the bytes before anything is unpacked. */
static int walk(const ProtobufCMessageDescriptor *descriptor, Bytes bytes, PbLimits limits,
                Walk *w) {
        *w = (Walk) {
                .max_depth = limits.max_depth,
                .budget = BUDGET_INIT(limits.max_memory_bytes),
                .missing = BUFFER_INIT(PB_MAX_TEXT_BYTES),
        };
        return walk_bytes(w, descriptor, bytes);
}

/* Says why when the result is PB_E_INVALID. */
static int walk_end(Walk *w, int r, char **reterr_message) {
        if (r == PB_E_INVALID && reterr_message)
                *reterr_message = TAKE_PTR(w->message);

        free(w->message);
        buffer_deinit(&w->missing);
        return r;
}

static int refuse_unpacking(Walk *w, const ProtobufCMessageDescriptor *descriptor, bool exceeded) {
        return exceeded ? refuse(w, NULL, "Too much memory")
                        : refuse(w, NULL, "Not a %s", descriptor->name);
}

/* protobuf-c's turn, on bytes that were walked. */
static int unpack_walked(Walk *w, const ProtobufCMessageDescriptor *descriptor, Bytes bytes,
                         size_t max_bytes, ProtobufCMessage **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        Budget budget = BUDGET_INIT(max_bytes);
        ProtobufCAllocator allocator = budget_allocator(&budget);
        int r;

        m = protobuf_c_message_unpack(descriptor, &allocator, bytes.n, bytes.p);
        if (!m)
                return refuse_unpacking(w, descriptor, budget.exceeded);

        if (w->has_unknown_enums) {
                r = mend_enums(m, NULL);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(m);
        return PB_OK;
}

/* protobuf-c wants an address even for nothing. */
static Bytes bytes_of(const void *data, size_t n) {
        return (Bytes) { n > 0 ? data : (const uint8_t *) "", n };
}

int pb_unpack(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
              PbLimits limits, ProtobufCMessage **ret, char **reterr_message) {
        Bytes bytes = bytes_of(data, n);
        Walk w;
        int r;

        r = walk(descriptor, bytes, limits, &w);
        if (r == 0)
                r = unpack_walked(&w, descriptor, bytes, limits.max_memory_bytes, ret);

        return walk_end(&w, r, reterr_message);
}

struct PbParcel {
        Arena arena;
        const ProtobufCMessage *message; /* in the arena */
};

PbParcel *pb_parcel_free(PbParcel *p) {
        if (!p)
                return NULL;

        arena_deinit(&p->arena);
        free(p);
        return NULL;
}

const ProtobufCMessage *pb_parcel_message(const PbParcel *p) {
        return p->message;
}

/* The walk has found out how much it will be, so one block is mostly enough. */
static int unpack_into(PbParcel *p, Walk *w, const ProtobufCMessageDescriptor *descriptor,
                       Bytes bytes) {
        ProtobufCAllocator allocator = arena_allocator(&p->arena);
        ProtobufCMessage *m;
        int r;

        r = arena_reserve(&p->arena, w->budget.used_bytes);
        if (r < 0)
                return r;

        m = protobuf_c_message_unpack(descriptor, &allocator, bytes.n, bytes.p);
        if (!m)
                return refuse_unpacking(w, descriptor, p->arena.exceeded);

        if (w->has_unknown_enums) {
                r = mend_enums(m, &allocator);
                if (r < 0)
                        return r;
        }

        p->message = m;
        return PB_OK;
}

int pb_unpack_parcel(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
                     PbLimits limits, PbParcel **ret, char **reterr_message) {
        _cleanup_(pb_parcel_freep) PbParcel *p = NULL;
        Bytes bytes = bytes_of(data, n);
        Walk w;
        int r;

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;

        *p = (PbParcel) { .arena = ARENA_INIT(limits.max_memory_bytes) };
        r = walk(descriptor, bytes, limits, &w);
        if (r == 0)
                r = unpack_into(p, &w, descriptor, bytes);

        r = walk_end(&w, r, reterr_message);
        if (r == PB_OK)
                *ret = TAKE_PTR(p);

        return r;
}

ProtobufCMessage *pb_copy(const ProtobufCMessage *m) {
        _cleanup_(pb_freep) ProtobufCMessage *copy = NULL;
        _cleanup_free_ uint8_t *packed = NULL;
        size_t n;

        n = protobuf_c_message_get_packed_size(m);
        packed = malloc(MAX(n, (size_t) 1));
        if (!packed)
                return NULL;

        (void) protobuf_c_message_pack(m, packed);
        copy = protobuf_c_message_unpack(m->descriptor, NULL, n, packed);

        /* Enum values that were set aside came back into their fields. */
        if (!copy || mend_enums(copy, NULL) < 0)
                return NULL;

        return TAKE_PTR(copy);
}

ProtobufCMessage *pb_free(ProtobufCMessage *m) {
        if (m)
                protobuf_c_message_free_unpacked(m, NULL);

        return NULL;
}
