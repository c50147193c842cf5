#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Judges Resource messages from outside before they become Resources. See resource_validate.c. */

#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"

enum {
        RESOURCE_OK = 0,
        RESOURCE_E_INVALID,
};

/* Names, kinds, amounts, reservations. *reterr_message as Mesos words it, without the resource. */
int resource_validate(const Mesos__V1__Resource *pb, char **reterr_message);

/* What a framework may use or change: whole GPUs, and volumes and reservations that can exist. */
int resource_validate_use(const Mesos__V1__Resource *pb, char **reterr_message);
