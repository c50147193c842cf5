#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Times and durations in microseconds. See usec.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK (7 * USEC_PER_DAY)

/* Accuracy of a timer that should fire when it is due: sd-event takes 0 as "a quarter of a second will do". */
#define USEC_EXACT UINT64_C(1)

/* Room for every text usec_format() makes. */
#define USEC_TEXT_MAX 32

/* CLOCK_MONOTONIC and CLOCK_REALTIME as microseconds; only main loops call these. */
usec_t usec_now(clockid_t clock);

usec_t usec_add(usec_t a, usec_t b);
usec_t usec_sub(usec_t a, usec_t b);
usec_t usec_from_secs(double secs);
double usec_to_secs(usec_t t);

const char *usec_format(usec_t t, char buf[static USEC_TEXT_MAX]);

usec_t usec_backoff(usec_t base_usec, usec_t max_usec, unsigned attempt);
usec_t usec_jitter(usec_t max_usec);
