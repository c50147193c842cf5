/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scheduler API
 *
 * A scheduler has one stream, which SUBSCRIBE opens and events come over, and makes calls beside
 * it. The checks a call goes through, and their order, are part of the protocol:
 *
 *     method, content type, body          call.c
 *     is the message complete             call_is_complete()
 *     SUBSCRIBE                           subscribe(): refusals from here on are ERROR events
 *     is the framework known, connected, and is this its stream     find_caller()
 *     what it wants                       scheduler_call.c
 *
 * A newer SUBSCRIBE with the same id always wins: the older stream gets ERROR and is closed. That
 * is how a scheduler fails over.
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/model/id.h"
#include "common/net/pbwire.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/call.h"
#include "master/departure.h"
#include "master/executor.h"
#include "master/failover.h"
#include "master/framework.h"
#include "master/framework_info.h"
#include "master/master.h"
#include "master/operator_stream.h"
#include "master/reject.h"
#include "master/reconciliation.h"
#include "master/scheduler_api.h"
#include "master/scheduler_call.h"
#include "master/scheduler_event.h"
#include "master/task.h"
#include "proto/scheduler.pb-c.h"

#define UUID_BYTES 16

typedef Mesos__V1__Scheduler__Call Call;

static FrameworkPolicy policy(const Master *m) {
        return (FrameworkPolicy) {
                .roles = m->config->roles,
                .root_submissions = m->config->root_submissions,
        };
}

/* Equal, or both absent; an empty id is no id. */
static bool same_id(const Mesos__V1__FrameworkID *a, const Mesos__V1__FrameworkID *b) {
        return streq(a ? a->value : "", b ? b->value : "");
}

/* Has version and variant of RFC 4122: what Mesos accepts as a UUID. */
static bool is_uuid(ProtobufCBinaryData d) {
        return d.len == UUID_BYTES && (d.data[8] & 0xc0) == 0x80;
}

/* The sub-message a type needs: its name if it is absent, else NULL. */
static const char *missing_part(const Call *c) {
        switch (c->type) {
        case MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE:
                return c->subscribe ? NULL : "subscribe";
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT:
                return c->accept ? NULL : "accept";
        case MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE:
                return c->decline ? NULL : "decline";
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT_INVERSE_OFFERS:
                return c->accept_inverse_offers ? NULL : "accept_inverse_offers";
        case MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE_INVERSE_OFFERS:
                return c->decline_inverse_offers ? NULL : "decline_inverse_offers";
        case MESOS__V1__SCHEDULER__CALL__TYPE__KILL:
                return c->kill ? NULL : "kill";
        case MESOS__V1__SCHEDULER__CALL__TYPE__SHUTDOWN:
                return c->shutdown ? NULL : "shutdown";
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE:
                return c->acknowledge ? NULL : "acknowledge";
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE_OPERATION_STATUS:
                return c->acknowledge_operation_status ? NULL : "acknowledge_operation_status";
        case MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE:
                return c->reconcile ? NULL : "reconcile";
        case MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE_OPERATIONS:
                return c->reconcile_operations ? NULL : "reconcile_operations";
        case MESOS__V1__SCHEDULER__CALL__TYPE__MESSAGE:
                return c->message ? NULL : "message";
        case MESOS__V1__SCHEDULER__CALL__TYPE__REQUEST:
                return c->request ? NULL : "request";
        case MESOS__V1__SCHEDULER__CALL__TYPE__UPDATE_FRAMEWORK:
                return c->update_framework ? NULL : "update_framework";
        case MESOS__V1__SCHEDULER__CALL__TYPE__TEARDOWN:
        case MESOS__V1__SCHEDULER__CALL__TYPE__REVIVE:
        case MESOS__V1__SCHEDULER__CALL__TYPE__SUPPRESS:
        case MESOS__V1__SCHEDULER__CALL__TYPE__UNKNOWN:
        case _MESOS__V1__SCHEDULER__CALL__TYPE_IS_INT_SIZE:
                break;
        }

        return NULL;
}

