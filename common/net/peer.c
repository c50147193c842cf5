/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Libprocess peers
 *
 * Masters, agents and driver-based frameworks exchange one-way messages. Each is an HTTP request
 * to the receiver; an answer is another message, over a connection the other side opened:
 *
 *     POST /slave(1)/mesos.internal.PingSlaveMessage HTTP/1.1
 *     User-Agent: libprocess/slave-observer(1)@127.0.0.1:5050
 *     Libprocess-From: slave-observer(1)@127.0.0.1:5050
 *
 * All messages for one peer go over one connection, back to back, so they arrive in order. Nobody
 * waits for responses: real peers send none, ours answer 202, and whatever comes is thrown away.
 *
 * An open connection also tells that the peer is there. A linked peer whose connection ends has
 * exited as far as anybody can know, and so has one that cannot be reached or that left messages
 * unread. The link is over then; the next send or link connects anew. A message for which there is no
 * room ends the connection, too: those behind it must not arrive without it.
 */

#include <stdio.h>
#include <uthash.h>

#include "common/base/crash.h"
#include "common/net/peer.h"

/* What may wait for one peer. A master's burst to an agent is a few MB; beyond this it does not read. */
#define QUEUE_MAX_BYTES ((size_t) 64 << 20)
/* Each peer is a descriptor, and strangers can name themselves anything. */
#define PEERS_MAX 65536U

typedef struct Peer {
        PeerPool *pool;
        Upid upid;
        HttpClient *client;
        bool linked;
        bool connected;
        bool overflowed;         /* a message was lost: to be closed at the end of this turn */
        struct Peer *next_unflushed;
        bool unflushed;
        UT_hash_handle hh;       /* by upid.text */
} Peer;

struct PeerPool {
        sd_event *event;
        IoGroup *io;                     /* of all connections: a master has one to each agent */
        Upid self;
        PeerExited exited;
        void *userdata;
        Peer *peers;
        Peer *unflushed;                 /* those written to in this turn */
        sd_event_source *flush_source;
};

static Peer *peer_free(Peer *p) {
        if (!p)
                return NULL;

        if (p->unflushed) {
                Peer **link = &p->pool->unflushed;

                while (*link != p)
                        link = &(*link)->next_unflushed;
                *link = p->next_unflushed;
        }

        HASH_DEL(p->pool->peers, p);
        p->client = http_client_free(p->client);
        free(p);
        return NULL;
}

static void on_connected(HttpClient *c, void *userdata) {
        Peer *p = userdata;

        (void) c;

        p->connected = true;
}

static void on_closed(HttpClient *c, int error, void *userdata) {
        Peer *p = userdata;
        PeerPool *pool = p->pool;
        bool matters = p->linked || !p->connected || http_client_queued(c) > 0;
        Upid upid = p->upid;

        (void) error;

        peer_free(p);
        if (matters && pool->exited)
                pool->exited(&upid, pool->userdata);
}

/* Responses are parsed only to find out where they end. */
static const HttpClientOps peer_ops = {
        .connected = on_connected,
        .closed = on_closed,
};

/* The peer with its connection, which may still be under way. */
static int pool_get(PeerPool *pool, const Upid *to, Peer **ret) {
        HttpAddress address;
        Peer *p;
        int r;

        HASH_FIND_STR(pool->peers, to->text, p);
        if (p) {
                *ret = p;
                return 0;
        }

        if (HASH_COUNT(pool->peers) >= PEERS_MAX)
                return -ENOBUFS;

        r = http_address_from_ip_port(to->ip, to->port, &address);
        if (r < 0)
                return r;

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;

        *p = (Peer) { .pool = pool, .upid = *to };
        r = http_client_new(pool->event, pool->io, &address, QUEUE_MAX_BYTES, &peer_ops, p, &p->client);
        if (r < 0) {
                free(p);
                return r;
        }

        HASH_ADD_STR(pool->peers, upid.text, p);
        *ret = p;
        return 0;
}

/* As if the peer had closed the connection. */
static void peer_give_up(Peer *p) {
        PeerPool *pool = p->pool;
        Upid upid = p->upid;

        peer_free(p);
        if (pool->exited)
                pool->exited(&upid, pool->userdata);
}

static int on_flush(sd_event_source *source, void *userdata) {
        PeerPool *pool = userdata;

        (void) source;

        while (pool->unflushed) {
                Peer *p = pool->unflushed;

                pool->unflushed = p->next_unflushed;
                p->unflushed = false;
                if (p->overflowed) {
                        peer_give_up(p);
                        continue;
                }

                CRASH_POINT("peer-flush");
                http_client_flush(p->client);
                CRASH_POINT("peer-flushed");
        }

        return 0;
}

