/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Executor API
 *
 * POST /api/v1/executor: the calls of executors, and the stream of events each holds open. Which
 * encoding an executor speaks is its choice per call (Content-Type) and per stream (Accept).
 *
 * SUBSCRIBE is accepted while the agent recovers, that is how executors come back, and so are the
 * updates of those that are; everything else waits for the end of recovery with 503. The order of
 * the checks is that of a Mesos agent, because libraries tell its answers apart.
 *
 * An executor that does not read its stream is cut off when its queue is full: it reconnects and
 * says what it has not seen acknowledged.
 */

#include <stdio.h>

#include "agent/agent.h"
#include "agent/caller.h"
#include "agent/container.h"
#include "agent/executor_api.h"
#include "agent/executors.h"
#include "agent/master_link.h"
#include "agent/tasks.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/model/id.h"
#include "common/net/media.h"
#include "common/net/recordio.h"

typedef Mesos__V1__Executor__Call Call;

/* Events waiting for one executor; a launch may carry megabytes of data. */
#define STREAM_MAX_BYTES (32U << 20)

/* As Mesos: keeps connection tracking of firewalls awake, no more. */
#define HEARTBEAT_USEC (30 * USEC_PER_MINUTE)

struct ExecutorApi {
        Agent *agent;             /* borrowed */
        CallerCheck *callers;     /* NULL: they are taken at their word */
};

struct ExecutorStream {
        Agent *agent;
        Executor *executor;       /* borrowed; lives at least as long, see executor_stream_close() */
        HttpStream *http;
        MediaType type;
        sd_event_source *heartbeat_source;
};

int executor_api_new(Agent *a, ExecutorApi **ret) {
        _cleanup_(executor_api_freep) ExecutorApi *api = malloc(sizeof(*api));
        int r;

        if (!api)
                return -ENOMEM;

        *api = (ExecutorApi) { .agent = a };
        r = a->config->verify_executors ? caller_check_new(a, &api->callers) : 0;
        if (r < 0)
                return r;

        *ret = TAKE_PTR(api);
        return 0;
}

ExecutorApi *executor_api_free(ExecutorApi *api) {
        if (!api)
                return NULL;

        caller_check_free(api->callers);
        free(api);
        return NULL;
}

static void stream_drop(ExecutorStream *s) {
        if (s->executor->stream == s)
                s->executor->stream = NULL;
        sd_event_source_disable_unref(s->heartbeat_source);
        free(s);
}

static void on_stream_closed(HttpStream *http, void *userdata) {
        ExecutorStream *s = userdata;
        Executor *e = s->executor;

        (void) http;
        log_debug("Executor '%s' has closed its event stream.", e->id);
        stream_drop(s);

        /* Most likely it has ended, which its launcher will tell, if that is not what is wrong. */
        if (e->container)
                container_check(e->container);
}

void executor_stream_close(Executor *e) {
        ExecutorStream *s = e->stream;

        if (!s)
                return;

        (void) http_stream_close(s->http);
        stream_drop(s);
}

void executor_stream_send(Executor *e, const Mesos__V1__Executor__Event *event) {
        _cleanup_(buffer_deinit) Buffer body = BUFFER_INIT(STREAM_MAX_BYTES);
        ExecutorStream *s = e->stream;
        int r;

        if (!s)
                return;

        r = media_encode(s->type, &event->base, &body);
        CRASH_POINT("executor-event");
        if (r == 0)
                r = http_stream_write_record(s->http, buffer_data(&body), buffer_size(&body));
        CRASH_POINT("executor-event-queued");
        if (r < 0) {
                (void) log_warning_errno(r, "Cutting off executor '%s', it does not read its events: %m", e->id);
                executor_stream_close(e);
        }
}

void executor_stream_acknowledge(Executor *e, const char *task_id, const uint8_t uuid[static 16]) {
        Mesos__V1__Executor__Event__Acknowledged acknowledged = MESOS__V1__EXECUTOR__EVENT__ACKNOWLEDGED__INIT;
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;
        Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;

        id.value = (char *) task_id;
        acknowledged.task_id = &id;
        acknowledged.uuid = (ProtobufCBinaryData) { 16, (uint8_t *) uuid };
        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__ACKNOWLEDGED;
        event.acknowledged = &acknowledged;
        executor_stream_send(e, &event);
}

