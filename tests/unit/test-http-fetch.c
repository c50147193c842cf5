/* SPDX-License-Identifier: Apache-2.0 */

/* Fetching over HTTP against our own server in the same loop. */

#include <stdio.h>

#include "common/net/http_fetch.h"
#include "common/net/http_server.h"
#include "common/net/recordio.h"
#include "tests/unit/test.h"

typedef struct Fixture {
        sd_event *event;
        HttpServer *server;
        HttpFetcher *fetcher;
        HttpStream *stream;
        HttpFetch *subscription;
        char url[64];

        unsigned n_done;
        int error;
        unsigned status;
        char body[256];
        char stream_id[64];
        char final_url[128];
        unsigned n_heads;
        unsigned n_records;
        char records[256];
        bool cancel_at_record;
        bool call_at_record;
} Fixture;

static void answer_echo(HttpRequest *r, _unused_ void *userdata) {
        size_t n;
        const void *body = http_request_body(r, &n);
        const char *id = http_request_header(r, "Mesos-Stream-Id");
        char text[256];
        int k;

        k = snprintf(text, sizeof(text), "%s %.*s %s %s", http_request_method(r), (int) n, (const char *) body,
                     http_request_header(r, "Content-Type") ?: "-", id ?: "-");
        http_request_answer(r, 200, "text/plain", text, (size_t) k);
}

static void answer_big(HttpRequest *r, _unused_ void *userdata) {
        char text[2000];

        memset(text, 'x', sizeof(text));
        http_request_answer(r, 200, "text/plain", text, sizeof(text));
}

static void answer_moved(HttpRequest *r, _unused_ void *userdata) {
        Fixture *f = userdata;
        char location[128];

        /* As a standby does: without a scheme. */
        snprintf(location, sizeof(location), "%s/echo", f->url + strlen("http:"));
        assert_int_equal(http_request_add_header(r, "Location", location), 0);
        http_request_answer(r, 307, NULL, NULL, 0);
}

static void answer_loop(HttpRequest *r, _unused_ void *userdata) {
        assert_int_equal(http_request_add_header(r, "Location", "/loop"), 0);
        http_request_answer(r, 307, NULL, NULL, 0);
}

static void answer_refused(HttpRequest *r, _unused_ void *userdata) {
        http_request_answer_text(r, 403, "not you");
}

static void answer_stream(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        assert_int_equal(http_request_add_header(r, "Mesos-Stream-Id", "id-1"), 0);
        assert_int_equal(http_request_stream(r, "application/json", 1024 * 1024, NULL, NULL, &f->stream), 0);
}

static void answer_never(_unused_ HttpRequest *r, _unused_ void *userdata) {
}

static int setup(void **state) {
        static Fixture fixture;
        Fixture *f = &fixture;
        HttpServerConfig config = { .ip = "127.0.0.1", .listen_fd = -1 };

        *f = (Fixture) {};
        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(http_server_new(f->event, &config, &f->server), 0);
        assert_int_equal(http_server_route(f->server, "/echo", answer_echo, f), 0);
        assert_int_equal(http_server_route(f->server, "/big", answer_big, f), 0);
        assert_int_equal(http_server_route(f->server, "/moved", answer_moved, f), 0);
        assert_int_equal(http_server_route(f->server, "/loop", answer_loop, f), 0);
        assert_int_equal(http_server_route(f->server, "/refused", answer_refused, f), 0);
        assert_int_equal(http_server_route(f->server, "/stream", answer_stream, f), 0);
        assert_int_equal(http_server_route(f->server, "/never", answer_never, f), 0);
        assert_int_equal(http_fetcher_new(f->event, "test", &f->fetcher), 0);
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", http_server_port(f->server));
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        http_fetcher_free(f->fetcher);
        http_server_free(f->server);
        sd_event_unref(f->event);
        return 0;
}

