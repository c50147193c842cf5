#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* HttpParser: HTTP/1.1 responses, byte by byte as they come. See http_parser.c. */

#include "common/base/buffer.h"
#include "common/base/macro.h"

typedef enum HttpParserState {
        HTTP_PARSER_STATUS_LINE,
        HTTP_PARSER_HEADERS,
        HTTP_PARSER_BODY_COUNTED,        /* Content-Length */
        HTTP_PARSER_BODY_TO_END,         /* neither length nor chunks: until the connection closes */
        HTTP_PARSER_CHUNK_SIZE,
        HTTP_PARSER_CHUNK_DATA,
        HTTP_PARSER_CHUNK_END,
        HTTP_PARSER_TRAILERS,
        HTTP_PARSER_COMPLETE,            /* the response is; HTTP_PARSED_DONE comes next */
} HttpParserState;

typedef struct HttpParser {
        HttpParserState state;
        Buffer line;                     /* the unfinished one */
        size_t n_head_bytes;
        uint64_t n_remaining;            /* of the counted body or the chunk */

        /* The head, valid from HTTP_PARSED_HEAD to HTTP_PARSED_DONE. */
        unsigned status;
        bool chunked;
        bool counted;
        bool closes;                     /* the peer ends the connection after this response */
        char *content_type;
        char *stream_id;
        char *location;
} HttpParser;

/* The longest line of a head, and all lines of one together. */
#define HTTP_PARSER_LINE_MAX ((size_t) 16 << 10)
#define HTTP_PARSER_HEAD_MAX ((size_t) 64 << 10)

#define HTTP_PARSER_INIT ((HttpParser) { .line = BUFFER_INIT(HTTP_PARSER_LINE_MAX) })

enum {
        HTTP_PARSED_ALL = 0,     /* all bytes are taken, more are needed */
        HTTP_PARSED_HEAD,        /* the fields above are filled */
        HTTP_PARSED_BODY,        /* *ret_body and *ret_n are a piece of the body */
        HTTP_PARSED_DONE,        /* the response is complete */
};

void http_parser_deinit(HttpParser *p);
int http_parser_next(HttpParser *p, const char **data, size_t *n, const char **ret_body, size_t *ret_n);
int http_parser_end(HttpParser *p);
