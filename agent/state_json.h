#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The JSON of /state, and of the smaller endpoints that show parts of it. See state_json.c. */

#include "agent/agent.h"
#include "common/net/pbjson.h"

/* The whole of /state; 0, or -ENOMEM. Errors of the writer stick in the writer. */
int state_json_print(const Agent *a, JsonWriter *w);

/* {"name": "value", …} of the flags that have a value. */
int json_put_flags(JsonWriter *w, const char *key, const FlagTable *flags);

/* Calls back with each flag that has a value, by name. */
typedef int (*FlagVisit)(const char *name, const char *value, void *userdata);
int flags_foreach_sorted(const FlagTable *flags, FlagVisit visit, void *userdata);
