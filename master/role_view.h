#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Roles and what they have, for /roles and GET_ROLES. See role_view.c. */

#include "common/base/macro.h"
#include "common/net/json_writer.h"
#include "proto/master.pb-c.h"

typedef struct Master Master;

void role_view_classic(JsonWriter *w, Master *m);

/* What the metrics show of each role. */
typedef void (*RoleMetricVisitor)(const char *role, const char *what, double value, void *userdata);
int role_view_metrics(Master *m, RoleMetricVisitor visit, void *userdata);

/* A message of its own; free with pb_free(). */
int role_view_api(Master *m, Mesos__V1__Master__Response__GetRoles **ret);
