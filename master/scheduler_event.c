/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Events to schedulers
 *
 * An event is built as a message, encoded the way the scheduler asked for, framed and handed to its
 * stream; nothing is kept here. A scheduler that does not read is not waited for: when its stream
 * is full it counts as gone. It is cut at the end of the turn (master.c), because whoever sends an
 * event is in the middle of something and must find the framework as it left it.
 */

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/offer_view.h"
#include "master/scheduler_event.h"

static int stream_send(HttpStream *stream, MediaType type,
                       const Mesos__V1__Scheduler__Event *event) {
        Buffer record = BUFFER_INIT(SCHEDULER_STREAM_MAX_BYTES);
        int r;

        r = media_encode(type, &event->base, &record);
        if (r >= 0)
                r = http_stream_write_record(stream, buffer_data(&record), buffer_size(&record));

        buffer_deinit(&record);
        return r;
}

static void framework_send(Framework *f, Mesos__V1__Scheduler__Event *event,
                           Mesos__V1__Scheduler__Event__Type type) {
        int r;

        if (f->state != FRAMEWORK_CONNECTED || f->stream_overflowed) {
                log_debug("Dropping event %d for framework '%s', which is not connected",
                          (int) type, f->id);
                return;
        }

        event->has_type = true;
        event->type = type;
        metrics_count_event(f, type);

        r = stream_send(f->stream, f->stream_type, event);
        if (r >= 0)
                return;

        log_warning_ctx(&(LogContext) { .framework_id = f->id }, r,
                        "Framework '%s' does not take its events, disconnecting it: %m", f->id);
        f->stream_overflowed = true;
        (void) sd_event_source_set_enabled(f->master->overflow_source, SD_EVENT_ONESHOT);
}

void scheduler_send_subscribed(Framework *f) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__Subscribed subscribed =
                        MESOS__V1__SCHEDULER__EVENT__SUBSCRIBED__INIT;

        subscribed.framework_id = f->info->id;
        subscribed.has_heartbeat_interval_seconds = true;
        subscribed.heartbeat_interval_seconds = SCHEDULER_HEARTBEAT_SECS;
        subscribed.master_info = f->master->info;
        event.subscribed = &subscribed;

        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED);
}

void scheduler_send_heartbeat(Framework *f) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;

        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__HEARTBEAT);
}

static int offer_views_init(OfferView *views, Mesos__V1__Offer **list, Offer *const *offers,
                            size_t n_offers, size_t *ret_n) {
        int r = 0;

        for (*ret_n = 0; *ret_n < n_offers; (*ret_n)++) {
                const Offer *o = offers[*ret_n];

                r = offer_view_init(&views[*ret_n], o, o->framework->stream_type);
                if (r < 0)
                        break;

                list[*ret_n] = &views[*ret_n].message;
        }

        return r;
}

void scheduler_send_offers(Framework *f, Offer *const *offers, size_t n_offers) {
        _cleanup_free_ OfferView *views = calloc(n_offers, sizeof(*views));
        _cleanup_free_ Mesos__V1__Offer **list = calloc(n_offers, sizeof(*list));
        Mesos__V1__Scheduler__Event__Offers message = MESOS__V1__SCHEDULER__EVENT__OFFERS__INIT;
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        int r;

        if (!views || !list) {
                log_oom();
                return;
        }

        r = offer_views_init(views, list, offers, n_offers, &message.n_offers);
        if (r < 0)
                log_error_errno(r, "Cannot send offers to framework '%s': %m", f->id);
        else {
                message.offers = list;
                event.offers = &message;
                f->metrics.offers_sent += n_offers;
                framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS);
        }

        for (size_t i = 0; i < message.n_offers; i++)
                offer_view_deinit(&views[i]);
}

void scheduler_send_rescind(Framework *f, const char *offer_id) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__Rescind rescind = MESOS__V1__SCHEDULER__EVENT__RESCIND__INIT;
        Mesos__V1__OfferID id = MESOS__V1__OFFER_ID__INIT;

        id.value = (char *) offer_id;
        rescind.offer_id = &id;
        event.rescind = &rescind;

        f->metrics.offers_rescinded++;
        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND);
}