int peer_pool_new(sd_event *event, const Upid *self, PeerExited exited, void *userdata, PeerPool **ret) {
        _cleanup_(peer_pool_freep) PeerPool *pool = NULL;
        int r;

        assert(event);
        assert(self);
        assert(ret);

        pool = malloc(sizeof(*pool));
        if (!pool)
                return -ENOMEM;

        *pool = (PeerPool) { .event = sd_event_ref(event), .self = *self, .exited = exited, .userdata = userdata };

        r = io_group_new(event, &pool->io);
        if (r < 0)
                return r;

        r = sd_event_add_defer(event, &pool->flush_source, on_flush, pool);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(pool->flush_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(pool->flush_source, "peer-flush");
        *ret = TAKE_PTR(pool);
        return 0;
}

PeerPool *peer_pool_free(PeerPool *pool) {
        Peer *p, *next;

        if (!pool)
                return NULL;

        HASH_ITER(hh, pool->peers, p, next)
                peer_free(p);
        io_group_free(pool->io);
        sd_event_source_disable_unref(pool->flush_source);
        sd_event_unref(pool->event);
        free(pool);
        return NULL;
}

static void flush_soon(Peer *p) {
        if (p->unflushed)
                return;

        p->unflushed = true;
        p->next_unflushed = p->pool->unflushed;
        p->pool->unflushed = p;
        (void) sd_event_source_set_enabled(p->pool->flush_source, SD_EVENT_ONESHOT);
}

/* One chunk and the terminator; real senders leave both out when there is no body. */
static int queue_message(Peer *p, const char *name, const void *body, size_t n) {
        static const char end[] = "\r\n0\r\n\r\n";
        char head[3 * UPID_TEXT_MAX + 512], size[32] = "";
        struct iovec parts[3];
        int k;

        if (n > 0)
                (void) snprintf(size, sizeof(size), "%zx\r\n", n);
        k = snprintf(head, sizeof(head),
                     "POST /%s/%s HTTP/1.1\r\n"
                     "User-Agent: libprocess/%s\r\n"
                     "Libprocess-From: %s\r\n"
                     "Connection: Keep-Alive\r\n"
                     "Host: %s\r\n"
                     "%s\r\n%s",
                     p->upid.id, name, p->pool->self.text, p->pool->self.text, strchr(p->upid.text, '@') + 1,
                     n > 0 ? "Transfer-Encoding: chunked\r\n" : "", size);
        if (k < 0 || (size_t) k >= sizeof(head))
                return -EINVAL;

        parts[0] = (struct iovec) { .iov_base = head, .iov_len = (size_t) k };
        parts[1] = (struct iovec) { .iov_base = (void *) body, .iov_len = n };
        parts[2] = (struct iovec) { .iov_base = (void *) end, .iov_len = n > 0 ? strlen(end) : 0 };
        return http_client_queue(p->client, parts, ELEMENTSOF(parts));
}

int peer_pool_send(PeerPool *pool, const Upid *to, const char *name, const void *body, size_t n) {
        Peer *p;
        int r;

        r = pool_get(pool, to, &p);
        if (r < 0)
                return r;

        r = p->overflowed ? -ENOBUFS : queue_message(p, name, body, n);
        if (r < 0)
                p->overflowed = true;

        flush_soon(p);
        return r;
}

int peer_pool_link(PeerPool *pool, const Upid *to) {
        Peer *p;
        int r;

        r = pool_get(pool, to, &p);
        if (r < 0)
                return r;

        p->linked = true;
        return 0;
}

bool peer_pool_reaches(const PeerPool *pool, const Upid *to) {
        Peer *p;

        HASH_FIND_STR(pool->peers, to->text, p);
        return p && http_client_stands(p->client);
}

void peer_pool_forget(PeerPool *pool, const Upid *to) {
        Peer *p;

        HASH_FIND_STR(pool->peers, to->text, p);
        peer_free(p);
}

int peer_message_parse(const HttpRequest *r, PeerMessage *ret) {
        const char *from = http_request_header(r, "Libprocess-From");
        const char *rest = http_request_rest(r);
        PeerMessage m = {};

        if (!from) {
                const char *agent = http_request_header(r, "User-Agent");

                from = agent ? startswith(agent, "libprocess/") : NULL;
        }
        if (!from || !streq(http_request_method(r), "POST"))
                return PEER_E_NOT_A_MESSAGE;

        if (upid_parse(from, &m.from) < 0 || rest[0] != '/' || strchr(rest + 1, '/'))
                return PEER_E_INVALID;

        m.name = rest + 1;
        m.body = http_request_body(r, &m.n);
        m.connection = http_request_connection(r);
        *ret = m;
        return PEER_MESSAGE;
}
