#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Reconciliation: the answer to a framework that asks for all of its tasks. See reconciliation.c. */

#include "common/base/macro.h"

typedef struct Framework Framework;
typedef struct Task Task;

/* The latest state that its framework was told of. */
void reconciliation_tell(Task *t);

/* Tells it the latest state of each of its tasks, as fast as it reads; asked again meanwhile, from
 * the first on. */
void reconciliation_start(Framework *f);

/* Its stream ends. */
void reconciliation_stop(Framework *f);
