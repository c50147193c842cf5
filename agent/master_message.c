/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages of the master
 *
 * The table of what a master may send, and what each message does to what runs here. Whether a message
 * is listened to at all is for the link (master_link.c), which knows who leads and whether we are
 * registered; here it is already decided.
 */

#include "agent/agent.h"
#include "agent/drain.h"
#include "agent/executor_api.h"
#include "agent/executors.h"
#include "agent/master_message.h"
#include "agent/operations.h"
#include "agent/tasks.h"
#include "common/base/log.h"
#include "common/net/pbwire.h"

static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *descriptor;
} kinds[] = {
        [SLAVE_REGISTERED] = { "mesos.internal.SlaveRegisteredMessage",
                               &mesos__internal__slave_registered_message__descriptor },
        [SLAVE_REREGISTERED] = { "mesos.internal.SlaveReregisteredMessage",
                                 &mesos__internal__slave_reregistered_message__descriptor },
        [PING_SLAVE] = { "mesos.internal.PingSlaveMessage", &mesos__internal__ping_slave_message__descriptor },
        [RUN_TASK] = { "mesos.internal.RunTaskMessage", &mesos__internal__run_task_message__descriptor },
        [RUN_TASK_GROUP] = { "mesos.internal.RunTaskGroupMessage",
                             &mesos__internal__run_task_group_message__descriptor },
        [KILL_TASK] = { "mesos.internal.KillTaskMessage", &mesos__internal__kill_task_message__descriptor },
        [STATUS_UPDATE_ACKNOWLEDGEMENT] = { "mesos.internal.StatusUpdateAcknowledgementMessage",
                                            &mesos__internal__status_update_acknowledgement_message__descriptor },
        [SHUTDOWN_FRAMEWORK] = { "mesos.internal.ShutdownFrameworkMessage",
                                 &mesos__internal__shutdown_framework_message__descriptor },
        [SHUTDOWN_EXECUTOR] = { "mesos.internal.ShutdownExecutorMessage",
                                &mesos__internal__shutdown_executor_message__descriptor },
        [UPDATE_FRAMEWORK] = { "mesos.internal.UpdateFrameworkMessage",
                               &mesos__internal__update_framework_message__descriptor },
        [FRAMEWORK_TO_EXECUTOR] = { "mesos.internal.FrameworkToExecutorMessage",
                                    &mesos__internal__framework_to_executor_message__descriptor },
        [SHUTDOWN] = { "mesos.internal.ShutdownMessage", &mesos__internal__shutdown_message__descriptor },
        [CHECKPOINT_RESOURCES] = { "mesos.internal.CheckpointResourcesMessage",
                                   &mesos__internal__checkpoint_resources_message__descriptor },
        [APPLY_OPERATION] = { "mesos.internal.ApplyOperationMessage",
                              &mesos__internal__apply_operation_message__descriptor },
        [ACKNOWLEDGE_OPERATION_STATUS] = { "mesos.internal.AcknowledgeOperationStatusMessage",
                                           &mesos__internal__acknowledge_operation_status_message__descriptor },
        [RECONCILE_OPERATIONS] = { "mesos.internal.ReconcileOperationsMessage",
                                   &mesos__internal__reconcile_operations_message__descriptor },
        [DRAIN_SLAVE] = { "mesos.internal.DrainSlaveMessage", &mesos__internal__drain_slave_message__descriptor },
};

bool master_message_find(const char *name, MasterMessageKind *ret_kind,
                         const ProtobufCMessageDescriptor **ret_descriptor) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(name, kinds[i].name)) {
                        *ret_kind = (MasterMessageKind) i;
                        *ret_descriptor = kinds[i].descriptor;
                        return true;
                }

        return false;
}

bool master_message_changes_for_good(MasterMessageKind kind) {
        /* A kill of what has ended long since would have us say that it was lost. */
        return kind == RUN_TASK || kind == RUN_TASK_GROUP || kind == KILL_TASK || kind >= CHECKPOINT_RESOURCES;
}

/* Tasks the master has on its books and we have not: it lost a message to us, or we lost our memory. */
void master_message_reconcile(Agent *a, const Mesos__Internal__ReconcileTasksMessage *m) {
        Mesos__V1__FrameworkInfo nobody = MESOS__V1__FRAMEWORK_INFO__INIT;
        Framework *f = NULL;

        nobody.id = m->framework_id;
        HASH_FIND_STR(a->frameworks, m->framework_id->value, f);

        for (size_t i = 0; i < m->n_statuses; i++) {
                Task *t;

                if (f && framework_find_task(f, m->statuses[i]->task_id->value, &t))
                        continue;

                tasks_tell_unknown(a, f ? f->info : m->framework && m->framework->id ? m->framework : &nobody, m->statuses[i]->task_id->value, NULL,
                                   MESOS__V1__TASK_STATE__TASK_DROPPED,
                                   MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION,
                                   "Reconciliation: task unknown to the agent");
        }
}

/* Whether it checkpoints stays as it was: of what is here, either all is stored or nothing. */
static void replace_info(Framework *f, Mesos__V1__FrameworkInfo *info) {
        info->has_checkpoint = true;
        info->checkpoint = framework_checkpoints(f);
        pb_free(&f->info->base);
        f->info = info;
}

static void on_update_framework(Agent *a, const Mesos__Internal__UpdateFrameworkMessage *m) {
        ProtobufCMessage *info;
        Framework *f = NULL;

        HASH_FIND_STR(a->frameworks, m->framework_id->value, f);
        if (!f)
                return;

        if (m->framework_info && m->framework_info->id && streq(m->framework_info->id->value, f->id)) {
                info = pb_copy(&m->framework_info->base);
                if (info)
                        replace_info(f, (Mesos__V1__FrameworkInfo *) info);
        }

        if (framework_checkpoints(f))
                (void) checkpoint_framework(a->checkpoint, f);

        /* There is a scheduler that may not have seen what the former one left unacknowledged. */
        status_manager_resend_framework(a->statuses, f->id);
}

