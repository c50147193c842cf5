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
 * is passed over, as Mesos does; what it wants of the agent is done in master_message.c.
 *
 * A registration settles with the master what is here and what is not. What it had sent before, over a
 * connection that was given up or that a former life of it left behind, may still come in afterwards,
 * from a network that was down: a task of that kind was told to be lost, and must not be started now.
 */

#include "agent/agent.h"
#include "agent/checkpoint.h"
#include "agent/executors.h"
#include "agent/introduction.h"
#include "agent/master_link.h"
#include "agent/master_message.h"
#include "agent/operations.h"
#include "agent/operator_api.h"
#include "agent/status_manager.h"
#include "common/base/crash.h"
#include "common/base/log.h"
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
        bool link_broken;                  /* since we last asked to be registered */
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
        l->link_broken = false;
        (void) peer_pool_link(a->peers, &l->leader.pid);
        introduction_send(a);

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
        if (!l->has_leader || !upid_eq(peer, &l->leader.pid))
                return;

        l->link_broken = true;
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

/* Whoever answers when the connection we asked over has ended is on its way out, or has ended and been started
 * again: it is asked anew. */
static bool awaits_answer(const MasterLink *l) {
        return l->state == LINK_REGISTERING && !l->link_broken;
}

static void on_slave_registered(MasterLink *l, const Mesos__Internal__SlaveRegisteredMessage *m) {
        Agent *a = l->agent;

        if (!awaits_answer(l))
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

static void on_slave_reregistered(MasterLink *l, const Mesos__Internal__SlaveReregisteredMessage *m) {
        Agent *a = l->agent;

        if (!awaits_answer(l) || !a->id || !streq(a->id, m->slave_id->value))
                return;

        set_ping_timeout(l, m->connection);

        /* As above: without its id on the disk, a later life would not know whose tasks it finds. */
        (void) checkpoint_agent_info(a->checkpoint, a->info);
        (void) store_after_commit(a->store, on_id_durable, l);
        (void) store_commit(a->store);
        if (l->state != LINK_REGISTERED)
                return;

        for (size_t i = 0; i < m->n_reconciliations; i++)
                master_message_reconcile(a, m->reconciliations[i]);
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

/* Only the master's own processes, and only once we can act on what they say. What changes us for good only while we
 * are registered, and as part of that: the master is about to hear what we have, and decides anew then. */
static bool may_speak(const MasterLink *l, const PeerMessage *message, MasterMessageKind kind) {
        if (l->agent->state == AGENT_RECOVERING || l->agent->state == AGENT_TERMINATING)
                return false;
        if (master_message_changes_for_good(kind) && (l->state != LINK_REGISTERED || message->connection < l->connection))
                return false;

        return kind == PING_SLAVE || (l->has_leader && upid_eq(&message->from, &l->leader.pid));
}

static bool answers_registration(MasterMessageKind kind) {
        return kind == SLAVE_REGISTERED || kind == SLAVE_REREGISTERED;
}

static void dispatch(MasterLink *l, const Upid *from, MasterMessageKind kind, const ProtobufCMessage *m) {
        CRASH_POINT("master-message");
        if (kind == SLAVE_REGISTERED)
                on_slave_registered(l, (const Mesos__Internal__SlaveRegisteredMessage *) m);
        else if (kind == SLAVE_REREGISTERED)
                on_slave_reregistered(l, (const Mesos__Internal__SlaveReregisteredMessage *) m);
        else if (kind == PING_SLAVE)
                on_ping(l, from, (const Mesos__Internal__PingSlaveMessage *) m);
        else
                master_message_carry_out(l->agent, kind, m);
        CRASH_POINT("master-message-handled");
}

static void handle_message(MasterLink *l, const PeerMessage *message) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        const ProtobufCMessageDescriptor *descriptor;
        _cleanup_free_ char *why = NULL;
        MasterMessageKind kind;

        if (!master_message_find(message->name, &kind, &descriptor) || !may_speak(l, message, kind)) {
                log_debug("Ignoring %s from %s.", message->name, message->from.text);
                return;
        }

        if (answers_registration(kind) && l->state == LINK_REGISTERING)
                l->connection = message->connection;

        if (pb_unpack(descriptor, message->body, message->n, PB_LIMITS_DEFAULT, &m, &why) == PB_OK)
                dispatch(l, &message->from, kind, m);
        else
                log_warning("Ignoring %s from %s: %s", message->name, message->from.text, why ?: "out of memory");
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