/* The parts of a call that contradict each other or cannot be what they claim; NULL when there are
 * none. */
static const char *call_contradiction(const Call *c) {
        if (c->subscribe && !same_id(c->framework_id, c->subscribe->framework_info->id))
                return "'framework_id' differs from 'subscribe.framework_info.id'";
        if (c->acknowledge && !is_uuid(c->acknowledge->uuid))
                return "Not a valid UUID";
        if (c->acknowledge_operation_status && !is_uuid(c->acknowledge_operation_status->uuid))
                return "Not a valid UUID";
        if (c->acknowledge_operation_status && !c->acknowledge_operation_status->agent_id)
                return "Expecting 'agent_id' to be present";
        if (c->update_framework &&
            !same_id(c->framework_id, c->update_framework->framework_info->id))
                return "'framework_id' differs from 'update_framework.framework_info.id'";

        return NULL;
}

static int call_is_complete(HttpRequest *r, const Call *c) {
        static const char prefix[] = "Failed to validate scheduler::Call";
        const char *missing = missing_part(c), *contradiction;

        if (!c->has_type)
                http_request_answer_text(r, 400, "%s: Expecting 'type' to be present", prefix);
        else if (c->type != MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE && !c->framework_id)
                http_request_answer_text(r, 400, "%s: Expecting 'framework_id' to be present",
                                         prefix);
        else if (missing)
                http_request_answer_text(r, 400, "%s: Expecting '%s' to be present", prefix,
                                         missing);
        else {
                contradiction = call_contradiction(c);
                if (!contradiction)
                        return CALL_OK;
                http_request_answer_text(r, 400, "%s: %s", prefix, contradiction);
        }

        return CALL_E_ANSWERED;
}

static void on_stream_closed(HttpStream *stream _unused_, void *userdata) {
        Framework *f = userdata;

        f->stream = NULL;
        departure_disconnect_framework(f);
}

