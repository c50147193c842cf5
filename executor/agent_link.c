/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The link to the agent
 *
 * Two connections: the answer to SUBSCRIBE goes on for ever and brings events, so calls need another
 * one, which is made when there is something to say.
 *
 *     (wait a random time) ─▶ connect ─▶ SUBSCRIBE ─▶ 200, SUBSCRIBED ─▶ events …
 *            ▲                   │            │ 4xx, 5xx, silence            │
 *            └───────────────────┴────────────┴──────────────────────────────┘ lost()
 *
 * One call is under way at a time, and its answer decides when the next may go: updates would
 * otherwise overtake each other while a recovering agent answers 503 to some of them. A call that
 * was not taken is offered for repetition after a pause; so is one whose connection broke before the
 * answer, for the agent tells repeated updates by their uuid.
 */

#include <stdio.h>

#include "common/net/pbwire.h"
#include "common/net/recordio.h"
#include "executor/agent_link.h"

/* As long as every agent answers both, the one that existing executors use. */
#define TARGET "/slave(1)/api/v1/executor"
#define CONTENT_TYPE "application/x-protobuf"
/* A task with all its data; the agent's own bound on calls is of this order. */
#define EVENT_MAX_BYTES ((size_t) 32 << 20)
#define CALLS_MAX_BYTES ((size_t) 64 << 20)
/* From connecting to SUBSCRIBED; a restarting agent may have a thousand executors to answer. */
#define SUBSCRIBE_TIMEOUT (15 * USEC_PER_SEC)
/* Between attempts when the agent gave no other time, and the least there is: 1,000 executors share an agent. */
#define BACKOFF_DEFAULT USEC_PER_SEC
#define BACKOFF_MIN (10 * USEC_PER_MSEC)
/* An agent that restarts is back in a moment, and its recovery waits for us: at first we knock often. */
#define EAGER_FOR (30 * USEC_PER_SEC)
#define EAGER_BACKOFF_MAX (200 * USEC_PER_MSEC)
#define REPEAT_DELAY (200 * USEC_PER_MSEC)

struct AgentLink {
        sd_event *event;
        const ExecutorConfig *config;
        const AgentLinkOps *ops;
        void *userdata;

        HttpClient *stream;
        HttpClient *calls;
        RecordReader reader;
        usec_t lost_usec;                /* CLOCK_MONOTONIC; since when we have been without an agent */
        bool accepted;                   /* the answer to SUBSCRIBE was 200 */
        bool subscribed;
        bool call_under_way;
        bool call_taken;
        sd_event_source *connect_source; /* the next attempt, or the end of this one's patience */
        sd_event_source *repeat_source;
        char *headers;
};

static void drop_calls(AgentLink *l) {
        l->calls = http_client_free(l->calls);
        l->call_under_way = false;
        (void) sd_event_source_set_enabled(l->repeat_source, SD_EVENT_OFF);
}

