/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A scheduler's side of the v1 API
 *
 * One stream of events and one call at a time. Calls go over connections of their own, where two
 * could overtake each other: an acknowledgement must not arrive after the TEARDOWN that follows it,
 * so the next call is sent when the last one has been answered.
 *
 *     (new) → subscribing ──SUBSCRIBED──→ subscribed
 *                ↑   │ no master, 503          │ stream ended, or silent for five heartbeats
 *                └───┴──── waiting ←───────────┘
 *
 * While the master is away the subscription is tried again with the same framework id, at the
 * address given and at the last leader's in turn; waiting calls are forgotten, because what they
 * said may be wrong by then: whoever made them hears `subscribed` and can see for itself.
 */

#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

#include "cli/scheduler.h"
#include "common/net/pbjson.h"

#define API_PATH "/api/v1/scheduler"
#define CONTENT_TYPE "application/json"
#define CONNECT_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define CALL_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define FIRST_RETRY_USEC (100 * USEC_PER_MSEC)
#define MAX_RETRY_USEC (5 * USEC_PER_SEC)

/* Before the master has told its own interval. */
#define DEFAULT_HEARTBEAT_USEC (15 * USEC_PER_SEC)
#define MISSED_HEARTBEATS 5

/* Offers of thousands of agents come in one event. */
#define MAX_EVENT_BYTES (64U * 1024 * 1024)
#define MAX_CALL_BYTES (16U * 1024 * 1024)
#define MAX_WAITING_CALLS 1000

typedef struct WaitingCall {
        Mesos__V1__Scheduler__Call__Type type;
        char *json;                      /* owned */
        size_t n_json;
        struct WaitingCall *prev, *next;
} WaitingCall;

struct Scheduler {
        sd_event *event;
        sd_event_source *retry_source;
        sd_event_source *silence_source;
        HttpFetcher *fetcher;            /* borrowed */
        char *master_url;                /* owned; as it was given, or of the leader since */
        char *leader_url;                /* owned; of the last subscription; NULL: never was */
        Mesos__V1__FrameworkInfo *info;  /* owned; without id */
        char *framework_id;              /* owned; NULL before the first subscription */
        char *stream_id;                 /* owned; NULL without a subscription */
        HttpFetch *subscription;
        bool subscribed;                 /* SUBSCRIBED has come */
        bool ended;                      /* refused: nothing is tried any more */
        unsigned n_attempts;             /* since the last subscription */
        usec_t heartbeat_usec;

        WaitingCall *calls;              /* owned; the first is under way */
        size_t n_calls;
        HttpFetch *call_fetch;

        const SchedulerOps *ops;         /* borrowed */
        void *userdata;
};

static int scheduler_subscribe(Scheduler *s);
static void scheduler_send_next(Scheduler *s);

const char *scheduler_framework_id(const Scheduler *s) {
        return s->framework_id;
}

bool scheduler_is_subscribed(const Scheduler *s) {
        return s->subscribed;
}

static int replace_text(char **text, const char *value, size_t n) {
        char *copy;

        copy = strndup(value, n);
        if (!copy)
                return -ENOMEM;

        free(*text);
        *text = copy;
        return 0;
}

/* Losing and finding the master */

static WaitingCall *waiting_call_free(WaitingCall *c) {
        free(c->json);
        free(c);
        return NULL;
}

static void forget_calls(Scheduler *s) {
        WaitingCall *c, *next;

        s->call_fetch = http_fetch_cancel(s->call_fetch);
        DL_FOREACH_SAFE(s->calls, c, next) {
                DL_DELETE(s->calls, c);
                waiting_call_free(c);
        }
        s->n_calls = 0;
}

static void scheduler_reset(Scheduler *s) {
        s->subscription = http_fetch_cancel(s->subscription);
        s->silence_source = sd_event_source_disable_unref(s->silence_source);
        s->subscribed = false;
        free(s->stream_id);
        s->stream_id = NULL;
        forget_calls(s);
}

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Scheduler *s = userdata;

        s->retry_source = sd_event_source_disable_unref(s->retry_source);
        return scheduler_subscribe(s);
}

static void scheduler_lost(Scheduler *s, const char *why) {
        usec_t delay_usec;

        scheduler_reset(s);
        if (s->ended)
                return;

        delay_usec = usec_backoff(FIRST_RETRY_USEC, MAX_RETRY_USEC, s->n_attempts++);
        s->retry_source = sd_event_source_disable_unref(s->retry_source);
        if (sd_event_add_time_relative(s->event, &s->retry_source, CLOCK_MONOTONIC, delay_usec, 0,
                                       on_retry, s) >= 0)
                (void) sd_event_source_set_description(s->retry_source, "scheduler-retry");

        s->ops->disconnected(why, s->userdata);
}

void scheduler_follow(Scheduler *s, const char *master_url) {
        if (s->ended || replace_text(&s->master_url, master_url, strlen(master_url)) < 0)
                return;

        /* The former one may be dead, or not know yet that it is the former one. */
        free(s->leader_url);
        s->leader_url = NULL;
        s->n_attempts = 0;
        scheduler_lost(s, "another master leads");
}

