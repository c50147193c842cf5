#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ResourceMeta: what a resource is, but not how much, nor for whom. See resource_meta.c. */

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "common/model/value.h"
#include "proto/mesos.pb-c.h"

/* Immutable and shared by many entries of many bags. */
typedef struct ResourceMeta {
        unsigned n_refs;
        ValueKind kind;
        bool dynamic;              /* the last reservation is dynamic */
        bool revocable;
        bool shared;
        bool persistent_volume;
        bool indivisible;          /* a volume or a whole disk: two of them do not add up to one */
        bool gpus;
        unsigned n_reservations;
        uint64_t hash;             /* of the key */
        char *name;                /* owned */
        char *reservation_role;    /* owned; of the last reservation; NULL: unreserved */
        uint8_t *packed;           /* owned; a serialized Resource without amount and allocation */
        size_t n_packed;
        uint8_t *key;              /* owned unless it is `packed`; the same for resources alike */
        size_t n_key;
} ResourceMeta;

/* Of a message that resource_validate() has passed, in either format. */
int resource_meta_new(const Mesos__V1__Resource *pb, ResourceMeta **ret);
ResourceMeta *resource_meta_ref(ResourceMeta *m);
ResourceMeta *resource_meta_unref(ResourceMeta *m);
DEFINE_CLEANUP(ResourceMeta *, resource_meta_unref)

static inline bool resource_meta_equal(const ResourceMeta *a, const ResourceMeta *b) {
        return a == b || (a->hash == b->hash && a->n_key == b->n_key &&
                          memcmp(a->key, b->key, a->n_key) == 0);
}

/* A new message of it, for message_free(): reservations in the new format, no amount yet. */
Mesos__V1__Resource *resource_meta_to_pb(const ResourceMeta *m);

/* "cpus(allocated: *)(reservations: [(STATIC,role)])", all that comes before the colon. */
int resource_meta_format(const Mesos__V1__Resource *pb, const char *allocation_role, Buffer *b);
int resource_pb_format(const Mesos__V1__Resource *pb, Buffer *b);
