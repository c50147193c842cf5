#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* HttpClient: one HTTP/1.1 connection of ours inside sd_event. See http_client.c. */

#include <netinet/in.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/net/io_group.h"

typedef struct HttpClient HttpClient;

/* Where to connect: an IP address and port, or a Unix socket. Names are resolved by main.c, not here. */
typedef struct HttpAddress {
        union {
                struct sockaddr sa;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_un un;
        };
        socklen_t n;
        char host[128];    /* for the Host header */
} HttpAddress;

int http_address_from_ip_port(const char *ip, uint16_t port, HttpAddress *ret);
int http_address_from_unix(const char *path, HttpAddress *ret);

typedef struct HttpResponseHead {
        unsigned status;
        const char *content_type;      /* borrowed for the callback; NULL if absent */
        const char *stream_id;         /* Mesos-Stream-Id */
        const char *location;
} HttpResponseHead;

/* Responses come in the order of the requests. Any callback may free the client as its last act. */
typedef struct HttpClientOps {
        void (*connected)(HttpClient *c, void *userdata);
        void (*head)(HttpClient *c, const HttpResponseHead *head, void *userdata);
        void (*body)(HttpClient *c, const void *data, size_t n, void *userdata);
        void (*done)(HttpClient *c, void *userdata);              /* one response is complete */
        void (*closed)(HttpClient *c, int error, void *userdata); /* connection failed or ended; 0 on a clean end */
} HttpClientOps;

/*
 * Starts to connect; requests made meanwhile are queued, up to max_queued_bytes. ops is borrowed; any may be
 * NULL. Clients that come by the thousand share a group, which outlives them; others have none.
 */
int http_client_new(sd_event *event, IoGroup *group, const HttpAddress *address, size_t max_queued_bytes,
                    const HttpClientOps *ops, void *userdata, HttpClient **ret);
HttpClient *http_client_free(HttpClient *c);
DEFINE_CLEANUP(HttpClient *, http_client_free)

/*
 * Queues a request. extra_headers is "Name: value\r\n…" or NULL. Returns 0, -ENOBUFS when the queue
 * is full, -ENOTCONN after closed().
 */
int http_client_request(HttpClient *c, const char *method, const char *target, const char *content_type,
                        const char *extra_headers, const void *body, size_t n);

/*
 * Queues bytes that are requests already, all or nothing like http_client_request(). They wait for
 * http_client_flush(), so that a sender to many connections flushes each once.
 */
int http_client_queue(HttpClient *c, const struct iovec *parts, size_t n_parts);
void http_client_flush(HttpClient *c);

/* Being made, or made and ended by neither side, as far as the kernel knows: ahead of closed(). */
bool http_client_stands(const HttpClient *c);

/* Bytes not sent yet; in closed(), those that never will be. */
size_t http_client_queued(const HttpClient *c);
