/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fetching over HTTP
 *
 * Tools and frameworks talk to masters and agents by name, over TLS, through redirects of a standby
 * and through proxies: that is what libcurl is for. Its multi interface runs inside sd_event: it
 * says which sockets and which timer it waits for, we say what happened. The daemons do without it
 * (see http_client.c).
 *
 * libcurl must not be entered again from its own callbacks, but whoever gets a record wants to make
 * a call at once. So its callbacks only fill buffers, and fetcher_dispatch() hands out heads, records
 * and ends once libcurl has returned:
 *
 *     socket or timer → curl_multi_socket_action() → on_data() … → fetcher_dispatch() → caller
 */

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <utlist.h>

#include "common/base/buffer.h"
#include "common/net/http_fetch.h"
#include "common/net/recordio.h"

#define MAX_REDIRECTS 5L
#define MAX_STREAM_ID 128

/* libcurl reads a hundred times 16 KiB before it returns and records are taken out. */
#define MAX_READ_AHEAD_BYTES (4U * 1024 * 1024)

/* What a refused stream says instead of records. */
#define MAX_REFUSAL_BYTES 65536

struct HttpFetcher {
        sd_event *event;
        sd_event_source *timer_source;
        CURLM *multi;
        char *user_agent;
        HttpFetch *fetches;             /* owned */
        bool dispatching;
};

struct HttpFetch {
        HttpFetcher *fetcher;           /* borrowed: the owner */
        CURL *easy;
        struct curl_slist *headers;
        char *request_body;
        char error_text[CURL_ERROR_SIZE];
        char stream_id[MAX_STREAM_ID];  /* of the answer; "" if absent */
        Buffer body;
        RecordReader reader;
        bool streaming;                 /* the answer is a 200 and read as records */
        bool head_told;
        bool ended;
        CURLcode code;
        int error;                      /* our own, which made libcurl stop */

        const HttpFetchStreamOps *stream;
        HttpFetchDone done;
        void *userdata;
        HttpFetch *prev, *next;
};

static unsigned fetch_status(const HttpFetch *x) {
        long status = 0;

        (void) curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        return (unsigned) status;
}

/* Ends a fetch without a word: the object is gone afterwards. */
HttpFetch *http_fetch_cancel(HttpFetch *x) {
        if (!x)
                return NULL;

        DL_DELETE(x->fetcher->fetches, x);
        if (x->easy) {
                (void) curl_multi_remove_handle(x->fetcher->multi, x->easy);
                curl_easy_cleanup(x->easy);
        }
        curl_slist_free_all(x->headers);
        buffer_deinit(&x->body);
        record_reader_deinit(&x->reader);
        free(x->request_body);
        free(x);
        return NULL;
}

/* libcurl's callbacks: no calls out of here */

static size_t on_header(char *data, size_t size, size_t n, void *userdata) {
        static const char name[] = "mesos-stream-id:";
        HttpFetch *x = userdata;
        size_t n_value;

        n *= size;
        /* Each answer of a chain of redirects begins with its own status line. */
        if (n > 5 && memcmp(data, "HTTP/", 5) == 0)
                x->stream_id[0] = '\0';
        if (n < sizeof(name) || strncasecmp(data, name, sizeof(name) - 1) != 0)
                return n;

        data += sizeof(name) - 1;
        n_value = n - (sizeof(name) - 1);
        while (n_value > 0 && (data[0] == ' ' || data[0] == '\t')) {
                data++;
                n_value--;
        }
        while (n_value > 0 && (unsigned char) data[n_value - 1] <= ' ')
                n_value--;

        if (n_value < sizeof(x->stream_id)) {
                memcpy(x->stream_id, data, n_value);
                x->stream_id[n_value] = '\0';
        }
        return n;
}

static size_t on_data(char *data, size_t size, size_t n, void *userdata) {
        HttpFetch *x = userdata;

        n *= size;
        if (x->stream && fetch_status(x) == 200) {
                x->streaming = true;
                x->error = record_reader_feed(&x->reader, data, n);
        } else
                x->error = buffer_append(&x->body, data, n);

        return x->error < 0 ? 0 : n;
}

