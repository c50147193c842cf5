/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources
 *
 * A bag of entries; an entry is what (a ResourceMeta), allocated to whom, and how much:
 *
 *     cpus                             -            4000
 *     cpus (STATIC ops)                -            2000
 *     ports                            allocated *  [31000-32000]
 *     disk (DYNAMIC ops) [vol1:data]   allocated *  100000
 *
 * Entries that differ in nothing but the amount are one entry. The exceptions are volumes and whole
 * disks, which cannot be merged or divided: they are only ever the same or another. A shared volume
 * is one entry however often it is added, with a count beside its size.
 *
 * The order of entries means nothing, but people compare outputs, so it is kept as Mesos keeps it:
 * what is new goes last, and the last one fills the gap of one that vanishes.
 *
 * Everything is linear in the number of entries of both sides; real bags hold four to ten.
 */

#include "common/model/explain.h"
#include "common/model/resource_entry.h"
#include "common/model/resources.h"

/* A task has two or three, and there are a hundred thousand of them. */
#define ENTRIES_MIN 2

Allocation *allocation_new(const char *role) {
        size_t n = strlen(role) + 1;
        Allocation *a;

        a = malloc(sizeof(*a) + n);
        if (!a)
                return NULL;

        a->n_refs = 1;
        memcpy(a->role, role, n);
        return a;
}

static Allocation *allocation_ref(Allocation *a) {
        if (a)
                a->n_refs++;
        return a;
}

Allocation *allocation_unref(Allocation *a) {
        if (a && --a->n_refs == 0)
                free(a);
        return NULL;
}

static bool allocation_equal(const Allocation *a, const Allocation *b) {
        return a == b || (a && b && streq(a->role, b->role));
}

static void entry_deinit(Entry *e) {
        resource_meta_unref(e->meta);
        allocation_unref(e->allocation);
        value_deinit(&e->value);
}

static bool entry_alike(const Entry *a, const Entry *b) {
        return resource_meta_equal(a->meta, b->meta) &&
               allocation_equal(a->allocation, b->allocation);
}

Resources *resources_new(void) {
        return calloc(1, sizeof(Resources));
}

static void clear(Resources *r) {
        for (size_t i = 0; i < r->n; i++)
                entry_deinit(&r->entries[i]);

        r->n = 0;
}

Resources *resources_free(Resources *r) {
        if (!r)
                return NULL;

        clear(r);
        free(r->entries);
        free(r);
        return NULL;
}

static int reserve(Resources *r, size_t n) {
        size_t n_allocated = MAX((size_t) ENTRIES_MIN, r->n_allocated);
        Entry *entries;

        if (n <= r->n_allocated)
                return 0;

        while (n_allocated < n)
                n_allocated *= 2;

        entries = reallocarray(r->entries, n_allocated, sizeof(*entries));
        if (!entries)
                return -ENOMEM;

        r->entries = entries;
        r->n_allocated = n_allocated;
        return 0;
}

static int append(Resources *r, const Entry *e) {
        Entry copy = *e;
        int k;

        k = reserve(r, r->n + 1);
        if (k < 0)
                return k;

        k = value_copy(&e->value, &copy.value);
        if (k < 0)
                return k;

        resource_meta_ref(copy.meta);
        allocation_ref(copy.allocation);
        r->entries[r->n++] = copy;
        return 0;
}

static void remove_at(Resources *r, size_t i) {
        entry_deinit(&r->entries[i]);
        r->entries[i] = r->entries[--r->n];
}

Resources *resources_copy(const Resources *r) {
        _cleanup_(resources_freep) Resources *copy = NULL;

        assert(r);

        copy = resources_new();
        if (!copy || reserve(copy, r->n) < 0)
                return NULL;

        for (size_t i = 0; i < r->n; i++)
                if (append(copy, &r->entries[i]) < 0)
                        return NULL;

        return TAKE_PTR(copy);
}

/* The entry that e can be added to: its like, and of what cannot be divided only a shared one. */
static Entry *find_addable(const Resources *r, const Entry *e) {
        if (e->meta->indivisible && !e->meta->shared)
                return NULL;

        for (size_t i = 0; i < r->n; i++)
                if (entry_alike(&r->entries[i], e) &&
                    (!e->meta->indivisible || value_equal(&r->entries[i].value, &e->value)))
                        return &r->entries[i];

        return NULL;
}

int resources_add_entry(Resources *r, const Entry *e) {
        Entry *mine;

        if (value_is_empty(&e->value))
                return 0;

        mine = find_addable(r, e);
        if (!mine)
                return append(r, e);

        if (e->meta->shared) {
                mine->n_shared += e->n_shared;
                return 0;
        }

        return value_add(&mine->value, &e->value);
}

