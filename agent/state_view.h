#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* StateView: frameworks, executors and tasks as the messages of GET_STATE. See state_view.c. */

#include "agent/agent.h"
#include "common/net/pbjson.h"
#include "proto/agent.pb-c.h"

/* Messages whose leaves are borrowed from the agent: use them before the loop goes on. */
typedef struct StateView {
        Mesos__V1__Agent__Response__GetTasks tasks;
        Mesos__V1__Agent__Response__GetExecutors executors;
        Mesos__V1__Agent__Response__GetFrameworks frameworks;
} StateView;

int state_view_take(const Agent *a, StateView *ret);
void state_view_deinit(StateView *v);

/* Like json_put_message(), but with lists that are empty: so are GET_STATE and its parts. */
void json_put_message_with_lists(JsonWriter *w, const char *key, const ProtobufCMessage *m);
