#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Limits: the rlimits a container starts with. See limits.c. */

#include <sys/resource.h>

#include "common/base/macro.h"
#include "isolator/confinement.h"

typedef struct Limit {
        struct rlimit rlimit;
        bool known;        /* false: nothing is known of what it should be, it stays as it is */
        bool planned;      /* asked for by the plan: failing to set it fails the launch */
} Limit;

typedef struct Limits {
        Limit limits[RLIM_NLIMITS];
} Limits;

/* `c` NULL: nothing was asked for. */
void limits_resolve(int proc_fd, const Confinement *c, Limits *ret);
int child_apply_limits(const Limits *l);
