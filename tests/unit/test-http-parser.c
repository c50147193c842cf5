/* SPDX-License-Identifier: Apache-2.0 */

/* HTTP responses: any cut of the bytes tells the same; what is no response is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/net/http_parser.h"

/* Writes down what the parser tells, "[200 body]" a response. */
static int tell(HttpParser *p, const char *data, size_t n, Buffer *story) {
        for (;;) {
                const char *body;
                size_t n_body;
                int r;

                r = http_parser_next(p, &data, &n, &body, &n_body);
                if (r == HTTP_PARSED_HEAD)
                        assert_int_equal(buffer_printf(story, "[%u ", p->status), 0);
                else if (r == HTTP_PARSED_BODY)
                        assert_int_equal(buffer_append(story, body, n_body), 0);
                else if (r == HTTP_PARSED_DONE)
                        assert_int_equal(buffer_append_char(story, ']'), 0);
                else
                        return r;
        }
}

static char *story_of(const char *text, size_t cut, int *ret_end) {
        HttpParser p = HTTP_PARSER_INIT;
        Buffer story = BUFFER_INIT(1 << 20);
        size_t n = strlen(text);
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i += cut)
                r = tell(&p, text + i, MIN(cut, n - i), &story);
        *ret_end = r < 0 ? r : http_parser_end(&p);
        http_parser_deinit(&p);
        return buffer_take_text(&story);
}

static void test_responses_do_not_depend_on_how_bytes_arrive(void **state) {
        static const char text[] =
                "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
                "HTTP/1.1 100 Continue\r\n\r\n"
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5\r\nhello\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: t\r\n\r\n"
                "HTTP/1.1 204\r\n\r\n"
                "HTTP/1.0 404 Not Found\nContent-Length:3\n\nabc"
                "HTTP/1.1 200 OK\r\n\r\nto the end";

        (void) state;
        for (size_t cut = 1; cut < sizeof(text); cut++) {
                int end;
                _cleanup_free_ char *story = story_of(text, cut, &end);

                assert_string_equal(story, "[202 ][200 helloabcdefghijklmnopqrstuvwxyz][204 ][404 abc][200 to the end");
                assert_int_equal(end, HTTP_PARSED_DONE);
        }
}

static void test_what_is_no_response_is_refused(void **state) {
        static const char *const bad[] = {
                "SSH-2.0-OpenSSH\r\n",
                "HTTP/2.0 200 OK\r\n",
                "HTTP/1.1 20 OK\r\n",
                "HTTP/1.1 2000 OK\r\n",
                "HTTP/1.1 099 OK\r\n",
                "HTTP/1.1 200 OK\r\nno colon\r\n",
                "HTTP/1.1 200 OK\r\n: empty\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                int end;
                _cleanup_free_ char *story = story_of(bad[i], 1, &end);

                if (end != -EBADMSG)
                        fail_msg("accepted: %s", bad[i]);
        }
}

static void test_heads_are_bounded(void **state) {
        Buffer b = BUFFER_INIT(1 << 20);
        _cleanup_free_ char *many = NULL, *one = NULL, *story = NULL, *story2 = NULL;
        int end;

        (void) state;
        assert_int_equal(buffer_append_text(&b, "HTTP/1.1 200 OK\r\n"), 0);
        for (unsigned i = 0; i < 10000; i++)
                assert_int_equal(buffer_append_text(&b, "X: 12345678\r\n"), 0);
        many = buffer_take_text(&b);
        story = story_of(many, 1000, &end);
        assert_int_equal(end, -EBADMSG);

        assert_int_equal(buffer_append_text(&b, "HTTP/1.1 200 OK\r\nX: "), 0);
        for (unsigned i = 0; i < 20000; i++)
                assert_int_equal(buffer_append_char(&b, 'y'), 0);
        one = buffer_take_text(&b);
        story2 = story_of(one, 1000, &end);
        assert_int_equal(end, -EBADMSG);
}

static void test_an_end_in_the_middle_is_told(void **state) {
        static const char *const cut[] = {
                "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "HTTP",
        };
        int end;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cut); i++) {
                _cleanup_free_ char *story = story_of(cut[i], 3, &end);

                assert_int_equal(end, -ECONNRESET);
        }

        free(story_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 3, &end));
        assert_int_equal(end, HTTP_PARSED_ALL);
}

static void test_the_fields_of_a_head_are_kept(void **state) {
        HttpParser p = HTTP_PARSER_INIT;
        const char *data = "HTTP/1.1 307 X\r\nLocation:  //a:1/b \r\nMESOS-STREAM-ID: s\r\nContent-Type:\tt\r\n"
                           "Connection: close\r\nContent-Length: 0\r\n\r\n",
                   *body;
        size_t n = strlen(data), n_body;

        (void) state;
        assert_int_equal(http_parser_next(&p, &data, &n, &body, &n_body), HTTP_PARSED_HEAD);
        assert_string_equal(p.location, "//a:1/b");
        assert_string_equal(p.stream_id, "s");
        assert_string_equal(p.content_type, "t");
        assert_true(p.closes);
        assert_int_equal(http_parser_next(&p, &data, &n, &body, &n_body), HTTP_PARSED_DONE);
        assert_int_equal(http_parser_next(&p, &data, &n, &body, &n_body), HTTP_PARSED_ALL);
        http_parser_deinit(&p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_responses_do_not_depend_on_how_bytes_arrive),
                cmocka_unit_test(test_what_is_no_response_is_refused),
                cmocka_unit_test(test_heads_are_bounded),
                cmocka_unit_test(test_an_end_in_the_middle_is_told),
                cmocka_unit_test(test_the_fields_of_a_head_are_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