void scheduler_send_inverse_offers(Framework *f, InverseOffer *const *offers, size_t n_offers) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__InverseOffers list =
                        MESOS__V1__SCHEDULER__EVENT__INVERSE_OFFERS__INIT;
        int r = 0;

        list.inverse_offers = calloc(n_offers, sizeof(*list.inverse_offers));
        if (!list.inverse_offers) {
                log_oom();
                return;
        }

        for (; list.n_inverse_offers < n_offers; list.n_inverse_offers++) {
                r = inverse_offer_to_pb(offers[list.n_inverse_offers],
                                        &list.inverse_offers[list.n_inverse_offers]);
                if (r < 0)
                        break;
        }

        if (r < 0)
                log_error_errno(r, "Cannot send inverse offers to framework '%s': %m", f->id);
        else {
                event.inverse_offers = &list;
                framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__INVERSE_OFFERS);
        }

        for (size_t i = 0; i < list.n_inverse_offers; i++)
                pb_free(&list.inverse_offers[i]->base);
        free(list.inverse_offers);
}

void scheduler_send_rescind_inverse(Framework *f, const char *offer_id) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__RescindInverseOffer rescind =
                        MESOS__V1__SCHEDULER__EVENT__RESCIND_INVERSE_OFFER__INIT;
        Mesos__V1__OfferID id = MESOS__V1__OFFER_ID__INIT;

        id.value = (char *) offer_id;
        rescind.inverse_offer_id = &id;
        event.rescind_inverse_offer = &rescind;

        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND_INVERSE_OFFER);
}

void scheduler_send_update(Framework *f, Mesos__V1__TaskStatus *status) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__Update update = MESOS__V1__SCHEDULER__EVENT__UPDATE__INIT;

        update.status = status;
        event.update = &update;

        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE);
}

void scheduler_send_operation_status(Framework *f, Mesos__V1__OperationStatus *status) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__UpdateOperationStatus update =
                MESOS__V1__SCHEDULER__EVENT__UPDATE_OPERATION_STATUS__INIT;

        update.status = status;
        event.update_operation_status = &update;

        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE_OPERATION_STATUS);
}

void scheduler_send_message(Framework *f, const char *agent_id, const char *executor_id,
                            ProtobufCBinaryData data) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__Message message = MESOS__V1__SCHEDULER__EVENT__MESSAGE__INIT;
        Mesos__V1__AgentID agent = MESOS__V1__AGENT_ID__INIT;
        Mesos__V1__ExecutorID executor = MESOS__V1__EXECUTOR_ID__INIT;

        agent.value = (char *) agent_id;
        executor.value = (char *) executor_id;
        message.agent_id = &agent;
        message.executor_id = &executor;
        message.data = data;
        event.message = &message;

        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__MESSAGE);
}

static void error_event(Mesos__V1__Scheduler__Event *event,
                        Mesos__V1__Scheduler__Event__Error *error, const char *message) {
        mesos__v1__scheduler__event__init(event);
        mesos__v1__scheduler__event__error__init(error);
        error->message = (char *) message;
        event->has_type = true;
        event->type = MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR;
        event->error = error;
}

void scheduler_send_error(Framework *f, const char *message) {
        Mesos__V1__Scheduler__Event event;
        Mesos__V1__Scheduler__Event__Error error;

        error_event(&event, &error, message);
        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR);
}

void scheduler_refuse(HttpStream *stream, MediaType type, const char *message) {
        Mesos__V1__Scheduler__Event event;
        Mesos__V1__Scheduler__Event__Error error;

        error_event(&event, &error, message);
        (void) stream_send(stream, type, &event);
        http_stream_close(stream);
}

void scheduler_send_failure(Framework *f, const char *agent_id, const char *executor_id,
                            int wait_status) {
        Mesos__V1__Scheduler__Event event = MESOS__V1__SCHEDULER__EVENT__INIT;
        Mesos__V1__Scheduler__Event__Failure failure = MESOS__V1__SCHEDULER__EVENT__FAILURE__INIT;
        Mesos__V1__AgentID agent = MESOS__V1__AGENT_ID__INIT;
        Mesos__V1__ExecutorID executor = MESOS__V1__EXECUTOR_ID__INIT;

        agent.value = (char *) agent_id;
        failure.agent_id = &agent;
        if (executor_id) {
                executor.value = (char *) executor_id;
                failure.executor_id = &executor;
                failure.has_status = true;
                failure.status = wait_status;
        }
        event.failure = &failure;

        framework_send(f, &event, MESOS__V1__SCHEDULER__EVENT__TYPE__FAILURE);
}