/* Handing out */

static int fetch_error(const HttpFetch *x) {
        if (x->error < 0)
                return x->error;

        switch ((int) x->code) {
        case CURLE_OK:
                return 0;
        case CURLE_COULDNT_CONNECT:
                return -ECONNREFUSED;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return -EHOSTUNREACH;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
                return -EINVAL;
        default:
                return -ECONNRESET;
        }
}

static void fetch_fill_answer(HttpFetch *x, HttpFetchAnswer *ret) {
        char *url = NULL, *end;

        *ret = (HttpFetchAnswer) {
                .status = fetch_status(x),
                .stream_id = x->stream_id[0] ? x->stream_id : NULL,
                .error = fetch_error(x),
        };

        if (ret->error == -ENOBUFS || ret->error == -EBADMSG)
                ret->error_text = "the answer is too large or malformed";
        else if (ret->error < 0)
                ret->error_text = x->error_text[0] ? x->error_text : curl_easy_strerror(x->code);

        (void) curl_easy_getinfo(x->easy, CURLINFO_EFFECTIVE_URL, &url);
        ret->url = url ?: "";

        /* For people who print it: the NUL is not part of the body. */
        if (buffer_reserve(&x->body, 1, &end) == 0) {
                *end = '\0';
                ret->body = buffer_data(&x->body);
        } else
                ret->body = "";
        ret->n_body = buffer_size(&x->body);
}

static bool fetch_tell_head(HttpFetch *x) {
        HttpFetchAnswer answer;

        if (!x->streaming || x->head_told)
                return false;

        x->head_told = true;
        if (!x->stream->head)
                return false;

        fetch_fill_answer(x, &answer);
        x->stream->head(&answer, x->userdata);
        return true;
}

/* Both tell at most one thing, because whoever is told may cancel anything. */

static bool fetch_tell_record(HttpFetch *x) {
        const void *data;
        size_t n;
        int r;

        if (!x->streaming || x->error < 0)
                return false;

        r = record_reader_next(&x->reader, &data, &n);
        if (r == RECORDIO_RECORD) {
                x->stream->record(data, n, x->userdata);
                return true;
        }
        if (r < 0) {
                x->error = r;
                x->ended = true;
        }
        return false;
}

static bool fetch_tell_end(HttpFetch *x) {
        HttpFetchDone done = x->done;
        void *userdata = x->userdata;
        HttpFetchAnswer answer;

        if (!x->ended)
                return false;

        /* Out of the list before the call, so that the callee may free what `userdata` is. */
        DL_DELETE(x->fetcher->fetches, x);
        fetch_fill_answer(x, &answer);
        done(&answer, userdata);
        DL_APPEND(x->fetcher->fetches, x);
        http_fetch_cancel(x);
        return true;
}

static void fetcher_collect_ended(HttpFetcher *f) {
        CURLMsg *message;
        int n_left;

        while ((message = curl_multi_info_read(f->multi, &n_left))) {
                HttpFetch *x = NULL;

                if (message->msg != CURLMSG_DONE)
                        continue;

                (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &x);
                x->ended = true;
                x->code = message->data.result;
        }
}

static bool fetcher_tell_one(HttpFetcher *f) {
        HttpFetch *x;

        DL_FOREACH(f->fetches, x)
                if (fetch_tell_head(x) || fetch_tell_record(x) || fetch_tell_end(x))
                        return true;

        return false;
}

static void fetcher_dispatch(HttpFetcher *f) {
        if (f->dispatching)
                return;

        f->dispatching = true;
        do
                fetcher_collect_ended(f);
        while (fetcher_tell_one(f));
        f->dispatching = false;
}

/* sd_event */

