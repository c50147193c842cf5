/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Operator streams
 *
 * An operator that subscribes gets the whole state once and every change from then on; nothing in
 * between is lost, because both happen in one turn of the loop. Events are few and operators fewer,
 * so each is encoded for each listener. A listener that does not read, or is the oldest of too
 * many, is closed: it subscribes again and starts from a new snapshot.
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/api_view.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/operator_stream.h"
#include "master/task.h"
#include "proto/master.pb-c.h"

#define HEARTBEAT_SECS 15
#define STREAM_MAX_BYTES (256U << 20)

typedef Mesos__V1__Master__Event Event;

struct OperatorStream {
        Master *master;
        HttpStream *stream;
        MediaType type;
        sd_event_source *heartbeat_source;
        OperatorStream *prev, *next;
};

static OperatorStream *operator_stream_free(OperatorStream *s) {
        if (!s)
                return NULL;

        DL_DELETE(s->master->operator_streams, s);
        s->master->n_operator_streams--;
        sd_event_source_disable_unref(s->heartbeat_source);
        if (s->stream)
                http_stream_close(s->stream);
        free(s);
        return NULL;
}

void operator_stream_close_all(Master *m) {
        while (m->operator_streams)
                operator_stream_free(m->operator_streams);
}

static void on_closed(HttpStream *stream _unused_, void *userdata) {
        OperatorStream *s = userdata;

        s->stream = NULL;
        operator_stream_free(s);
}

/* One event for one stream. */
static int send_event(OperatorStream *s, const Event *event) {
        Buffer body = BUFFER_INIT(STREAM_MAX_BYTES);
        int r;

        r = media_encode(s->type, &event->base, &body);
        if (r >= 0)
                r = http_stream_write_record(s->stream, buffer_data(&body), buffer_size(&body));
        if (r < 0)
                s->stream = http_stream_cut(s->stream);

        buffer_deinit(&body);
        return r;
}

static int on_heartbeat_due(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        OperatorStream *s = userdata;
        Event event = MESOS__V1__MASTER__EVENT__INIT;

        event.has_type = true;
        event.type = MESOS__V1__MASTER__EVENT__TYPE__HEARTBEAT;
        if (send_event(s, &event) < 0) {
                operator_stream_free(s);
                return 0;
        }

        (void) sd_event_source_set_time(
                        source, usec_add(master_now(s->master), HEARTBEAT_SECS * USEC_PER_SEC));
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

/* SUBSCRIBED with the state as of now, then a first heartbeat. */
static int send_snapshot(OperatorStream *s) {
        Event heartbeat = MESOS__V1__MASTER__EVENT__INIT;
        ApiWriter event, subscribed, state;
        int r;

        api_writer_init(&state, s->type);
        api_view_state(s->master, &state);

        api_writer_init(&subscribed, s->type);
        api_writer_nested(&subscribed, "get_state", 1, &state);
        api_writer_double(&subscribed, "heartbeat_interval_seconds", 2, HEARTBEAT_SECS);

        api_writer_init(&event, s->type);
        api_writer_enum(&event, "type", 1, "SUBSCRIBED",
                        MESOS__V1__MASTER__EVENT__TYPE__SUBSCRIBED);
        api_writer_nested(&event, "subscribed", 2, &subscribed);

        r = api_writer_finish(&event);
        if (r >= 0)
                r = http_stream_write_record(s->stream, buffer_data(&event.buffer),
                                             buffer_size(&event.buffer));
        api_writer_deinit(&event);
        if (r < 0)
                return r;

        heartbeat.has_type = true;
        heartbeat.type = MESOS__V1__MASTER__EVENT__TYPE__HEARTBEAT;
        return send_event(s, &heartbeat);
}

void operator_stream_open(Master *m, HttpRequest *request, MediaType type) {
        OperatorStream *s;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s) {
                http_request_answer_text(request, 500, "Out of memory");
                return;
        }

        s->master = m;
        s->type = type;
        DL_APPEND(m->operator_streams, s);
        m->n_operator_streams++;

        r = sd_event_add_time(m->event, &s->heartbeat_source, CLOCK_MONOTONIC,
                              usec_add(master_now(m), HEARTBEAT_SECS * USEC_PER_SEC), 0,
                              on_heartbeat_due, s);
        if (r >= 0)
                r = http_request_stream(request, media_type_name(type), STREAM_MAX_BYTES, on_closed,
                                        s, &s->stream);
        if (r < 0) {
                http_request_answer_text(request, 500, "%s", strerror(-r));
                operator_stream_free(s);
                return;
        }

        r = send_snapshot(s);
        if (r < 0) {
                log_warning_errno(r, "Cannot send the state to an operator: %m");
                operator_stream_free(s);
                return;
        }

        if (m->n_operator_streams > m->config->max_operator_event_stream_subscribers)
                operator_stream_free(m->operator_streams);
}

