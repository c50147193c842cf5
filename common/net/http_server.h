#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* HttpServer: libmicrohttpd inside sd_event: routes, late answers, endless streams. See http_server.c. */

#include <systemd/sd-event.h>

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;
typedef struct HttpStream HttpStream;

typedef struct HttpServerConfig {
        const char *ip;                 /* address to bind; NULL: any */
        uint16_t port;                  /* 0: the kernel's choice */
        const char *unix_path;          /* bind this instead of ip and port; replaced if it exists */
        int listen_fd;                  /* adopt this listening socket instead; -1: none. Owned by the server */
        unsigned max_connections;       /* 0: a default */
        size_t max_body_bytes;          /* of one request; 0: a default */
        usec_t request_timeout_usec;    /* header and body must arrive within; 0: a default */
} HttpServerConfig;

int http_server_new(sd_event *event, const HttpServerConfig *config, HttpServer **ret);
HttpServer *http_server_free(HttpServer *s);
DEFINE_CLEANUP(HttpServer *, http_server_free)

uint16_t http_server_port(const HttpServer *s);

/* Stops accepting, keeps what is open: for an orderly end. */
void http_server_quiesce(HttpServer *s);

/*
 * The handler of the longest route that is a whole-component prefix of the path gets the request,
 * complete with its body. It answers with one http_request_answer*() or http_request_stream(),
 * now or later; until then the request stays valid, unless its peer goes away first, which
 * http_request_on_gone() tells. `path` is borrowed for the server's life.
 */
typedef void (*HttpHandler)(HttpRequest *request, void *userdata);
int http_server_route(HttpServer *s, const char *path, HttpHandler handler, void *userdata);

/* Sees each complete request before its handler does; true: it has answered it. */
typedef bool (*HttpGate)(HttpRequest *request, void *userdata);
void http_server_set_gate(HttpServer *s, HttpGate gate, void *userdata);

const char *http_request_method(const HttpRequest *r);
const char *http_request_path(const HttpRequest *r);      /* percent-decoded, no query, no trailing '/' */
const char *http_request_target(const HttpRequest *r);    /* path and query as they came */
const char *http_request_rest(const HttpRequest *r);      /* what follows the matched route, "" or "/…" */
const char *http_request_query(const HttpRequest *r, const char *name);
const char *http_request_header(const HttpRequest *r, const char *name);
const void *http_request_body(const HttpRequest *r, size_t *ret_n);
const char *http_request_peer(const HttpRequest *r);      /* "ip:port", or "unix" */
int http_request_fd(const HttpRequest *r);                /* of the connection; borrowed */
uint64_t http_request_connection(const HttpRequest *r);   /* its number: later ones have higher */

/* What a handler found out about the connection, for the requests that follow on it; 0 at first. */
uint64_t http_request_mark(const HttpRequest *r);
void http_request_set_mark(HttpRequest *r, uint64_t mark);

/* Keeps something of the caller's beside the request and hears when the peer leaves before the answer. */
typedef void (*HttpGone)(HttpRequest *request, void *userdata);
void http_request_on_gone(HttpRequest *r, HttpGone gone, void *userdata);

/* Headers beyond Content-Type, before the answer. */
int http_request_add_header(HttpRequest *r, const char *name, const char *value);

/* Answers consume the request: the pointer is invalid afterwards. content_type may be NULL. */
void http_request_answer(HttpRequest *r, unsigned status, const char *content_type, const void *body, size_t n);
void http_request_answer_buffer(HttpRequest *r, unsigned status, const char *content_type, Buffer *body);
void http_request_answer_fd(HttpRequest *r, unsigned status, const char *content_type, int fd, uint64_t n);
void http_request_answer_text(HttpRequest *r, unsigned status, const char *format, ...) _printf_(3, 4);

/*
 * Answers with a chunked body that goes on until http_stream_close(). `closed` is called once when
 * the peer is gone (not after http_stream_close()); the stream is invalid when it returns.
 * At most max_buffered_bytes wait for a slow reader.
 */
typedef void (*HttpStreamClosed)(HttpStream *stream, void *userdata);
int http_request_stream(HttpRequest *r, const char *content_type, size_t max_buffered_bytes,
                        HttpStreamClosed closed, void *userdata, HttpStream **ret);

/* 0, or -ENOBUFS when the reader is too slow: nothing was queued and the caller should close. */
int http_stream_write(HttpStream *s, const void *data, size_t n);

/* The same, framed as RecordIO has it. */
int http_stream_write_record(HttpStream *s, const void *data, size_t n);

/* What waits for the reader. */
size_t http_stream_unsent(const HttpStream *s);

/* Sends what is queued, ends the body, closes the connection. */
HttpStream *http_stream_close(HttpStream *s);

/* Closes the connection at once; what is queued is lost, and its memory free. */
HttpStream *http_stream_cut(HttpStream *s);
