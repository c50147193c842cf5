#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* /api/v1: the calls of operators. See operator_api.c. */

#include "common/net/http_server.h"

/* HttpHandler; userdata is the Master. */
void operator_api_on_request(HttpRequest *r, void *userdata);
