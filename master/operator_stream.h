#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Events to operators: the streams that SUBSCRIBE of /api/v1 opens. See operator_stream.c. */

#include "common/base/macro.h"
#include "master/call.h"
#include "proto/mesos.pb-c.h"

typedef struct Framework Framework;
typedef struct Master Master;
typedef struct Node Node;
typedef struct OperatorStream OperatorStream;
typedef struct Task Task;

/* Answers the request with a stream: the state as it is now, then what happens. */
void operator_stream_open(Master *m, HttpRequest *r, MediaType type);
void operator_stream_close_all(Master *m);

void operator_stream_task_added(Task *t);
void operator_stream_task_updated(Task *t, const Mesos__V1__TaskStatus *status);
void operator_stream_node_added(Node *n);
void operator_stream_node_removed(Node *n);
void operator_stream_framework_added(Framework *f);
void operator_stream_framework_updated(Framework *f);
void operator_stream_framework_removed(Framework *f);