static void broadcast(Master *m, Event *event, Mesos__V1__Master__Event__Type type) {
        OperatorStream *s, *next;

        event->has_type = true;
        event->type = type;

        DL_FOREACH_SAFE(m->operator_streams, s, next)
                if (send_event(s, event) < 0)
                        operator_stream_free(s);
}

void operator_stream_task_added(Task *t) {
        Event event = MESOS__V1__MASTER__EVENT__INIT;
        Mesos__V1__Master__Event__TaskAdded added = MESOS__V1__MASTER__EVENT__TASK_ADDED__INIT;
        Master *m = t->framework->master;

        if (!m->operator_streams || task_to_pb(t, &added.task) < 0)
                return;

        event.task_added = &added;
        broadcast(m, &event, MESOS__V1__MASTER__EVENT__TYPE__TASK_ADDED);
        pb_free(&added.task->base);
}

void operator_stream_task_updated(Task *t, const Mesos__V1__TaskStatus *status) {
        Event event = MESOS__V1__MASTER__EVENT__INIT;
        Mesos__V1__Master__Event__TaskUpdated updated =
                        MESOS__V1__MASTER__EVENT__TASK_UPDATED__INIT;
        Mesos__V1__TaskStatus shown = *status;
        Master *m = t->framework->master;

        if (!m->operator_streams)
                return;

        /* What the master says of itself names no executor here, only in the scheduler's event (golden). */
        if (status->has_source && status->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER)
                shown.executor_id = NULL;

        shown.has_data = false;
        shown.data = (ProtobufCBinaryData) {};
        updated.framework_id = t->framework->info->id;
        updated.status = &shown;
        updated.state = t->state;
        event.task_updated = &updated;
        broadcast(m, &event, MESOS__V1__MASTER__EVENT__TYPE__TASK_UPDATED);
}

void operator_stream_node_added(Node *n) {
        Event event = MESOS__V1__MASTER__EVENT__INIT;
        Mesos__V1__Master__Event__AgentAdded added = MESOS__V1__MASTER__EVENT__AGENT_ADDED__INIT;

        if (!n->master->operator_streams || api_view_agent(n, &added.agent) < 0)
                return;

        event.agent_added = &added;
        broadcast(n->master, &event, MESOS__V1__MASTER__EVENT__TYPE__AGENT_ADDED);
        pb_free(&added.agent->base);
}

void operator_stream_node_removed(Node *n) {
        Event event = MESOS__V1__MASTER__EVENT__INIT;
        Mesos__V1__Master__Event__AgentRemoved removed =
                        MESOS__V1__MASTER__EVENT__AGENT_REMOVED__INIT;

        removed.agent_id = n->info->id;
        event.agent_removed = &removed;
        broadcast(n->master, &event, MESOS__V1__MASTER__EVENT__TYPE__AGENT_REMOVED);
}

void operator_stream_framework_added(Framework *f) {
        Event event = MESOS__V1__MASTER__EVENT__INIT;
        Mesos__V1__Master__Event__FrameworkAdded added =
                        MESOS__V1__MASTER__EVENT__FRAMEWORK_ADDED__INIT;

        if (!f->master->operator_streams || api_view_framework(f, false, &added.framework) < 0)
                return;

        event.framework_added = &added;
        broadcast(f->master, &event, MESOS__V1__MASTER__EVENT__TYPE__FRAMEWORK_ADDED);
        pb_free(&added.framework->base);
}

void operator_stream_framework_updated(Framework *f) {
        Event event = MESOS__V1__MASTER__EVENT__INIT;
        Mesos__V1__Master__Event__FrameworkUpdated updated =
                        MESOS__V1__MASTER__EVENT__FRAMEWORK_UPDATED__INIT;

        if (!f->master->operator_streams || api_view_framework(f, false, &updated.framework) < 0)
                return;

        event.framework_updated = &updated;
        broadcast(f->master, &event, MESOS__V1__MASTER__EVENT__TYPE__FRAMEWORK_UPDATED);
        pb_free(&updated.framework->base);
}

void operator_stream_framework_removed(Framework *f) {
        Event event = MESOS__V1__MASTER__EVENT__INIT;
        Mesos__V1__Master__Event__FrameworkRemoved removed =
                        MESOS__V1__MASTER__EVENT__FRAMEWORK_REMOVED__INIT;

        removed.framework_info = f->info;
        event.framework_removed = &removed;
        broadcast(f->master, &event, MESOS__V1__MASTER__EVENT__TYPE__FRAMEWORK_REMOVED);
}
