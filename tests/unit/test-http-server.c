/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP server over real sockets: answers now and later, streams, bounds, peers that misbehave or leave. */

#include "tests/unit/http-fixture.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>

#define BODY_MAX ((size_t) 1 << 20)

static void remember(Fixture *f, HttpRequest *r) {
        (void) http_request_body(r, &f->n_last_body);
        f->n_requests++;
        snprintf(f->last, sizeof(f->last), "%s %s %s", http_request_method(r), http_request_path(r),
                 http_request_rest(r));
}

static void serve_echo(HttpRequest *r, void *userdata) {
        size_t n;
        const void *body = http_request_body(r, &n);

        remember(userdata, r);
        http_request_answer(r, 200, "application/octet-stream", body, n);
}

static void serve_accepted(HttpRequest *r, void *userdata) {
        remember(userdata, r);
        http_request_answer(r, 202, NULL, NULL, 0);
}

static void note_gone(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        assert_ptr_equal(r, f->held);
        f->held = NULL;
        f->n_gone++;
}

static void serve_late(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        remember(f, r);
        http_request_on_gone(r, note_gone, f);
        f->held = r;
}

static void serve_hold(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        assert_true(f->n_hold < ELEMENTSOF(f->hold));
        f->hold[f->n_hold++] = r;
}

static void note_closed(HttpStream *s, void *userdata) {
        Fixture *f = userdata;

        if (s == f->stream)
                f->stream = NULL;
        f->n_closed++;
}

static void serve_stream(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        remember(f, r);
        assert_int_equal(http_request_add_header(r, "Mesos-Stream-Id", "s1"), 0);
        assert_int_equal(http_request_stream(r, "application/json", 256 << 10, note_closed, f, &f->stream), 0);
}

static void serve_query(HttpRequest *r, void *userdata) {
        const char *name = http_request_query(r, "name"), *bare = http_request_query(r, "bare");

        remember(userdata, r);
        assert_null(http_request_query(r, "absent"));
        http_request_answer_text(r, 200, "name=%s bare=%s x-y=%s peer=%s target=%s", name ?: "?", bare ?: "?",
                                 http_request_header(r, "x-y") ?: "?", http_request_peer(r),
                                 http_request_target(r));
}

static void serve_big(HttpRequest *r, void *userdata) {
        Buffer b = BUFFER_INIT(64U << 20);
        char *p;

        remember(userdata, r);
        assert_int_equal(buffer_reserve(&b, 32U << 20, &p), 0);
        memset(p, 'x', 32U << 20);
        buffer_commit(&b, 32U << 20);
        buffer_consume(&b, 1);
        http_request_answer_buffer(r, 200, "text/plain", &b);
        assert_null(b.data);
}

/* A file of 100,000 bytes, of which all or, behind "/file/short", more than all are promised. */
static void serve_file(HttpRequest *r, void *userdata) {
        bool promise_more = streq(http_request_rest(r), "/short"), nothing = streq(http_request_rest(r), "/empty");
        int fd = memfd_create("file", MFD_CLOEXEC);

        remember(userdata, r);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, 99999), 0);
        assert_int_equal(pwrite(fd, "!", 1, 99999), 1);
        http_request_answer_fd(r, 200, "text/x-file", fd, nothing ? 0 : promise_more ? 100001 : 100000);
}

static void start(Fixture *f, HttpServerConfig config) {
        static const struct {
                const char *path;
                HttpHandler handler;
        } routes[] = {
                { "/echo", serve_echo },       { "/accepted", serve_accepted }, { "/late", serve_late },
                { "/stream", serve_stream },   { "/query/", serve_query },      { "/echo/deep", serve_accepted },
                { "/slave(1)", serve_accepted }, { "/big", serve_big },         { "/hold", serve_hold },
                { "/file", serve_file },
        };

        if (!config.ip)
                config.ip = "127.0.0.1";
        if (!config.max_body_bytes)
                config.max_body_bytes = BODY_MAX;
        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(http_server_new(f->event, &config, &f->server), 0);
        for (size_t i = 0; i < ELEMENTSOF(routes); i++)
                assert_int_equal(http_server_route(f->server, routes[i].path, routes[i].handler, f), 0);
}

static void stop(Fixture *f) {
        f->server = http_server_free(f->server);
        f->event = sd_event_unref(f->event);
}

