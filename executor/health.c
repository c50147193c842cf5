/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Health
 *
 * A task may take its time to come up: failures within the grace period are overlooked until the
 * first success. After that each failure is told, a success only when it is news, and so many
 * failures in a row end the task.
 */

#include "executor/health.h"

HealthVerdict health_step(Health *h, bool success, usec_t now_usec) {
        bool news;

        if (success) {
                news = !h->has_succeeded || h->n_failures > 0;
                h->has_succeeded = true;
                h->n_failures = 0;
                return (HealthVerdict) { .tell = news, .healthy = true };
        }

        if (!h->has_succeeded && now_usec <= h->grace_until_usec)
                return (HealthVerdict) {};

        h->n_failures++;
        return (HealthVerdict) { .tell = true, .kill = h->n_failures >= h->max_failures };
}
