#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The classic HTTP endpoints: /state, /metrics/snapshot, /redirect… See endpoints.c. */

typedef struct Master Master;

int endpoints_add_routes(Master *m);
