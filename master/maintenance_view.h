#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Maintenance as operators see it. See maintenance_view.c. */

#include "common/base/macro.h"
#include "proto/maintenance.pb-c.h"

typedef struct Master Master;

/* Which machines are draining, with what frameworks say to that, and which are down. Free with
 * pb_free(). */
int maintenance_view_status(Master *m, Mesos__V1__Maintenance__ClusterStatus **ret);

/* The schedule, an empty one if there is none. */
int maintenance_view_schedule(Master *m, Mesos__V1__Maintenance__Schedule **ret);