/* With a bound of one connection: is the place of the last one free again? */
static void check_place_is_free(Fixture *f) {
        Socket s = dial(http_server_port(f->server));

        say(f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(f, &s, "200 OK");
        hang_up(&s);
}

static void test_answers_come_in_order_on_one_connection(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                    "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "404 Not Found");
        HEAR(&f, &s, "hello");
        assert_true(find_in(&s, "hello") < find_in(&s, "abcde"));
        assert_true(find_in(&s, "abcde") < find_in(&s, "404"));
        assert_non_null(find_in(&s, "Date: "));
        assert_int_equal(f.n_requests, 2);

        hang_up(&s);
        stop(&f);
}

static void test_a_late_answer_reaches_its_request(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "GET /late HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.held);
        assert_null(find_in(&s, "HTTP"));
        http_request_answer_text(f.held, 200, "%s", "here you are");
        HEAR(&f, &s, "here you are");
        WAIT_FOR(&f, count_in(&s, "HTTP/1.1 200 OK") == 2);
        assert_int_equal(f.n_gone, 0);

        hang_up(&s);
        stop(&f);
}

static void test_a_peer_that_leaves_before_its_answer_is_noticed(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1, .max_connections = 1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.held);
        /* A reset: an orderly end might still want its answer. */
        assert_int_equal(setsockopt(s.fd, SOL_SOCKET, SO_LINGER, &(struct linger) { .l_onoff = 1 },
                                    sizeof(struct linger)), 0);
        hang_up(&s);
        WAIT_FOR(&f, f.n_gone == 1);
        assert_null(f.held);

        check_place_is_free(&f);
        stop(&f);
}

static void test_a_peer_that_only_stopped_writing_gets_its_answer(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "GET /late HTTP/1.0\r\n\r\n");
        assert_int_equal(shutdown(s.fd, SHUT_WR), 0);
        WAIT_FOR(&f, f.held);
        for (unsigned i = 0; i < 5; i++)
                turn(&f);
        assert_int_equal(f.n_gone, 0);
        http_request_answer_text(f.held, 200, "done");
        HEAR(&f, &s, "done");
        HEAR_END(&f, &s);

        hang_up(&s);
        stop(&f);
}

static void test_a_stream_goes_on_until_it_is_closed(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "POST /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
        HEAR(&f, &s, "Transfer-Encoding: chunked");
        HEAR(&f, &s, "Mesos-Stream-Id: s1");
        assert_int_equal(http_stream_write(f.stream, "first", 5), 0);
        HEAR(&f, &s, "5\r\nfirst\r\n");
        assert_int_equal(http_stream_write(f.stream, "sec", 3), 0);
        assert_int_equal(http_stream_write(f.stream, "ond", 3), 0);
        HEAR(&f, &s, "3\r\nsec\r\n3\r\nond\r\n");
        assert_true(listen_in(&s));
        assert_int_equal(http_stream_write(f.stream, "last", 4), 0);
        f.stream = http_stream_close(f.stream);
        HEAR(&f, &s, "4\r\nlast\r\n0\r\n\r\n");
        HEAR_END(&f, &s);
        assert_int_equal(f.n_closed, 0);

        hang_up(&s);
        stop(&f);
}

static void test_an_event_of_any_size_is_one_chunk(void **state) {
        _cleanup_free_ char *event = malloc(100000), *chunk = malloc(100011);
        Fixture f = {};
        Socket s;

        (void) state;
        memset(event, 'e', 100000);
        memcpy(chunk, "186a0\r\n", 7);
        memset(chunk + 7, 'e', 100000);
        memcpy(chunk + 100007, "\r\n", 3);
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.stream);
        assert_int_equal(http_stream_write(f.stream, event, 100000), 0);
        HEAR(&f, &s, chunk);

        hang_up(&s);
        stop(&f);
}

static void test_an_old_client_gets_a_stream_without_chunks(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "GET /stream HTTP/1.0\r\n\r\n");
        WAIT_FOR(&f, f.stream);
        assert_int_equal(http_stream_write(f.stream, "one", 3), 0);
        HEAR(&f, &s, "\r\n\r\none");
        assert_int_equal(http_stream_write(f.stream, "two", 3), 0);
        f.stream = http_stream_close(f.stream);
        HEAR(&f, &s, "\r\n\r\nonetwo");
        HEAR_END(&f, &s);
        assert_int_equal(memcmp(buffer_data(&s.in) + buffer_size(&s.in) - 6, "onetwo", 6), 0);

        hang_up(&s);
        stop(&f);
}

