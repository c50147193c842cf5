#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* OperatorApi: what operators and tools ask an agent over HTTP. See operator_api.c. */

#include "common/base/macro.h"
#include "common/base/process.h"
#include "common/net/http_server.h"

typedef struct Agent Agent;
typedef struct OperatorApi OperatorApi;

/* Takes every path of the server that no other route has. */
int operator_api_new(Agent *a, HttpServer *server, OperatorApi **ret);

/* Calls that still wait are answered with 503. Before the server is freed. */
OperatorApi *operator_api_free(OperatorApi *api);
DEFINE_CLEANUP(OperatorApi *, operator_api_free)

/*
 * A request below /slave(1) that is no message; `path` is what follows that. Always answered: with
 * 404 (and false) when there is nothing there.
 */
bool operator_api_handle(OperatorApi *api, HttpRequest *r, const char *path);

/* Answers whoever waits for the container. Called when it has ended. */
void operator_api_container_ended(OperatorApi *api, const char *container_id, ExitStatus status);