static int on_socket_ready(_unused_ sd_event_source *source, int fd, uint32_t revents,
                           void *userdata) {
        HttpFetcher *f = userdata;
        int n_running, what = 0;

        if (revents & (EPOLLIN | EPOLLHUP))
                what |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                what |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                what |= CURL_CSELECT_ERR;

        (void) curl_multi_socket_action(f->multi, fd, what, &n_running);
        fetcher_dispatch(f);
        return 0;
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        HttpFetcher *f = userdata;
        int n_running;

        (void) curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
        fetcher_dispatch(f);
        return 0;
}

static uint32_t events_of(int what) {
        switch (what) {
        case CURL_POLL_IN:
                return EPOLLIN;
        case CURL_POLL_OUT:
                return EPOLLOUT;
        case CURL_POLL_INOUT:
                return EPOLLIN | EPOLLOUT;
        default:
                return 0;
        }
}

/* The event source of a socket is kept where libcurl lets us keep a pointer beside the socket. */
static int on_socket_wanted(_unused_ CURL *easy, curl_socket_t fd, int what, void *userdata,
                            void *socket_data) {
        HttpFetcher *f = userdata;
        sd_event_source *source = socket_data;

        if (what == CURL_POLL_REMOVE) {
                sd_event_source_disable_unref(source);
                (void) curl_multi_assign(f->multi, fd, NULL);
                return 0;
        }

        if (source)
                return sd_event_source_set_io_events(source, events_of(what)) < 0 ? -1 : 0;

        if (sd_event_add_io(f->event, &source, fd, events_of(what), on_socket_ready, f) < 0)
                return -1;

        (void) sd_event_source_set_description(source, "http-fetch");
        (void) curl_multi_assign(f->multi, fd, source);
        return 0;
}

static int on_timer_wanted(_unused_ CURLM *multi, long timeout_ms, void *userdata) {
        HttpFetcher *f = userdata;

        if (timeout_ms < 0)
                return sd_event_source_set_enabled(f->timer_source, SD_EVENT_OFF) < 0 ? -1 : 0;

        if (sd_event_source_set_time_relative(f->timer_source,
                                              (uint64_t) timeout_ms * USEC_PER_MSEC) < 0)
                return -1;

        return sd_event_source_set_enabled(f->timer_source, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* user_agent is copied. */
int http_fetcher_new(sd_event *event, const char *user_agent, HttpFetcher **ret) {
        _cleanup_(http_fetcher_freep) HttpFetcher *f = NULL;
        int r;

        f = malloc(sizeof(*f));
        if (!f)
                return -ENOMEM;

        *f = (HttpFetcher) { .event = sd_event_ref(event) };

        f->user_agent = strdup(user_agent);
        f->multi = curl_multi_init();
        if (!f->user_agent || !f->multi)
                return -ENOMEM;

        /* Accuracy 1: with 0, a default, each of libcurl's short waits could be a quarter of a second. */
        r = sd_event_add_time_relative(event, &f->timer_source, CLOCK_MONOTONIC, 0, 1, on_timer, f);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(f->timer_source, "http-fetch-timer");
        (void) sd_event_source_set_enabled(f->timer_source, SD_EVENT_OFF);

        (void) curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
        (void) curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
        (void) curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
        (void) curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);

        *ret = TAKE_PTR(f);
        return 0;
}

HttpFetcher *http_fetcher_free(HttpFetcher *f) {
        if (!f)
                return NULL;

        while (f->fetches)
                http_fetch_cancel(f->fetches);
        if (f->multi)
                (void) curl_multi_cleanup(f->multi);

        sd_event_source_disable_unref(f->timer_source);
        sd_event_unref(f->event);
        free(f->user_agent);
        free(f);
        return NULL;
}

static int add_header(HttpFetch *x, const char *name, const char *value) {
        _cleanup_free_ char *text = NULL;
        struct curl_slist *longer;

        if (!value)
                return 0;

        if (asprintf(&text, "%s%s%s", name, *value ? ": " : ":", value) < 0)
                return -ENOMEM;

        longer = curl_slist_append(x->headers, text);
        if (!longer)
                return -ENOMEM;

        x->headers = longer;
        return 0;
}

static int fetch_set_headers(HttpFetch *x, const HttpFetchRequest *q) {
        int r;

        r = add_header(x, "Content-Type", q->body ? q->content_type : NULL);
        if (r < 0)
                return r;

        r = add_header(x, "Accept", q->content_type);
        if (r < 0)
                return r;

        r = add_header(x, "Mesos-Stream-Id", q->stream_id);
        if (r < 0)
                return r;

        /* No round trip before large bodies. */
        r = add_header(x, "Expect", "");
        if (r < 0)
                return r;

        (void) curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
        return 0;
}

static int fetch_set_body(HttpFetch *x, const HttpFetchRequest *q) {
        if (!streq(q->method, "POST"))
                return 0;

        /* Kept by us rather than by libcurl, which sends it again after a 307. */
        x->request_body = malloc(q->n_body + 1);
        if (!x->request_body)
                return -ENOMEM;

        if (q->n_body > 0)
                memcpy(x->request_body, q->body, q->n_body);
        (void) curl_easy_setopt(x->easy, CURLOPT_POST, 1L);
        (void) curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) q->n_body);
        (void) curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, x->request_body);
        return 0;
}

