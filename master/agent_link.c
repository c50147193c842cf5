/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Agent link
 *
 * Master and agent talk in libprocess messages: one-way posts named after their protobuf type, each
 * answered, if at all, by a message in the other direction. Here is the table of what agents send,
 * with the small ones dealt with on the spot; what we send is in agent_message.c, and what it takes
 * to let an agent in is in registration.c and readmission.c.
 *
 * Two things tell that an agent is there: the link, a connection we hold to it (it breaks when the
 * process ends), and pings, which also notice a host that vanished without a word:
 *
 *     ping ──15 s──▶ ping ──15 s──▶ …          each without a pong in between counts as missed
 *     link broken ──▶ disconnected ──10 min──▶ unreachable
 *     5 pings missed in a row ───────────────▶ unreachable
 *
 * The last step may have to wait for its turn (removal_limiter.c), and not be taken after all.
 */

#include <stdio.h>

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/agent_link.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/departure.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/registration.h"
#include "master/scheduler_event.h"
#include "master/status_router.h"
#include "master/task.h"

static void on_removal_turn(void *userdata) {
        Node *n = userdata;
        char timeout[USEC_TEXT_MAX], message[64 + USEC_TEXT_MAX];

        if (!n->removal_overdue) {
                departure_mark_unreachable(n, "health check timed out");
                return;
        }

        snprintf(message, sizeof(message), "agent did not reregister within %s after disconnecting",
                 usec_format(n->master->config->agent_reregister_timeout_usec, timeout));
        departure_mark_unreachable(n, message);
}

/* When its turn comes; one that waits already keeps its place. */
static void give_up(Node *n, bool overdue) {
        Master *m = n->master;
        int r;

        n->removal_overdue |= overdue;
        if (removal_ticket_is_waiting(&n->removal))
                return;

        n->removal_overdue = overdue;
        metrics_count(m, COUNTER_SLAVE_UNREACHABLE_SCHEDULED);
        r = removal_limiter_queue(m->removal_limiter, &n->removal, on_removal_turn, n);
        if (r < 0)
                master_fail(m, r, "Cannot start a timer");
        else if (!n->leaving)
                log_notice("Agent '%s' at %s %s, and waits for its turn to be given up", n->id,
                           n->pid.text, overdue ? "stayed away" : "does not answer");
}

static void do_not_give_up(Node *n) {
        if (!removal_ticket_cancel(&n->removal))
                return;

        log_notice("Agent '%s' at %s is there again, and not given up", n->id, n->pid.text);
        metrics_count(n->master, COUNTER_SLAVE_UNREACHABLE_CANCELED);
}

/* Also while it waits for its turn: an answer is what saves it. */
static int on_ping_due(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Node *n = userdata;
        Master *m = n->master;

        if (n->pong_pending) {
                n->n_missed_pongs++;
                log_debug("Agent '%s' missed ping %u of %u", n->id, n->n_missed_pongs,
                          m->config->max_agent_ping_timeouts);
        }

        if (n->n_missed_pongs >= m->config->max_agent_ping_timeouts)
                give_up(n, false);
        if (n->leaving)
                return 0;

        n->pong_pending = true;
        agent_message_ping(n);
        (void) sd_event_source_set_time(
                        s, usec_add(master_now(m), m->config->agent_ping_timeout_usec));
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

int agent_link_start_pings(Node *n) {
        Master *m = n->master;
        int r;

        do_not_give_up(n);
        n->ping_source = sd_event_source_disable_unref(n->ping_source);
        n->n_missed_pongs = 0;

        n->pong_pending = true;
        agent_message_ping(n);

        r = sd_event_add_time(m->event, &n->ping_source, CLOCK_MONOTONIC,
                              usec_add(master_now(m), m->config->agent_ping_timeout_usec), 0,
                              on_ping_due, n);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(n->ping_source, "agent-ping");
        return 0;
}

static int on_reregister_overdue(sd_event_source *s _unused_, uint64_t usec _unused_,
                                 void *userdata) {
        give_up(userdata, true);
        return 0;
}

void agent_link_disconnect(Node *n) {
        Master *m = n->master;
        int r;

        if (!n->connected)
                return;

        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Agent '%s' at %s disconnected", n->id,
                     n->pid.text);
        n->connected = false;
        n->active = false;
        allocation_deactivate_node(n);
        departure_return_node_offers(n, true);
        departure_drop_unrecoverable(n);

        r = sd_event_add_time(m->event, &n->reregister_source, CLOCK_MONOTONIC,
                              usec_add(master_now(m), m->config->agent_reregister_timeout_usec), 0,
                              on_reregister_overdue, n);
        if (r < 0)
                master_fail(m, r, "Cannot start a timer");
}

void agent_link_on_exited(const Upid *peer, void *userdata) {
        Master *m = userdata;
        Node *n = node_find_pid(&m->nodes, peer);

        if (n)
                agent_link_disconnect(n);
}

static void on_pong(Master *m, const Upid *from, PbParcel **message _unused_) {
        Node *n = node_find_pid(&m->nodes, from);

        if (!n)
                return;

        n->pong_pending = false;
        n->n_missed_pongs = 0;
        if (!n->removal_overdue)
                do_not_give_up(n);
}

static void on_status_update(Master *m, const Upid *from, PbParcel **message) {
        const Mesos__Internal__StatusUpdateMessage *u = (const void *) pb_parcel_message(*message);

        status_router_update(m, from, u->update);
}

