/* SPDX-License-Identifier: Apache-2.0 */

/* Libprocess messages between two ends in one loop: format, order, links, and peers that are not there. */

#include "tests/unit/http-fixture.h"

#include "common/net/peer.h"

typedef struct World {
        Fixture f;
        PeerPool *pool;
        Upid self, other;
        unsigned n_messages;
        unsigned n_exited;
        bool in_order;
        char name[128];
        char from[UPID_TEXT_MAX];
        char exited[UPID_TEXT_MAX];
} World;

static void receive(HttpRequest *r, void *userdata) {
        World *w = userdata;
        PeerMessage m;

        assert_int_equal(peer_message_parse(r, &m), PEER_MESSAGE);
        if (m.n == sizeof(w->n_messages) && memcmp(m.body, &w->n_messages, m.n) != 0)
                w->in_order = false;
        w->n_messages++;
        strcpy(w->name, m.name);
        strcpy(w->from, m.from.text);
        http_request_answer(r, 202, NULL, NULL, 0);
}

static void receive_ordinary(HttpRequest *r, void *userdata) {
        PeerMessage m;

        (void) userdata;
        http_request_answer_text(r, 200, "kind=%d", peer_message_parse(r, &m));
}

static void note_exited(const Upid *peer, void *userdata) {
        World *w = userdata;

        w->n_exited++;
        strcpy(w->exited, peer->text);
}

static void start_server(World *w, uint16_t port) {
        assert_int_equal(http_server_new(w->f.event, &(HttpServerConfig) {
                                 .ip = "127.0.0.1", .port = port, .listen_fd = -1 }, &w->f.server), 0);
        assert_int_equal(http_server_route(w->f.server, "/slave(1)", receive, w), 0);
        assert_int_equal(http_server_route(w->f.server, "/plain", receive_ordinary, w), 0);
}

static void start(World *w) {
        *w = (World) { .in_order = true };
        assert_int_equal(sd_event_new(&w->f.event), 0);
        start_server(w, 0);
        assert_int_equal(upid_make("slave(1)", "127.0.0.1", http_server_port(w->f.server), &w->other), 0);
        assert_int_equal(upid_parse("master@127.0.0.1:5050", &w->self), 0);
        assert_int_equal(peer_pool_new(w->f.event, &w->self, note_exited, w, &w->pool), 0);
}

static void stop(World *w) {
        w->pool = peer_pool_free(w->pool);
        w->f.server = http_server_free(w->f.server);
        w->f.event = sd_event_unref(w->f.event);
}

static void test_upids_are_read_and_written(void **state) {
        static const char *const bad[] = {
                "", "master", "@1.2.3.4:5", "a@b:5", "a@1.2.3.4", "a@1.2.3.4:0", "a@1.2.3.4:65536", "a/b@1.2.3.4:5",
                "a b@1.2.3.4:5", "a@1.2.3.4:5x", "a@@1.2.3.4:5", "a@[::1:5", "a\r\nb@1.2.3.4:5",
        };
        char text[512];
        Upid u;

        (void) state;
        assert_int_equal(upid_parse("slave(1)@127.0.0.1:5051", &u), 0);
        assert_string_equal(u.id, "slave(1)");
        assert_string_equal(u.ip, "127.0.0.1");
        assert_int_equal(u.port, 5051);
        assert_int_equal(upid_make("m", "::1", 7, &u), 0);
        assert_string_equal(u.text, "m@[::1]:7");
        assert_string_equal(u.ip, "::1");

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (upid_parse(bad[i], &u) != -EINVAL)
                        fail_msg("accepted: %s", bad[i]);

        memset(text, 'a', sizeof(text));
        strcpy(text + 400, "@1.2.3.4:5");
        assert_int_equal(upid_parse(text, &u), -EINVAL);
}