static void arm(sd_event_source *source, usec_t delay_usec) {
        (void) sd_event_source_set_time_relative(source, delay_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static usec_t backoff_max(const AgentLink *l) {
        usec_t max_usec = l->config->backoff_max_usec ?: BACKOFF_DEFAULT;

        return usec_sub(usec_now(CLOCK_MONOTONIC), l->lost_usec) < EAGER_FOR ? MIN(max_usec, EAGER_BACKOFF_MAX) : max_usec;
}

/* Everything is closed and tried again after a random time, so that executors don't come all at once. */
static void start_over(AgentLink *l) {
        bool was_subscribed = l->subscribed;

        if (was_subscribed || l->lost_usec == 0)
                l->lost_usec = usec_now(CLOCK_MONOTONIC);

        l->stream = http_client_free(l->stream);
        drop_calls(l);
        record_reader_deinit(&l->reader);
        l->accepted = l->subscribed = false;
        arm(l->connect_source, BACKOFF_MIN + usec_jitter(backoff_max(l)));

        if (was_subscribed)
                l->ops->lost(l->userdata);
}

static int send_call(AgentLink *l, HttpClient *client, Mesos__V1__Executor__Call *call) {
        Mesos__V1__ExecutorID executor_id = MESOS__V1__EXECUTOR_ID__INIT;
        Mesos__V1__FrameworkID framework_id = MESOS__V1__FRAMEWORK_ID__INIT;
        _cleanup_free_ uint8_t *packed = NULL;
        size_t n;

        executor_id.value = (char *) l->config->executor_id;
        framework_id.value = (char *) l->config->framework_id;
        call->executor_id = &executor_id;
        call->framework_id = &framework_id;
        call->has_type = true;

        n = mesos__v1__executor__call__get_packed_size(call);
        packed = malloc(n);
        if (!packed)
                return -ENOMEM;

        mesos__v1__executor__call__pack(call, packed);
        return http_client_request(client, "POST", TARGET, CONTENT_TYPE, l->headers, packed, n);
}

static int send_subscribe(AgentLink *l) {
        Mesos__V1__Executor__Call__Subscribe subscribe = MESOS__V1__EXECUTOR__CALL__SUBSCRIBE__INIT;
        Mesos__V1__Executor__Call call = MESOS__V1__EXECUTOR__CALL__INIT;

        call.type = MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE;
        call.subscribe = &subscribe;
        l->ops->subscribing(&subscribe, l->userdata);
        return send_call(l, l->stream, &call);
}

/* The list is made when the agent is there to read it: until then more may be added. */
static void on_stream_connected(HttpClient *c, void *userdata) {
        AgentLink *l = userdata;

        (void) c;

        if (send_subscribe(l) < 0)
                start_over(l);
}

static void on_stream_head(HttpClient *c, const HttpResponseHead *head, void *userdata) {
        AgentLink *l = userdata;

        (void) c;

        l->accepted = head->status == 200;
        if (l->accepted)
                return;

        /* 503 while the agent recovers and 404 before it has its routes are what restarts look like. */
        if (head->status != 503 && head->status != 404)
                fprintf(stderr, "The agent refused the subscription with status %u\n", head->status);
        start_over(l);
}

/* Returns false when the stream is of no use any more. */
static bool dispatch_record(AgentLink *l, const void *data, size_t n) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;
        const Mesos__V1__Executor__Event *event;

        if (pb_unpack(&mesos__v1__executor__event__descriptor, data, n, PB_LIMITS_DEFAULT, &m, &message) != PB_OK) {
                fprintf(stderr, "The agent sent an event that makes no sense: %s\n", message ?: "no memory");
                return false;
        }

        event = (const Mesos__V1__Executor__Event *) m;
        if (event->has_type && event->type == MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED && event->subscribed) {
                l->subscribed = true;
                (void) sd_event_source_set_enabled(l->connect_source, SD_EVENT_OFF);
        }
        if (event->has_type)
                l->ops->event(event, l->userdata);

        pb_free(m);
        return true;
}

static void on_stream_body(HttpClient *c, const void *data, size_t n, void *userdata) {
        AgentLink *l = userdata;
        const void *record;
        size_t n_record;
        int r;

        (void) c;

        r = record_reader_feed(&l->reader, data, n);
        while (r >= 0) {
                r = record_reader_next(&l->reader, &record, &n_record);
                if (r == RECORDIO_MORE)
                        return;
                if (r == RECORDIO_RECORD && !dispatch_record(l, record, n_record))
                        r = -EBADMSG;
        }

        start_over(l);
}

static void on_stream_closed(HttpClient *c, int error, void *userdata) {
        (void) c;
        (void) error;

        start_over(userdata);
}

static const HttpClientOps stream_ops = {
        .connected = on_stream_connected,
        .head = on_stream_head,
        .body = on_stream_body,
        .closed = on_stream_closed,
};

static int on_connect_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        AgentLink *l = userdata;

        (void) source;
        (void) usec;

        if (l->stream) {
                start_over(l); /* it was silent for too long */
                return 0;
        }

        if (http_client_new(l->event, NULL, &l->config->agent, CALLS_MAX_BYTES, &stream_ops, l, &l->stream) < 0)
                start_over(l);
        else
                arm(l->connect_source, SUBSCRIBE_TIMEOUT);
        return 0;
}

