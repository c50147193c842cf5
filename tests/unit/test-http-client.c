/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP client against our server, and against a listener that says what it likes. */

#include "tests/unit/http-fixture.h"

#include "common/net/http_client.h"

typedef struct Owner {
        HttpClient *client;
        unsigned n_connected, n_done, n_closed;
        int error;
        bool free_on_head, free_on_done, free_on_closed;
        Buffer story;
} Owner;

static void on_connected(HttpClient *c, void *userdata) {
        Owner *o = userdata;

        assert_ptr_equal(c, o->client);
        o->n_connected++;
}

static void on_head(HttpClient *c, const HttpResponseHead *head, void *userdata) {
        Owner *o = userdata;

        assert_int_equal(buffer_printf(&o->story, "[%u %s %s ", head->status, head->content_type ?: "-",
                                       head->stream_id ?: "-"), 0);
        if (o->free_on_head)
                o->client = http_client_free(c);
}

static void on_body(HttpClient *c, const void *data, size_t n, void *userdata) {
        Owner *o = userdata;

        (void) c;
        assert_int_equal(buffer_append(&o->story, data, n), 0);
}

static void on_done(HttpClient *c, void *userdata) {
        Owner *o = userdata;

        assert_int_equal(buffer_append_text(&o->story, "]"), 0);
        o->n_done++;
        if (o->free_on_done)
                o->client = http_client_free(c);
}

static void on_closed(HttpClient *c, int error, void *userdata) {
        Owner *o = userdata;

        o->n_closed++;
        o->error = error;
        if (o->free_on_closed)
                o->client = http_client_free(c);
}

static const HttpClientOps ops = {
        .connected = on_connected,
        .head = on_head,
        .body = on_body,
        .done = on_done,
        .closed = on_closed,
};

static void connect_to(Fixture *f, uint16_t port, size_t max_queued_bytes, Owner *o) {
        HttpAddress address;

        o->story = BUFFER_INIT(1 << 20);
        assert_int_equal(http_address_from_ip_port("127.0.0.1", port, &address), 0);
        assert_int_equal(http_client_new(f->event, NULL, &address, max_queued_bytes, &ops, o, &o->client), 0);
        assert_int_equal(o->n_connected, 0);
}

static void check_story(Owner *o, const char *expected) {
        char *text = buffer_take_text(&o->story);

        assert_string_equal(text, expected);
        free(text);
}

static void serve_echo(HttpRequest *r, void *userdata) {
        size_t n;
        const void *body = http_request_body(r, &n);

        (void) userdata;
        http_request_answer(r, 200, http_request_header(r, "Content-Type"), body, n);
}

static void note_closed(HttpStream *s, void *userdata) {
        Fixture *f = userdata;

        (void) s;
        f->stream = NULL;
        f->n_closed++;
}

static void serve_stream(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        assert_int_equal(http_request_add_header(r, "Mesos-Stream-Id", "id"), 0);
        assert_int_equal(http_request_stream(r, "application/json", 1 << 20, note_closed, f, &f->stream), 0);
}

static void start(Fixture *f) {
        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(http_server_new(f->event, &(HttpServerConfig) { .ip = "127.0.0.1", .listen_fd = -1 },
                                         &f->server), 0);
        assert_int_equal(http_server_route(f->server, "/echo", serve_echo, f), 0);
        assert_int_equal(http_server_route(f->server, "/stream", serve_stream, f), 0);
}

static void stop(Fixture *f) {
        f->server = http_server_free(f->server);
        f->event = sd_event_unref(f->event);
}

/* A listener of our own, whose answers need not be HTTP. */
static int listen_raw(uint16_t *ret_port) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(in);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (const struct sockaddr *) &in, sizeof(in)), 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &n), 0);
        *ret_port = ntohs(in.sin_port);
        return fd;
}

static void test_requests_made_before_the_connection_are_answered_in_order(void **state) {
        Fixture f = {};
        Owner o = {};

        (void) state;
        start(&f);
        connect_to(&f, http_server_port(f.server), 1 << 20, &o);
        assert_int_equal(http_client_request(o.client, "POST", "/echo", "text/a", NULL, "one", 3), 0);
        assert_int_equal(http_client_request(o.client, "POST", "/echo", NULL, "X: y\r\n", NULL, 0), 0);
        assert_int_equal(http_client_request(o.client, "GET", "/none", NULL, NULL, NULL, 0), 0);
        WAIT_FOR(&f, o.n_done == 3);
        check_story(&o, "[200 text/a - one][200 - - ][404 - - ]");
        assert_int_equal(o.n_connected, 1);
        assert_int_equal(http_client_queued(o.client), 0);

        o.client = http_client_free(o.client);
        stop(&f);
}

static void test_a_stream_arrives_piece_by_piece_and_its_end_is_told(void **state) {
        Fixture f = {};
        Owner o = { .free_on_closed = true };

        (void) state;
        start(&f);
        connect_to(&f, http_server_port(f.server), 1 << 20, &o);
        assert_int_equal(http_client_request(o.client, "POST", "/stream", NULL, NULL, NULL, 0), 0);
        WAIT_FOR(&f, f.stream);
        assert_int_equal(http_stream_write(f.stream, "a", 1), 0);
        WAIT_FOR(&f, buffer_size(&o.story) == strlen("[200 application/json id a"));
        assert_int_equal(http_stream_write(f.stream, "b", 1), 0);
        http_stream_close(f.stream);
        WAIT_FOR(&f, o.n_closed == 1);
        assert_int_equal(o.error, 0);
        assert_null(o.client);
        check_story(&o, "[200 application/json id ab]");
        stop(&f);
}

