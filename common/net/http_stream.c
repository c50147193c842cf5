/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Endless answers
 *
 * A stream is an answer whose body libmicrohttpd fetches piece by piece. With nothing queued its
 * connection is suspended, with something queued it is resumed: once per turn of the loop, however
 * much was written in that turn. What a slow reader leaves unread waits here, up to a bound.
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
        free(s);
        return NULL;
}

/* libmicrohttpd asks for at most n bytes of body. */
static ssize_t read_queue(void *userdata, uint64_t position, char *data, size_t n) {
        HttpStream *s = userdata;
        size_t available = buffer_size(&s->queue);

        (void) position;

        /* The socket is shut, so the end does not reach the peer. Told of an error instead, libmicrohttpd
         * would leave the connection open until its socket stirs again, which it never does. */
        if (s->request->dead)
                return MHD_CONTENT_READER_END_OF_STREAM;

        if (available == 0) {
                if (s->ended)
                        return MHD_CONTENT_READER_END_OF_STREAM;
                if (s->queue.n_allocated > QUEUE_KEPT_BYTES)
                        buffer_deinit(&s->queue);
                http_request_suspend(s->request);
                return 0;
        }

        n = MIN(n, available);
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
        int r;

        assert(!s->ended);

        /* closed() is on its way. */
        if (s->request->dead)
                return 0;

        r = buffer_append(&s->queue, data, n);
        if (r < 0)
                return r;

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
