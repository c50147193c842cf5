/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages to agents
 *
 * One function per message, each a one-way libprocess post over the connection we hold to the
 * agent; nobody answers it. Order is kept: what is sent first arrives first, or neither arrives.
 */

#include "common/base/log.h"
#include "master/agent_message.h"
#include "master/framework.h"
#include "master/master.h"

/* How frameworks without a libprocess address are told of; Mesos writes this text, so agents know
 * it. */
#define NO_PID "@0.0.0.0:0"

static void send_to(Master *m, const Upid *to, const char *name, const ProtobufCMessage *message) {
        _cleanup_free_ void *body = NULL;
        size_t n = protobuf_c_message_get_packed_size(message);
        int r;

        body = malloc(MAX(n, (size_t) 1));
        if (!body) {
                log_oom();
                return;
        }

        protobuf_c_message_pack(message, body);
        r = peer_pool_send(m->peers, to, name, body, n);
        if (r < 0)
                log_warning_errno(r, "Cannot send %s to %s, ignoring: %m", name, to->text);
}

#define send_message(node, message, type) \
        send_to((node)->master, &(node)->pid, "mesos.internal." type, &(message).base)

static void connection_init(Master *m, Mesos__Internal__MasterSlaveConnection *c) {
        usec_t total_usec = m->config->agent_ping_timeout_usec * m->config->max_agent_ping_timeouts;

        mesos__internal__master_slave_connection__init(c);
        c->has_total_ping_timeout_seconds = true;
        c->total_ping_timeout_seconds = usec_to_secs(total_usec);
}

void agent_message_registered(Node *n) {
        Mesos__Internal__SlaveRegisteredMessage message =
                        MESOS__INTERNAL__SLAVE_REGISTERED_MESSAGE__INIT;
        Mesos__Internal__MasterSlaveConnection connection;

        connection_init(n->master, &connection);
        message.slave_id = n->info->id;
        message.connection = &connection;

        send_message(n, message, "SlaveRegisteredMessage");
}

void agent_message_reregistered(Node *n, Mesos__Internal__ReconcileTasksMessage **reconciliations,
                             size_t n_reconciliations) {
        Mesos__Internal__SlaveReregisteredMessage message =
                        MESOS__INTERNAL__SLAVE_REREGISTERED_MESSAGE__INIT;
        Mesos__Internal__MasterSlaveConnection connection;

        connection_init(n->master, &connection);
        message.slave_id = n->info->id;
        message.connection = &connection;
        message.reconciliations = reconciliations;
        message.n_reconciliations = n_reconciliations;

        send_message(n, message, "SlaveReregisteredMessage");
}

void agent_message_shutdown(Master *m, const Upid *agent, const char *text) {
        Mesos__Internal__ShutdownMessage message = MESOS__INTERNAL__SHUTDOWN_MESSAGE__INIT;

        message.message = (char *) text;
        send_to(m, agent, "mesos.internal.ShutdownMessage", &message.base);
}

/* The versions of the agent's resources that a launch was decided on. */
typedef struct ResourceVersion {
        Mesos__Internal__ResourceVersionUUID version;
        Mesos__Internal__ResourceVersionUUID *list[1];
        Mesos__V1__UUID uuid;
} ResourceVersion;

static size_t resource_version_init(ResourceVersion *v, const Node *n) {
        mesos__internal__resource_version_uuid__init(&v->version);
        mesos__v1__uuid__init(&v->uuid);
        v->uuid.value = (ProtobufCBinaryData) { sizeof(n->resource_version),
                                               (uint8_t *) n->resource_version };
        v->version.uuid = &v->uuid;
        v->list[0] = &v->version;
        return n->has_resource_version;
}

void agent_message_run_task(Node *n, Framework *f, Mesos__V1__TaskInfo *task,
                            bool launch_executor) {
        Mesos__Internal__RunTaskMessage message = MESOS__INTERNAL__RUN_TASK_MESSAGE__INIT;
        ResourceVersion version;

        message.framework = f->info;
        message.pid = (char *) NO_PID;
        message.task = task;
        message.n_resource_version_uuids = resource_version_init(&version, n);
        message.resource_version_uuids = version.list;
        message.has_launch_executor = true;
        message.launch_executor = launch_executor;

        send_message(n, message, "RunTaskMessage");
}

