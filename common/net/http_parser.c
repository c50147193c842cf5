/* SPDX-License-Identifier: Apache-2.0 */

/*
 * HTTP responses
 *
 * A pure parser for the answers our client gets. It takes bytes as the network cut them and says
 * what they were: a head, pieces of the body, the end. Lines (status, headers, chunk sizes, trailers)
 * are collected in one small buffer; bodies pass through without a copy.
 *
 *     STATUS_LINE ─▶ HEADERS ─┬▶ BODY_COUNTED ───────────────────────────┬▶ COMPLETE ─▶ STATUS_LINE
 *          ▲            │ 1xx ├▶ BODY_TO_END ── http_parser_end() ───────┤
 *          └────────────┘     └▶ CHUNK_SIZE ─▶ CHUNK_DATA ─▶ CHUNK_END   │
 *                                   ▲    └─ 0 ─▶ TRAILERS ──────┼────────┘
 *                                   └───────────────────────────┘
 *
 * Anything else than this grammar is -EBADMSG, after which the connection is of no use.
 */

#include <strings.h>

#include "common/base/parse.h"
#include "common/net/http_parser.h"

/* 16 hex digits are all a size can have. */
#define CHUNK_DIGITS_MAX 16

static void forget_head(HttpParser *p) {
        p->n_head_bytes = 0;
        p->status = 0;
        p->chunked = p->counted = p->closes = false;
        free(TAKE_PTR(p->content_type));
        free(TAKE_PTR(p->stream_id));
        free(TAKE_PTR(p->location));
}

void http_parser_deinit(HttpParser *p) {
        forget_head(p);
        buffer_deinit(&p->line);
}

/*
 * Completes the line at hand from the input. Returns 1 with the line as text in *ret, valid until
 * the next call, 0 when more is needed, -EBADMSG for one that is too long or contains a NUL.
 */
static int take_line(HttpParser *p, const char **data, size_t *n, char **ret) {
        const char *newline = memchr(*data, '\n', *n);
        size_t k = newline ? (size_t) (newline - *data) : *n;
        int r;

        p->n_head_bytes += k + 1;
        if (p->n_head_bytes > HTTP_PARSER_HEAD_MAX)
                return -EBADMSG;

        r = buffer_append(&p->line, *data, k);
        if (r < 0)
                return r == -ENOBUFS ? -EBADMSG : r;

        *data += k + (newline ? 1 : 0);
        *n -= k + (newline ? 1 : 0);
        if (!newline)
                return 0;

        k = buffer_size(&p->line);
        if (k > 0 && buffer_data(&p->line)[k - 1] == '\r')
                p->line.end--;

        r = buffer_append_char(&p->line, '\0');
        if (r < 0)
                return r == -ENOBUFS ? -EBADMSG : r;

        if (strlen(buffer_data(&p->line)) + 1 != buffer_size(&p->line))
                return -EBADMSG;

        *ret = buffer_data(&p->line);
        buffer_clear(&p->line);
        return 1;
}

/* "HTTP/1.1 202 Accepted" */
static int parse_status_line(HttpParser *p, const char *line) {
        const char *version = startswith(line, "HTTP/1.");

        if (!version || (version[0] != '0' && version[0] != '1') || version[1] != ' ')
                return -EBADMSG;

        p->status = 0;
        for (unsigned i = 2; i < 5; i++) {
                if (version[i] < '0' || version[i] > '9')
                        return -EBADMSG;
                p->status = p->status * 10 + (unsigned) (version[i] - '0');
        }

        if (version[5] != '\0' && version[5] != ' ')
                return -EBADMSG;

        p->closes = version[0] == '0';
        return p->status >= 100 ? 0 : -EBADMSG;
}

static int keep(char **field, const char *value) {
        free(*field);
        *field = strdup(value);
        return *field ? 0 : -ENOMEM;
}

static int take_length(HttpParser *p, const char *value) {
        uint64_t length;

        /* Two lengths that differ are a trick. */
        if (parse_u64(value, &length) < 0 || (p->counted && length != p->n_remaining))
                return -EBADMSG;

        p->counted = true;
        p->n_remaining = length;
        return 0;
}

static int take_connection(HttpParser *p, const char *value) {
        if (strcasecmp(value, "close") == 0)
                p->closes = true;
        else if (strcasecmp(value, "keep-alive") == 0)
                p->closes = false;

        return 0;
}

static int parse_header(HttpParser *p, char *line) {
        char *colon = strchr(line, ':'), *value, *end;

        if (!colon || colon == line)
                return -EBADMSG;

        *colon = '\0';
        value = colon + 1 + strspn(colon + 1, " \t");
        end = value + strlen(value);
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                *--end = '\0';

        if (strcasecmp(line, "Content-Length") == 0)
                return take_length(p, value);
        if (strcasecmp(line, "Transfer-Encoding") == 0) {
                p->chunked = strcasecmp(value, "chunked") == 0;
                return p->chunked ? 0 : -EBADMSG;
        }
        if (strcasecmp(line, "Connection") == 0)
                return take_connection(p, value);
        if (strcasecmp(line, "Content-Type") == 0)
                return keep(&p->content_type, value);
        if (strcasecmp(line, "Mesos-Stream-Id") == 0)
                return keep(&p->stream_id, value);
        if (strcasecmp(line, "Location") == 0)
                return keep(&p->location, value);

        return 0;
}