static void test_a_stream_that_ends_does_not_wait_for_ever_for_its_reader(void **state) {
        _cleanup_free_ char *block = calloc(1, 64 << 10);
        Fixture f = {};
        Socket slow;

        (void) state;
        start(&f, (HttpServerConfig) {
                .listen_fd = -1, .max_connections = 1, .request_timeout_usec = 50 * USEC_PER_MSEC });
        slow = dial(http_server_port(f.server));
        say(&f, &slow, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.stream);
        while (http_stream_write(f.stream, block, 64 << 10) == 0)
                turn(&f);
        f.stream = http_stream_close(f.stream);

        check_place_is_free(&f);
        hang_up(&slow);
        stop(&f);
}

static void test_requests_that_never_end_keep_no_one_out(void **state) {
        Fixture f = {};
        Socket slow[2], s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1, .max_connections = ELEMENTSOF(slow) });
        for (size_t i = 0; i < ELEMENTSOF(slow); i++) {
                slow[i] = dial(http_server_port(f.server));
                say(&f, &slow[i], "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
        }

        s = dial(http_server_port(f.server));
        say(&f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "200 OK");

        hang_up(&s);
        for (size_t i = 0; i < ELEMENTSOF(slow); i++)
                hang_up(&slow[i]);
        stop(&f);
}

static void test_a_stream_hears_once_that_its_reader_left(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1, .max_connections = 1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "200 OK");
        hang_up(&s);
        WAIT_FOR(&f, f.n_closed == 1);
        assert_null(f.stream);

        check_place_is_free(&f);
        stop(&f);
        assert_int_equal(f.n_closed, 1);
}

static void test_a_slow_reader_fills_its_queue_and_nobody_elses(void **state) {
        _cleanup_free_ char *block = calloc(1, 64 << 10);
        Fixture f = {};
        Socket slow, fast;
        int r = 0;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        slow = dial(http_server_port(f.server));
        fast = dial(http_server_port(f.server));

        say(&f, &slow, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.stream);
        for (unsigned i = 0; i < 10000 && r == 0; i++) {
                r = http_stream_write(f.stream, block, 64 << 10);
                turn(&f);
        }
        assert_int_equal(r, -ENOBUFS);

        say(&f, &fast, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &fast, "200 OK");

        /* What was taken is delivered even so. */
        f.stream = http_stream_close(f.stream);
        HEAR(&f, &slow, "\r\n0\r\n\r\n");
        HEAR_END(&f, &slow);

        hang_up(&slow);
        hang_up(&fast);
        stop(&f);
}

static void test_the_longest_route_of_whole_components_wins(void **state) {
        static const struct {
                const char *target;
                const char *seen;
        } table[] = {
                { "/echo", "GET /echo " },
                { "/echo/", "GET /echo " },
                { "//echo//x/", "GET /echo/x /x" },
                { "/echo/deep/a", "GET /echo/deep/a /a" },
                { "/echo/deeper", "GET /echo/deeper /deeper" },
                { "/slave(1)/x", "GET /slave(1)/x /x" },
                { "/slave%281%29/a%2Fb", "GET /slave(1)/a/b /a/b" },
                { "http://host:1/echo/y?z=1", "GET /echo/y /y" },
        };
        static const char *const refused[] = { "/echo/../late", "/echo/%2e%2e/x", "/echo%00", "/echo%zz", "/echo%" };
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char text[256];

                snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", table[i].target);
                say(&f, &s, text);
                WAIT_FOR(&f, f.n_requests == i + 1);
                assert_string_equal(f.last, table[i].seen);
        }

        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                char text[256];

                snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", refused[i]);
                say(&f, &s, text);
                WAIT_FOR(&f, count_in(&s, "400 Bad Request") == i + 1);
        }

        say(&f, &s, "GET /echoes HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "404 Not Found");
        assert_int_equal(f.n_requests, ELEMENTSOF(table));

        hang_up(&s);
        stop(&f);
}