void agent_message_run_group(Node *n, Framework *f, Mesos__V1__ExecutorInfo *executor,
                             Mesos__V1__TaskGroupInfo *group, bool launch_executor) {
        Mesos__Internal__RunTaskGroupMessage message =
                        MESOS__INTERNAL__RUN_TASK_GROUP_MESSAGE__INIT;
        ResourceVersion version;

        message.framework = f->info;
        message.executor = executor;
        message.task_group = group;
        message.n_resource_version_uuids = resource_version_init(&version, n);
        message.resource_version_uuids = version.list;
        message.has_launch_executor = true;
        message.launch_executor = launch_executor;

        send_message(n, message, "RunTaskGroupMessage");
}

void agent_message_drain(Node *n, Mesos__V1__DrainConfig *config) {
        Mesos__Internal__DrainSlaveMessage message = MESOS__INTERNAL__DRAIN_SLAVE_MESSAGE__INIT;

        message.config = config;
        send_message(n, message, "DrainSlaveMessage");
}

void agent_message_kill(Node *n, const char *framework_id, const char *task_id,
                        Mesos__V1__KillPolicy *policy) {
        Mesos__Internal__KillTaskMessage message = MESOS__INTERNAL__KILL_TASK_MESSAGE__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__TaskID tid = MESOS__V1__TASK_ID__INIT;

        fid.value = (char *) framework_id;
        tid.value = (char *) task_id;
        message.framework_id = &fid;
        message.task_id = &tid;
        message.kill_policy = policy;

        send_message(n, message, "KillTaskMessage");
}

void agent_message_acknowledge(Node *n, const char *framework_id, const char *task_id,
                               ProtobufCBinaryData uuid) {
        Mesos__Internal__StatusUpdateAcknowledgementMessage message =
                MESOS__INTERNAL__STATUS_UPDATE_ACKNOWLEDGEMENT_MESSAGE__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__TaskID tid = MESOS__V1__TASK_ID__INIT;

        fid.value = (char *) framework_id;
        tid.value = (char *) task_id;
        message.slave_id = n->info->id;
        message.framework_id = &fid;
        message.task_id = &tid;
        message.uuid = uuid;

        send_message(n, message, "StatusUpdateAcknowledgementMessage");
}

void agent_message_update_framework(Node *n, Framework *f) {
        Mesos__Internal__UpdateFrameworkMessage message =
                        MESOS__INTERNAL__UPDATE_FRAMEWORK_MESSAGE__INIT;

        message.framework_id = f->info->id;
        message.pid = (char *) NO_PID;
        message.framework_info = f->info;

        send_message(n, message, "UpdateFrameworkMessage");
}

void agent_message_shutdown_framework(Node *n, const char *framework_id) {
        Mesos__Internal__ShutdownFrameworkMessage message =
                        MESOS__INTERNAL__SHUTDOWN_FRAMEWORK_MESSAGE__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;

        fid.value = (char *) framework_id;
        message.framework_id = &fid;

        send_message(n, message, "ShutdownFrameworkMessage");
}

void agent_message_shutdown_executor(Node *n, const char *framework_id, const char *executor_id) {
        Mesos__Internal__ShutdownExecutorMessage message =
                        MESOS__INTERNAL__SHUTDOWN_EXECUTOR_MESSAGE__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__ExecutorID eid = MESOS__V1__EXECUTOR_ID__INIT;

        fid.value = (char *) framework_id;
        eid.value = (char *) executor_id;
        message.framework_id = &fid;
        message.executor_id = &eid;

        send_message(n, message, "ShutdownExecutorMessage");
}

void agent_message_text(Node *n, const char *framework_id, const char *executor_id,
                        ProtobufCBinaryData data) {
        Mesos__Internal__FrameworkToExecutorMessage message =
                        MESOS__INTERNAL__FRAMEWORK_TO_EXECUTOR_MESSAGE__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__ExecutorID eid = MESOS__V1__EXECUTOR_ID__INIT;

        fid.value = (char *) framework_id;
        eid.value = (char *) executor_id;
        message.slave_id = n->info->id;
        message.framework_id = &fid;
        message.executor_id = &eid;
        message.data = data;

        send_message(n, message, "FrameworkToExecutorMessage");
}

/* From the master itself, where Mesos has an observer process per agent: the pong goes to whoever
 * asked. */
void agent_message_ping(Node *n) {
        Mesos__Internal__PingSlaveMessage message = MESOS__INTERNAL__PING_SLAVE_MESSAGE__INIT;

        message.connected = n->connected;
        send_message(n, message, "PingSlaveMessage");
}