static void test_messages_arrive_in_order_with_their_sender(void **state) {
        enum { N_MESSAGES = 3000 };
        World w;

        (void) state;
        start(&w);
        for (unsigned i = 0; i < N_MESSAGES; i++)
                assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.PingSlaveMessage", &i, sizeof(i)), 0);
        assert_int_equal(w.n_messages, 0);
        WAIT_FOR(&w.f, w.n_messages == N_MESSAGES);
        assert_true(w.in_order);
        assert_string_equal(w.name, "mesos.internal.PingSlaveMessage");
        assert_string_equal(w.from, "master@127.0.0.1:5050");

        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.Empty", NULL, 0), 0);
        WAIT_FOR(&w.f, w.n_messages == N_MESSAGES + 1);
        assert_int_equal(w.n_exited, 0);
        stop(&w);
}

static void test_the_bytes_are_those_of_a_real_peer(void **state) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t n = sizeof(in);
        Socket s = { .in = BUFFER_INIT(1 << 20) };
        char expected[1024];
        World w;
        Upid to;

        (void) state;
        start(&w);
        assert_int_equal(bind(listener, (const struct sockaddr *) &in, sizeof(in)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &in, &n), 0);
        assert_int_equal(upid_make("scheduler(1)", "127.0.0.1", ntohs(in.sin_port), &to), 0);

        assert_int_equal(peer_pool_send(w.pool, &to, "mesos.internal.X", "0123456789abcdefg", 17), 0);
        assert_int_equal(peer_pool_send(w.pool, &to, "mesos.internal.Y", NULL, 0), 0);
        s.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        HEAR(&w.f, &s, "mesos.internal.Y");
        WAIT_FOR(&w.f, count_in(&s, "\r\n\r\n") == 3);
        snprintf(expected, sizeof(expected),
                 "POST /scheduler(1)/mesos.internal.X HTTP/1.1\r\nUser-Agent: libprocess/master@127.0.0.1:5050\r\n"
                 "Libprocess-From: master@127.0.0.1:5050\r\nConnection: Keep-Alive\r\nHost: 127.0.0.1:%u\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n"
                 "POST /scheduler(1)/mesos.internal.Y HTTP/1.1\r\nUser-Agent: libprocess/master@127.0.0.1:5050\r\n"
                 "Libprocess-From: master@127.0.0.1:5050\r\nConnection: Keep-Alive\r\nHost: 127.0.0.1:%u\r\n\r\n",
                 to.port, to.port);
        assert_int_equal(buffer_append_char(&s.in, '\0'), 0);
        assert_string_equal(buffer_data(&s.in), expected);

        hang_up(&s);
        fd_close(listener);
        stop(&w);
}

static void test_a_linked_peer_that_ends_has_exited_and_can_come_back(void **state) {
        uint16_t port;
        World w;

        (void) state;
        start(&w);
        port = w.other.port;
        assert_int_equal(peer_pool_link(w.pool, &w.other), 0);
        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.A", "x", 1), 0);
        WAIT_FOR(&w.f, w.n_messages == 1);

        w.f.server = http_server_free(w.f.server);
        WAIT_FOR(&w.f, w.n_exited == 1);
        assert_string_equal(w.exited, w.other.text);

        /* Nobody there: told again, and the message is lost. */
        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.B", "x", 1), 0);
        WAIT_FOR(&w.f, w.n_exited == 2);

        start_server(&w, port);
        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.C", "x", 1), 0);
        WAIT_FOR(&w.f, w.n_messages == 2);
        assert_string_equal(w.name, "mesos.internal.C");
        assert_int_equal(w.n_exited, 2);
        stop(&w);
}

static void test_an_unlinked_peer_ends_in_silence(void **state) {
        uint16_t port;
        World w;

        (void) state;
        start(&w);
        port = w.other.port;
        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.A", "x", 1), 0);
        WAIT_FOR(&w.f, w.n_messages == 1);
        w.f.server = http_server_free(w.f.server);
        start_server(&w, port);
        for (unsigned i = 0; i < 5; i++)
                turn(&w.f);
        assert_int_equal(w.n_exited, 0);
        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.B", "x", 1), 0);
        WAIT_FOR(&w.f, w.n_messages == 2);
        stop(&w);
}

