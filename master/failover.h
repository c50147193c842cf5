#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Failover: how long a framework is waited for whose scheduler is away. See failover.c. */

typedef struct Framework Framework;

/* Its scheduler is away from now on, or has not been here yet (RECOVERED). */
void failover_begin(Framework *f);

/* An agent describes a RECOVERED framework as one that is to be waited for longer. */
void failover_extend(Framework *f, double timeout_secs);

/* The scheduler is here, or the framework is over. */
void failover_end(Framework *f);