static int on_heartbeat(sd_event_source *source, uint64_t usec, void *userdata) {
        ExecutorStream *s = userdata;
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;

        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__HEARTBEAT;
        (void) sd_event_source_set_time(source, usec_add(usec, HEARTBEAT_USEC));
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        executor_stream_send(s->executor, &event);
        return 0;
}

/* Answers a call that comes too late with the one thing there is to say. */
static void answer_with_shutdown(HttpRequest *r, MediaType type) {
        _cleanup_(buffer_deinit) Buffer body = BUFFER_INIT(4096), record = BUFFER_INIT(4096);
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;

        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN;
        if (media_encode(type, &event.base, &body) < 0 ||
            recordio_append(&record, buffer_data(&body), buffer_size(&body)) < 0) {
                http_request_answer_text(r, 500, "Out of memory");
                return;
        }

        http_request_answer_buffer(r, 200, media_type_name(type), &record);
}

static bool is_listed(const Task *t, const Mesos__V1__Executor__Call__Subscribe *subscribe) {
        for (size_t i = 0; i < subscribe->n_unacknowledged_tasks; i++)
                if (streq(subscribe->unacknowledged_tasks[i]->task_id->value, t->id))
                        return true;

        for (size_t i = 0; i < subscribe->n_unacknowledged_updates; i++)
                if (streq(subscribe->unacknowledged_updates[i]->status->task_id->value, t->id))
                        return true;

        return false;
}

/*
 * Which tasks were on their way to the executor when we died, and which have reached it, is its own
 * to say: what we wrote down last may be from before that. A task is not handed over twice, and one
 * that never arrived is dropped.
 */
static void settle_tasks(Agent *a, Executor *e,
                         const Mesos__V1__Executor__Call__Subscribe *subscribe) {
        for (Task *t = e->tasks, *next; t; t = next) {
                bool listed = is_listed(t, subscribe);

                next = t->hh.next;
                if (t->stage == TASK_QUEUED && listed)
                        t->stage = TASK_LAUNCHED;
                else if (t->stage == TASK_LAUNCHED && !listed &&
                         t->state == MESOS__V1__TASK_STATE__TASK_STAGING)
                        tasks_tell(a, e->framework, e->id, t, MESOS__V1__TASK_STATE__TASK_DROPPED,
                                   MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_RESTARTED,
                                   "Task launched during agent restart");
        }
}

static int open_stream(ExecutorApi *api, HttpRequest *r, Executor *e, MediaType type) {
        ExecutorStream *s = calloc(1, sizeof(*s));
        int k;

        if (!s)
                return -ENOMEM;

        *s = (ExecutorStream) { .agent = api->agent, .executor = e, .type = type };
        k = sd_event_add_time_relative(api->agent->event, &s->heartbeat_source, CLOCK_MONOTONIC, HEARTBEAT_USEC,
                                       USEC_PER_MINUTE, on_heartbeat, s);
        if (k >= 0)
                k = http_request_stream(r, media_type_name(type), STREAM_MAX_BYTES, on_stream_closed, s, &s->http);
        if (k < 0) {
                sd_event_source_disable_unref(s->heartbeat_source);
                free(s);
                return k;
        }

        /* The newest subscriber is the executor; the old connection is most likely dead already. */
        executor_stream_close(e);
        e->stream = s;
        return 0;
}

static void handle_subscribe(ExecutorApi *api, HttpRequest *r, Executor *e, const Call *call) {
        const Mesos__V1__Executor__Call__Subscribe *subscribe = call->subscribe;
        Agent *a = api->agent;
        MediaType type;

        /* Checked before, with the call. */
        (void) media_negotiate(http_request_header(r, "Accept"), &type);

        if (a->state == AGENT_TERMINATING || e->framework->terminating || e->state == EXECUTOR_TERMINATING ||
            e->state == EXECUTOR_TERMINATED) {
                answer_with_shutdown(r, type);
                return;
        }

        if (open_stream(api, r, e, type) < 0) {
                http_request_answer_text(r, 500, "Out of memory");
                return;
        }

        /* SUBSCRIBED goes out before any acknowledgement does. */
        settle_tasks(a, e, subscribe);
        executors_subscribed(a, e);
        CRASH_POINT("executor-subscribed");

        for (size_t i = 0; i < subscribe->n_unacknowledged_updates; i++)
                (void) tasks_update(a, e, subscribe->unacknowledged_updates[i]->status);
}