static void on_executor_to_framework(Master *m, const Upid *from _unused_,
                                     PbParcel **message) {
        const Mesos__Internal__ExecutorToFrameworkMessage *e =
                        (const void *) pb_parcel_message(*message);
        Framework *f;

        metrics_count(m, COUNTER_MESSAGES_EXECUTOR_TO_FRAMEWORK);

        f = framework_find(&m->frameworks, e->framework_id->value);
        if (!node_find(&m->nodes, e->slave_id->value) || !f || f->state != FRAMEWORK_CONNECTED) {
                metrics_count(m, COUNTER_INVALID_EXECUTOR_TO_FRAMEWORK);
                return;
        }

        metrics_count(m, COUNTER_VALID_EXECUTOR_TO_FRAMEWORK);
        scheduler_send_message(f, e->slave_id->value, e->executor_id->value, e->data);
}

/* Only the executors frameworks brought along are known here; those of command tasks end without a
 * word. */
static void on_exited_executor(Master *m, const Upid *from _unused_, PbParcel **message) {
        const Mesos__Internal__ExitedExecutorMessage *e =
                        (const void *) pb_parcel_message(*message);
        Node *n = node_find(&m->nodes, e->slave_id->value);
        Executor *x = n ? executor_find(n, e->framework_id->value, e->executor_id->value) : NULL;
        LogContext context;
        Framework *f;

        metrics_count(m, COUNTER_MESSAGES_EXITED_EXECUTOR);
        if (!x)
                return;

        f = x->framework;
        context = (LogContext) { .framework_id = f->id, .agent_id = n->id };
        log_info_ctx(&context, "Executor '%s' on agent '%s' ended with wait status %d",
                     e->executor_id->value, n->id, e->status);

        allocation_free(f, n, x->resources);
        executor_free(x);
        scheduler_send_failure(f, n->id, e->executor_id->value, e->status);
}

/* Oversubscription and resource providers are not ours yet; what remains are operations, and the
 * version of the resources. */
static void on_update_slave(Master *m, const Upid *from _unused_, PbParcel **message) {
        const Mesos__Internal__UpdateSlaveMessage *u = (const void *) pb_parcel_message(*message);
        Node *n = node_find(&m->nodes, u->slave_id->value);
        int r;

        metrics_count(m, COUNTER_MESSAGES_UPDATE_SLAVE);
        if (!n) {
                log_warning("Ignoring update of unknown agent '%s'", u->slave_id->value);
                return;
        }

        r = operations_replace(n, u);
        if (r < 0)
                log_error_errno(r, "Cannot keep the operations of agent '%s', ignoring: %m", n->id);

        if (u->resource_version_uuid &&
            u->resource_version_uuid->value.len == sizeof(n->resource_version)) {
                memcpy(n->resource_version, u->resource_version_uuid->value.data,
                       sizeof(n->resource_version));
                n->has_resource_version = true;
        }
}

typedef struct Incoming {
        const char *name;
        const ProtobufCMessageDescriptor *descriptor;
        /* Takes the message over by setting it to NULL. */
        void (*handle)(Master *m, const Upid *from, PbParcel **message);
} Incoming;

static const Incoming incoming[] = {
        { "RegisterSlaveMessage", &mesos__internal__register_slave_message__descriptor,
          registration_register },
        { "ReregisterSlaveMessage", &mesos__internal__reregister_slave_message__descriptor,
          registration_reregister },
        { "UnregisterSlaveMessage", &mesos__internal__unregister_slave_message__descriptor,
          registration_unregister },
        { "UpdateSlaveMessage", &mesos__internal__update_slave_message__descriptor,
          on_update_slave },
        { "PongSlaveMessage", &mesos__internal__pong_slave_message__descriptor, on_pong },
        { "StatusUpdateMessage", &mesos__internal__status_update_message__descriptor,
          on_status_update },
        { "ExecutorToFrameworkMessage", &mesos__internal__executor_to_framework_message__descriptor,
          on_executor_to_framework },
        { "ExitedExecutorMessage", &mesos__internal__exited_executor_message__descriptor,
          on_exited_executor },
};

static void dispatch(Master *m, const PeerMessage *message) {
        _cleanup_(pb_parcel_freep) PbParcel *unpacked = NULL;
        _cleanup_free_ char *error = NULL;
        const char *name = startswith(message->name, "mesos.internal.");
        int r;

        /* Not for us, or too early: its sender finds the leader and asks again. */
        if (m->phase != MASTER_LEADING) {
                log_debug("Dropping %s from %s: not leading", message->name, message->from.text);
                metrics_count(m, COUNTER_DROPPED_MESSAGES);
                return;
        }

        for (size_t i = 0; name && i < ELEMENTSOF(incoming); i++) {
                if (!streq(incoming[i].name, name))
                        continue;

                r = pb_unpack_parcel(incoming[i].descriptor, message->body, message->n,
                                     PB_LIMITS_DEFAULT, &unpacked, &error);
                if (r != PB_OK) {
                        log_warning("Dropping %s from %s: %s", name, message->from.text,
                                    error ?: strerror(r < 0 ? -r : EBADMSG));
                        metrics_count(m, COUNTER_DROPPED_MESSAGES);
                        return;
                }

                incoming[i].handle(m, &message->from, &unpacked);
                return;
        }

        log_debug("Dropping message %s from %s", message->name, message->from.text);
        metrics_count(m, COUNTER_DROPPED_MESSAGES);
}

void agent_link_on_request(HttpRequest *r, void *userdata) {
        Master *m = userdata;
        PeerMessage message;

        switch (peer_message_parse(r, &message)) {
        case PEER_MESSAGE:
                dispatch(m, &message);
                http_request_answer(r, 202, NULL, NULL, 0);
                break;
        case PEER_E_INVALID:
                http_request_answer_text(r, 400,
                                         "Not a message: the sender or the name does not parse");
                break;
        default:
                http_request_answer_text(r, 404, "404 Not Found.");
        }
}
