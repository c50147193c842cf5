#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Weights: how much of the cluster a role's fair share is. See weights.c. */

#include "common/net/http_server.h"
#include "common/net/json_writer.h"
#include "proto/mesos.pb-c.h"

typedef struct Master Master;
typedef struct WeightUpdate WeightUpdate;

/* Of --weights: is it "role=2.5,other=1"? */
int weights_check_text(const char *text);

/* The registry is read: its weights count, and if it has none those of the flag go there. */
int weights_start(Master *m);
/* The registry must be gone already. */
void weights_stop(Master *m);

void weights_to_json(const Master *m, JsonWriter *w);

/* Answers when it is done. */
void weights_update(Master *m, HttpRequest *r, Mesos__V1__WeightInfo *const *weights, size_t n);
/* The same from the body of PUT /weights: a list of WeightInfo. */
void weights_put(Master *m, HttpRequest *r);