static void on_done(const HttpFetchAnswer *answer, void *userdata) {
        Fixture *f = userdata;

        f->n_done++;
        f->error = answer->error;
        f->status = answer->status;
        snprintf(f->body, sizeof(f->body), "%.*s", (int) MIN(answer->n_body, sizeof(f->body) - 1), answer->body);
        snprintf(f->final_url, sizeof(f->final_url), "%s", answer->url);
        if (answer->error < 0)
                assert_non_null(answer->error_text);
}

static void start(Fixture *f, const char *path, const char *body, const HttpFetchStreamOps *stream, usec_t timeout_usec) {
        char url[128];
        HttpFetchRequest request = {
                .method = body ? "POST" : "GET",
                .url = url,
                .content_type = "application/json",
                .stream_id = body ? "id-0" : NULL,
                .body = body,
                .n_body = body ? strlen(body) : 0,
                .timeout_usec = timeout_usec,
                .max_bytes = 1000,
        };

        snprintf(url, sizeof(url), "%s%s", f->url, path);
        assert_int_equal(http_fetch_start(f->fetcher, &request, stream, on_done, f, &f->subscription), 0);
}

/* Runs the loop until the condition holds; a test that never gets there fails by its deadline. */
#define RUN_UNTIL(f, condition)                                                                    \
        for (usec_t deadline = usec_now(CLOCK_MONOTONIC) + 20 * USEC_PER_SEC; !(condition);) {     \
                assert_true(usec_now(CLOCK_MONOTONIC) < deadline);                                 \
                assert_true(sd_event_run((f)->event, USEC_PER_SEC) >= 0);                          \
        }

static void fetch(Fixture *f, const char *path, const char *body) {
        unsigned n = f->n_done;

        start(f, path, body, NULL, 10 * USEC_PER_SEC);
        RUN_UNTIL(f, f->n_done > n);
}

static void test_requests_carry_method_body_and_headers(void **state) {
        Fixture *f = *state;

        fetch(f, "/echo", NULL);
        assert_int_equal(f->error, 0);
        assert_int_equal(f->status, 200);
        assert_string_equal(f->body, "GET  - -");

        fetch(f, "/echo", "{}");
        assert_string_equal(f->body, "POST {} application/json id-0");
}

static void test_a_post_is_sent_again_to_where_a_307_points(void **state) {
        Fixture *f = *state;

        fetch(f, "/moved", "{}");
        assert_int_equal(f->status, 200);
        assert_string_equal(f->body, "POST {} application/json id-0");
        assert_non_null(strstr(f->final_url, "/echo"));
}

static void test_redirects_have_an_end(void **state) {
        Fixture *f = *state;

        fetch(f, "/loop", NULL);
        assert_true(f->error < 0);
}

static void test_an_answer_beyond_the_bound_is_an_error(void **state) {
        Fixture *f = *state;

        fetch(f, "/big", NULL);
        assert_int_equal(f->error, -ENOBUFS);
}

static void test_nobody_at_the_address_is_an_error(void **state) {
        Fixture *f = *state;

        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:1");
        fetch(f, "/echo", NULL);
        assert_int_equal(f->error, -ECONNREFUSED);
        assert_int_equal(f->status, 0);
}

static void test_an_answer_that_does_not_come_in_time_is_an_error(void **state) {
        Fixture *f = *state;

        start(f, "/never", NULL, NULL, 50 * USEC_PER_MSEC);
        RUN_UNTIL(f, f->n_done > 0);
        assert_int_equal(f->error, -ETIMEDOUT);
}

static void on_head(const HttpFetchAnswer *answer, void *userdata) {
        Fixture *f = userdata;

        f->n_heads++;
        snprintf(f->stream_id, sizeof(f->stream_id), "%s", answer->stream_id ?: "");
}

static void on_record(const void *data, size_t n, void *userdata) {
        size_t length;
        Fixture *f = userdata;

        f->n_records++;
        length = strlen(f->records);
        snprintf(f->records + length, sizeof(f->records) - length, "%.*s;", (int) n, (const char *) data);
        if (f->call_at_record)
                start(f, "/echo", "{}", NULL, 10 * USEC_PER_SEC);
        if (f->cancel_at_record)
                f->subscription = http_fetch_cancel(f->subscription);
}

