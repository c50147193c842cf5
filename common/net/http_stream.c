/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Endless answers
 *
 * libmicrohttpd sends the head of a stream and then asks for its body. Instead of an answer its
 * connection is suspended, and from there on the socket is ours: we write the chunks ourselves until
 * the stream ends, and only then libmicrohttpd gets the connection back, to close it.
 *
 *     head ─▶ read_queue(): suspend ─▶ flush() … flush() ─▶ shutdown, resume ─▶ closed
 *
 * Left to it, events would be cut into chunks of its pool's size, and resuming costs it a walk over
 * all suspended connections. This way every write is one chunk, whatever its size (some clients take
 * a chunk for an event), and what was written in one turn of the loop goes out with one system call.
 * It takes a plain socket: the keys of a TLS session would be on the other side.
 *
 * What a slow reader leaves unread waits here, up to a bound. A stream ends in one of three ways. Its
 * owner closes it: what is queued still goes out, within the time a request has. Its owner cuts it,
 * because the reader is too slow: what is queued is lost. Or the peer leaves, even if it only shuts
 * down its writing side, and the owner is told once.
 */

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/net/http_internal.h"
#include "common/net/recordio.h"

/* A queue that a burst made larger than this is given back once it is empty. */
#define QUEUE_KEPT_BYTES ((size_t) 16 << 10)
/* What libmicrohttpd keeps for a body that it never gets. */
#define BLOCK_BYTES 64U
#define LAST_CHUNK "0\r\n\r\n"

struct HttpStream {
        HttpRequest *request;
        Buffer queue;                    /* as it goes to the socket, chunk by chunk */
        size_t max_buffered_bytes;
        HttpStreamClosed closed;
        void *userdata;
        bool chunked;                    /* HTTP/1.0 knows no chunks */
        bool started;                    /* the head is out, the socket is ours */
        bool ended;                      /* by the owner, who must not hear of it any more */
        bool blocked;                    /* the socket is full: EPOLLOUT is asked for */
        bool unflushed;                  /* on the server's list */
        HttpStream *prev, *next;
};

static void remove_from_unflushed(HttpStream *s) {
        if (!s->unflushed)
                return;

        s->unflushed = false;
        DL_DELETE(s->request->server->unflushed, s);
}

/* Called when the request is over. */
HttpStream *http_stream_free(HttpStream *s) {
        if (!s)
                return NULL;

        remove_from_unflushed(s);
        if (!s->ended && s->closed)
                s->closed(s, s->userdata);

        buffer_deinit(&s->queue);
        free(s);
        return NULL;
}

static void set_blocked(HttpStream *s, bool blocked) {
        if (s->blocked == blocked)
                return;

        s->blocked = blocked;
        (void) sd_event_source_set_io_events(s->request->watch_source, blocked ? EPOLLRDHUP | EPOLLOUT : EPOLLRDHUP);
}

/* Sends what the socket takes. With everything sent, an ended stream gives its connection back. */
static void flush(HttpStream *s) {
        while (buffer_size(&s->queue) > 0) {
                ssize_t n = send(s->request->connection->fd, buffer_data(&s->queue), buffer_size(&s->queue),
                                 MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN) {
                        set_blocked(s, true);
                        return;
                }
                if (n < 0) {
                        http_request_abandon(s->request);
                        return;
                }

                buffer_consume(&s->queue, (size_t) n);
        }

        if (s->ended) {
                http_request_abandon(s->request);
                return;
        }

        set_blocked(s, false);
        if (s->queue.n_allocated > QUEUE_KEPT_BYTES)
                buffer_deinit(&s->queue);
}

static void flush_soon(HttpStream *s) {
        HttpServer *server = s->request->server;

        if (!s->started || s->blocked || s->unflushed || s->request->dead)
                return;

        s->unflushed = true;
        DL_APPEND(server->unflushed, s);
        (void) sd_event_source_set_enabled(server->flush_source, SD_EVENT_ONESHOT);
}

/* Of all streams that were written to in this turn. */
void http_stream_flush_all(HttpServer *server) {
        while (server->unflushed) {
                HttpStream *s = server->unflushed;

                remove_from_unflushed(s);
                flush(s);
        }
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        HttpStream *s = userdata;

        (void) source;
        (void) fd;

        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                http_request_abandon(s->request);
        else
                flush(s);
        return 0;
}