int resources_add(Resources *a, const Resources *b) {
        int r;

        assert(a);
        assert(b);
        assert(a != b);

        for (size_t i = 0; i < b->n; i++) {
                r = resources_add_entry(a, &b->entries[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int subtract_entry(Resources *r, const Entry *e) {
        for (size_t i = 0; i < r->n; i++) {
                Entry *mine = &r->entries[i];
                int k;

                if (!entry_alike(mine, e) ||
                    (e->meta->indivisible && !value_equal(&mine->value, &e->value)))
                        continue;

                if (e->meta->shared && mine->n_shared > e->n_shared) {
                        mine->n_shared -= e->n_shared;
                        return 0;
                }

                k = value_subtract(&mine->value, &e->value);
                if (k < 0)
                        return k;

                if (value_is_empty(&mine->value))
                        remove_at(r, i);
                return 0;
        }

        return 0;
}

int resources_subtract(Resources *a, const Resources *b) {
        int r;

        assert(a);
        assert(b);
        assert(a != b);

        for (size_t i = 0; i < b->n; i++) {
                r = subtract_entry(a, &b->entries[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* How often this very volume or disk is in the bag. */
static size_t count_indivisible(const Resources *r, const Entry *e) {
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++)
                if (entry_alike(&r->entries[i], e) && value_equal(&r->entries[i].value, &e->value))
                        n += r->entries[i].n_shared;

        return n;
}

static bool contains_entry(const Resources *r, const Entry *e) {
        for (size_t i = 0; i < r->n; i++)
                if (entry_alike(&r->entries[i], e))
                        return value_contains(&r->entries[i].value, &e->value);

        return false;
}

bool resources_contains(const Resources *a, const Resources *b) {
        assert(a);
        assert(b);

        for (size_t i = 0; i < b->n; i++) {
                const Entry *e = &b->entries[i];

                if (e->meta->indivisible ? count_indivisible(a, e) < count_indivisible(b, e)
                                         : !contains_entry(a, e))
                        return false;
        }

        return true;
}

bool resources_equal(const Resources *a, const Resources *b) {
        assert(a);
        assert(b);

        return a->n == b->n && resources_contains(a, b) && resources_contains(b, a);
}

bool resources_is_empty(const Resources *r) {
        assert(r);

        return r->n == 0;
}

size_t resources_n_entries(const Resources *r) {
        assert(r);

        return r->n;
}

static bool values_overlap(const Value *a, const Value *b) {
        Value rest;
        bool overlap;

        if (value_copy(a, &rest) < 0 || value_subtract(&rest, b) < 0)
                return true;

        overlap = !value_equal(a, &rest);
        value_deinit(&rest);
        return overlap;
}

int resources_validate_disjoint(const Resources *a, const Resources *b) {
        assert(a);
        assert(b);

        for (size_t i = 0; i < a->n; i++)
                for (size_t k = 0; k < b->n; k++) {
                        const Entry *x = &a->entries[i], *y = &b->entries[k];

                        if (x->meta->kind == VALUE_SCALAR || x->meta->kind != y->meta->kind ||
                            !streq(x->meta->name, y->meta->name))
                                continue;
                        if (values_overlap(&x->value, &y->value))
                                return RESOURCES_E_INVALID;
                }

        return RESOURCES_OK;
}

int64_t resources_scalar_milli(const Resources *r, const char *name) {
        int64_t sum = 0;

        assert(r);

        for (size_t i = 0; i < r->n; i++) {
                const Entry *e = &r->entries[i];

                if (e->meta->kind == VALUE_SCALAR && streq(e->meta->name, name) &&
                    __builtin_add_overflow(sum, e->value.milli, &sum))
                        return INT64_MAX;
        }

        return sum;
}

bool resources_has(const Resources *r, const char *name) {
        assert(r);

        for (size_t i = 0; i < r->n; i++)
                if (streq(r->entries[i].meta->name, name))
                        return true;

        return false;
}

const char *resources_allocation_role(const Resources *r) {
        assert(r);

        return r->n > 0 ? allocation_role(r->entries[0].allocation) : NULL;
}

int resources_validate_allocation(const Resources *r, char **reterr_message) {
        assert(r);

        for (size_t i = 1; i < r->n; i++) {
                const Allocation *first = r->entries[0].allocation,
                                 *other = r->entries[i].allocation;

                if (!first || !other) {
                        if (first != other)
                                return explain(reterr_message, RESOURCES_E_INVALID,
                                               "The resources are not all allocated to a role");
                        continue;
                }

                if (!allocation_equal(first, other))
                        return explain(reterr_message, RESOURCES_E_INVALID,
                                       "The resources have multiple allocation roles ('%s' and "
                                       "'%s') but only one allocation role is allowed",
                                       first->role, other->role);
        }

        return RESOURCES_OK;
}

/* Entries that were allocated to different roles may have become alike. */
static int merge_alike(Resources *r) {
        Entry *entries = TAKE_PTR(r->entries);
        size_t n = r->n;
        int k = 0;

        *r = (Resources) {};
        for (size_t i = 0; i < n && k >= 0; i++)
                k = resources_add_entry(r, &entries[i]);

        for (size_t i = 0; i < n; i++)
                entry_deinit(&entries[i]);
        free(entries);
        return k;
}

static int set_allocation(Resources *r, const char *role, bool overwrite) {
        _cleanup_(allocation_unrefp) Allocation *allocation = NULL;
        bool mixed = false;

        if (role) {
                allocation = allocation_new(role);
                if (!allocation)
                        return -ENOMEM;
        }

        for (size_t i = 1; i < r->n; i++)
                mixed = mixed ||
                        !allocation_equal(r->entries[i].allocation, r->entries[0].allocation);

        for (size_t i = 0; i < r->n; i++) {
                Entry *e = &r->entries[i];

                if (e->allocation && !overwrite)
                        continue;

                allocation_unref(e->allocation);
                e->allocation = allocation_ref(allocation);
        }

        return mixed ? merge_alike(r) : 0;
}

int resources_allocate(Resources *r, const char *role) {
        assert(r);
        assert(role);

        return set_allocation(r, role, false);
}

int resources_unallocate(Resources *r) {
        assert(r);

        return set_allocation(r, NULL, true);
}

ResourceView resources_view(const Entry *e) {
        return (ResourceView) {
                .name = e->meta->name,
                .allocation_role = allocation_role(e->allocation),
                .reservation_role = e->meta->reservation_role,
                .dynamic = e->meta->dynamic,
                .refined = e->meta->n_reservations > 1,
                .revocable = e->meta->revocable,
                .shared = e->meta->shared,
                .persistent_volume = e->meta->persistent_volume,
                .scalar = e->meta->kind == VALUE_SCALAR,
                .gpus = e->meta->gpus,
        };
}

/* NULL when memory is short. */
static bool same_description(const ResourceMeta *a, const ResourceMeta *b) {
        return a->n_packed == b->n_packed && memcmp(a->packed, b->packed, a->n_packed) == 0;
}

void resources_share(Resources *r, const Resources *like) {
        assert(r);
        assert(like);

        for (size_t i = 0; i < r->n; i++)
                for (size_t k = 0; k < like->n; k++) {
                        ResourceMeta *meta = like->entries[k].meta;

                        if (r->entries[i].meta == meta ||
                            !same_description(r->entries[i].meta, meta))
                                continue;

                        resource_meta_unref(r->entries[i].meta);
                        r->entries[i].meta = resource_meta_ref(meta);
                        break;
                }
}

Resources *resources_filter(const Resources *r, ResourcePredicate keep, void *userdata) {
        _cleanup_(resources_freep) Resources *kept = NULL;

        assert(r);
        assert(keep);

        kept = resources_new();
        if (!kept)
                return NULL;

        for (size_t i = 0; i < r->n; i++) {
                ResourceView v = resources_view(&r->entries[i]);

                if (keep(&v, userdata) && append(kept, &r->entries[i]) < 0)
                        return NULL;
        }

        return TAKE_PTR(kept);
}

bool resources_any(const Resources *r, ResourcePredicate is, void *userdata) {
        assert(r);
        assert(is);

        for (size_t i = 0; i < r->n; i++) {
                ResourceView v = resources_view(&r->entries[i]);

                if (is(&v, userdata))
                        return true;
        }

        return false;
}

/* Puts an entry itself into the bag, where it becomes part of its like or a new one. */
static int move_entry(Resources *to, Entry *e) {
        int k;

        if (find_addable(to, e)) {
                k = resources_add_entry(to, e);
                if (k >= 0)
                        entry_deinit(e);
                return k;
        }

        k = reserve(to, to->n + 1);
        if (k >= 0)
                to->entries[to->n++] = *e;
        return k;
}

int resources_move(Resources *to, Resources *from, ResourcePredicate take, void *userdata) {
        size_t n = 0;
        int k = 0;

        assert(to);
        assert(from);
        assert(to != from);
        assert(take);

        for (size_t i = 0; i < from->n; i++) {
                Entry *e = &from->entries[i];
                ResourceView v = resources_view(e);

                if (k >= 0 && take(&v, userdata)) {
                        k = move_entry(to, e);
                        if (k >= 0)
                                continue;
                }

                from->entries[n++] = *e;
        }

        from->n = n;
        return k;
}
