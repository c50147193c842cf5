/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Link to the master
 *
 *     IDLE ──recovered──▶ SEARCHING ◀────────── nobody leads ───────────────────────┐
 *                             │                                                     │
 *                          a leader    ┌──────── another leads ──────────────────── ┤
 *                             ▼        ▼                                            │
 *                         REGISTERING ──SlaveRegistered, SlaveReregistered──▶ REGISTERED
 *                              ▲                                                    │
 *                              └─── connection broken, no pings, "not connected" ───┘
 *
 * One-way libprocess messages both ways. Registration is repeated with growing random delays until
 * it is answered; after a loss even the first try waits a random time, so that ten thousand agents
 * do not all call a new master in the same moment. A restarted agent does not wait: it is alone.
 *
 * A Detector says who leads; where --master is an address that is settled once. Whatever becomes of
 * masters, tasks run on: their updates wait until there is one that hears of them.
 *
 * Only the master we mean to be registered with is listened to. What it may send and we do not know
 * is passed over, as Mesos does.
 *
 * A registration settles with the master what is here and what is not. What it had sent before, over a
 * connection that was given up or that a former life of it left behind, may still come in afterwards,
 * from a network that was down: a task of that kind was told to be lost, and must not be started now.
 */

#include "agent/agent.h"
#include "agent/agent_resources.h"
#include "agent/capability.h"
#include "agent/checkpoint.h"
#include "agent/drain.h"
#include "agent/executor_api.h"
#include "agent/executors.h"
#include "agent/inventory.h"
#include "agent/master_link.h"
#include "agent/operations.h"
#include "agent/operator_api.h"
#include "agent/tasks.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/model/version.h"
#include "common/net/detector.h"
#include "common/net/pbwire.h"
#include "common/net/peer.h"

/* As Mesos. */
#define REGISTRATION_RETRY_MAX_USEC USEC_PER_MINUTE
#define PING_TIMEOUT_DEFAULT_USEC (75 * USEC_PER_SEC)

typedef enum LinkState {
        LINK_IDLE,
        LINK_SEARCHING,
        LINK_REGISTERING,
        LINK_REGISTERED,
} LinkState;

struct MasterLink {
        Agent *agent;                      /* borrowed */
        LinkState state;
        unsigned attempt;
        usec_t ping_timeout_usec;
        uint64_t connection;               /* on which the last registration was answered */
        sd_event_source *register_source;  /* the next try */
        sd_event_source *ping_source;      /* no ping for too long */
        Detector *detector;
        bool has_leader;
        MasterAddress leader;
};

static int on_register(sd_event_source *source, uint64_t usec, void *userdata);
static int on_no_ping(sd_event_source *source, uint64_t usec, void *userdata);
static void on_leader(const MasterAddress *leader, void *userdata);
static void take_leader(MasterLink *l, const MasterAddress *leader);

