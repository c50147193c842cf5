#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* MasterMessage: what masters send, and what is done about it. See master_message.c. */

#include "common/base/macro.h"
#include "proto/internal.pb-c.h"

typedef struct Agent Agent;

/* Those before RUN_TASK are between the link and the master; from CHECKPOINT_RESOURCES on they change what the agent has. */
typedef enum MasterMessageKind {
        SLAVE_REGISTERED,
        SLAVE_REREGISTERED,
        PING_SLAVE,
        RUN_TASK,
        RUN_TASK_GROUP,
        KILL_TASK,
        STATUS_UPDATE_ACKNOWLEDGEMENT,
        SHUTDOWN_FRAMEWORK,
        SHUTDOWN_EXECUTOR,
        UPDATE_FRAMEWORK,
        FRAMEWORK_TO_EXECUTOR,
        SHUTDOWN,
        CHECKPOINT_RESOURCES,
        APPLY_OPERATION,
        ACKNOWLEDGE_OPERATION_STATUS,
        RECONCILE_OPERATIONS,
        DRAIN_SLAVE,
} MasterMessageKind;

/* False: not known here. */
bool master_message_find(const char *name, MasterMessageKind *ret_kind, const ProtobufCMessageDescriptor **ret_descriptor);

/* What cannot be taken back by asking again. */
bool master_message_changes_for_good(MasterMessageKind kind);

/* Any but the link's own. */
void master_message_carry_out(Agent *a, MasterMessageKind kind, const ProtobufCMessage *m);

/* Part of the answer to a registration: tasks the master has on its books. */
void master_message_reconcile(Agent *a, const Mesos__Internal__ReconcileTasksMessage *m);