static void handle_update(ExecutorApi *api, HttpRequest *r, Executor *e, const Call *call) {
        int k = tasks_update(api->agent, e, call->update->status);

        /* Taken for good or not at all: the executor keeps it, and tells it again when it likes. */
        if (k < 0 || k == STATUS_MANAGER_E_FULL)
                http_request_answer_text(r, 503, "Too many updates of the task are not acknowledged");
        else
                http_request_answer(r, 202, NULL, NULL, 0);
}

static void handle_message(ExecutorApi *api, const Executor *e, const Call *call) {
        Mesos__Internal__ExecutorToFrameworkMessage message = MESOS__INTERNAL__EXECUTOR_TO_FRAMEWORK_MESSAGE__INIT;
        Agent *a = api->agent;

        if (!master_link_is_registered(a->master)) {
                a->counters.invalid_framework_messages++;
                return;
        }

        message.slave_id = a->info->id;
        message.framework_id = e->framework->info->id;
        message.executor_id = e->info->executor_id;
        message.data = call->message->data;
        a->counters.valid_framework_messages++;
        master_link_send(a->master, "mesos.internal.ExecutorToFrameworkMessage", &message.base);
}

/* An RFC 4122 variant, as Mesos's UUIDs must have: the nil UUID has none. */
static bool uuid_is_valid(ProtobufCBinaryData uuid) {
        return uuid.len == 16 && (uuid.data[8] & 0xc0) == 0x80;
}

/* What is wrong with a status, in Mesos's words; owned by the caller, NULL when nothing is. */
static char *judge_status(const Call *call, const Mesos__V1__TaskStatus *status) {
        const char *executor = call->executor_id->value, *framework = call->framework_id->value;
        char *text = NULL;

        if (!status->has_uuid)
                return strdup("Expecting 'uuid' to be present");
        if (!uuid_is_valid(status->uuid))
                return strdup("Not a valid UUID");
        if (!id_is_valid(status->task_id->value))
                return strdup("Task ID is not valid");
        if (status->executor_id && !streq(status->executor_id->value, executor))
                return asprintf(&text,
                                "ExecutorID in Call: %s does not match ExecutorID in TaskStatus: %s", executor,
                                status->executor_id->value) < 0
                               ? NULL
                               : text;
        if (!status->has_source || status->source != MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR)
                return asprintf(&text,
                                "Received Call from executor %s of framework %s with invalid source, expecting "
                                "'SOURCE_EXECUTOR'",
                                executor, framework) < 0
                               ? NULL
                               : text;
        if (status->state == MESOS__V1__TASK_STATE__TASK_STAGING)
                return asprintf(&text, "Received TASK_STAGING from executor %s of framework %s which is not allowed",
                                executor, framework) < 0
                               ? NULL
                               : text;

        return NULL;
}

static char *judge_subscribe(const Call *call) {
        if (!call->subscribe)
                return strdup("Expecting 'subscribe' to be present");

        for (size_t i = 0; i < call->subscribe->n_unacknowledged_updates; i++) {
                char *text = judge_status(call, call->subscribe->unacknowledged_updates[i]->status);

                if (text)
                        return text;
        }

        return NULL;
}

static char *judge_call(const Call *call) {
        if (!call->has_type)
                return strdup("Expecting 'type' to be present");

        switch (call->type) {
        case MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE:
                return judge_subscribe(call);
        case MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE:
                return call->update ? judge_status(call, call->update->status)
                                    : strdup("Expecting 'update' to be present");
        case MESOS__V1__EXECUTOR__CALL__TYPE__MESSAGE:
                return call->message ? NULL : strdup("Expecting 'message' to be present");
        case MESOS__V1__EXECUTOR__CALL__TYPE__HEARTBEAT:
        case MESOS__V1__EXECUTOR__CALL__TYPE__UNKNOWN:
        case _MESOS__V1__EXECUTOR__CALL__TYPE_IS_INT_SIZE:
                return NULL;
        }

        return NULL;
}

