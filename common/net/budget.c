/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Budgets
 *
 * A few bytes of JSON or protobuf can ask for a hundred times their size in memory. Whatever is
 * decoded for a peer is therefore taken from a budget made for that one request: past its maximum
 * allocation fails as if memory had run out, and `exceeded` tells which of the two it was.
 *
 * What is handed out is plain malloc() memory, so that a decoded message can outlive its budget and
 * be freed by anybody.
 */

#include <malloc.h>

#include "common/net/budget.h"

/* What malloc() adds to each piece, more or less. */
#define OVERHEAD_BYTES 16

/* Takes n bytes for something that isn't allocated here; false when they are not there. */
bool budget_charge(Budget *b, size_t n) {
        size_t wanted;

        if (__builtin_add_overflow(b->used_bytes, n, &wanted) || wanted > b->max_bytes) {
                b->exceeded = true;
                return false;
        }

        b->used_bytes = wanted;
        return true;
}

/* Zeroed, and never NULL for a lack of bytes: n may be 0. */
void *budget_alloc(Budget *b, size_t n) {
        size_t charged;

        if (__builtin_add_overflow(n, OVERHEAD_BYTES, &charged) || !budget_charge(b, charged))
                return NULL;

        return calloc(1, MAX(n, (size_t) 1));
}

/* As reallocarray(); the old size stays charged, which doubling callers pay at most twice. */
void *budget_resize_array(Budget *b, void *array, size_t n_elements, size_t element_bytes) {
        size_t n;

        if (__builtin_mul_overflow(n_elements, element_bytes, &n) || !budget_charge(b, n))
                return NULL;

        return realloc(array, MAX(n, (size_t) 1));
}

/* A copy of n bytes with a NUL after them. */
char *budget_strndup(Budget *b, const char *text, size_t n) {
        char *copy;

        copy = budget_alloc(b, n + 1);
        if (copy)
                memcpy(copy, text, n);

        return copy;
}

static void *allocator_alloc(void *userdata, size_t n) {
        Budget *b = userdata;
        void *p;

        if (!budget_charge(b, n + OVERHEAD_BYTES))
                return NULL;

        p = malloc(n);
        if (p)
                /* Charged as it will be refunded. */
                b->used_bytes += malloc_usable_size(p) - n;

        return p;
}

static void allocator_free(void *userdata, void *p) {
        Budget *b = userdata;

        if (p)
                b->used_bytes -= malloc_usable_size(p) + OVERHEAD_BYTES;

        free(p);
}

/* For protobuf-c, which frees its scratch memory as it goes: that is refunded. */
ProtobufCAllocator budget_allocator(Budget *b) {
        return (ProtobufCAllocator) {
                .alloc = allocator_alloc,
                .free = allocator_free,
                .allocator_data = b,
        };
}
