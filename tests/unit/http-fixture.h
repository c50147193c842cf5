#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* An HTTP server and raw sockets to it in one loop, for the tests of common/net. */

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/net/http_server.h"

/* Nothing here takes this long; a test that gets there has failed. */
#define PATIENCE (20 * USEC_PER_SEC)

typedef struct Fixture {
        sd_event *event;
        HttpServer *server;
        HttpRequest *held;           /* by the route "/late" */
        HttpRequest *hold[4];        /* by the route "/hold", in order */
        unsigned n_hold;
        HttpStream *stream;          /* the last one made by the route "/stream" */
        unsigned n_requests;
        unsigned n_gone;
        unsigned n_closed;
        size_t n_last_body;
        char last[256];              /* method, path, rest */
} Fixture;

/* One end of a connection as the test holds it. */
typedef struct Socket {
        int fd;
        Buffer in;
        bool ended;
} Socket;

static inline void turn(Fixture *f) {
        assert_true(sd_event_run(f->event, 2 * USEC_PER_MSEC) >= 0);
}

/* Runs the loop until the condition holds. */
#define WAIT_FOR(f, condition)                                                                     \
        do {                                                                                       \
                usec_t _until = usec_now(CLOCK_MONOTONIC) + PATIENCE;                              \
                while (!(condition)) {                                                             \
                        if (usec_now(CLOCK_MONOTONIC) > _until)                                    \
                                fail_msg("never came true: %s", #condition);                       \
                        turn(f);                                                                   \
                }                                                                                  \
        } while (0)

static inline Socket dial(uint16_t port) {
        struct sockaddr_in in = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        Socket s = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .in = BUFFER_INIT(256U << 20) };

        assert_true(s.fd >= 0);
        assert_int_equal(connect(s.fd, (const struct sockaddr *) &in, sizeof(in)), 0);
        assert_true(fd_set_nonblock(s.fd, true) >= 0);
        return s;
}

static inline void hang_up(Socket *s) {
        s->fd = fd_close(s->fd);
        buffer_deinit(&s->in);
}

/* Sends all of it, letting the server read meanwhile; stops when the server has hung up. */
static inline void say_n(Fixture *f, Socket *s, const char *data, size_t n) {
        usec_t until = usec_now(CLOCK_MONOTONIC) + PATIENCE;

        while (n > 0) {
                ssize_t k = send(s->fd, data, n, MSG_NOSIGNAL);

                if (k < 0 && errno != EAGAIN) {
                        s->ended = true;
                        return;
                }
                if (k > 0) {
                        data += k;
                        n -= (size_t) k;
                }
                if (n > 0)
                        turn(f);
                assert_true(usec_now(CLOCK_MONOTONIC) < until);
        }
}

static inline void say(Fixture *f, Socket *s, const char *text) {
        say_n(f, s, text, strlen(text));
}

/* Takes in what has arrived; false at the end of the stream. */
static inline bool listen_in(Socket *s) {
        while (!s->ended) {
                char *p;
                ssize_t k;

                assert_int_equal(buffer_reserve(&s->in, 65536, &p), 0);
                k = recv(s->fd, p, 65536, 0);
                if (k > 0)
                        buffer_commit(&s->in, (size_t) k);
                else if (k == 0 || errno != EAGAIN)
                        s->ended = true;
                else
                        break;
        }

        return !s->ended;
}

static inline const char *find_in(Socket *s, const char *text) {
        (void) listen_in(s);
        return buffer_size(&s->in) > 0 ? memmem(buffer_data(&s->in), buffer_size(&s->in), text, strlen(text)) : NULL;
}

static inline unsigned count_in(Socket *s, const char *text) {
        const char *p, *end;
        unsigned n = 0;

        (void) listen_in(s);
        p = buffer_data(&s->in);
        end = p + buffer_size(&s->in);
        while (p && (p = memmem(p, (size_t) (end - p), text, strlen(text)))) {
                n++;
                p += strlen(text);
        }

        return n;
}

#define HEAR(f, s, text) WAIT_FOR(f, find_in(s, text))
#define HEAR_END(f, s) WAIT_FOR(f, !listen_in(s))
