#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Health: what the results of health checks mean. Pure; see health.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct Health {
        usec_t grace_until_usec;         /* failures before this don't count, until the first success */
        unsigned max_failures;           /* in a row; the task is killed then */
        unsigned n_failures;             /* in a row */
        bool has_succeeded;
} Health;

typedef struct HealthVerdict {
        bool tell;                       /* an update with `healthy` is due */
        bool healthy;
        bool kill;
} HealthVerdict;

HealthVerdict health_step(Health *h, bool success, usec_t now_usec);