int master_link_new(Agent *a, MasterLink **ret) {
        _cleanup_(master_link_freep) MasterLink *l = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        l->agent = a;
        l->ping_timeout_usec = PING_TIMEOUT_DEFAULT_USEC;

        r = sd_event_add_time(a->event, &l->register_source, CLOCK_MONOTONIC, USEC_INFINITY, USEC_EXACT, on_register, l);
        if (r >= 0)
                r = sd_event_add_time(a->event, &l->ping_source, CLOCK_MONOTONIC, USEC_INFINITY, 0, on_no_ping, l);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(l->register_source, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(l->ping_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(l->register_source, "master-registration");
        (void) sd_event_source_set_description(l->ping_source, "master-ping-timeout");

        r = detector_new(a->event, a->config->master, a->config->zk_session_timeout_usec, on_leader, l, &l->detector,
                         &message);
        if (r < 0)
                return log_error_errno(r, "Cannot look for the master: %s", message ?: strerror(-r));

        take_leader(l, detector_leader(l->detector));
        *ret = TAKE_PTR(l);
        return 0;
}

MasterLink *master_link_free(MasterLink *l) {
        if (!l)
                return NULL;

        sd_event_source_disable_unref(l->register_source);
        sd_event_source_disable_unref(l->ping_source);
        detector_free(l->detector);
        free(l);
        return NULL;
}

bool master_link_is_registered(const MasterLink *l) {
        return l->state == LINK_REGISTERED;
}

const char *master_link_hostname(const MasterLink *l) {
        return l->state == LINK_REGISTERED ? l->leader.hostname : NULL;
}

void master_link_send(MasterLink *l, const char *name, const ProtobufCMessage *m) {
        size_t n = protobuf_c_message_get_packed_size(m);
        _cleanup_free_ uint8_t *bytes = NULL;
        int r;

        if (!l->has_leader)
                return;

        bytes = malloc(n ?: 1);
        if (!bytes) {
                (void) log_oom();
                return;
        }

        protobuf_c_message_pack(m, bytes);
        CRASH_POINT("master-send");
        r = peer_pool_send(l->agent->peers, &l->leader.pid, name, bytes, n);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot send %s to the master: %m", name);
}

void master_link_send_exited_executor(MasterLink *l, const Executor *e) {
        Mesos__Internal__ExitedExecutorMessage m = MESOS__INTERNAL__EXITED_EXECUTOR_MESSAGE__INIT;

        if (l->state != LINK_REGISTERED)
                return;

        m.slave_id = l->agent->info->id;
        m.framework_id = e->framework->info->id;
        m.executor_id = e->info->executor_id;
        m.status = e->exit_status.known ? e->exit_status.wait_status : -1;
        master_link_send(l, "mesos.internal.ExitedExecutorMessage", &m.base);
}

void master_link_unregister(MasterLink *l) {
        Mesos__Internal__UnregisterSlaveMessage m = MESOS__INTERNAL__UNREGISTER_SLAVE_MESSAGE__INIT;

        if (l->state != LINK_REGISTERED)
                return;

        m.slave_id = l->agent->info->id;
        master_link_send(l, "mesos.internal.UnregisterSlaveMessage", &m.base);
}

/* Both registrations carry these; the arrays live as long as the struct. */
typedef struct Introduction {
        Mesos__V1__AgentInfo info;
        Mesos__V1__AgentInfo__Capability capabilities[8], *capability_list[8];
        Mesos__V1__UUID uuid;
} Introduction;

/* Resources in the form that every master reads, whether it knows refined reservations or not. */
static int introduce(const Agent *a, Introduction *ret) {
        int r;

        assert(n_agent_capabilities <= ELEMENTSOF(ret->capabilities));

        ret->info = *a->info;
        r = resources_to_pb(a->config->resources, RESOURCE_FORMAT_OLD, &ret->info.resources, &ret->info.n_resources);
        if (r < 0)
                return r;

        /* Old masters ask whether tasks survive the agent. They do. */
        ret->info.has_checkpoint = true;
        ret->info.checkpoint = true;

        for (size_t i = 0; i < n_agent_capabilities; i++) {
                mesos__v1__agent_info__capability__init(&ret->capabilities[i]);
                ret->capabilities[i].has_type = true;
                ret->capabilities[i].type = agent_capabilities[i];
                ret->capability_list[i] = &ret->capabilities[i];
        }

        mesos__v1__uuid__init(&ret->uuid);
        ret->uuid.value = (ProtobufCBinaryData) { 16, (uint8_t *) a->resource_version_uuid };
        return 0;
}

static void introduction_deinit(Introduction *i) {
        for (size_t k = 0; k < i->info.n_resources; k++)
                pb_free(&i->info.resources[k]->base);
        free(i->info.resources);
}

static void send_register(MasterLink *l) {
        Mesos__Internal__RegisterSlaveMessage m = MESOS__INTERNAL__REGISTER_SLAVE_MESSAGE__INIT;
        Introduction i;

        /* Also a new agent may have some: who it was is forgotten with a reboot, volumes are not. */
        if (resources_to_pb(agent_resources_checkpointed(l->agent->resources), RESOURCE_FORMAT_OLD,
                            &m.checkpointed_resources, &m.n_checkpointed_resources) < 0) {
                (void) log_oom();
                return;
        }

        if (introduce(l->agent, &i) < 0) {
                resources_free_pb(m.checkpointed_resources, m.n_checkpointed_resources);
                (void) log_oom();
                return;
        }

        m.slave = &i.info;
        m.version = (char *) MESOS_VERSION;
        m.n_agent_capabilities = n_agent_capabilities;
        m.agent_capabilities = i.capability_list;
        m.resource_version_uuid = &i.uuid;
        master_link_send(l, "mesos.internal.RegisterSlaveMessage", &m.base);
        resources_free_pb(m.checkpointed_resources, m.n_checkpointed_resources);
        introduction_deinit(&i);
}

static void send_reregister(MasterLink *l) {
        Mesos__Internal__ReregisterSlaveMessage m = MESOS__INTERNAL__REREGISTER_SLAVE_MESSAGE__INIT;
        _cleanup_(inventory_deinit) Inventory v = {};
        Introduction i;

        if (resources_to_pb(agent_resources_checkpointed(l->agent->resources), RESOURCE_FORMAT_OLD,
                            &m.checkpointed_resources, &m.n_checkpointed_resources) < 0) {
                (void) log_oom();
                return;
        }

        if (inventory_take(l->agent, &v) < 0 || introduce(l->agent, &i) < 0) {
                resources_free_pb(m.checkpointed_resources, m.n_checkpointed_resources);
                (void) log_oom();
                return;
        }

        m.slave = &i.info;
        m.version = (char *) MESOS_VERSION;
        m.n_agent_capabilities = n_agent_capabilities;
        m.agent_capabilities = i.capability_list;
        m.resource_version_uuid = &i.uuid;
        m.n_frameworks = v.n_frameworks;
        m.frameworks = v.frameworks;
        m.n_executor_infos = v.n_executors;
        m.executor_infos = v.executors;
        m.n_tasks = v.n_tasks;
        m.tasks = v.tasks;
        m.n_completed_frameworks = v.n_completed;
        m.completed_frameworks = v.completed;
        master_link_send(l, "mesos.internal.ReregisterSlaveMessage", &m.base);
        resources_free_pb(m.checkpointed_resources, m.n_checkpointed_resources);
        introduction_deinit(&i);
}

static void arm(sd_event_source *source, usec_t delay_usec) {
        (void) sd_event_source_set_time_relative(source, delay_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_register(sd_event_source *source, uint64_t usec, void *userdata) {
        MasterLink *l = userdata;
        Agent *a = l->agent;
        usec_t max_usec = usec_backoff(2 * a->config->registration_backoff_factor_usec, REGISTRATION_RETRY_MAX_USEC,
                                       l->attempt++);

        (void) source;
        (void) usec;
        CRASH_POINT("register");
        (void) peer_pool_link(a->peers, &l->leader.pid);
        if (a->id)
                send_reregister(l);
        else
                send_register(l);

        /* At least a tenth, so that an unlucky draw does not make a burst. */
        arm(l->register_source, max_usec / 10 + usec_jitter(max_usec - max_usec / 10));
        return 0;
}

static void register_after(MasterLink *l, usec_t delay_usec) {
        l->state = LINK_REGISTERING;
        l->attempt = 0;
        arm(l->register_source, delay_usec);
}

void master_link_start(MasterLink *l) {
        l->state = LINK_SEARCHING;
        if (l->has_leader)
                register_after(l, 0);
}

/* Nobody hears us: what is to be told waits. */
static void disconnect(MasterLink *l, const char *why) {
        Agent *a = l->agent;

        log_warning("Not registered with master %s any more (%s).", l->leader.pid.text, why);
        if (a->state == AGENT_RUNNING)
                a->state = AGENT_DISCONNECTED;
        status_manager_pause(a->statuses);
        (void) sd_event_source_set_enabled(l->ping_source, SD_EVENT_OFF);
}

static usec_t first_delay(const MasterLink *l) {
        return usec_jitter(l->agent->config->registration_backoff_factor_usec);
}

static void lose_master(MasterLink *l, const char *why) {
        if (l->state != LINK_REGISTERED)
                return;

        disconnect(l, why);
        register_after(l, first_delay(l));
}

static void take_leader(MasterLink *l, const MasterAddress *leader) {
        l->has_leader = leader;
        if (leader)
                l->leader = *leader;
}

/* The same process may lead again: whatever it knew of us then, it is asked anew. */
static void on_leader(const MasterAddress *leader, void *userdata) {
        MasterLink *l = userdata;

        if (l->state == LINK_REGISTERED)
                disconnect(l, leader ? "there is a new leader" : "nobody leads");
        if (l->has_leader)
                peer_pool_forget(l->agent->peers, &l->leader.pid);
        (void) sd_event_source_set_enabled(l->register_source, SD_EVENT_OFF);

        take_leader(l, leader);
        if (leader)
                log_info("The leading master is %s.", l->leader.pid.text);
        else
                log_info("No master leads, waiting for one.");

        if (l->state == LINK_IDLE)
                return;

        if (leader)
                register_after(l, first_delay(l));
        else
                l->state = LINK_SEARCHING;
}

void master_link_exited(MasterLink *l, const Upid *peer) {
        if (l->has_leader && upid_eq(peer, &l->leader.pid))
                lose_master(l, "connection broken");
}

void master_link_resync(MasterLink *l, const char *why) {
        lose_master(l, why);
}

static int on_no_ping(sd_event_source *source, uint64_t usec, void *userdata) {
        MasterLink *l = userdata;

        (void) source;
        (void) usec;
        peer_pool_forget(l->agent->peers, &l->leader.pid);
        lose_master(l, "no pings");
        return 0;
}

static void send_update_slave(MasterLink *l) {
        Mesos__Internal__UpdateSlaveMessage m = MESOS__INTERNAL__UPDATE_SLAVE_MESSAGE__INIT;
        Mesos__Internal__UpdateSlaveMessage__Operations operations =
                        MESOS__INTERNAL__UPDATE_SLAVE_MESSAGE__OPERATIONS__INIT;
        Mesos__Internal__UpdateSlaveMessage__ResourceProviders providers =
                        MESOS__INTERNAL__UPDATE_SLAVE_MESSAGE__RESOURCE_PROVIDERS__INIT;
        Mesos__V1__UUID uuid = MESOS__V1__UUID__INIT;

        if (operations_list(l->agent->operations, &operations.operations, &operations.n_operations) < 0) {
                (void) log_oom();
                return;
        }

        uuid.value = (ProtobufCBinaryData) { 16, l->agent->resource_version_uuid };
        m.slave_id = l->agent->info->id;
        m.has_update_oversubscribed_resources = true;
        m.operations = &operations;
        m.resource_version_uuid = &uuid;
        m.resource_providers = &providers;
        master_link_send(l, "mesos.internal.UpdateSlaveMessage", &m.base);
        free(operations.operations);
}

static void set_ping_timeout(MasterLink *l, const Mesos__Internal__MasterSlaveConnection *connection) {
        if (connection && connection->has_total_ping_timeout_seconds && connection->total_ping_timeout_seconds > 0)
                l->ping_timeout_usec = usec_from_secs(connection->total_ping_timeout_seconds);
}

static void registered(MasterLink *l) {
        Agent *a = l->agent;

        l->state = LINK_REGISTERED;
        if (a->state == AGENT_DISCONNECTED)
                a->state = AGENT_RUNNING;
        (void) sd_event_source_set_enabled(l->register_source, SD_EVENT_OFF);
        arm(l->ping_source, l->ping_timeout_usec);

        log_info("Registered with master %s as agent %s.", l->leader.pid.text, a->id);
        send_update_slave(l);
        CRASH_POINT("registration-durable");
        status_manager_resume(a->statuses);
        operations_resume(a->operations);
        CRASH_POINT("updates-resumed");
}

/* A first registration counts once its id is durable: the master may then rely on seeing it again. */
static void on_id_durable(int error, void *userdata) {
        MasterLink *l = userdata;

        if (l->state == LINK_REGISTERING && error == 0 && l->agent->id)
                registered(l);
}

static void on_slave_registered(MasterLink *l, const Mesos__Internal__SlaveRegisteredMessage *m) {
        Agent *a = l->agent;

        if (l->state != LINK_REGISTERING)
                return;

        if (a->id && !streq(a->id, m->slave_id->value)) {
                log_error("Master %s calls us %s, but we are %s: not registering with it.", l->leader.pid.text,
                          m->slave_id->value, a->id);
                return;
        }

        CRASH_POINT("registered");
        if (agent_set_id(a, m->slave_id->value) < 0) {
                (void) log_oom();
                return;
        }

        set_ping_timeout(l, m->connection);
        (void) checkpoint_agent_info(a->checkpoint, a->info);
        (void) store_after_commit(a->store, on_id_durable, l);

        /* Not at the end of the turn: what the master sends right behind this message is for a registered agent. */
        (void) store_commit(a->store);
}

/* Tasks the master has on its books and we have not: it lost a message to us, or we lost our memory. */
static void reconcile(Agent *a, const Mesos__Internal__ReconcileTasksMessage *m) {
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

static void on_slave_reregistered(MasterLink *l, const Mesos__Internal__SlaveReregisteredMessage *m) {
        Agent *a = l->agent;

        if (l->state != LINK_REGISTERING || !a->id || !streq(a->id, m->slave_id->value))
                return;

        set_ping_timeout(l, m->connection);

        /* As above: without its id on the disk, a later life would not know whose tasks it finds. */
        (void) checkpoint_agent_info(a->checkpoint, a->info);
        (void) store_after_commit(a->store, on_id_durable, l);
        (void) store_commit(a->store);
        if (l->state != LINK_REGISTERED)
                return;

        for (size_t i = 0; i < m->n_reconciliations; i++)
                reconcile(a, m->reconciliations[i]);
}

/* From the observer process of the master: it is answered by name, and says whether the master knows us. */
static void on_ping(MasterLink *l, const Upid *from, const Mesos__Internal__PingSlaveMessage *m) {
        const Upid *master = &l->leader.pid;

        if (!l->has_leader || !streq(from->ip, master->ip) || from->port != master->port)
                return;

        (void) peer_pool_send(l->agent->peers, from, "mesos.internal.PongSlaveMessage", NULL, 0);
        if (l->state != LINK_REGISTERED)
                return;

        arm(l->ping_source, l->ping_timeout_usec);
        if (!m->connected)
                lose_master(l, "it says that we are not connected");
}

/* Whether it checkpoints stays as it was: of what is here, either all is stored or nothing. */
static void replace_info(Framework *f, Mesos__V1__FrameworkInfo *info) {
        info->has_checkpoint = true;
        info->checkpoint = framework_checkpoints(f);
        pb_free(&f->info->base);
        f->info = info;
}

static void on_update_framework(MasterLink *l, const Mesos__Internal__UpdateFrameworkMessage *m) {
        Agent *a = l->agent;
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

static void on_framework_to_executor(MasterLink *l, const Mesos__Internal__FrameworkToExecutorMessage *m) {
        Mesos__V1__Executor__Event__Message message = MESOS__V1__EXECUTOR__EVENT__MESSAGE__INIT;
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;
        Framework *f = NULL;
        Executor *e;

        HASH_FIND_STR(l->agent->frameworks, m->framework_id->value, f);
        e = f ? framework_find_executor(f, m->executor_id->value) : NULL;
        if (!e || e->state != EXECUTOR_RUNNING) {
                l->agent->counters.invalid_framework_messages++;
                return;
        }

        l->agent->counters.valid_framework_messages++;
        message.data = m->data;
        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__MESSAGE;
        event.message = &message;
        executor_stream_send(e, &event);
}

static void on_shutdown_executor(MasterLink *l, const Mesos__Internal__ShutdownExecutorMessage *m) {
        Framework *f = NULL;
        Executor *e;

        if (!m->framework_id || !m->executor_id)
                return;

        HASH_FIND_STR(l->agent->frameworks, m->framework_id->value, f);
        e = f ? framework_find_executor(f, m->executor_id->value) : NULL;
        if (e)
                executors_shutdown(l->agent, e);
}

static void on_shutdown_framework(MasterLink *l, const Mesos__Internal__ShutdownFrameworkMessage *m) {
        Framework *f = NULL;

        HASH_FIND_STR(l->agent->frameworks, m->framework_id->value, f);
        if (f)
                executors_shutdown_framework(l->agent, f);
        else
                status_manager_forget_framework(l->agent->statuses, m->framework_id->value);
}

/* Groups run in nested containers, which this agent does not make: their tasks have not begun, and are told so. */
static void on_run_task_group(MasterLink *l, const Mesos__Internal__RunTaskGroupMessage *m) {
        bool draining = drain_has_begun(l->agent->drain);

        if (!m->framework->id)
                return;

        for (size_t i = 0; i < m->task_group->n_tasks; i++)
                tasks_tell_unknown(l->agent, m->framework, m->task_group->tasks[i]->task_id->value,
                                   m->executor->executor_id->value, MESOS__V1__TASK_STATE__TASK_DROPPED,
                                   draining ? MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_DRAINING
                                            : MESOS__V1__TASK_STATUS__REASON__REASON_TASK_GROUP_INVALID,
                                   draining ? "Agent is draining" : "This agent does not run task groups");
}

static void on_status_acknowledged(MasterLink *l, const Mesos__Internal__StatusUpdateAcknowledgementMessage *m) {
        if (m->uuid.len != 16)
                return;

        if (status_manager_acknowledge(l->agent->statuses, m->framework_id->value, m->task_id->value, m->uuid.data) < 0)
                (void) log_oom();
}

typedef enum MessageKind {
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
} MessageKind;

static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *descriptor;
} message_kinds[] = {
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

static void dispatch(MasterLink *l, const Upid *from, MessageKind kind, const ProtobufCMessage *m) {
        Agent *a = l->agent;

        switch (kind) {
        case SLAVE_REGISTERED:
                on_slave_registered(l, (const Mesos__Internal__SlaveRegisteredMessage *) m);
                break;
        case SLAVE_REREGISTERED:
                on_slave_reregistered(l, (const Mesos__Internal__SlaveReregisteredMessage *) m);
                break;
        case PING_SLAVE:
                on_ping(l, from, (const Mesos__Internal__PingSlaveMessage *) m);
                break;
        case RUN_TASK:
                tasks_run(a, (const Mesos__Internal__RunTaskMessage *) m);
                break;
        case RUN_TASK_GROUP:
                on_run_task_group(l, (const Mesos__Internal__RunTaskGroupMessage *) m);
                break;
        case KILL_TASK: {
                const Mesos__Internal__KillTaskMessage *k = (const Mesos__Internal__KillTaskMessage *) m;

                tasks_kill(a, k->framework_id->value, k->task_id->value, k->kill_policy);
                break;
        }
        case STATUS_UPDATE_ACKNOWLEDGEMENT:
                on_status_acknowledged(l, (const Mesos__Internal__StatusUpdateAcknowledgementMessage *) m);
                break;
        case SHUTDOWN_FRAMEWORK:
                on_shutdown_framework(l, (const Mesos__Internal__ShutdownFrameworkMessage *) m);
                break;
        case SHUTDOWN_EXECUTOR:
                on_shutdown_executor(l, (const Mesos__Internal__ShutdownExecutorMessage *) m);
                break;
        case UPDATE_FRAMEWORK:
                on_update_framework(l, (const Mesos__Internal__UpdateFrameworkMessage *) m);
                break;
        case FRAMEWORK_TO_EXECUTOR:
                on_framework_to_executor(l, (const Mesos__Internal__FrameworkToExecutorMessage *) m);
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

static bool changes_for_good(MessageKind kind) {
        return kind == RUN_TASK || kind == RUN_TASK_GROUP || kind >= CHECKPOINT_RESOURCES;
}

/* Only the master's own processes, and only once we can act on what they say. What changes us for good only while we
 * are registered, and as part of that: the master is about to hear what we have, and decides anew then. */
static bool may_speak(const MasterLink *l, const PeerMessage *message, MessageKind kind) {
        if (l->agent->state == AGENT_RECOVERING || l->agent->state == AGENT_TERMINATING)
                return false;
        if (changes_for_good(kind) && (l->state != LINK_REGISTERED || message->connection < l->connection))
                return false;

        return kind == PING_SLAVE || (l->has_leader && upid_eq(&message->from, &l->leader.pid));
}

static bool answers_registration(MessageKind kind) {
        return kind == SLAVE_REGISTERED || kind == SLAVE_REREGISTERED;
}

static void handle_message(MasterLink *l, const PeerMessage *message) {
        for (size_t i = 0; i < ELEMENTSOF(message_kinds); i++) {
                _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
                _cleanup_free_ char *why = NULL;

                if (!streq(message->name, message_kinds[i].name))
                        continue;

                if (!may_speak(l, message, (MessageKind) i)) {
                        log_debug("Ignoring %s from %s.", message->name, message->from.text);
                        return;
                }

                if (answers_registration((MessageKind) i) && l->state == LINK_REGISTERING)
                        l->connection = message->connection;

                if (pb_unpack(message_kinds[i].descriptor, message->body, message->n, PB_LIMITS_DEFAULT, &m, &why) ==
                    PB_OK) {
                        CRASH_POINT("master-message");
                        dispatch(l, &message->from, (MessageKind) i, m);
                        CRASH_POINT("master-message-handled");
                } else
                        log_warning("Ignoring %s from %s: %s", message->name, message->from.text,
                                    why ?: "out of memory");
                return;
        }

        log_debug("Ignoring %s from %s: not known here.", message->name, message->from.text);
}

void master_link_handle(HttpRequest *request, void *userdata) {
        MasterLink *l = userdata;
        PeerMessage message;

        switch (peer_message_parse(request, &message)) {
        case PEER_MESSAGE:
                /* The request holds the message's bytes until it is answered. */
                handle_message(l, &message);
                http_request_answer(request, 202, NULL, NULL, 0);
                return;
        case PEER_E_INVALID:
                http_request_answer_text(request, 400, "The message has no valid sender or name");
                return;
        default:
                (void) operator_api_handle(l->agent->operator_api, request, http_request_rest(request));
                return;
        }
}
