#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The classic endpoints of maintenance. See maintenance_endpoints.c. */

#include "common/net/http_server.h"

/* HttpHandlers; userdata is the Master. */
void maintenance_endpoints_on_schedule(HttpRequest *r, void *userdata);
void maintenance_endpoints_on_status(HttpRequest *r, void *userdata);
void maintenance_endpoints_on_down(HttpRequest *r, void *userdata);
void maintenance_endpoints_on_up(HttpRequest *r, void *userdata);