static void on_call_head(HttpClient *c, const HttpResponseHead *head, void *userdata) {
        AgentLink *l = userdata;

        (void) c;

        /* What the agent finds invalid does not get better by repeating it. */
        l->call_taken = head->status != 503 && head->status != 404 && head->status != 403;
        if (head->status != 202 && head->status != 503)
                fprintf(stderr, "The agent answered a call with status %u\n", head->status);
}

static void on_call_done(HttpClient *c, void *userdata) {
        AgentLink *l = userdata;

        (void) c;

        if (!l->call_under_way)
                return;

        l->call_under_way = false;
        if (l->call_taken)
                l->ops->answered(true, l->userdata);
        else
                arm(l->repeat_source, REPEAT_DELAY);
}

static void on_calls_closed(HttpClient *c, int error, void *userdata) {
        AgentLink *l = userdata;

        (void) error;

        l->calls = http_client_free(c);
        if (!l->call_under_way)
                return;

        l->call_under_way = false;
        arm(l->repeat_source, REPEAT_DELAY);
}

static const HttpClientOps call_ops = {
        .head = on_call_head,
        .done = on_call_done,
        .closed = on_calls_closed,
};

static int on_repeat_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        AgentLink *l = userdata;

        (void) source;
        (void) usec;

        l->ops->answered(false, l->userdata);
        return 0;
}

/* Whether an update can be sent now; answered() tells when that changes after one was. */
bool agent_link_is_ready(const AgentLink *l) {
        int repeating = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(l->repeat_source, &repeating);
        return l->subscribed && !l->call_under_way && repeating == SD_EVENT_OFF;
}

int agent_link_update(AgentLink *l, Mesos__V1__Executor__Call__Update *update) {
        Mesos__V1__Executor__Call call = MESOS__V1__EXECUTOR__CALL__INIT;
        int r;

        assert(agent_link_is_ready(l));

        if (!l->calls) {
                r = http_client_new(l->event, NULL, &l->config->agent, CALLS_MAX_BYTES, &call_ops, l, &l->calls);
                if (r < 0)
                        return r;
        }

        call.type = MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE;
        call.update = update;
        r = send_call(l, l->calls, &call);
        if (r < 0)
                return r;

        l->call_under_way = true;
        return 0;
}

static int add_sources(AgentLink *l) {
        int r;

        /* The first attempt is due at once. */
        r = sd_event_add_time(l->event, &l->connect_source, CLOCK_MONOTONIC, 0, 1, on_connect_timer, l);
        if (r < 0)
                return r;

        r = sd_event_add_time(l->event, &l->repeat_source, CLOCK_MONOTONIC, USEC_INFINITY, 1, on_repeat_timer, l);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(l->connect_source, "agent-connect");
        (void) sd_event_source_set_description(l->repeat_source, "agent-repeat");
        return sd_event_source_set_enabled(l->repeat_source, SD_EVENT_OFF);
}

/* config and ops are borrowed for the link's life. */
int agent_link_new(sd_event *event, const ExecutorConfig *config, const AgentLinkOps *ops, void *userdata,
                   AgentLink **ret) {
        _cleanup_(agent_link_freep) AgentLink *l = NULL;
        int r;

        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;

        *l = (AgentLink) {
                .event = sd_event_ref(event),
                .config = config,
                .ops = ops,
                .userdata = userdata,
                .reader = RECORD_READER_INIT(EVENT_MAX_BYTES),
        };

        if (asprintf(&l->headers, "Accept: " CONTENT_TYPE "\r\n%s%s%s", config->token ? "Authorization: Bearer " : "",
                     config->token ?: "", config->token ? "\r\n" : "") < 0) {
                l->headers = NULL;
                return -ENOMEM;
        }

        r = add_sources(l);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

AgentLink *agent_link_free(AgentLink *l) {
        if (!l)
                return NULL;

        http_client_free(l->stream);
        http_client_free(l->calls);
        record_reader_deinit(&l->reader);
        sd_event_source_disable_unref(l->connect_source);
        sd_event_source_disable_unref(l->repeat_source);
        sd_event_unref(l->event);
        free(l->headers);
        free(l);
        return NULL;
}