/* The blank line after the headers: what follows? */
static int end_head(HttpParser *p) {
        if (p->status < 200) {
                forget_head(p);
                p->state = HTTP_PARSER_STATUS_LINE;
                return HTTP_PARSED_ALL;
        }

        if (p->status == 204 || p->status == 304)
                p->state = HTTP_PARSER_COMPLETE;
        else if (p->chunked)
                p->state = HTTP_PARSER_CHUNK_SIZE;
        else if (p->counted)
                p->state = p->n_remaining > 0 ? HTTP_PARSER_BODY_COUNTED : HTTP_PARSER_COMPLETE;
        else {
                p->closes = true;
                p->state = HTTP_PARSER_BODY_TO_END;
        }

        return HTTP_PARSED_HEAD;
}

/* "1a" or "1a;extension" */
static int parse_chunk_size(HttpParser *p, const char *line) {
        uint64_t size = 0;
        unsigned i;

        for (i = 0; line[i] != '\0' && !strchr("; \t", line[i]); i++) {
                static const char digits[] = "0123456789abcdefABCDEF";
                const char *digit = strchr(digits, line[i]);
                uint64_t value = digit ? (uint64_t) (digit - digits) : 0;

                if (!digit || i >= CHUNK_DIGITS_MAX)
                        return -EBADMSG;

                size = size << 4 | (value < 16 ? value : value - 6);
        }

        if (i == 0)
                return -EBADMSG;

        /* Chunk lines are not part of the head; only one at a time counts against its bound. */
        p->n_head_bytes = 0;
        p->n_remaining = size;
        p->state = size > 0 ? HTTP_PARSER_CHUNK_DATA : HTTP_PARSER_TRAILERS;
        return 0;
}

/* One complete line. Returns HTTP_PARSED_ALL when there is nothing to tell yet, HTTP_PARSED_HEAD, -EBADMSG, -ENOMEM. */
static int use_line(HttpParser *p, char *line) {
        bool blank = *line == '\0';
        int r = 0;

        switch (p->state) {
        case HTTP_PARSER_STATUS_LINE:
                /* Some senders end a body with one line too many. */
                if (!blank) {
                        r = parse_status_line(p, line);
                        p->state = HTTP_PARSER_HEADERS;
                }
                return r;
        case HTTP_PARSER_HEADERS:
                return blank ? end_head(p) : parse_header(p, line);
        case HTTP_PARSER_CHUNK_SIZE:
                return parse_chunk_size(p, line);
        case HTTP_PARSER_CHUNK_END:
                p->state = HTTP_PARSER_CHUNK_SIZE;
                return blank ? 0 : -EBADMSG;
        case HTTP_PARSER_TRAILERS:
                if (blank)
                        p->state = HTTP_PARSER_COMPLETE;
                return 0;
        case HTTP_PARSER_BODY_COUNTED:
        case HTTP_PARSER_BODY_TO_END:
        case HTTP_PARSER_CHUNK_DATA:
        case HTTP_PARSER_COMPLETE:
                break;
        }

        assert(false);
        return -EBADMSG;
}

/* A piece of body, as much as there is of it. */
static int take_body(HttpParser *p, const char **data, size_t *n, const char **ret_body, size_t *ret_n) {
        size_t k = *n;

        if (p->state != HTTP_PARSER_BODY_TO_END) {
                k = (size_t) MIN((uint64_t) k, p->n_remaining);
                p->n_remaining -= k;
                if (p->n_remaining == 0)
                        p->state = p->state == HTTP_PARSER_CHUNK_DATA ? HTTP_PARSER_CHUNK_END : HTTP_PARSER_COMPLETE;
        }

        *ret_body = *data;
        *ret_n = k;
        *data += k;
        *n -= k;
        return HTTP_PARSED_BODY;
}

/*
 * Takes bytes from *data, advancing it, until there is something to tell: HTTP_PARSED_*. Call it
 * until it says HTTP_PARSED_ALL. Returns -EBADMSG for bytes that are no HTTP response, -ENOMEM.
 */
int http_parser_next(HttpParser *p, const char **data, size_t *n, const char **ret_body, size_t *ret_n) {
        for (;;) {
                char *line;
                int r;

                if (p->state == HTTP_PARSER_COMPLETE) {
                        p->state = HTTP_PARSER_STATUS_LINE;
                        return HTTP_PARSED_DONE;
                }

                if (*n == 0)
                        return HTTP_PARSED_ALL;

                if (p->state == HTTP_PARSER_BODY_COUNTED || p->state == HTTP_PARSER_BODY_TO_END ||
                    p->state == HTTP_PARSER_CHUNK_DATA)
                        return take_body(p, data, n, ret_body, ret_n);

                if (p->state == HTTP_PARSER_STATUS_LINE && buffer_size(&p->line) == 0)
                        forget_head(p);

                r = take_line(p, data, n, &line);
                if (r > 0)
                        r = use_line(p, line);
                if (r != HTTP_PARSED_ALL)
                        return r;
        }
}

/*
 * The connection has ended. Returns HTTP_PARSED_DONE when that was the end of a body, HTTP_PARSED_ALL
 * between responses, -ECONNRESET in the middle of one.
 */
int http_parser_end(HttpParser *p) {
        if (p->state == HTTP_PARSER_BODY_TO_END) {
                p->state = HTTP_PARSER_STATUS_LINE;
                return HTTP_PARSED_DONE;
        }

        return p->state == HTTP_PARSER_STATUS_LINE && buffer_size(&p->line) == 0 ? HTTP_PARSED_ALL : -ECONNRESET;
}
