#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What a framework may say about itself, and what it may change later. See framework_info.c. */

#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"
#include "proto/scheduler.pb-c.h"

/* What one framework may have: they are compared with each other, and with those of each call. */
#define FRAMEWORK_MAX_ROLES 1024

/* What the operator allows. */
typedef struct FrameworkPolicy {
        const char *roles;           /* --roles: comma-separated; NULL: any */
        bool root_submissions;
} FrameworkPolicy;

/* ACCEPTED or REJECTED (reject.h), or a negative errno. */
int framework_info_validate(const Mesos__V1__FrameworkInfo *info, const FrameworkPolicy *policy,
                            char **reterr_message);

/* The roles in `suppressed` must be among those of `info`. */
int framework_info_validate_suppressed(const Mesos__V1__FrameworkInfo *info,
                                       char *const *suppressed, size_t n, char **reterr_message);

int framework_info_validate_constraints(const Mesos__V1__FrameworkInfo *info,
                                        const Mesos__V1__Scheduler__OfferConstraints *constraints,
                                        char **reterr_message);

/* Is the role in the comma-separated list of --roles, or "*"? */
bool framework_whitelist_has(const char *list, const char *role);

/* SUBSCRIBE of a known framework: only the principal may not change; user and checkpoint keep their
 * old values. */
int framework_info_validate_resubscribe(const Mesos__V1__FrameworkInfo *was,
                                        const Mesos__V1__FrameworkInfo *now, char **reterr_message);

/* UPDATE_FRAMEWORK: neither principal nor user nor checkpoint may change. */
int framework_info_validate_update(const Mesos__V1__FrameworkInfo *was,
                                   const Mesos__V1__FrameworkInfo *now, char **reterr_message);
