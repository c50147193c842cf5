#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What a Resources holds; for the files resources*.c only. See resources.c. */

#include "common/model/resource_meta.h"
#include "common/model/resources.h"
#include "common/model/value.h"

/* The role entries are allocated to: one text for the whole bag. */
typedef struct Allocation {
        unsigned n_refs;
        char role[];
} Allocation;

typedef struct Entry {
        ResourceMeta *meta;
        Allocation *allocation;    /* NULL: not allocated */
        Value value;
        size_t n_shared;           /* how often a shared one is in the bag, else 1 */
} Entry;

struct Resources {
        Entry *entries;
        size_t n;
        size_t n_allocated;
};

Allocation *allocation_new(const char *role);
Allocation *allocation_unref(Allocation *a);
DEFINE_CLEANUP(Allocation *, allocation_unref)

static inline const char *allocation_role(const Allocation *a) {
        return a ? a->role : NULL;
}

/* Adds a copy: what e points to stays the caller's. */
int resources_add_entry(Resources *r, const Entry *e);

ResourceView resources_view(const Entry *e);