static void test_a_forgotten_peer_is_not_heard_of_again(void **state) {
        World w;

        (void) state;
        start(&w);
        assert_int_equal(peer_pool_link(w.pool, &w.other), 0);
        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.A", "x", 1), 0);
        peer_pool_forget(w.pool, &w.other);
        w.f.server = http_server_free(w.f.server);
        for (unsigned i = 0; i < 5; i++)
                turn(&w.f);
        assert_int_equal(w.n_exited, 0);
        assert_int_equal(w.n_messages, 0);
        stop(&w);
}

static void test_a_peer_that_does_not_read_has_exited_once_its_queue_is_full(void **state) {
        _cleanup_free_ char *body = calloc(1, 1 << 20);
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;
        socklen_t n = sizeof(in);
        World w;
        Upid to;

        (void) state;
        start(&w);
        assert_int_equal(bind(listener, (const struct sockaddr *) &in, sizeof(in)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &in, &n), 0);
        assert_int_equal(upid_make("x", "127.0.0.1", ntohs(in.sin_port), &to), 0);

        for (unsigned i = 0; i < 200 && r == 0; i++) {
                r = peer_pool_send(w.pool, &to, "mesos.internal.X", body, 1 << 20);
                if (r == 0)
                        turn(&w.f);
        }
        assert_int_equal(r, -ENOBUFS);

        /* What there would be room for must not arrive without the one before it. */
        assert_int_equal(peer_pool_send(w.pool, &to, "mesos.internal.X", "x", 1), -ENOBUFS);
        assert_int_equal(w.n_exited, 0);

        /* Others are served as before. */
        assert_int_equal(peer_pool_send(w.pool, &w.other, "mesos.internal.A", "x", 1), 0);
        WAIT_FOR(&w.f, w.n_messages == 1);
        WAIT_FOR(&w.f, w.n_exited == 1);
        assert_string_equal(w.exited, to.text);

        assert_int_equal(peer_pool_send(w.pool, &to, "mesos.internal.X", "x", 1), 0);
        fd_close(listener);
        WAIT_FOR(&w.f, w.n_exited == 2);
        stop(&w);
}

static void test_messages_are_told_from_requests(void **state) {
        static const struct {
                const char *head;
                int kind;
        } table[] = {
                { "POST /plain/a.B HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n", PEER_E_NOT_A_MESSAGE },
                { "GET /plain/a.B HTTP/1.1\r\nHost: x\r\nLibprocess-From: a@1.2.3.4:5\r\n", PEER_E_NOT_A_MESSAGE },
                { "POST /plain/a.B HTTP/1.1\r\nHost: x\r\nLibprocess-From: a@1.2.3.4:5\r\n", PEER_MESSAGE },
                { "POST /plain/a.B HTTP/1.1\r\nHost: x\r\nUser-Agent: libprocess/a@1.2.3.4:5\r\n", PEER_MESSAGE },
                { "POST /plain/a.B HTTP/1.1\r\nHost: x\r\nLibprocess-From: nonsense\r\n", PEER_E_INVALID },
                { "POST /plain HTTP/1.1\r\nHost: x\r\nLibprocess-From: a@1.2.3.4:5\r\n", PEER_E_INVALID },
                { "POST /plain/a/b HTTP/1.1\r\nHost: x\r\nLibprocess-From: a@1.2.3.4:5\r\n", PEER_E_INVALID },
        };
        World w;

        (void) state;
        start(&w);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Socket s = dial(w.other.port);
                char expected[32];

                say(&w.f, &s, table[i].head);
                say(&w.f, &s, "\r\n");
                snprintf(expected, sizeof(expected), "kind=%d", table[i].kind);
                HEAR(&w.f, &s, expected);
                hang_up(&s);
        }
        stop(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_upids_are_read_and_written),
                cmocka_unit_test(test_messages_arrive_in_order_with_their_sender),
                cmocka_unit_test(test_the_bytes_are_those_of_a_real_peer),
                cmocka_unit_test(test_a_linked_peer_that_ends_has_exited_and_can_come_back),
                cmocka_unit_test(test_an_unlinked_peer_ends_in_silence),
                cmocka_unit_test(test_a_forgotten_peer_is_not_heard_of_again),
                cmocka_unit_test(test_a_peer_that_does_not_read_has_exited_once_its_queue_is_full),
                cmocka_unit_test(test_messages_are_told_from_requests),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
