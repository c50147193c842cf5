#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Allocation pause: after a failover offers wait for agents where there is quota. See
 * allocation_pause.c. */

#include "common/base/macro.h"

typedef struct Master Master;

/* The registry has been read: pauses, if there is a reason to. */
int allocation_pause_start(Master *m);
void allocation_pause_stop(Master *m);

bool allocation_is_paused(const Master *m);

/* An agent of the registry is back, or will not come any more. */
void allocation_pause_review(Master *m);
