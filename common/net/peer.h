#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Libprocess peers: one-way messages as HTTP posts, in order, over one kept-alive connection a peer. See peer.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/net/http_client.h"
#include "common/net/http_server.h"
#include "common/net/upid.h"

typedef struct PeerPool PeerPool;

/* A connection we held to a linked peer, or could not make, is gone; messages queued for it are lost. */
typedef void (*PeerExited)(const Upid *peer, void *userdata);

/* `self` is the sender on every message. */
int peer_pool_new(sd_event *event, const Upid *self, PeerExited exited, void *userdata, PeerPool **ret);
PeerPool *peer_pool_free(PeerPool *p);
DEFINE_CLEANUP(PeerPool *, peer_pool_free)

/* Queues POST /<to->id>/<name>; connects if need be. 0, or -ENOBUFS when the peer reads too slowly: then `exited`
 * comes as well. */
int peer_pool_send(PeerPool *p, const Upid *to, const char *name, const void *body, size_t n);

/* Holds a connection to the peer open and calls `exited` when it breaks. */
int peer_pool_link(PeerPool *p, const Upid *to);

/* Does a connection to the peer stand, or is it being made? One that a process of before had does not. */
bool peer_pool_reaches(const PeerPool *p, const Upid *to);

/* Drops the connection and what waits in it; `exited` is not called. */
void peer_pool_forget(PeerPool *p, const Upid *to);

/* An incoming message; everything is borrowed from the request. */
typedef struct PeerMessage {
        Upid from;
        const char *name;     /* "mesos.internal.RegisterSlaveMessage" */
        const void *body;
        size_t n;
        uint64_t connection;  /* on which it came: later ones have higher numbers */
} PeerMessage;

enum {
        PEER_MESSAGE = 0,
        PEER_E_NOT_A_MESSAGE,     /* an ordinary HTTP request */
        PEER_E_INVALID,           /* a message whose sender or name does not parse */
};

/* For a request on a route "/<process id>": is it a message? The caller answers 202 when it took it. */
int peer_message_parse(const HttpRequest *r, PeerMessage *ret);
