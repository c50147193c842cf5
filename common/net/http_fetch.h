#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* HttpFetcher: libcurl inside sd_event, for tools and frameworks: requests and RecordIO streams. See http_fetch.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct HttpFetcher HttpFetcher;
typedef struct HttpFetch HttpFetch;

typedef struct HttpFetchRequest {
        const char *method;          /* "GET" or "POST" */
        const char *url;
        const char *content_type;    /* of the body; also asked for as answer */
        const char *stream_id;       /* Mesos-Stream-Id, or NULL */
        const void *body;            /* copied */
        size_t n_body;
        usec_t timeout_usec;         /* for the answer, of a stream for the connection; 0: none */
        size_t max_bytes;            /* of the answer, of a stream per record */
} HttpFetchRequest;

/* Everything is borrowed for the callback. */
typedef struct HttpFetchAnswer {
        int error;                   /* 0: there is an answer; else negative, and error_text */
        const char *error_text;
        unsigned status;
        const char *url;             /* where it came from in the end: redirects are followed */
        const char *stream_id;       /* Mesos-Stream-Id of the answer, or NULL */
        const char *body;            /* with a NUL behind; of a stream only if status isn't 200 */
        size_t n_body;
} HttpFetchAnswer;

/* Called once, at the end; the HttpFetch is invalid from then on. */
typedef void (*HttpFetchDone)(const HttpFetchAnswer *answer, void *userdata);

/*
 * With these a 200 is read as a RecordIO stream: `head` once at its beginning, `record` for each
 * record, HttpFetchDone when it has ended. Both may cancel this or any other fetch as their last act.
 */
typedef struct HttpFetchStreamOps {
        void (*head)(const HttpFetchAnswer *answer, void *userdata);
        void (*record)(const void *data, size_t n, void *userdata);
} HttpFetchStreamOps;

int http_fetcher_new(sd_event *event, const char *user_agent, HttpFetcher **ret);

/* Cancels what is under way. Not from within a callback. */
HttpFetcher *http_fetcher_free(HttpFetcher *f);
DEFINE_CLEANUP(HttpFetcher *, http_fetcher_free)

/* stream is NULL for an ordinary answer. `done` is never called from within this. ret may be NULL. */
int http_fetch_start(HttpFetcher *f, const HttpFetchRequest *request,
                     const HttpFetchStreamOps *stream, HttpFetchDone done, void *userdata,
                     HttpFetch **ret);

/* `done` will not be called; returns NULL. */
HttpFetch *http_fetch_cancel(HttpFetch *x);
DEFINE_CLEANUP(HttpFetch *, http_fetch_cancel)