static void test_query_headers_and_peer_are_told(void **state) {
        Fixture f = {};
        char expected[128];
        struct sockaddr_in in;
        socklen_t n = sizeof(in);
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));
        assert_int_equal(getsockname(s.fd, (struct sockaddr *) &in, &n), 0);

        say(&f, &s, "GET /query?name=a%20b+c&bare HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n");
        snprintf(expected, sizeof(expected), "name=a b c bare= x-y=z peer=127.0.0.1:%u target=/query?name=a%%20b+c&bare",
                 ntohs(in.sin_port));
        HEAR(&f, &s, expected);

        hang_up(&s);
        stop(&f);
}

static void test_head_is_answered_without_a_body(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "HEAD /query HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "404 Not Found");
        assert_null(find_in(&s, "name="));
        assert_non_null(find_in(&s, "Content-Length: "));

        hang_up(&s);
        stop(&f);
}

static void test_expect_100_continue_is_met(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        HEAR(&f, &s, "100 Continue");
        say(&f, &s, "body");
        HEAR(&f, &s, "200 OK");

        hang_up(&s);
        stop(&f);
}

static void test_bodies_beyond_the_bound_get_413(void **state) {
        _cleanup_free_ char *block = calloc(1, 3 * BODY_MAX);
        char head[128];
        Fixture f = {};
        Socket s;

        (void) state;
        memset(block, 'x', 3 * BODY_MAX);
        start(&f, (HttpServerConfig) { .listen_fd = -1 });

        /* Announced and a little too large: read to the end, and the connection lives on. */
        s = dial(http_server_port(f.server));
        snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", BODY_MAX + 1);
        say(&f, &s, head);
        say_n(&f, &s, block, BODY_MAX + 1);
        HEAR(&f, &s, "413 ");
        say(&f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "200 OK");
        hang_up(&s);

        /* Exactly the bound is fine. */
        s = dial(http_server_port(f.server));
        snprintf(head, sizeof(head), "POST /accepted HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", BODY_MAX);
        say(&f, &s, head);
        say_n(&f, &s, block, BODY_MAX);
        HEAR(&f, &s, "202 ");
        assert_int_equal(f.n_last_body, BODY_MAX);
        hang_up(&s);

        /* Hopeless: refused before the body comes. */
        s = dial(http_server_port(f.server));
        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
        HEAR(&f, &s, "413 ");
        HEAR_END(&f, &s);
        hang_up(&s);

        /* Not announced. */
        s = dial(http_server_port(f.server));
        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        snprintf(head, sizeof(head), "%zx\r\n", BODY_MAX + 5);
        say(&f, &s, head);
        say_n(&f, &s, block, BODY_MAX + 5);
        say(&f, &s, "\r\n0\r\n\r\n");
        HEAR(&f, &s, "413 ");
        hang_up(&s);

        /* Not announced and without an end. */
        s = dial(http_server_port(f.server));
        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n");
        for (unsigned i = 0; i < 8 && !s.ended; i++)
                say_n(&f, &s, block, BODY_MAX);
        HEAR_END(&f, &s);
        hang_up(&s);

        stop(&f);
}

