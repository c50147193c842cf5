#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* FetchPlan: what holdfast-fetcher reads from its stdin. See fetch_plan.c. */

#include "common/base/buffer.h"
#include "common/base/usec.h"
#include "proto/mesos.pb-c.h"

/* More URIs than fit here are refused when the plan is made. */
#define FETCH_PLAN_MAX_BYTES (4U * 1024 * 1024)

enum {
        FETCH_PLAN_OK = 0,
        FETCH_PLAN_NOTHING,     /* the command has no URIs: no fetcher is needed */
};

int fetch_plan_pack(const Mesos__V1__CommandInfo *command, const char *sandbox_directory,
                    const char *frameworks_home, usec_t stall_timeout_usec, Buffer *ret);
