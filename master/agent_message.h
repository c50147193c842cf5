#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Messages to agents. See agent_message.c. */

#include "common/base/macro.h"
#include "common/net/peer.h"
#include "master/node.h"
#include "proto/internal.pb-c.h"

typedef struct Framework Framework;

/* All are lost without a word when the agent is cut off;
 * whom it concerns hears of that otherwise. */
void agent_message_ping(Node *n);
void agent_message_registered(Node *n);
void agent_message_reregistered(Node *n, Mesos__Internal__ReconcileTasksMessage **reconciliations,
                                size_t n_reconciliations);
void agent_message_shutdown(Master *m, const Upid *agent, const char *message);
void agent_message_run_task(Node *n, Framework *f, Mesos__V1__TaskInfo *task, bool launch_executor);
void agent_message_run_group(Node *n, Framework *f, Mesos__V1__ExecutorInfo *executor,
                             Mesos__V1__TaskGroupInfo *group, bool launch_executor);
void agent_message_drain(Node *n, Mesos__V1__DrainConfig *config);
void agent_message_kill(Node *n, const char *framework_id, const char *task_id,
                        Mesos__V1__KillPolicy *policy);
void agent_message_acknowledge(Node *n, const char *framework_id, const char *task_id,
                               ProtobufCBinaryData uuid);
void agent_message_update_framework(Node *n, Framework *f);
void agent_message_shutdown_framework(Node *n, const char *framework_id);
void agent_message_shutdown_executor(Node *n, const char *framework_id, const char *executor_id);
void agent_message_text(Node *n, const char *framework_id, const char *executor_id,
                        ProtobufCBinaryData data);