static int on_heartbeat_due(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Framework *f = userdata;

        scheduler_send_heartbeat(f);
        (void) sd_event_source_set_time(s, usec_add(master_now(f->master),
                                                    SCHEDULER_HEARTBEAT_SECS * USEC_PER_SEC));
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

/* Judges what a SUBSCRIBE brings, against the framework if it is known already. */
static int validate_subscribe(Master *m, const Mesos__V1__Scheduler__Call__Subscribe *s,
                              const Framework *known, char **reterr_message) {
        const Mesos__V1__FrameworkInfo *info = s->framework_info;
        FrameworkPolicy p = policy(m);
        int r;

        r = framework_info_validate(info, &p, reterr_message);
        if (r == ACCEPTED && info->id && framework_find_completed(&m->frameworks, info->id->value))
                r = reject(reterr_message, "Framework has been removed");
        if (r == ACCEPTED)
                r = framework_info_validate_suppressed(info, s->suppressed_roles,
                                                       s->n_suppressed_roles, reterr_message);
        if (r == ACCEPTED)
                r = framework_info_validate_constraints(info, s->offer_constraints, reterr_message);
        if (r == ACCEPTED && known)
                r = framework_info_validate_resubscribe(known->info, info, reterr_message);

        return r;
}

/* Offers for a role the framework has left cannot be used any more. */
static void rescind_foreign_offers(Framework *f) {
        Offer *o, *next;

        for (o = f->offers; o; o = next) {
                next = o->framework_next;
                if (!framework_has_role(f, o->role))
                        departure_return_offer(o, true);
        }
}

static int take_description(Framework *f, const Mesos__V1__FrameworkInfo *info,
                            char *const *suppressed, size_t n_suppressed,
                            const Mesos__V1__Scheduler__OfferConstraints *constraints) {
        int r;

        r = framework_set_info(f, info);
        if (r >= 0)
                r = framework_set_suppressed(f, suppressed, n_suppressed);
        if (r >= 0)
                r = framework_set_constraints(f, constraints);

        return r;
}

static void tell_agent(Framework *f, Node *n) {
        if (n->connected && !n->was_told)
                agent_message_update_framework(n, f);

        n->was_told = true;
}

static void tell_all_agents(Framework *f) {
        Node *n;

        for (n = f->master->nodes.by_id; n; n = n->hh.next)
                if (n->connected)
                        agent_message_update_framework(n, f);
}

/* Agents that run its tasks must know how the framework is called now, and send what waits for it. To
 * the others, which may be thousands, it means nothing; they hear it with its first task. But where
 * an update came of a task that is over as far as we know, it may come again from anywhere. */
static void tell_agents(Framework *f) {
        Executor *e;
        Task *t;

        if (f->has_strays) {
                f->has_strays = false;
                tell_all_agents(f);
                return;
        }

        for (t = f->tasks; t; t = t->hh.next)
                tell_agent(f, t->node);
        DL_FOREACH(f->executors, e)
                tell_agent(f, e->node);

        for (t = f->tasks; t; t = t->hh.next)
                t->node->was_told = false;
        DL_FOREACH(f->executors, e)
                e->node->was_told = false;
}

static int framework_create(Master *m, const Mesos__V1__FrameworkInfo *info, Framework **ret) {
        const char *given = info->id && *info->id->value ? info->id->value : NULL;
        char id[ID_TEXT_MAX + 1];
        Framework *f;
        int r;

        if (!given) {
                r = id_make(m->id, '\0', m->frameworks.next_number++, id);
                if (r < 0)
                        return r;
        }

        r = framework_new(&m->frameworks, given ?: id, info, &f);
        if (r < 0)
                return r;

        f->master = m;
        f->unheard_of = !given;
        f->registered_usec = f->reregistered_usec = master_wall_clock(m);
        *ret = f;
        return 0;
}

/* The scheduler that held the stream until now is told, and loses it; offers it knew are void
 * without a word. */
static void fail_over(Framework *f) {
        reconciliation_stop(f);
        scheduler_send_error(f, "Framework failed over");
        f->stream = http_stream_close(f->stream);
        f->stream_overflowed = false;
        departure_return_framework_offers(f, false);
}

static int start_heartbeat(Framework *f) {
        int r;

        f->heartbeat_source = sd_event_source_disable_unref(f->heartbeat_source);
        r = sd_event_add_time(
                        f->master->event, &f->heartbeat_source, CLOCK_MONOTONIC,
                        usec_add(master_now(f->master), SCHEDULER_HEARTBEAT_SECS * USEC_PER_SEC), 0,
                        on_heartbeat_due, f);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(f->heartbeat_source, "scheduler-heartbeat");
        return 0;
}

static int connect_framework(Framework *f, bool is_new,
                             const Mesos__V1__Scheduler__Call__Subscribe *s, HttpStream *stream,
                             MediaType type, const char *stream_id) {
        Mesos__V1__FrameworkInfo info = *s->framework_info;
        int r;

        if (f->state == FRAMEWORK_CONNECTED)
                fail_over(f);

        /* A known framework keeps these two, whatever it says now. */
        if (!is_new) {
                f->reregistered_usec = master_wall_clock(f->master);
                info.user = f->info->user;
                info.has_checkpoint = f->info->has_checkpoint;
                info.checkpoint = f->info->checkpoint;
        }

        failover_end(f);
        f->stream = stream;
        f->stream_type = type;
        strcpy(f->stream_id, stream_id);
        f->state = FRAMEWORK_CONNECTED;
        f->active = true;

        r = take_description(f, &info, s->suppressed_roles, s->n_suppressed_roles,
                             s->offer_constraints);
        if (r >= 0)
                r = start_heartbeat(f);
        return r;
}

/* Opens the stream; after that everything, also a refusal, is an event. */
static int open_stream(HttpRequest *r, MediaType type, const char *stream_id, Framework *f,
                       HttpStream **ret) {
        int k;

        k = http_request_add_header(r, "Mesos-Stream-Id", stream_id);
        if (k < 0)
                return k;

        return http_request_stream(r, media_type_name(type), SCHEDULER_STREAM_MAX_BYTES,
                                   f ? on_stream_closed : NULL, f, ret);
}

static void subscribe_refused(HttpRequest *r, MediaType type, const char *stream_id,
                              const char *why) {
        HttpStream *stream;
        int k;

        k = open_stream(r, type, stream_id, NULL, &stream);
        if (k < 0)
                http_request_answer_text(r, 500, "%s", strerror(-k));
        else
                scheduler_refuse(stream, type, why);
}

static void subscribed(Framework *f, bool is_new) {
        log_info_ctx(&(LogContext) { .framework_id = f->id }, "Framework '%s' (%s) %s", f->id,
                     f->info->name, is_new ? "subscribed" : "subscribed again");

        scheduler_send_subscribed(f);
        scheduler_send_heartbeat(f);
        metrics_count_call(f, MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE);
        rescind_foreign_offers(f);
        allocation_put_framework(f);

        if (is_new)
                operator_stream_framework_added(f);
        else {
                operator_stream_framework_updated(f);
                tell_agents(f);
        }
}

static void subscribe_accepted(Master *m, HttpRequest *r,
                               const Mesos__V1__Scheduler__Call__Subscribe *s, Framework *known,
                               MediaType type, const char *stream_id) {
        Framework *f = known;
        HttpStream *stream;
        int k = 0;

        if (!known)
                k = framework_create(m, s->framework_info, &f);
        if (k >= 0)
                k = open_stream(r, type, stream_id, f, &stream);
        if (k < 0) {
                http_request_answer_text(r, 500, "%s", strerror(-k));
                if (!known)
                        framework_free(f);
                return;
        }

        k = connect_framework(f, !known, s, stream, type, stream_id);
        if (k < 0) {
                master_fail(m, k, "Cannot subscribe a framework");
                return;
        }

        subscribed(f, !known);
}

static void subscribe(Master *m, HttpRequest *r, const Mesos__V1__Scheduler__Call__Subscribe *s) {
        _cleanup_free_ char *error = NULL;
        const Mesos__V1__FrameworkID *id = s->framework_info->id;
        Framework *known = id && *id->value ? framework_find(&m->frameworks, id->value) : NULL;
        char stream_id[37];
        MediaType type;
        int k;

        if (call_negotiate(r, &type) != CALL_OK)
                return;

        if (http_request_header(r, "Mesos-Stream-Id")) {
                http_request_answer_text(
                                r, 400,
                                "Subscribe calls should not include the 'Mesos-Stream-Id' header");
                return;
        }

        metrics_count(m, id && *id->value ? COUNTER_MESSAGES_REREGISTER_FRAMEWORK
                                          : COUNTER_MESSAGES_REGISTER_FRAMEWORK);

        k = id_random(stream_id);
        if (k >= 0)
                k = validate_subscribe(m, s, known, &error);
        if (k == ACCEPTED)
                subscribe_accepted(m, r, s, known, type, stream_id);
        else
                subscribe_refused(r, type, stream_id, error ?: strerror(k < 0 ? -k : EBADMSG));
}

/* The framework that makes the call, if it may; otherwise the request is answered. */
static Framework *find_caller(Master *m, HttpRequest *r, const Call *c) {
        Framework *f = framework_find(&m->frameworks, c->framework_id->value);
        const char *stream_id = http_request_header(r, "Mesos-Stream-Id");

        if (!f)
                http_request_answer_text(r, 400, "Framework cannot be found");
        else if (f->state != FRAMEWORK_CONNECTED)
                http_request_answer_text(r, 403, "Framework is not subscribed");
        else if (!stream_id)
                http_request_answer_text(r, 400,
                                         "All non-subscribe calls should include the "
                                         "'Mesos-Stream-Id' header");
        else if (!streq(stream_id, f->stream_id))
                http_request_answer_text(r, 400,
                                         "The stream ID '%s' included in this request didn't match "
                                         "the stream "
                                         "ID currently associated with framework ID %s",
                                         stream_id, f->id);
        else
                return f;

        return NULL;
}

static int judge_update(Framework *f, const Mesos__V1__Scheduler__Call__UpdateFramework *u,
                        char **reterr_message) {
        FrameworkPolicy p = policy(f->master);
        int r;

        r = framework_info_validate(u->framework_info, &p, reterr_message);
        if (r != ACCEPTED)
                return reject_prefix(r, reterr_message, "Supplied FrameworkInfo is not valid");

        r = framework_info_validate_update(f->info, u->framework_info, reterr_message);
        if (r != ACCEPTED)
                return reject_prefix(r, reterr_message, "FrameworkInfo update is not valid");

        r = framework_info_validate_suppressed(u->framework_info, u->suppressed_roles,
                                               u->n_suppressed_roles, reterr_message);
        if (r != ACCEPTED)
                return r;

        return framework_info_validate_constraints(u->framework_info, u->offer_constraints,
                                                   reterr_message);
}

/* The one call that is answered after it was done. */
static void update_framework(Framework *f, HttpRequest *r,
                             const Mesos__V1__Scheduler__Call__UpdateFramework *u) {
        _cleanup_free_ char *error = NULL;
        int k;

        metrics_count_call(f, MESOS__V1__SCHEDULER__CALL__TYPE__UPDATE_FRAMEWORK);

        k = judge_update(f, u, &error);
        if (k == ACCEPTED)
                k = take_description(f, u->framework_info, u->suppressed_roles,
                                     u->n_suppressed_roles, u->offer_constraints);
        if (k != ACCEPTED) {
                http_request_answer_text(r, k < 0 ? 500 : 400, "%s", error ?: strerror(-k));
                return;
        }

        rescind_foreign_offers(f);
        allocation_put_framework(f);
        operator_stream_framework_updated(f);
        tell_agents(f);
        http_request_answer(r, 200, NULL, NULL, 0);
}

static void dispatch(Master *m, HttpRequest *r, Call *c) {
        MediaType type;
        Framework *f;

        if (c->type == MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE) {
                subscribe(m, r, c->subscribe);
                return;
        }

        if (c->type == MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE_OPERATIONS &&
            call_negotiate(r, &type) != CALL_OK)
                return;

        f = find_caller(m, r, c);
        if (!f)
                return;

        if (c->type == MESOS__V1__SCHEDULER__CALL__TYPE__UPDATE_FRAMEWORK) {
                update_framework(f, r, c->update_framework);
                return;
        }

        if (c->type == MESOS__V1__SCHEDULER__CALL__TYPE__UNKNOWN) {
                http_request_answer_text(r, 501, "501 Not Implemented.");
                return;
        }

        /* Accepted, which says nothing about success: that comes as events, and only after this
         * answer. */
        http_request_answer(r, 202, NULL, NULL, 0);
        scheduler_call_process(f, c);
}

void scheduler_api_on_request(HttpRequest *r, void *userdata) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;

        if (call_decode(r, &mesos__v1__scheduler__call__descriptor, &message) != CALL_OK)
                return;

        if (call_is_complete(r, (Call *) message) != CALL_OK)
                return;

        dispatch(userdata, r, (Call *) message);
}

void scheduler_api_cut_overflowed(Master *m) {
        Framework *f, *next;

        HASH_ITER(hh, m->frameworks.by_id, f, next)
                if (f->stream_overflowed)
                        departure_disconnect_framework(f);
}
