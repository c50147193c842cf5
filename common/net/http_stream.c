/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Endless answers
 *
 * A stream is an answer whose body libmicrohttpd fetches piece by piece. With nothing queued its
 * connection is suspended, with something queued it is resumed: once per turn of the loop, however
 * much was written in that turn. What a slow reader leaves unread waits here, up to a bound.
 *
 * What was written at once goes out as one chunk, or as several where it is large, but never together
 * with other writes: some clients expect an event in every chunk.
 *
 * A stream ends in one of two ways. Its owner closes it: what is queued still goes out. Or the peer
 * leaves, even if it only shuts down its writing side, and the owner is told once.
 */

#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/net/http_internal.h"

/* A queue that a burst made larger than this is given back once it is empty. */
#define QUEUE_KEPT_BYTES ((size_t) 16 << 10)
/* libmicrohttpd takes this much at most for a peer without chunked encoding. */
#define BLOCK_BYTES 1024U

struct HttpStream {
        HttpRequest *request;
        Buffer queue;
        Buffer lengths;          /* of the writes that make up the queue, a size_t each */
        HttpStreamClosed closed;
        void *userdata;
        bool ended;              /* by the owner, who must not hear of it any more */
};

/* Called when the request is over. */
HttpStream *http_stream_free(HttpStream *s) {
        if (!s)
                return NULL;

        if (s->ended)
                (void) shutdown(s->request->connection->fd, SHUT_RDWR);
        else if (s->closed)
                s->closed(s, s->userdata);

        buffer_deinit(&s->queue);
        buffer_deinit(&s->lengths);
        free(s);
        return NULL;
}

/* Takes up to n bytes from the first write that is in the queue. */
static size_t take_from_write(HttpStream *s, size_t n) {
        size_t length;

        memcpy(&length, buffer_data(&s->lengths), sizeof(length));
        if (length <= n) {
                buffer_consume(&s->lengths, sizeof(length));
                return length;
        }

        length -= n;
        memcpy(buffer_data(&s->lengths), &length, sizeof(length));
        return n;
}

/* libmicrohttpd asks for at most n bytes of body, and makes one chunk of them. */
static ssize_t read_queue(void *userdata, uint64_t position, char *data, size_t n) {
        HttpStream *s = userdata;

        (void) position;

        /* The socket is shut, so the end does not reach the peer. Told of an error instead, libmicrohttpd
         * would leave the connection open until its socket stirs again, which it never does. */
        if (s->request->dead)
                return MHD_CONTENT_READER_END_OF_STREAM;

        if (buffer_size(&s->queue) == 0) {
                if (s->ended)
                        return MHD_CONTENT_READER_END_OF_STREAM;
                if (s->queue.n_allocated > QUEUE_KEPT_BYTES)
                        buffer_deinit(&s->queue);
                if (s->lengths.n_allocated > QUEUE_KEPT_BYTES)
                        buffer_deinit(&s->lengths);
                http_request_suspend(s->request);
                return 0;
        }

        n = take_from_write(s, n);
        memcpy(data, buffer_data(&s->queue), n);
        buffer_consume(&s->queue, n);
        return (ssize_t) n;
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
                .queue = BUFFER_INIT(max_buffered_bytes),
                .lengths = BUFFER_INIT(max_buffered_bytes),
                .closed = closed,
                .userdata = userdata,
        };

        k = http_request_watch(r, EPOLLRDHUP);
        response = k < 0 ? NULL
                         : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_queue, s, NULL);
        if (!response) {
                free(s);
                return k < 0 ? k : -ENOMEM;
        }

        r->stream = s;
        http_request_respond(r, MHD_HTTP_OK, content_type, response);
        *ret = s;
        return 0;
}

int http_stream_write(HttpStream *s, const void *data, size_t n) {
        char *length;
        int r;

        assert(!s->ended);

        /* closed() is on its way. */
        if (s->request->dead)
                return 0;

        if (n == 0)
                return 0;

        r = buffer_reserve(&s->lengths, sizeof(n), &length);
        if (r < 0)
                return r;

        r = buffer_append(&s->queue, data, n);
        if (r < 0)
                return r;

        memcpy(length, &n, sizeof(n));
        buffer_commit(&s->lengths, sizeof(n));
        http_request_resume(s->request);
        return 0;
}

HttpStream *http_stream_close(HttpStream *s) {
        if (!s || s->request->dead)
                return NULL;

        s->ended = true;
        http_connection_watch_progress(s->request->connection, true);
        http_request_resume(s->request);
        return NULL;
}
