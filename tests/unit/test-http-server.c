/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP server over real sockets: answers now and later, streams, routes, peers that leave. */

#include "tests/unit/http-routes.h"

#include <sys/resource.h>
#include <sys/un.h>

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

static void test_a_stream_that_is_cut_ends_at_once_for_a_reader_that_does_not_read(void **state) {
        _cleanup_free_ char *event = calloc(1, 1 << 16);
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1, .max_connections = 1 });
        s = dial(http_server_port(f.server));

        say(&f, &s, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        WAIT_FOR(&f, f.stream);
        HEAR(&f, &s, "200 OK");
        while (http_stream_write(f.stream, event, 1 << 16) == 0)
                turn(&f);
        assert_true(http_stream_unsent(f.stream) > 0);
        f.stream = http_stream_cut(f.stream);

        check_place_is_free(&f);
        hang_up(&s);
        stop(&f);
        assert_int_equal(f.n_closed, 0);
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

static bool close_echo(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        f->n_gone++;
        if (!startswith(http_request_path(r), "/echo"))
                return false;

        http_request_answer_text(r, 503, "closed");
        return true;
}

static void test_a_gate_answers_before_any_route(void **state) {
        Fixture f = {};
        Socket s;

        (void) state;
        start(&f, (HttpServerConfig) { .listen_fd = -1 });
        http_server_set_gate(f.server, close_echo, &f);
        s = dial(http_server_port(f.server));

        say(&f, &s, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        HEAR(&f, &s, "503 Service Unavailable");
        HEAR(&f, &s, "closed");
        assert_int_equal(f.n_requests, 0);

        say(&f, &s, "GET /accepted HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(&f, &s, "202 Accepted");
        assert_int_equal(f.n_requests, 1);
        assert_int_equal(f.n_gone, 2);

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
                cmocka_unit_test(
                                test_a_stream_that_is_cut_ends_at_once_for_a_reader_that_does_not_read),
                cmocka_unit_test(test_a_stream_hears_once_that_its_reader_left),
                cmocka_unit_test(test_the_longest_route_of_whole_components_wins),
                cmocka_unit_test(test_a_gate_answers_before_any_route),
                cmocka_unit_test(test_query_headers_and_peer_are_told),
                cmocka_unit_test(test_head_is_answered_without_a_body),
                cmocka_unit_test(test_expect_100_continue_is_met),
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
