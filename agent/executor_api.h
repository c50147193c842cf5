#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ExecutorApi: /api/v1/executor, the calls of executors and the events to them. See executor_api.c. */

#include "agent/executor.h"
#include "common/base/macro.h"
#include "common/net/http_server.h"
#include "proto/executor.pb-c.h"

typedef struct Agent Agent;
typedef struct ExecutorApi ExecutorApi;
typedef struct ExecutorStream ExecutorStream;

int executor_api_new(Agent *a, ExecutorApi **ret);
ExecutorApi *executor_api_free(ExecutorApi *api);
DEFINE_CLEANUP(ExecutorApi *, executor_api_free)

/* One request on …/api/v1/executor; userdata is the ExecutorApi. */
void executor_api_handle(HttpRequest *request, void *userdata);

/* Sends an event to a subscribed executor; one that reads too slowly is cut off. No-op without a stream. */
void executor_stream_send(Executor *e, const Mesos__V1__Executor__Event *event);

/* ACKNOWLEDGED for one update. */
void executor_stream_acknowledge(Executor *e, const char *task_id, const uint8_t uuid[static 16]);

/* Ends the stream after what is queued. */
void executor_stream_close(Executor *e);