static void on_framework_to_executor(Agent *a, const Mesos__Internal__FrameworkToExecutorMessage *m) {
        Mesos__V1__Executor__Event__Message message = MESOS__V1__EXECUTOR__EVENT__MESSAGE__INIT;
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;
        Framework *f = NULL;
        Executor *e;

        HASH_FIND_STR(a->frameworks, m->framework_id->value, f);
        e = f ? framework_find_executor(f, m->executor_id->value) : NULL;
        if (!e || e->state != EXECUTOR_RUNNING) {
                a->counters.invalid_framework_messages++;
                return;
        }

        a->counters.valid_framework_messages++;
        message.data = m->data;
        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__MESSAGE;
        event.message = &message;
        executor_stream_send(e, &event);
}

static void on_shutdown_executor(Agent *a, const Mesos__Internal__ShutdownExecutorMessage *m) {
        Framework *f = NULL;
        Executor *e;

        if (!m->framework_id || !m->executor_id)
                return;

        HASH_FIND_STR(a->frameworks, m->framework_id->value, f);
        e = f ? framework_find_executor(f, m->executor_id->value) : NULL;
        if (e)
                executors_shutdown(a, e);
}

static void on_shutdown_framework(Agent *a, const Mesos__Internal__ShutdownFrameworkMessage *m) {
        Framework *f = NULL;

        HASH_FIND_STR(a->frameworks, m->framework_id->value, f);
        if (f)
                executors_shutdown_framework(a, f);
        else
                status_manager_forget_framework(a->statuses, m->framework_id->value);
}

/* Groups run in nested containers, which this agent does not make: their tasks have not begun, and are told so. */
static void on_run_task_group(Agent *a, const Mesos__Internal__RunTaskGroupMessage *m) {
        bool draining = drain_has_begun(a->drain);

        if (!m->framework->id)
                return;

        for (size_t i = 0; i < m->task_group->n_tasks; i++)
                tasks_tell_unknown(a, m->framework, m->task_group->tasks[i]->task_id->value,
                                   m->executor->executor_id->value, MESOS__V1__TASK_STATE__TASK_DROPPED,
                                   draining ? MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_DRAINING
                                            : MESOS__V1__TASK_STATUS__REASON__REASON_TASK_GROUP_INVALID,
                                   draining ? "Agent is draining" : "This agent does not run task groups");
}

static void on_status_acknowledged(Agent *a, const Mesos__Internal__StatusUpdateAcknowledgementMessage *m) {
        if (m->uuid.len != 16)
                return;

        if (status_manager_acknowledge(a->statuses, m->framework_id->value, m->task_id->value, m->uuid.data) < 0)
                (void) log_oom();
}

void master_message_carry_out(Agent *a, MasterMessageKind kind, const ProtobufCMessage *m) {
        switch (kind) {
        case SLAVE_REGISTERED:
        case SLAVE_REREGISTERED:
        case PING_SLAVE:
                assert(false);
                break;
        case RUN_TASK:
                tasks_run(a, (const Mesos__Internal__RunTaskMessage *) m);
                break;
        case RUN_TASK_GROUP:
                on_run_task_group(a, (const Mesos__Internal__RunTaskGroupMessage *) m);
                break;
        case KILL_TASK: {
                const Mesos__Internal__KillTaskMessage *k = (const Mesos__Internal__KillTaskMessage *) m;

                tasks_kill(a, k->framework_id->value, k->task_id->value, k->kill_policy);
                break;
        }
        case STATUS_UPDATE_ACKNOWLEDGEMENT:
                on_status_acknowledged(a, (const Mesos__Internal__StatusUpdateAcknowledgementMessage *) m);
                break;
        case SHUTDOWN_FRAMEWORK:
                on_shutdown_framework(a, (const Mesos__Internal__ShutdownFrameworkMessage *) m);
                break;
        case SHUTDOWN_EXECUTOR:
                on_shutdown_executor(a, (const Mesos__Internal__ShutdownExecutorMessage *) m);
                break;
        case UPDATE_FRAMEWORK:
                on_update_framework(a, (const Mesos__Internal__UpdateFrameworkMessage *) m);
                break;
        case FRAMEWORK_TO_EXECUTOR:
                on_framework_to_executor(a, (const Mesos__Internal__FrameworkToExecutorMessage *) m);
                break;
        case SHUTDOWN:
                agent_terminate(a, AGENT_END_REMOVED, ((const Mesos__Internal__ShutdownMessage *) m)->message ?: "the master says so");
                break;
        case CHECKPOINT_RESOURCES:
                operations_checkpoint(a->operations, (const Mesos__Internal__CheckpointResourcesMessage *) m);
                break;
        case APPLY_OPERATION:
                operations_apply(a->operations, (const Mesos__Internal__ApplyOperationMessage *) m);
                break;
        case ACKNOWLEDGE_OPERATION_STATUS:
                operations_acknowledge(a->operations, (const Mesos__Internal__AcknowledgeOperationStatusMessage *) m);
                break;
        case RECONCILE_OPERATIONS:
                operations_reconcile(a->operations, (const Mesos__Internal__ReconcileOperationsMessage *) m);
                break;
        case DRAIN_SLAVE:
                drain_begin(a->drain, ((const Mesos__Internal__DrainSlaveMessage *) m)->config);
                break;
        }
}