static void scheduler_refused(Scheduler *s, const char *why) {
        s->ended = true;
        scheduler_reset(s);
        s->ops->refused(why, s->userdata);
}

static int on_silence(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        scheduler_lost(userdata, "nothing was heard of the master for too long");
        return 0;
}

/* Postpones the moment from which silence counts as death. */
static void scheduler_heard(Scheduler *s) {
        usec_t patience_usec = MISSED_HEARTBEATS * s->heartbeat_usec;

        if (s->silence_source) {
                (void) sd_event_source_set_time_relative(s->silence_source, patience_usec);
                return;
        }

        if (sd_event_add_time_relative(s->event, &s->silence_source, CLOCK_MONOTONIC, patience_usec,
                                       0, on_silence, s) >= 0)
                (void) sd_event_source_set_description(s->silence_source, "scheduler-silence");
}

/* Events */

static int take_subscribed(Scheduler *s,
                           const Mesos__V1__Scheduler__Event__Subscribed *subscribed) {
        const char *id = subscribed->framework_id->value;

        if (replace_text(&s->framework_id, id, strlen(id)) < 0)
                return -ENOMEM;

        if (subscribed->has_heartbeat_interval_seconds &&
            subscribed->heartbeat_interval_seconds > 0)
                s->heartbeat_usec = MIN(usec_from_secs(subscribed->heartbeat_interval_seconds),
                                        USEC_PER_HOUR);
        s->subscribed = true;
        s->n_attempts = 0;
        scheduler_heard(s);
        s->ops->subscribed(s, s->userdata);
        return 0;
}

static void take_event(Scheduler *s, const Mesos__V1__Scheduler__Event *event) {
        switch ((int) event->type) {
        case MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED:
                if (event->subscribed && take_subscribed(s, event->subscribed) < 0)
                        scheduler_refused(s, "out of memory");
                break;
        case MESOS__V1__SCHEDULER__EVENT__TYPE__HEARTBEAT:
                break;
        case MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR:
                scheduler_refused(s, event->error ? event->error->message
                                                  : "the master sent an error without words");
                break;
        default:
                s->ops->event(event, s->userdata);
        }
}

static void on_record(const void *data, size_t n, void *userdata) {
        PbLimits limits = { .max_depth = 64, .max_memory_bytes = 8U * MAX_EVENT_BYTES };
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        _cleanup_free_ char *error_text = NULL;
        Scheduler *s = userdata;

        scheduler_heard(s);
        if (pbjson_parse(&mesos__v1__scheduler__event__descriptor, data, n, limits, &message,
                         &error_text) != PB_OK) {
                scheduler_lost(s, error_text ?: "out of memory");
                return;
        }

        take_event(s, (const Mesos__V1__Scheduler__Event *) message);
}

static void on_head(const HttpFetchAnswer *answer, void *userdata) {
        const char *path = strstr(answer->url, API_PATH);
        Scheduler *s = userdata;

        if (!answer->stream_id || !path) {
                scheduler_refused(s, "the answer to SUBSCRIBE has no Mesos-Stream-Id");
                return;
        }

        if (replace_text(&s->stream_id, answer->stream_id, strlen(answer->stream_id)) < 0 ||
            replace_text(&s->leader_url, answer->url, (size_t) (path - answer->url)) < 0)
                scheduler_refused(s, "out of memory");
}

static void on_subscription_end(const HttpFetchAnswer *answer, void *userdata) {
        _cleanup_free_ char *why = NULL;
        Scheduler *s = userdata;
        int r;

        s->subscription = NULL;
        if (answer->error < 0)
                r = asprintf(&why, "%s", answer->error_text);
        else if (answer->status == 200)
                r = asprintf(&why, "the master closed the stream");
        else
                r = asprintf(&why, "the master answered %u%s%.*s", answer->status,
                             answer->n_body > 0 ? ": " : "",
                             (int) MIN(answer->n_body, (size_t) 500), answer->body);
        if (r < 0)
                why = NULL;

        /* 404 and 503 are a master that is starting; a leader is being elected, or is somewhere else. */
        if (answer->error < 0 || answer->status == 200 || answer->status == 404 ||
            answer->status >= 500 || (answer->status >= 300 && answer->status < 400))
                scheduler_lost(s, why ?: "out of memory");
        else
                scheduler_refused(s, why ?: "out of memory");
}

static int print_subscribe(Scheduler *s, Buffer *b) {
        Mesos__V1__Scheduler__Call__Subscribe subscribe =
                        MESOS__V1__SCHEDULER__CALL__SUBSCRIBE__INIT;
        Mesos__V1__Scheduler__Call call = MESOS__V1__SCHEDULER__CALL__INIT;
        Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
        int r;

        call.has_type = true;
        call.type = MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE;
        call.subscribe = &subscribe;
        subscribe.framework_info = s->info;
        if (s->framework_id) {
                id.value = s->framework_id;
                call.framework_id = s->info->id = &id;
        }

        r = pbjson_print(&call.base, b);
        s->info->id = NULL;
        return r;
}

