/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP server's bounds over real sockets: too much, too long, too slow, too many, and no sense at all. */

#include "tests/unit/http-routes.h"

#include <sys/resource.h>

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_stream_that_ends_does_not_wait_for_ever_for_its_reader),
                cmocka_unit_test(test_requests_that_never_end_keep_no_one_out),
                cmocka_unit_test(test_a_slow_reader_fills_its_queue_and_nobody_elses),
                cmocka_unit_test(test_bodies_beyond_the_bound_get_413),
                cmocka_unit_test(test_garbage_and_truncation_harm_nobody),
                cmocka_unit_test(test_long_headers_work_and_longer_ones_get_431),
                cmocka_unit_test(test_a_request_that_comes_too_slowly_is_cut_off),
                cmocka_unit_test(test_a_newcomer_displaces_the_longest_idle_connection),
                cmocka_unit_test(test_running_out_of_descriptors_pauses_accepting),
                cmocka_unit_test(test_bodies_in_memory_are_bounded_in_sum),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
