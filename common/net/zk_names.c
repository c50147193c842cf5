/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of ZooKeeper servers
 *
 * zookeeper_init() calls getaddrinfo(), which may wait half a minute for a name server that is away,
 * and the loop with it. So names are looked up by getaddrinfo_a(), on a thread of the C library,
 * and libzookeeper is given addresses only. The thread knows nothing of ours: it fills a Lookup and
 * writes to an eventfd.
 *
 * A lookup under way cannot be taken back, so the Lookup belongs to two, us and the thread, and
 * whoever is the last to let go frees it.
 */

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/net/zk_names.h"

/* 32 servers with some addresses each. */
#define MAX_ADDRESSES_BYTES 16384

typedef struct Lookup {
        ZkUrl url;
        struct addrinfo hints;
        struct gaicb requests[ZK_MAX_SERVERS];
        int event_fd;
        atomic_int n_owners;
} Lookup;

struct ZkNames {
        sd_event_source *source;
        Lookup *lookup;          /* shared with the thread */
        ZkNamesDone done;
        void *userdata;
};

static void lookup_release(Lookup *l) {
        if (atomic_fetch_sub(&l->n_owners, 1) > 1)
                return;

        for (size_t i = 0; i < l->url.n_servers; i++)
                if (l->requests[i].ar_result)
                        freeaddrinfo(l->requests[i].ar_result);
        zk_url_deinit(&l->url);
        if (l->event_fd >= 0)
                (void) close(l->event_fd);
        free(l);
}

static void lookup_releasep(Lookup **l) {
        if (*l)
                lookup_release(*l);
}

/* On a thread of the C library: touches nothing but the lookup. */
static void thread_on_done(union sigval value) {
        Lookup *l = value.sival_ptr;

        (void) eventfd_write(l->event_fd, 1);
        lookup_release(l);
}

static int add_address(Buffer *b, const struct sockaddr *address, socklen_t n_address,
                       uint16_t port) {
        char host[NI_MAXHOST];

        if (getnameinfo(address, n_address, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
                return 0;

        return buffer_printf(b, address->sa_family == AF_INET6 ? "%s[%s]:%u" : "%s%s:%u",
                             buffer_size(b) > 0 ? "," : "", host, port);
}

static char *lookup_text(const Lookup *l) {
        Buffer b = BUFFER_INIT(MAX_ADDRESSES_BYTES);
        int r = 0;

        for (size_t i = 0; i < l->url.n_servers; i++)
                for (const struct addrinfo *a = l->requests[i].ar_result; a && r >= 0;
                     a = a->ai_next)
                        r = add_address(&b, a->ai_addr, a->ai_addrlen, l->url.servers[i].port);

        if (buffer_size(&b) == 0) {
                buffer_deinit(&b);
                return NULL;
        }
        return buffer_take_text(&b);
}

static int on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        ZkNames *n = userdata;
        _cleanup_free_ char *text = lookup_text(n->lookup);

        (void) fd;
        (void) revents;
        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        n->done(text, n->userdata); /* the last act: it may free us */
        return 0;
}

/* Numbers need nobody's help, and no thread. */
static bool lookup_try_numbers(Lookup *l) {
        bool all = true;

        l->hints.ai_flags |= AI_NUMERICHOST;
        for (size_t i = 0; i < l->url.n_servers && all; i++)
                all = getaddrinfo(l->url.servers[i].host, NULL, &l->hints,
                                  &l->requests[i].ar_result) == 0;
        l->hints.ai_flags &= ~AI_NUMERICHOST;

        for (size_t i = 0; i < l->url.n_servers && !all; i++) {
                if (l->requests[i].ar_result)
                        freeaddrinfo(l->requests[i].ar_result);
                l->requests[i].ar_result = NULL;
        }
        return all;
}

static int lookup_start(Lookup *l) {
        struct gaicb *list[ZK_MAX_SERVERS] = {};
        struct sigevent told = {
                .sigev_notify = SIGEV_THREAD,
                .sigev_notify_function = thread_on_done,
                .sigev_value.sival_ptr = l,
        };

        for (size_t i = 0; i < l->url.n_servers; i++) {
                l->requests[i].ar_name = l->url.servers[i].host;
                l->requests[i].ar_request = &l->hints;
                list[i] = &l->requests[i];
        }

        atomic_fetch_add(&l->n_owners, 1);
        if (getaddrinfo_a(GAI_NOWAIT, list, (int) l->url.n_servers, &told) != 0) {
                atomic_fetch_sub(&l->n_owners, 1);
                return -EAGAIN;
        }
        return 0;
}

static int lookup_new(const ZkUrl *url, Lookup **ret) {
        _cleanup_(lookup_releasep) Lookup *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;

        l->n_owners = 1;
        l->hints = (struct addrinfo) { .ai_socktype = SOCK_STREAM };
        l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (l->event_fd < 0)
                return -errno;

        r = zk_url_copy(url, &l->url);
        if (r < 0)
                return r;

        if (lookup_try_numbers(l)) {
                if (eventfd_write(l->event_fd, 1) < 0)
                        return -errno;
        } else {
                r = lookup_start(l);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(l);
        return 0;
}

int zk_names_new(sd_event *event, const ZkUrl *url, ZkNamesDone done, void *userdata,
                 ZkNames **ret) {
        _cleanup_(zk_names_freep) ZkNames *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;

        n->done = done;
        n->userdata = userdata;
        r = lookup_new(url, &n->lookup);
        if (r < 0)
                return r;

        r = sd_event_add_io(event, &n->source, n->lookup->event_fd, EPOLLIN, on_event, n);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(n->source, "zookeeper-names");
        *ret = TAKE_PTR(n);
        return 0;
}

ZkNames *zk_names_free(ZkNames *n) {
        if (!n)
                return NULL;

        sd_event_source_disable_unref(n->source);
        if (n->lookup)
                lookup_release(n->lookup);
        free(n);
        return NULL;
}
