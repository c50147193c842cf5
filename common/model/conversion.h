#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Conversion: what an offer operation consumes, and what it makes of it. See conversion.c. */

#include "common/base/macro.h"
#include "common/model/resources.h"
#include "proto/mesos.pb-c.h"

typedef struct Conversion {
        Resources *consumed;     /* owned */
        Resources *converted;    /* owned */
} Conversion;

enum {
        CONVERSION_OK = 0,
        CONVERSION_E_INVALID,    /* *reterr_message says why; nothing was changed */
};

/*
 * RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME and SHRINK_VOLUME, whose outcome is known without asking anybody.
 * Allocations are kept where the operation's resources carry them.
 */
int conversion_of_operation(const Mesos__V1__Offer__Operation *operation, Conversion *ret, char **reterr_message);
void conversion_deinit(Conversion *c);

/* Of both sides: what an agent has is allocated to nobody. */
int conversion_unallocate(Conversion *c);

/* total = total - consumed + converted; refused if not all that is consumed is there. */
int conversion_apply(const Conversion *c, Resources *total, char **reterr_message);

/*
 * What an agent must remember, since its configuration doesn't say it: dynamic reservations and persistent volumes.
 * A new bag; NULL when memory is short.
 */
Resources *resources_to_checkpoint(const Resources *r);

/* The other way: what the agent has when `checkpointed` was made of what is configured. */
int resources_from_checkpoint(const Resources *configured, const Resources *checkpointed, Resources **ret,
                              char **reterr_message);
