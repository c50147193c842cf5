#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What http_server.c, http_request.c and http_stream.c share. Nobody else includes this. */

#include <microhttpd.h>
#include <netinet/in.h>
#include <utlist.h>

#include "common/net/http_server.h"

typedef struct HttpConnection HttpConnection;
typedef struct HttpRoute HttpRoute;
typedef struct HttpHeader HttpHeader;

struct HttpRoute {
        char *path;              /* owned, without a trailing '/' */
        size_t n_path;
        HttpHandler handler;
        void *userdata;
        HttpRoute *next;
};

/* Which of the server's lists a connection is on. */
typedef enum ConnectionState {
        CONNECTION_DUE,          /* a request has begun, or a stream ends: it must be over by deadline_usec */
        CONNECTION_ANSWERING,    /* a handler or the peer's reading is at work */
        CONNECTION_IDLE,         /* between requests, or a link on which nothing was ever said */
        CONNECTION_STATES_,
} ConnectionState;

struct HttpConnection {
        HttpServer *server;
        struct MHD_Connection *mhd;
        HttpRequest *request;        /* the one in progress */
        int fd;                      /* libmicrohttpd's */
        uint64_t number;             /* in order of arrival, from 1 */
        uint64_t mark;                   /* of the handlers' */
        bool is_link;                /* carries libprocess messages: not closed to make room */
        bool has_timeout;            /* libmicrohttpd watches the progress of its answer */
        ConnectionState state;
        usec_t deadline_usec;
        HttpConnection *prev, *next;
};

struct HttpServer {
        sd_event *event;
        struct MHD_Daemon *daemon;
        struct MHD_Response *empty;      /* for every answer without body and headers: 202s by the thousand */
        sd_event_source *daemon_source;
        sd_event_source *timer_source;
        sd_event_source *wake_source;
        sd_event_source *flush_source;
        sd_event_source *listen_source;
        int listen_fd;
        char *unix_path;
        uint16_t port;

        HttpRoute *routes;
        HttpGate gate;                   /* NULL: none */
        void *gate_userdata;
        HttpStream *unflushed;           /* written to in this turn */
        HttpConnection *connections[CONNECTION_STATES_];    /* each in order of arrival there */
        unsigned n_connections;
        uint64_t n_connections_ever;
        unsigned max_connections;
        bool accept_paused;
        usec_t accept_resume_usec;
        bool crowded;              /* paused because there is no room */
        usec_t request_timeout_usec;
        size_t max_body_bytes;
        size_t max_total_body_bytes;
        size_t total_body_bytes;         /* of all requests that hold one */
};

struct HttpHeader {
        char *name;
        char *value;
        HttpHeader *next;
};

struct HttpRequest {
        HttpServer *server;
        HttpConnection *connection;
        const char *method;              /* libmicrohttpd's, valid while the request is */
        char *target;
        char *path;
        size_t n_route;                  /* bytes of `path` that the route took */
        char peer[INET6_ADDRSTRLEN + 16];
        Buffer body;
        size_t n_discarded;
        unsigned refused;                /* HTTP status decided before the body was there; 0: none */
        bool begun;                      /* the head is complete */
        bool chunked;                    /* the peer knows HTTP/1.1 */
        bool handed_over;                /* a handler owns the answer */
        bool suspended;
        bool dead;                       /* the peer is gone: no answer reaches it */
        sd_event_source *watch_source;   /* its departure, while suspended */
        HttpGone gone;
        void *gone_userdata;
        HttpHeader *headers;
        unsigned status;
        struct MHD_Response *response;   /* set by the answer */
        HttpStream *stream;
};

/* http_server.c */
void http_connection_enter(HttpConnection *c, ConnectionState state);
void http_connection_watch_progress(HttpConnection *c, bool on);
void http_server_wake(HttpServer *s);
const HttpRoute *http_server_find_route(const HttpServer *s, const char *path);

/* http_request.c */
HttpRequest *http_request_new(HttpConnection *c, const char *target);
HttpRequest *http_request_free(HttpRequest *r);
enum MHD_Result http_request_advance(HttpRequest *r, const char *method, const char *version, const char *data,
                                     size_t *n);
void http_request_suspend(HttpRequest *r);
void http_request_resume(HttpRequest *r);
void http_request_abandon(HttpRequest *r);
int http_request_watch(HttpRequest *r, uint32_t events, sd_event_io_handler_t handler, void *userdata);
void http_request_respond(HttpRequest *r, unsigned status, const char *content_type, struct MHD_Response *response);

/* http_stream.c */
HttpStream *http_stream_free(HttpStream *s);
void http_stream_flush_all(HttpServer *server);