static void test_a_server_that_dies_in_the_middle_is_an_error(void **state) {
        Fixture f = {};
        Owner o = { .free_on_closed = true };

        (void) state;
        start(&f);
        connect_to(&f, http_server_port(f.server), 1 << 20, &o);
        assert_int_equal(http_client_request(o.client, "POST", "/stream", NULL, NULL, NULL, 0), 0);
        WAIT_FOR(&f, f.stream && buffer_size(&o.story) > 0);
        f.server = http_server_free(f.server);
        assert_int_equal(f.n_closed, 1);
        WAIT_FOR(&f, o.n_closed == 1);
        assert_int_equal(o.error, -ECONNRESET);

        buffer_deinit(&o.story);
        stop(&f);
}

static void test_a_refused_connection_is_told_from_the_loop(void **state) {
        Fixture f = {};
        Owner o = {};
        uint16_t port;
        int fd;

        (void) state;
        start(&f);
        fd = listen_raw(&port);
        fd_close(fd);
        connect_to(&f, port, 1 << 20, &o);
        assert_int_equal(o.n_closed, 0);
        WAIT_FOR(&f, o.n_closed == 1);
        assert_int_equal(o.error, -ECONNREFUSED);
        assert_int_equal(http_client_request(o.client, "GET", "/", NULL, NULL, NULL, 0), -ENOTCONN);

        o.client = http_client_free(o.client);
        stop(&f);
}

static void test_a_missing_unix_socket_is_told_from_the_loop(void **state) {
        HttpAddress address;
        Fixture f = {};
        Owner o = {};

        (void) state;
        start(&f);
        assert_int_equal(http_address_from_unix("/nonexistent/agent.sock", &address), 0);
        assert_int_equal(http_client_new(f.event, NULL, &address, 100, &ops, &o, &o.client), 0);
        WAIT_FOR(&f, o.n_closed == 1);
        assert_int_equal(o.error, -ENOENT);

        o.client = http_client_free(o.client);
        stop(&f);
}

static void test_the_queue_is_bounded_and_requests_are_whole(void **state) {
        char body[100] = {};
        Fixture f = {};
        Owner o = {};

        (void) state;
        start(&f);
        connect_to(&f, http_server_port(f.server), 300, &o);
        assert_int_equal(http_client_request(o.client, "POST", "/echo", NULL, NULL, body, sizeof(body)), 0);
        assert_int_equal(http_client_request(o.client, "POST", "/echo", NULL, NULL, body, sizeof(body)), -ENOBUFS);
        WAIT_FOR(&f, o.n_done == 1);
        assert_int_equal(http_client_request(o.client, "POST", "/echo", NULL, NULL, body, sizeof(body)), 0);
        WAIT_FOR(&f, o.n_done == 2);

        o.client = http_client_free(o.client);
        buffer_deinit(&o.story);
        stop(&f);
}

static void test_the_owner_may_free_the_client_in_any_callback(void **state) {
        Owner head = { .free_on_head = true }, done = { .free_on_done = true };
        Fixture f = {};

        (void) state;
        start(&f);
        connect_to(&f, http_server_port(f.server), 1 << 20, &head);
        connect_to(&f, http_server_port(f.server), 1 << 20, &done);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(http_client_request(head.client, "POST", "/echo", NULL, NULL, "x", 1), 0);
                assert_int_equal(http_client_request(done.client, "POST", "/echo", NULL, NULL, "x", 1), 0);
        }
        WAIT_FOR(&f, !head.client && !done.client);
        assert_int_equal(done.n_done, 1);
        assert_int_equal(head.n_closed + done.n_closed, 0);

        buffer_deinit(&head.story);
        buffer_deinit(&done.story);
        stop(&f);
}

static void test_garbage_closes_the_connection(void **state) {
        Fixture f = {};
        Owner o = {};
        uint16_t port;
        int listener, peer;

        (void) state;
        start(&f);
        listener = listen_raw(&port);
        connect_to(&f, port, 1 << 20, &o);
        peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_int_equal(fd_write_full(peer, "SSH-2.0\r\n", 9), 0);
        WAIT_FOR(&f, o.n_closed == 1);
        assert_int_equal(o.error, -EBADMSG);

        o.client = http_client_free(o.client);
        fd_close(peer);
        fd_close(listener);
        stop(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests_made_before_the_connection_are_answered_in_order),
                cmocka_unit_test(test_a_stream_arrives_piece_by_piece_and_its_end_is_told),
                cmocka_unit_test(test_a_server_that_dies_in_the_middle_is_an_error),
                cmocka_unit_test(test_a_refused_connection_is_told_from_the_loop),
                cmocka_unit_test(test_a_missing_unix_socket_is_told_from_the_loop),
                cmocka_unit_test(test_the_queue_is_bounded_and_requests_are_whole),
                cmocka_unit_test(test_the_owner_may_free_the_client_in_any_callback),
                cmocka_unit_test(test_garbage_closes_the_connection),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
