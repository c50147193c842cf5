#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Arena: memory of many small things that end together. See arena.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/macro.h"

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena {
        ArenaBlock *blocks; /* owned; the one that is being filled first */
        size_t max_bytes;   /* of all blocks together */
        size_t n_allocated;
        bool exceeded; /* an allocation was refused: it was the maximum, not the machine */
} Arena;

#define ARENA_INIT(max) ((Arena){ .max_bytes = (max) })

/* Everything that was allocated is gone. */
void arena_deinit(Arena *a);

/* Has a block of so many bytes ready; what does not fit makes more of them. */
int arena_reserve(Arena *a, size_t n);

/* Aligned for anything; NULL at the maximum or when out of memory. */
void *arena_alloc(Arena *a, size_t n);

/* For protobuf-c; what it frees stays until the end. */
ProtobufCAllocator arena_allocator(Arena *a);