static const HttpFetchStreamOps stream_ops = { .head = on_head, .record = on_record };

static void send_record(Fixture *f, const char *text) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1000000);

        assert_int_equal(recordio_append(&b, text, strlen(text)), 0);
        assert_int_equal(http_stream_write(f->stream, buffer_data(&b), buffer_size(&b)), 0);
}

static void open_stream(Fixture *f) {
        start(f, "/stream", "{}", &stream_ops, 10 * USEC_PER_SEC);
        RUN_UNTIL(f, f->stream);
}

static void test_a_stream_gives_its_head_once_and_then_records(void **state) {
        Fixture *f = *state;

        open_stream(f);
        send_record(f, "one");
        send_record(f, "two");
        RUN_UNTIL(f, f->n_records == 2);
        assert_int_equal(f->n_heads, 1);
        assert_string_equal(f->stream_id, "id-1");
        assert_string_equal(f->records, "one;two;");
        assert_int_equal(f->n_done, 0);

        f->stream = http_stream_close(f->stream);
        RUN_UNTIL(f, f->n_done == 1);
        assert_int_equal(f->error, 0);
        assert_int_equal(f->status, 200);
}

static void test_a_refused_stream_tells_the_reason_as_its_body(void **state) {
        Fixture *f = *state;

        start(f, "/refused", "{}", &stream_ops, 10 * USEC_PER_SEC);
        RUN_UNTIL(f, f->n_done == 1);
        assert_int_equal(f->status, 403);
        assert_non_null(strstr(f->body, "not you"));
        assert_int_equal(f->n_heads, 0);
}

static void test_a_stream_may_be_cancelled_by_its_own_record(void **state) {
        Fixture *f = *state;

        f->cancel_at_record = true;
        open_stream(f);
        send_record(f, "one");
        send_record(f, "two");
        RUN_UNTIL(f, f->n_records == 1);
        assert_true(sd_event_run(f->event, 0) >= 0);
        assert_string_equal(f->records, "one;");
        assert_int_equal(f->n_done, 0);
        f->stream = http_stream_close(f->stream);
}

static void test_a_record_may_start_a_call(void **state) {
        Fixture *f = *state;

        f->call_at_record = true;
        open_stream(f);
        send_record(f, "one");
        RUN_UNTIL(f, f->n_done == 1);
        assert_string_equal(f->body, "POST {} application/json id-0");
        f->stream = http_stream_close(f->stream);
        RUN_UNTIL(f, f->n_done == 2);
}

static void test_a_malformed_or_oversized_record_ends_the_stream(void **state) {
        Fixture *f = *state;

        open_stream(f);
        send_record(f, "fine");
        assert_int_equal(http_stream_write(f->stream, "1001\nxxx", 8), 0);
        RUN_UNTIL(f, f->n_done == 1);
        assert_int_equal(f->error, -EBADMSG);
        assert_string_equal(f->records, "fine;");
        f->stream = http_stream_close(f->stream);
}

#define FETCH_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                FETCH_TEST(test_requests_carry_method_body_and_headers),
                FETCH_TEST(test_a_post_is_sent_again_to_where_a_307_points),
                FETCH_TEST(test_redirects_have_an_end),
                FETCH_TEST(test_an_answer_beyond_the_bound_is_an_error),
                FETCH_TEST(test_nobody_at_the_address_is_an_error),
                FETCH_TEST(test_an_answer_that_does_not_come_in_time_is_an_error),
                FETCH_TEST(test_a_stream_gives_its_head_once_and_then_records),
                FETCH_TEST(test_a_refused_stream_tells_the_reason_as_its_body),
                FETCH_TEST(test_a_stream_may_be_cancelled_by_its_own_record),
                FETCH_TEST(test_a_record_may_start_a_call),
                FETCH_TEST(test_a_malformed_or_oversized_record_ends_the_stream),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
