/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Following output
 *
 * The agent has no stream of a sandbox's files, so this asks again and again: at once while there is
 * more, else a quarter of a second later. READ_FILE rather than /files/read, because the latter puts
 * bytes into a JSON string, where half a character or a picture cannot be. An agent that is away is
 * asked again; the task may outlive it.
 */

#include <inttypes.h>
#include <stdio.h>

#include "cli/follow.h"
#include "common/net/pbjson.h"
#include "proto/agent.pb-c.h"

#define POLL_USEC (250 * USEC_PER_MSEC)
#define AWAY_USEC (USEC_PER_SEC)
#define ANSWER_TIMEOUT_USEC (10 * USEC_PER_SEC)

/* Data of 64 KiB at most, as base64. */
#define MAX_ANSWER_BYTES (1024U * 1024)

/* After the end of the task: how often an agent that is away is asked again. */
#define MAX_LAST_ATTEMPTS 5

struct Follow {
        sd_event *event;
        sd_event_source *timer_source;
        HttpFetcher *fetcher;           /* borrowed */
        HttpFetch *fetch;               /* NULL between questions */
        char *url;                      /* owned */
        char *path;                     /* owned */
        uint64_t offset;
        bool finishing;
        bool asked_finishing;           /* the question under way was asked after follow_finish() */
        bool stopped;                   /* the reader wants no more */
        unsigned n_failures;            /* in a row */
        const FollowOps *ops;           /* borrowed */
        void *userdata;
};

static void follow_ask(Follow *f);

static void follow_end_if_finishing(Follow *f) {
        if (f->finishing)
                f->ops->finished(0, f->userdata);
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Follow *f = userdata;

        f->timer_source = sd_event_source_disable_unref(f->timer_source);
        if (f->stopped)
                follow_end_if_finishing(f);
        else
                follow_ask(f);
        return 0;
}

static void follow_ask_in(Follow *f, usec_t delay_usec) {
        f->timer_source = sd_event_source_disable_unref(f->timer_source);
        if (sd_event_add_time_relative(f->event, &f->timer_source, CLOCK_MONOTONIC, delay_usec,
                                       USEC_PER_MSEC, on_timer, f) >= 0)
                (void) sd_event_source_set_description(f->timer_source, "follow");
}

/* The bytes of an answer; *ret_size is the file's. Both borrowed from *ret. */
static int parse_answer(const HttpFetchAnswer *answer, ProtobufCMessage **ret) {
        _cleanup_free_ char *message = NULL;

        if (answer->error < 0)
                return answer->error;
        if (answer->status != 200)
                return -ENOENT;

        return pbjson_parse(&mesos__v1__agent__response__descriptor, answer->body, answer->n_body,
                            PB_LIMITS_DEFAULT, ret, &message) == PB_OK
                               ? 0
                               : -EBADMSG;
}

static void follow_failed(Follow *f, int error) {
        f->n_failures++;
        if (f->finishing && f->n_failures >= MAX_LAST_ATTEMPTS) {
                f->ops->finished(error, f->userdata);
                return;
        }

        follow_ask_in(f, f->finishing ? POLL_USEC : AWAY_USEC);
}

/* The last thing this does may be the end of f. */
static void follow_take(Follow *f, const Mesos__V1__Agent__Response__ReadFile *file) {
        f->n_failures = 0;
        if (file->size < f->offset)
                f->offset = 0;    /* truncated: from the beginning, as tail(1) does */

        if (file->data.len > 0) {
                f->offset += file->data.len;
                if (f->ops->data(file->data.data, file->data.len, f->userdata) < 0)
                        f->stopped = true;
        }

        if (f->stopped)
                follow_end_if_finishing(f);
        else if (file->data.len > 0)
                follow_ask(f);
        else if (!f->finishing)
                follow_ask_in(f, POLL_USEC);
        else if (!f->asked_finishing)
                follow_ask(f);    /* the answer may be older than the last bytes */
        else
                f->ops->finished(0, f->userdata);
}

static void on_answer(const HttpFetchAnswer *answer, void *userdata) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        const Mesos__V1__Agent__Response *response;
        Follow *f = userdata;
        int r;

        f->fetch = NULL;
        r = parse_answer(answer, &message);
        if (r < 0) {
                follow_failed(f, r);
                return;
        }

        response = (const Mesos__V1__Agent__Response *) message;
        if (response->read_file)
                follow_take(f, response->read_file);
        else
                follow_failed(f, -EBADMSG);
}

static void follow_ask(Follow *f) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(65536);
        Mesos__V1__Agent__Call call = MESOS__V1__AGENT__CALL__INIT;
        Mesos__V1__Agent__Call__ReadFile read_file = MESOS__V1__AGENT__CALL__READ_FILE__INIT;
        HttpFetchRequest request;

        if (f->fetch)
                return;

        f->asked_finishing = f->finishing;
        read_file.path = f->path;
        read_file.offset = f->offset;
        call.has_type = true;
        call.type = MESOS__V1__AGENT__CALL__TYPE__READ_FILE;
        call.read_file = &read_file;
        if (pbjson_print(&call.base, &b) < 0) {
                follow_ask_in(f, AWAY_USEC);
                return;
        }

        request = (HttpFetchRequest) {
                .method = "POST",
                .url = f->url,
                .content_type = "application/json",
                .body = buffer_data(&b),
                .n_body = buffer_size(&b),
                .timeout_usec = ANSWER_TIMEOUT_USEC,
                .max_bytes = MAX_ANSWER_BYTES,
        };
        if (http_fetch_start(f->fetcher, &request, NULL, on_answer, f, &f->fetch) < 0)
                follow_ask_in(f, AWAY_USEC);
}

int follow_new(sd_event *event, HttpFetcher *fetcher, const char *agent_url, const char *path,
               const FollowOps *ops, void *userdata, Follow **ret) {
        _cleanup_(follow_freep) Follow *f = NULL;

        f = malloc(sizeof(*f));
        if (!f)
                return -ENOMEM;

        *f = (Follow) {
                .event = sd_event_ref(event),
                .fetcher = fetcher,
                .path = strdup(path),
                .ops = ops,
                .userdata = userdata,
        };
        if (!f->path)
                return -ENOMEM;
        if (asprintf(&f->url, "%s/api/v1", agent_url) < 0) {
                f->url = NULL;
                return -ENOMEM;
        }

        follow_ask(f);
        *ret = TAKE_PTR(f);
        return 0;
}

Follow *follow_free(Follow *f) {
        if (!f)
                return NULL;

        http_fetch_cancel(f->fetch);
        sd_event_source_disable_unref(f->timer_source);
        sd_event_unref(f->event);
        free(f->url);
        free(f->path);
        free(f);
        return NULL;
}

void follow_finish(Follow *f) {
        f->finishing = true;
        f->n_failures = 0;

        /* A question under way may have been answered before the last bytes: another one follows it. */
        follow_ask_in(f, 0);
}