/* Finds whom the call is from, or answers. */
static Executor *find_caller(ExecutorApi *api, HttpRequest *r, const Call *call) {
        Framework *f = NULL;
        Executor *e;

        HASH_FIND_STR(api->agent->frameworks, call->framework_id->value, f);
        if (!f) {
                http_request_answer_text(r, 400, "Framework cannot be found");
                return NULL;
        }

        e = framework_find_executor(f, call->executor_id->value);
        if (!e) {
                http_request_answer_text(r, 400, "Executor cannot be found");
                return NULL;
        }

        if (api->callers && !caller_check_is_executor(api->callers, r, e)) {
                LogContext context = { .framework_id = e->framework->id, .container_id = e->container_id };

                (void) log_warning_ctx(&context, 0, "Somebody outside of its container speaks for executor '%s': refused "
                                                    "(see --holdfast_verify_executors).", e->id);
                http_request_answer_text(r, 403, "The caller is not in the container of the executor");
                return NULL;
        }

        if (e->state == EXECUTOR_REGISTERING && call->type != MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE) {
                http_request_answer_text(r, 403, "Executor is not subscribed");
                return NULL;
        }

        return e;
}

/*
 * During recovery: subscriptions, and updates of those who have subscribed. Executors have no better
 * moment to report what happens then, libraries do not repeat what is answered with 503, and a
 * recorded update waits for the master as any other.
 */
static bool comes_too_early(const ExecutorApi *api, const Call *call) {
        Framework *f = NULL;
        const Executor *e;

        if (api->agent->state != AGENT_RECOVERING ||
            call->type == MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE)
                return false;
        if (call->type != MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE)
                return true;

        HASH_FIND_STR(api->agent->frameworks, call->framework_id->value, f);
        e = f ? framework_find_executor(f, call->executor_id->value) : NULL;
        return !e || !e->stream;
}

static void handle_call(ExecutorApi *api, HttpRequest *r, const Call *call) {
        Executor *e;

        if (call->type == MESOS__V1__EXECUTOR__CALL__TYPE__HEARTBEAT) {
                http_request_answer(r, 202, NULL, NULL, 0);
                return;
        }

        if (comes_too_early(api, call)) {
                http_request_answer_text(r, 503, "Agent has not finished recovery");
                return;
        }

        e = find_caller(api, r, call);
        if (!e)
                return;

        switch (call->type) {
        case MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE:
                handle_subscribe(api, r, e, call);
                return;
        case MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE:
                handle_update(api, r, e, call);
                return;
        case MESOS__V1__EXECUTOR__CALL__TYPE__MESSAGE:
                handle_message(api, e, call);
                break;
        case MESOS__V1__EXECUTOR__CALL__TYPE__HEARTBEAT:
        case MESOS__V1__EXECUTOR__CALL__TYPE__UNKNOWN:
        case _MESOS__V1__EXECUTOR__CALL__TYPE_IS_INT_SIZE:
                http_request_answer_text(r, 501, "501 Not Implemented.");
                return;
        }

        http_request_answer(r, 202, NULL, NULL, 0);
}

/* Decodes and judges; answers and returns NULL when the request is not a good call. */
static Call *decode_call(HttpRequest *r) {
        const char *content_type = http_request_header(r, "Content-Type");
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *text = NULL;
        const void *body;
        MediaType type, accept;
        size_t n;
        int k;

        if (!content_type) {
                http_request_answer_text(r, 400, "Expecting 'Content-Type' to be present");
                return NULL;
        }
        if (!media_type_parse(content_type, &type)) {
                http_request_answer_text(r, 415,
                                         "Expecting 'Content-Type' of application/json or application/x-protobuf");
                return NULL;
        }

        body = http_request_body(r, &n);
        k = media_decode(type, &mesos__v1__executor__call__descriptor, body, n, &m, &text);
        if (k != PB_OK) {
                http_request_answer_text(r, k < 0 ? 500 : 400, "%s", text ?: "Out of memory");
                return NULL;
        }

        text = judge_call((Call *) m);
        if (text) {
                http_request_answer_text(r, 400, "Failed to validate Executor::Call: %s", text);
                return NULL;
        }

        if (((Call *) m)->type == MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE &&
            !media_negotiate(http_request_header(r, "Accept"), &accept)) {
                http_request_answer_text(r, 406,
                                         "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'");
                return NULL;
        }

        return (Call *) TAKE_PTR(m);
}

void executor_api_handle(HttpRequest *request, void *userdata) {
        _cleanup_(pb_freep) ProtobufCMessage *call = NULL;

        if (!streq(http_request_method(request), "POST")) {
                media_answer_not_post(request);
                return;
        }

        call = (ProtobufCMessage *) decode_call(request);
        CRASH_POINT("executor-call");
        if (call)
                handle_call(userdata, request, (Call *) call);
        CRASH_POINT("executor-call-handled");
}