static int scheduler_subscribe(Scheduler *s) {
        static const HttpFetchStreamOps stream = { .head = on_head, .record = on_record };
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(MAX_CALL_BYTES);
        _cleanup_free_ char *url = NULL;
        HttpFetchRequest request;
        int r;

        r = print_subscribe(s, &b);
        if (r < 0)
                return r;

        /* The address given may be a standby that died since, the last leader one that lost its office. */
        if (asprintf(&url, "%s%s",
                     s->leader_url && s->n_attempts % 2 == 1 ? s->leader_url : s->master_url,
                     API_PATH) < 0)
                return -ENOMEM;

        request = (HttpFetchRequest) {
                .method = "POST",
                .url = url,
                .content_type = CONTENT_TYPE,
                .body = buffer_data(&b),
                .n_body = buffer_size(&b),
                .timeout_usec = CONNECT_TIMEOUT_USEC,
                .max_bytes = MAX_EVENT_BYTES,
        };
        scheduler_heard(s);
        return http_fetch_start(s->fetcher, &request, &stream, on_subscription_end, s,
                                &s->subscription);
}

/* Calls */

static void on_call_done(const HttpFetchAnswer *answer, void *userdata) {
        Scheduler *s = userdata;
        WaitingCall *c = s->calls;
        Mesos__V1__Scheduler__Call__Type type = c->type;
        _cleanup_free_ char *why = NULL;
        int r = 0;

        s->call_fetch = NULL;
        DL_DELETE(s->calls, c);
        s->n_calls--;
        waiting_call_free(c);

        if (answer->error < 0)
                r = asprintf(&why, "%s", answer->error_text);
        else if (answer->status < 200 || answer->status > 299)
                r = asprintf(&why, "%u %.*s", answer->status,
                             (int) MIN(answer->n_body, (size_t) 500), answer->body);
        if (r < 0)
                why = NULL;

        if (why)
                s->ops->call_failed(type, answer->error < 0 ? 0 : answer->status, why, s->userdata);

        scheduler_send_next(s);
        if (!s->calls)
                s->ops->idle(s->userdata);
}

static void scheduler_send_next(Scheduler *s) {
        _cleanup_free_ char *url = NULL;
        HttpFetchRequest request;
        int r;

        if (!s->calls || s->call_fetch)
                return;

        if (asprintf(&url, "%s%s", s->leader_url, API_PATH) < 0) {
                url = NULL;
                scheduler_lost(s, "out of memory");
                return;
        }

        request = (HttpFetchRequest) {
                .method = "POST",
                .url = url,
                .content_type = CONTENT_TYPE,
                .stream_id = s->stream_id,
                .body = s->calls->json,
                .n_body = s->calls->n_json,
                .timeout_usec = CALL_TIMEOUT_USEC,
                .max_bytes = 65536,
        };
        r = http_fetch_start(s->fetcher, &request, NULL, on_call_done, s, &s->call_fetch);
        if (r < 0)
                scheduler_lost(s, strerror(-r));
}

int scheduler_call(Scheduler *s, const Mesos__V1__Scheduler__Call *call) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(MAX_CALL_BYTES);
        Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__Scheduler__Call complete = *call;
        WaitingCall *c;
        int r;

        if (!s->subscribed)
                return -ENOTCONN;
        if (s->n_calls >= MAX_WAITING_CALLS)
                return -ENOBUFS;

        id.value = s->framework_id;
        complete.framework_id = &id;
        r = pbjson_print(&complete.base, &b);
        if (r < 0)
                return r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->type = call->type;
        c->n_json = buffer_size(&b);
        c->json = buffer_take_text(&b);
        if (!c->json) {
                free(c);
                return -ENOMEM;
        }

        DL_APPEND(s->calls, c);
        s->n_calls++;
        scheduler_send_next(s);
        return 0;
}

/* Starts to subscribe. info is copied; the rest is borrowed. */
int scheduler_new(sd_event *event, HttpFetcher *fetcher, const char *master_url,
                  const Mesos__V1__FrameworkInfo *info, const SchedulerOps *ops, void *userdata,
                  Scheduler **ret) {
        _cleanup_(scheduler_freep) Scheduler *s = NULL;
        int r;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (Scheduler) {
                .event = sd_event_ref(event),
                .fetcher = fetcher,
                .master_url = strdup(master_url),
                .info = (Mesos__V1__FrameworkInfo *) pb_copy(&info->base),
                .heartbeat_usec = DEFAULT_HEARTBEAT_USEC,
                .ops = ops,
                .userdata = userdata,
        };
        if (!s->master_url || !s->info)
                return -ENOMEM;

        r = scheduler_subscribe(s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Scheduler *scheduler_free(Scheduler *s) {
        if (!s)
                return NULL;

        scheduler_reset(s);
        sd_event_source_disable_unref(s->retry_source);
        sd_event_unref(s->event);
        if (s->info)
                pb_free(&s->info->base);
        free(s->master_url);
        free(s->leader_url);
        free(s->framework_id);
        free(s);
        return NULL;
}
