#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* How long a framework refuses what it declined. See filters.c. */

#include "common/base/usec.h"
#include "proto/mesos.pb-c.h"

#define FILTERS_REFUSE_DEFAULT_USEC (5 * USEC_PER_SEC)
#define FILTERS_REFUSE_MAX_USEC (365 * USEC_PER_DAY)

/* 0: it refuses nothing. `filters` is NULL when the call carried none. */
usec_t filters_refuse_usec(const Mesos__V1__Filters *filters);