/* libmicrohttpd has sent the head and wants the body; later, when all is over, it is told so. */
static ssize_t read_queue(void *userdata, uint64_t position, char *data, size_t n) {
        HttpStream *s = userdata;

        (void) position;
        (void) data;
        (void) n;

        /* The socket is shut, so the end that it makes of this does not reach the peer. Told of an error
         * instead, it would leave the connection open until its socket stirs, which it never does. */
        if (s->request->dead)
                return MHD_CONTENT_READER_END_OF_STREAM;

        s->started = true;
        http_request_suspend(s->request);
        if (buffer_size(&s->queue) > 0 || s->ended)
                flush_soon(s);
        return 0;
}

int http_request_stream(HttpRequest *r, const char *content_type, size_t max_buffered_bytes,
                        HttpStreamClosed closed, void *userdata, HttpStream **ret) {
        struct MHD_Response *response;
        HttpStream *s;
        int k;

        assert(!r->response);

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (HttpStream) {
                .request = r,
                .queue = BUFFER_INIT(max_buffered_bytes + strlen(LAST_CHUNK)),
                .max_buffered_bytes = max_buffered_bytes,
                .closed = closed,
                .userdata = userdata,
                .chunked = r->chunked,
        };

        k = http_request_watch(r, EPOLLRDHUP, on_socket, s);
        response = k < 0 ? NULL
                         : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_queue, s, NULL);
        if (!response) {
                r->watch_source = sd_event_source_disable_unref(r->watch_source);
                free(s);
                return k < 0 ? k : -ENOMEM;
        }

        r->stream = s;
        http_request_respond(r, MHD_HTTP_OK, content_type, response);
        *ret = s;
        return 0;
}

size_t http_stream_unsent(const HttpStream *s) {
        return buffer_size(&s->queue);
}

/* One chunk of both parts. */
static int append_chunk(HttpStream *s, const char *prefix, const void *data, size_t n_data) {
        size_t n_prefix = strlen(prefix), n_size = 0, n_end = 0, n;
        char size[24] = "", *p;
        int r;

        if (n_data > s->max_buffered_bytes)
                return -ENOBUFS;

        if (s->chunked) {
                n_size = (size_t) snprintf(size, sizeof(size), "%zx\r\n", n_prefix + n_data);
                n_end = strlen("\r\n");
        }

        n = n_size + n_prefix + n_data + n_end;
        if (buffer_size(&s->queue) + n > s->max_buffered_bytes)
                return -ENOBUFS;

        r = buffer_reserve(&s->queue, n, &p);
        if (r < 0)
                return r;

        memcpy(p, size, n_size);
        memcpy(p + n_size, prefix, n_prefix);
        memcpy(p + n_size + n_prefix, data, n_data);
        memcpy(p + n_size + n_prefix + n_data, "\r\n", n_end);
        buffer_commit(&s->queue, n);
        return 0;
}

static int stream_write(HttpStream *s, const char *prefix, const void *data, size_t n) {
        int r;

        assert(!s->ended);

        /* closed() is on its way; and a chunk of nothing would be the last one. */
        if (s->request->dead || n == 0)
                return 0;

        r = append_chunk(s, prefix, data, n);
        if (r < 0)
                return r;

        flush_soon(s);
        return 0;
}

int http_stream_write(HttpStream *s, const void *data, size_t n) {
        return stream_write(s, "", data, n);
}

int http_stream_write_record(HttpStream *s, const void *data, size_t n) {
        char prefix[RECORDIO_PREFIX_MAX];

        return stream_write(s, recordio_prefix(n, prefix), data, n);
}

HttpStream *http_stream_close(HttpStream *s) {
        if (!s)
                return NULL;

        /* Also of a stream whose peer is gone already: its owner may not be there any more to be told. */
        s->ended = true;
        if (s->request->dead)
                return NULL;

        if (s->chunked)
                (void) buffer_append_text(&s->queue, LAST_CHUNK);

        http_connection_enter(s->request->connection, CONNECTION_DUE);
        http_server_wake(s->request->server); /* arms the timer */
        flush_soon(s);
        return NULL;
}

HttpStream *http_stream_cut(HttpStream *s) {
        if (!s)
                return NULL;

        buffer_deinit(&s->queue);
        if (!s->started)
                return http_stream_close(s);

        s->ended = true;
        remove_from_unflushed(s);
        if (!s->request->dead)
                http_request_abandon(s->request);
        return NULL;
}
