/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Arenas
 *
 * A message of ten tasks is a thousand pieces of memory to protobuf-c, all of which begin and end
 * with the message. Taken from an arena they are cut off a block, one after the other, and freed
 * with it. Who knows beforehand how much it will be reserves that, and gets by with a single block.
 */

#include <stdalign.h>
#include <utlist.h>

#include "common/net/arena.h"

/* Of blocks nobody reserved. */
#define BLOCK_BYTES ((size_t) 4 << 10)

struct ArenaBlock {
        ArenaBlock *next;
        size_t n_used, n_bytes;
        alignas(max_align_t) char data[];
};

void arena_deinit(Arena *a) {
        ArenaBlock *b, *next;

        LL_FOREACH_SAFE (a->blocks, b, next)
                free(b);
        *a = ARENA_INIT(a->max_bytes);
}

int arena_reserve(Arena *a, size_t n) {
        ArenaBlock *b;

        if (n > a->max_bytes - a->n_allocated) {
                a->exceeded = true;
                return -ENOBUFS;
        }

        b = malloc(sizeof(*b) + n);
        if (!b)
                return -ENOMEM;

        b->n_used = 0;
        b->n_bytes = n;
        LL_PREPEND(a->blocks, b);
        a->n_allocated += n;
        return 0;
}

void *arena_alloc(Arena *a, size_t n) {
        size_t rounded;
        void *p;

        if (__builtin_add_overflow(n, alignof(max_align_t) - 1, &rounded))
                return NULL;
        rounded &= ~(alignof(max_align_t) - 1);

        if ((!a->blocks || rounded > a->blocks->n_bytes - a->blocks->n_used) &&
            arena_reserve(a, MAX(rounded, MIN(BLOCK_BYTES, a->max_bytes - a->n_allocated))) < 0)
                return NULL;

        p = a->blocks->data + a->blocks->n_used;
        a->blocks->n_used += rounded;
        return p;
}

static void *allocator_alloc(void *userdata, size_t n) {
        return arena_alloc(userdata, n);
}

static void allocator_free(void *userdata, void *p) {
        (void) userdata;
        (void) p;
}

ProtobufCAllocator arena_allocator(Arena *a) {
        return (ProtobufCAllocator){
                .alloc = allocator_alloc,
                .free = allocator_free,
                .allocator_data = a,
        };
}