static void test_garbage_and_truncation_harm_nobody(void **state) {
        static const char *const garbage[] = {
                "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                "GET\r\n\r\n",
                "GET /echo HTTP/9.9\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 12345678901234567890123\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "GET /echo HTTP/1.1\r\nno colon here\r\n\r\n",
        };
        Fixture f = {};
        Socket s, innocent;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        innocent = dial(http_server_port(f.server));

        for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
                s = dial(http_server_port(f.server));
                say(&f, &s, garbage[i]);
                turn(&f);
                assert_int_equal(shutdown(s.fd, SHUT_WR), 0);
                HEAR_END(&f, &s);
                hang_up(&s);
        }

        s = dial(http_server_port(f.server));
        say(&f, &s, "POST /accepted HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
        turn(&f);
        hang_up(&s);

        say(&f, &innocent, "GET /query HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &innocent, "200 OK");
        assert_string_equal(f.last, "GET /query ");

        hang_up(&innocent);
        stop(&f);
}

static void test_long_headers_work_and_longer_ones_get_431(void **state) {
        char value[20000];
        Fixture f = {};
        Socket s;

        (void) state;
        memset(value, 'v', sizeof(value));
        start(&f, (HttpServerConfig) { .listen_fd = -1 });

        s = dial(http_server_port(f.server));
        say(&f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\nAuthorization: ");
        say_n(&f, &s, value, 4000);
        say(&f, &s, "\r\n\r\n");
        HEAR(&f, &s, "200 OK");
        hang_up(&s);

        s = dial(http_server_port(f.server));
        say(&f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\nAuthorization: ");
        say_n(&f, &s, value, sizeof(value));
        say(&f, &s, "\r\n\r\n");
        HEAR(&f, &s, "431 ");
        HEAR_END(&f, &s);
        hang_up(&s);

        stop(&f);
}

static void test_a_request_that_comes_too_slowly_is_cut_off(void **state) {
        Fixture f = {};
        Socket silent, slow_head, slow_body, second;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1, .request_timeout_usec = 50 * USEC_PER_MSEC });
        silent = dial(http_server_port(f.server));
        slow_head = dial(http_server_port(f.server));
        slow_body = dial(http_server_port(f.server));
        second = dial(http_server_port(f.server));

        say(&f, &slow_head, "GET /ec");
        say(&f, &slow_body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab");
        say(&f, &second, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &second, "200 OK");
        HEAR_END(&f, &slow_head);
        HEAR_END(&f, &slow_body);
        /* One that has said nothing is a link, one between requests is kept alive. */
        assert_true(listen_in(&silent));
        assert_true(listen_in(&second));
        say(&f, &silent, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &silent, "200 OK");
        say(&f, &second, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab");
        HEAR_END(&f, &second);

        hang_up(&silent);
        hang_up(&slow_head);
        hang_up(&slow_body);
        hang_up(&second);
        stop(&f);
}

static void test_a_newcomer_displaces_the_longest_idle_connection(void **state) {
        Socket link, old, young, newcomer, waiting;
        Fixture f = {};

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1, .max_connections = 3 });
        link = dial(http_server_port(f.server));
        say(&f, &link, "POST /accepted HTTP/1.1\r\nHost: x\r\nUser-Agent: libprocess/slave(1)@127.0.0.1:1\r\n"
                       "Content-Length: 0\r\n\r\n");
        HEAR(&f, &link, "202 ");
        old = dial(http_server_port(f.server));
        say(&f, &old, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &old, "200 OK");
        young = dial(http_server_port(f.server));
        say(&f, &young, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &young, "200 OK");

        newcomer = dial(http_server_port(f.server));
        say(&f, &newcomer, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.held);
        HEAR_END(&f, &old);
        assert_true(listen_in(&link));
        assert_true(listen_in(&young));

        /* Now all are in use: the next waits until one ends. */
        waiting = dial(http_server_port(f.server));
        say(&f, &waiting, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        for (unsigned i = 0; i < 10; i++)
                turn(&f);
        assert_null(find_in(&waiting, "200 OK"));
        hang_up(&young);
        HEAR(&f, &waiting, "200 OK");

        http_request_answer(f.held, 200, NULL, NULL, 0);
        hang_up(&link);
        hang_up(&old);
        hang_up(&newcomer);
        hang_up(&waiting);
        stop(&f);
}

static void test_running_out_of_descriptors_pauses_accepting(void **state) {
        struct rlimit saved, tight;
        Fixture f = {};
        Socket first, second;
        unsigned turns = 0;
        usec_t until;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        first = dial(http_server_port(f.server));
        say(&f, &first, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &first, "200 OK");
        second = dial(http_server_port(f.server));

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
        tight = (struct rlimit) { .rlim_cur = (rlim_t) second.fd + 1, .rlim_max = saved.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);

        say(&f, &second, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        until = usec_now(CLOCK_MONOTONIC) + 50 * USEC_PER_MSEC;
        while (usec_now(CLOCK_MONOTONIC) < until) {
                assert_true(sd_event_run(f.event, 50 * USEC_PER_MSEC) >= 0);
                turns++;
        }
        assert_true(turns < 10);
        say(&f, &first, "GET /query HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &first, "name=");

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
        /* Valgrind accepts beyond the limit and closes again. */
        WAIT_FOR(&f, !listen_in(&second) || find_in(&second, "200 OK"));

        hang_up(&first);
        hang_up(&second);
        stop(&f);
}

static void test_bodies_in_memory_are_bounded_in_sum(void **state) {
        _cleanup_free_ char *block = calloc(1, BODY_MAX);
        Fixture f = {};
        char head[128];
        Socket s, holders[ELEMENTSOF(f.hold)];

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        snprintf(head, sizeof(head), "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", BODY_MAX);
        for (unsigned i = 0; i < ELEMENTSOF(holders); i++) {
                holders[i] = dial(http_server_port(f.server));
                say(&f, &holders[i], head);
                say_n(&f, &holders[i], block, BODY_MAX);
                WAIT_FOR(&f, f.n_hold == i + 1);
        }

        s = dial(http_server_port(f.server));
        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
        HEAR(&f, &s, "503 ");

        for (unsigned i = 0; i < ELEMENTSOF(holders); i++) {
                http_request_answer(f.hold[i], 202, NULL, NULL, 0);
                HEAR(&f, &holders[i], "202 ");
                hang_up(&holders[i]);
        }
        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
        HEAR(&f, &s, "200 OK");

        hang_up(&s);
        stop(&f);
}

static void test_pipelined_posts_are_taken_in_order(void **state) {
        enum { N_POSTS = 5000 };
        static const char post[] = "POST /accepted/mesos.internal.X HTTP/1.1\r\nUser-Agent: libprocess/a@127.0.0.1:1\r\n"
                                   "Connection: Keep-Alive\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "5\r\nhello\r\n0\r\n\r\n";
        Buffer all = BUFFER_INIT(16U << 20);
        Fixture f = {};
        usec_t begin_usec;
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));
        for (unsigned i = 0; i < N_POSTS; i++)
                assert_int_equal(buffer_append_text(&all, post), 0);

        begin_usec = usec_now(CLOCK_MONOTONIC);
        /* Responses are not read meanwhile, as some senders do. */
        say_n(&f, &s, buffer_data(&all), buffer_size(&all));
        WAIT_FOR(&f, f.n_requests == N_POSTS);
        print_message("# %u pipelined posts in %.1f ms\n", N_POSTS,
                      (double) (usec_now(CLOCK_MONOTONIC) - begin_usec) / 1000);
        WAIT_FOR(&f, count_in(&s, "HTTP/1.1 202 Accepted") == N_POSTS);

        buffer_deinit(&all);
        hang_up(&s);
        stop(&f);
}

static void test_a_thousand_streams_are_written_to(void **state) {
        enum { N_STREAMS = 1000 };
        static Socket s[N_STREAMS];
        static HttpStream *streams[N_STREAMS];
        struct rlimit limit;
        Fixture f = {};
        usec_t begin_usec;

        (void) state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        if (limit.rlim_cur < 2 * N_STREAMS + 400) {
                limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) 2 * N_STREAMS + 400);
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        if (limit.rlim_cur < 2 * N_STREAMS + 400) {
                print_message("# too few file descriptors\n");
                skip();
        }

        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        for (unsigned i = 0; i < N_STREAMS; i++) {
                s[i] = dial(http_server_port(f.server));
                f.stream = NULL;
                say(&f, &s[i], "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
                WAIT_FOR(&f, f.stream);
                streams[i] = f.stream;
        }

        begin_usec = usec_now(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < N_STREAMS; i++)
                assert_int_equal(http_stream_write(streams[i], "event", 5), 0);
        for (unsigned i = 0; i < N_STREAMS; i++)
                HEAR(&f, &s[i], "5\r\nevent\r\n");
        print_message("# one event to each of %u streams in %.1f ms\n", N_STREAMS,
                      (double) (usec_now(CLOCK_MONOTONIC) - begin_usec) / 1000);

        for (unsigned i = 0; i < N_STREAMS; i++)
                hang_up(&s[i]);
        WAIT_FOR(&f, f.n_closed == N_STREAMS);
        stop(&f);
}

static void test_a_large_answer_arrives_whole(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));
        say(&f, &s, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "Content-Length: 33554431\r\n");
        WAIT_FOR(&f, (listen_in(&s), buffer_size(&s.in) > 33554431));
        say(&f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "application/octet-stream");

        hang_up(&s);
        stop(&f);
}