static void fetch_set_limits(HttpFetch *x, const HttpFetchRequest *q) {
        long timeout_ms = (long) ((q->timeout_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC);

        (void) curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
        (void) curl_easy_setopt(x->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        (void) curl_easy_setopt(x->easy, CURLOPT_FOLLOWLOCATION, 1L);
        (void) curl_easy_setopt(x->easy, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
        (void) curl_easy_setopt(x->easy, CURLOPT_TCP_KEEPALIVE, 1L);
        if (timeout_ms > 0) {
                (void) curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
                /* A stream has no end to wait for: its silence is its reader's business. */
                if (!x->stream)
                        (void) curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
        }
}

static int fetch_configure(HttpFetch *x, const HttpFetchRequest *q) {
        int r;

        x->easy = curl_easy_init();
        if (!x->easy)
                return -ENOMEM;

        (void) curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
        (void) curl_easy_setopt(x->easy, CURLOPT_USERAGENT, x->fetcher->user_agent);
        (void) curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error_text);
        (void) curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
        (void) curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_data);
        (void) curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
        if (curl_easy_setopt(x->easy, CURLOPT_URL, q->url) != CURLE_OK)
                return -ENOMEM;

        fetch_set_limits(x, q);
        r = fetch_set_headers(x, q);
        if (r < 0)
                return r;

        return fetch_set_body(x, q);
}

/*
 * Starts a request. The strings and the body are copied, `stream` (constant ops) is borrowed.
 * Returns 0 or a negative errno; a server that cannot be reached is told to `done`.
 */
int http_fetch_start(HttpFetcher *f, const HttpFetchRequest *request,
                     const HttpFetchStreamOps *stream, HttpFetchDone done, void *userdata,
                     HttpFetch **ret) {
        size_t max_body_bytes = stream ? MAX_REFUSAL_BYTES : request->max_bytes;
        _cleanup_(http_fetch_cancelp) HttpFetch *x = NULL;
        int r;

        x = malloc(sizeof(*x));
        if (!x)
                return -ENOMEM;

        *x = (HttpFetch) {
                .fetcher = f,
                /* One more for the NUL that every answer's body ends with. */
                .body = BUFFER_INIT(max_body_bytes + 1),
                .reader = {
                        .buffer = BUFFER_INIT(request->max_bytes + MAX_READ_AHEAD_BYTES),
                        .max_record_bytes = request->max_bytes,
                },
                .stream = stream,
                .done = done,
                .userdata = userdata,
        };
        DL_APPEND(f->fetches, x);

        r = fetch_configure(x, request);
        if (r < 0)
                return r;

        if (curl_multi_add_handle(f->multi, x->easy) != CURLM_OK)
                return -EIO;

        if (ret)
                *ret = x;
        x = NULL;
        return 0;
}
