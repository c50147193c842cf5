#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Random numbers for property tests: SEED=… repeats the run that printed it. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/usec.h"

typedef struct Random {
        uint64_t state;
} Random;

static inline Random random_seeded(void) {
        const char *text = getenv("SEED");
        Random random = { .state = text ? strtoull(text, NULL, 0) : usec_now(CLOCK_REALTIME) };

        printf("# SEED=%" PRIu64 "\n", random.state);
        return random;
}

/* splitmix64: any seed will do. */
static inline uint64_t random_u64(Random *random) {
        uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* In [0, n). */
static inline uint64_t random_below(Random *random, uint64_t n) {
        return random_u64(random) % n;
}
