#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* A server with a route for each kind of answer, for the tests of the HTTP server. */

#include <sys/mman.h>

#include "tests/unit/http-fixture.h"

#define BODY_MAX ((size_t) 1 << 20)

static inline void remember(Fixture *f, HttpRequest *r) {
        (void) http_request_body(r, &f->n_last_body);
        f->n_requests++;
        snprintf(f->last, sizeof(f->last), "%s %s %s", http_request_method(r), http_request_path(r),
                 http_request_rest(r));
}

static inline void serve_echo(HttpRequest *r, void *userdata) {
        size_t n;
        const void *body = http_request_body(r, &n);

        remember(userdata, r);
        http_request_answer(r, 200, "application/octet-stream", body, n);
}

static inline void serve_accepted(HttpRequest *r, void *userdata) {
        remember(userdata, r);
        http_request_answer(r, 202, NULL, NULL, 0);
}

static inline void note_gone(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        assert_ptr_equal(r, f->held);
        f->held = NULL;
        f->n_gone++;
}

static inline void serve_late(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        remember(f, r);
        http_request_on_gone(r, note_gone, f);
        f->held = r;
}

static inline void serve_hold(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        assert_true(f->n_hold < ELEMENTSOF(f->hold));
        f->hold[f->n_hold++] = r;
}

static inline void note_closed(HttpStream *s, void *userdata) {
        Fixture *f = userdata;

        if (s == f->stream)
                f->stream = NULL;
        f->n_closed++;
}

static inline void serve_stream(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;

        remember(f, r);
        assert_int_equal(http_request_add_header(r, "Mesos-Stream-Id", "s1"), 0);
        assert_int_equal(http_request_stream(r, "application/json", 256 << 10, note_closed, f, &f->stream), 0);
}

static inline void serve_query(HttpRequest *r, void *userdata) {
        const char *name = http_request_query(r, "name"), *bare = http_request_query(r, "bare");

        remember(userdata, r);
        assert_null(http_request_query(r, "absent"));
        http_request_answer_text(r, 200, "name=%s bare=%s x-y=%s peer=%s target=%s", name ?: "?", bare ?: "?",
                                 http_request_header(r, "x-y") ?: "?", http_request_peer(r),
                                 http_request_target(r));
}

static inline void serve_big(HttpRequest *r, void *userdata) {
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
static inline void serve_file(HttpRequest *r, void *userdata) {
        bool promise_more = streq(http_request_rest(r), "/short"), nothing = streq(http_request_rest(r), "/empty");
        int fd = memfd_create("file", MFD_CLOEXEC);

        remember(userdata, r);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, 99999), 0);
        assert_int_equal(pwrite(fd, "!", 1, 99999), 1);
        http_request_answer_fd(r, 200, "text/x-file", fd, nothing ? 0 : promise_more ? 100001 : 100000);
}

static inline void start(Fixture *f, HttpServerConfig config) {
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

static inline void stop(Fixture *f) {
        f->server = http_server_free(f->server);
        f->event = sd_event_unref(f->event);
}

/* With a bound of one connection: is the place of the last one free again? */
static inline void check_place_is_free(Fixture *f) {
        Socket s = dial(http_server_port(f->server));

        say(f, &s, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
        HEAR(f, &s, "200 OK");
        hang_up(&s);
}