static void test_a_file_is_sent_from_its_descriptor(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        s = dial(http_server_port(f.server));
        say(&f, &s, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "Content-Length: 100000\r\n");
        WAIT_FOR(&f, (listen_in(&s), buffer_size(&s.in) > 100000));
        assert_int_equal(buffer_data(&s.in)[buffer_size(&s.in) - 1], '!');
        buffer_clear(&s.in);

        say(&f, &s, "GET /file/empty HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "Content-Length: 0\r\n");

        /* A file that shrank in between: the peer sees the connection end early. */
        say(&f, &s, "GET /file/short HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, !listen_in(&s));

        hang_up(&s);
        stop(&f);
}

static void test_a_unix_socket_serves_too(void **state) {
        char dir[] = "/tmp/test-http.XXXXXX";
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        Socket s = { .in = BUFFER_INIT(1 << 20) };
        Fixture f = {};

        (void) state;
        assert_non_null(mkdtemp(dir));
        snprintf(un.sun_path, sizeof(un.sun_path), "%s/agent.sock", dir);
        start(&f, (HttpServerConfig) { .listen_fd = -1, .unix_path = un.sun_path });

        s.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(s.fd, (const struct sockaddr *) &un, sizeof(un)), 0);
        assert_true(fd_set_nonblock(s.fd, true) >= 0);
        say(&f, &s, "GET /query HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "peer=unix");

        hang_up(&s);
        stop(&f);
        assert_int_equal(access(un.sun_path, F_OK), -1);
        assert_int_equal(rmdir(dir), 0);
}

static void test_an_inherited_socket_is_served(void **state) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        Fixture f = {};
        Socket s;

        (void) state;
        assert_int_equal(bind(fd, (const struct sockaddr *) &in, sizeof(in)), 0);
        assert_int_equal(listen(fd, 1), 0);
        start(&f, (HttpServerConfig) { .listen_fd = fd });
        assert_true(http_server_port(f.server) > 0);

        s = dial(http_server_port(f.server));
        say(&f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "200 OK");

        http_server_quiesce(f.server);
        say(&f, &s, "GET /query HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "name=");

        hang_up(&s);
        stop(&f);
}

static void test_whoever_waits_is_told_when_the_server_ends(void **state) {
        Fixture f = {};
        Socket late, stream;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        late = dial(http_server_port(f.server));
        stream = dial(http_server_port(f.server));
        say(&f, &late, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
        say(&f, &stream, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.held && f.stream);

        stop(&f);
        assert_int_equal(f.n_gone, 1);
        assert_int_equal(f.n_closed, 1);

        hang_up(&late);
        hang_up(&stream);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers_come_in_order_on_one_connection),
                cmocka_unit_test(test_a_late_answer_reaches_its_request),
                cmocka_unit_test(test_a_peer_that_leaves_before_its_answer_is_noticed),
                cmocka_unit_test(test_a_peer_that_only_stopped_writing_gets_its_answer),
                cmocka_unit_test(test_a_stream_goes_on_until_it_is_closed),
                cmocka_unit_test(test_an_event_of_any_size_is_one_chunk),
                cmocka_unit_test(test_an_old_client_gets_a_stream_without_chunks),
                cmocka_unit_test(test_a_stream_that_ends_does_not_wait_for_ever_for_its_reader),
                cmocka_unit_test(test_requests_that_never_end_keep_no_one_out),
                cmocka_unit_test(test_a_stream_hears_once_that_its_reader_left),
                cmocka_unit_test(test_a_slow_reader_fills_its_queue_and_nobody_elses),
                cmocka_unit_test(test_the_longest_route_of_whole_components_wins),
                cmocka_unit_test(test_query_headers_and_peer_are_told),
                cmocka_unit_test(test_head_is_answered_without_a_body),
                cmocka_unit_test(test_expect_100_continue_is_met),
                cmocka_unit_test(test_bodies_beyond_the_bound_get_413),
                cmocka_unit_test(test_garbage_and_truncation_harm_nobody),
                cmocka_unit_test(test_long_headers_work_and_longer_ones_get_431),
                cmocka_unit_test(test_a_request_that_comes_too_slowly_is_cut_off),
                cmocka_unit_test(test_a_newcomer_displaces_the_longest_idle_connection),
                cmocka_unit_test(test_running_out_of_descriptors_pauses_accepting),
                cmocka_unit_test(test_bodies_in_memory_are_bounded_in_sum),
                cmocka_unit_test(test_pipelined_posts_are_taken_in_order),
                cmocka_unit_test(test_a_thousand_streams_are_written_to),
                cmocka_unit_test(test_a_large_answer_arrives_whole),
                cmocka_unit_test(test_a_file_is_sent_from_its_descriptor),
                cmocka_unit_test(test_a_unix_socket_serves_too),
                cmocka_unit_test(test_an_inherited_socket_is_served),
                cmocka_unit_test(test_whoever_waits_is_told_when_the_server_ends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
