#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Resources as the JSON of /state shows them. See resource_json.c. */

#include "common/model/resources.h"
#include "common/net/pbjson.h"

/* {"disk": 0.0, "mem": 32.0, "gpus": 0.0, "cpus": 0.1, "ports": "[31000-31001]"}. */
int json_put_resources(JsonWriter *w, const char *key, const Resources *resources);

/* {"role": {…}, …} of the reserved ones, each role like json_put_resources(). */
int json_put_reserved_resources(JsonWriter *w, const char *key, const Resources *resources);

/* {"role": [Resource, …], …} of the reserved ones; [Resource, …] of the others. */
int json_put_reserved_resources_full(JsonWriter *w, const char *key, const Resources *resources);
int json_put_unreserved_resources_full(JsonWriter *w, const char *key, const Resources *resources);

/* json_put_resources() of the unreserved ones. */
int json_put_unreserved_resources(JsonWriter *w, const char *key, const Resources *resources);
