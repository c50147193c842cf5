/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times
 *
 * Everything inside Holdfast counts microseconds; seconds as double exist on the wire, and text
 * like "15mins" in flags and in the environment of executors. Arithmetic saturates: a time that
 * cannot be represented is USEC_INFINITY, which no clock reaches.
 */

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

usec_t usec_now(clockid_t clock) {
        struct timespec ts;

        /* Cannot fail for the two clocks every kernel has. */
        if (clock_gettime(clock, &ts) < 0)
                abort();

        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t usec_add(usec_t a, usec_t b) {
        usec_t sum;

        return __builtin_add_overflow(a, b, &sum) ? USEC_INFINITY : sum;
}

/* Zero where the result would be negative; infinity minus anything stays infinity. */
usec_t usec_sub(usec_t a, usec_t b) {
        if (a == USEC_INFINITY)
                return USEC_INFINITY;

        return a > b ? a - b : 0;
}

/* Negative and NaN count as zero, what does not fit as infinity. */
usec_t usec_from_secs(double secs) {
        if (!(secs > 0))
                return 0;
        if (secs >= (double) (INT64_MAX / (int64_t) USEC_PER_SEC))
                return USEC_INFINITY;

        return (usec_t) double_round(secs * (double) USEC_PER_SEC);
}

double usec_to_secs(usec_t t) {
        return (double) t / (double) USEC_PER_SEC;
}

/*
 * Writes a duration as Mesos does, because libraries of executors parse it and people compare it.
 * The unit is the largest not above the value; if that gives a fraction and the next smaller unit
 * a whole number, it is that one: "15mins", "90mins", "1500ms", but "1.0015secs". Returns buf.
 */
const char *usec_format(usec_t t, char buf[static USEC_TEXT_MAX]) {
        static const struct {
                const char *name;
                usec_t usec;
        } units[] = {
                { "weeks", USEC_PER_WEEK },  { "days", USEC_PER_DAY }, { "hrs", USEC_PER_HOUR },
                { "mins", USEC_PER_MINUTE }, { "secs", USEC_PER_SEC }, { "ms", USEC_PER_MSEC },
                { "us", 1 },
        };
        size_t i = 0;

        if (t == 0)
                return strcpy(buf, "0ns");

        while (t < units[i].usec)
                i++;
        if (t % units[i].usec != 0 && t % units[i + 1].usec == 0)
                i++;

        if (t % units[i].usec == 0)
                snprintf(buf, USEC_TEXT_MAX, "%" PRIu64 "%s", t / units[i].usec, units[i].name);
        else
                snprintf(buf, USEC_TEXT_MAX, "%.15g%s", (double) t / (double) units[i].usec, units[i].name);

        return buf;
}

/* base, 2 base, 4 base, … for attempt 0, 1, 2, …, never above max. */
usec_t usec_backoff(usec_t base_usec, usec_t max_usec, unsigned attempt) {
        if (attempt >= 63 || base_usec > (max_usec >> attempt))
                return max_usec;

        return base_usec << attempt;
}

/* A random time in [0, max), so that many who lost the same peer do not return at once. */
usec_t usec_jitter(usec_t max_usec) {
        uint64_t random;

        if (max_usec == 0 || getrandom(&random, sizeof(random), 0) != sizeof(random))
                return 0;

        return random % max_usec;
}
