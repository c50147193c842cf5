/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Session with ZooKeeper
 *
 *                 names known, server answers
 *     CONNECTING ────────────────────────────▶ CONNECTED
 *         ▲    ▲        connection lost            │
 *         │    └───────────────────────────────────┤
 *         │                                        │ "expired", or our own time is up
 *     (a new Zk)                                   ▼
 *         └──────────── its owner ────────────  EXPIRED
 *
 * libzookeeper (the build without threads) says which socket and how long it waits for, we put that
 * into sd_event and tell it what happened. It opens and closes the socket as it likes, so the source
 * is made anew around each call. Its callbacks are ours, and those call out; so nothing is freed
 * while one of its functions is on the stack, but marked, and freed when the stack has unwound.
 *
 * The lease. libzookeeper says that a session has expired when a server tells it, which none does
 * while all are away. But a master must know when it has stopped to be the leader, and not a moment
 * after others know. So each answer renews a lease: the server has seen us after that request was
 * sent, hence does not end the session before a session timeout from then. When the lease ends, so
 * does the session, whatever the server would say. The timer goes before everything else in the
 * loop: a process that was stopped for a minute notices first and acts then. CLOCK_BOOTTIME, since
 * a machine that slept was away, too.
 *
 * Probes keep the lease. For who owns ephemeral nodes they are `sync`s, which the ensemble's leader
 * has to answer, and answers to reads do not count: a follower that has lost its leader would go on
 * giving them for seconds.
 */

#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/net/zk_internal.h"

/* As Mesos retries what ZooKeeper did not do. */
#define RETRY_USEC (2 * USEC_PER_SEC)

/* Before libzookeeper is asked again when it failed at once, for want of a route or of descriptors. */
#define PAUSE_USEC (100 * USEC_PER_MSEC)

/* A client that never got a session looks its servers' names up again after this, or the session timeout. */
#define NAMES_MIN_USEC (10 * USEC_PER_SEC)

/* Answers taken in one turn of the loop. */
#define MAX_ANSWERS_A_TURN 64

/* A probe may take three quarters of the session timeout. */
#define PROBES_A_TIMEOUT 4

static void start_names(Zk *zk);
static void zk_step(Zk *zk, int events);

usec_t zk_now(const Zk *zk) {
        uint64_t now_usec = 0;

        (void) sd_event_now(zk->event, CLOCK_BOOTTIME, &now_usec);
        return now_usec;
}

static void arm(sd_event_source *source, usec_t delay_usec) {
        (void) sd_event_source_set_time_relative(source, delay_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void disarm(sd_event_source *source) {
        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

void zk_kick(Zk *zk) {
        arm(zk->step_source, 0);
}

void zk_extend_lease(Zk *zk, usec_t sent_usec) {
        usec_t until_usec = usec_add(sent_usec, zk->timeout_usec);

        if (until_usec <= zk->lease_usec)
                return;

        zk->lease_usec = until_usec;
        (void) sd_event_source_set_time(zk->expiry_source, until_usec);
        (void) sd_event_source_set_enabled(zk->expiry_source, SD_EVENT_ONESHOT);
}

/* Calling out */

static bool state_is_final(ZkState state) {
        return state == ZK_EXPIRED || state == ZK_AUTH_FAILED;
}

static void set_state(Zk *zk, ZkState state) {
        if (zk->state == state || state_is_final(zk->state))
                return;

        zk->state = state;
        for (ZkListener *l = zk->listeners; l; l = l->next)
                if (l->observer && l->observer->state_changed)
                        l->observer->state_changed(zk, state, l->userdata);
}

static void tell_node(Zk *zk, const char *path) {
        for (ZkListener *l = zk->listeners; l; l = l->next)
                if (l->observer && l->observer->node_changed)
                        l->observer->node_changed(zk, path, l->userdata);
}

int zk_observe(Zk *zk, const ZkObserver *observer, void *userdata) {
        ZkListener *l = malloc(sizeof(*l));

        if (!l)
                return -ENOMEM;

        *l = (ZkListener) { .observer = observer, .userdata = userdata };
        DL_APPEND(zk->listeners, l);
        return 0;
}

static void sweep_listeners(Zk *zk) {
        ZkListener *l, *next;

        DL_FOREACH_SAFE(zk->listeners, l, next)
                if (!l->observer) {
                        DL_DELETE(zk->listeners, l);
                        free(l);
                }
}

void zk_forget(Zk *zk, const void *userdata) {
        for (ZkRequest *q = zk->requests; q; q = q->next)
                if (q->userdata == userdata)
                        q->done = NULL;
        for (ZkListener *l = zk->listeners; l; l = l->next)
                if (l->userdata == userdata)
                        l->observer = NULL;

        if (zk->depth == 0)
                sweep_listeners(zk);
}

static void forget_all(Zk *zk) {
        for (ZkRequest *q = zk->requests; q; q = q->next)
                q->done = NULL;
        for (ZkListener *l = zk->listeners; l; l = l->next)
                l->observer = NULL;
}

/* The end */

/*
 * Takes libzookeeper's handle away, which answers all requests first. A session that is over is not
 * said good-bye to: the server would be waited for.
 */
static void close_handle(Zk *zk) {
        zhandle_t *handle = TAKE_PTR(zk->handle);

        if (!handle)
                return;

        zk->depth++;
        if (zk->io_source && zk->state != ZK_CONNECTED)
                (void) shutdown(sd_event_source_get_io_fd(zk->io_source), SHUT_RDWR);
        zk->io_source = sd_event_source_disable_unref(zk->io_source);
        (void) zookeeper_close(handle);
        zk->depth--;
}

static Zk *zk_destroy(Zk *zk) {
        forget_all(zk);
        close_handle(zk);
        zk_names_free(zk->names);
        sd_event_source_disable_unref(zk->io_source);
        sd_event_source_disable_unref(zk->step_source);
        sd_event_source_disable_unref(zk->expiry_source);
        sd_event_source_disable_unref(zk->probe_source);
        sweep_listeners(zk);
        assert(!zk->requests);
        zk_url_deinit(&zk->url);
        sd_event_unref(zk->event);
        free(zk);
        return NULL;
}

static void enter(Zk *zk) {
        zk->depth++;
}

/* The Zk may be gone afterwards. */
static void leave(Zk *zk) {
        if (zk->depth == 1 && state_is_final(zk->state)) {
                disarm(zk->step_source);
                disarm(zk->expiry_source);
                disarm(zk->probe_source);
                close_handle(zk);
        }

        if (--zk->depth > 0)
                return;

        sweep_listeners(zk);
        if (zk->doomed)
                (void) zk_destroy(zk);
}

/*
 * Ends the session and with it our ephemeral nodes, at once if the server is there: which takes the
 * time of its answer, a second and a half at most. From within a callback, too.
 */
Zk *zk_free(Zk *zk) {
        if (!zk)
                return NULL;

        if (zk->depth == 0)
                return zk_destroy(zk);

        zk->doomed = true;
        forget_all(zk);
        return NULL;
}

/* What libzookeeper tells */

static void on_connected(Zk *zk) {
        int timeout_msec = zoo_recv_timeout(zk->handle);

        /* The servers have bounds of their own for it. */
        if (timeout_msec > 0)
                zk->timeout_usec = (usec_t) timeout_msec * USEC_PER_MSEC;

        log_info("Connected to ZooKeeper at %s, session 0x%" PRIx64 ".", zoo_get_current_server(zk->handle),
                 (uint64_t) zoo_client_id(zk->handle)->client_id);
        zk->had_session = true;
        zk_extend_lease(zk, zk->attempt_usec);
        zk->probing = false;
        arm(zk->probe_source, 0);
        set_state(zk, ZK_CONNECTED);
}

static void on_session_event(Zk *zk, int state) {
        if (state == ZOO_CONNECTED_STATE)
                on_connected(zk);
        else if (state == ZOO_EXPIRED_SESSION_STATE) {
                log_warning("ZooKeeper says that our session has expired.");
                set_state(zk, ZK_EXPIRED);
        } else if (state == ZOO_AUTH_FAILED_STATE) {
                log_error("ZooKeeper does not accept our credentials.");
                set_state(zk, ZK_AUTH_FAILED);
        } else if (zk->state == ZK_CONNECTED) {
                log_warning("Lost the connection to ZooKeeper.");
                disarm(zk->probe_source);
                set_state(zk, ZK_CONNECTING);
        }
}

static void on_watch(zhandle_t *handle, int type, int state, const char *path, void *userdata) {
        Zk *zk = userdata;

        /* While the handle is being closed, all that it tells is that. */
        if (handle != zk->handle)
                return;

        if (type == ZOO_SESSION_EVENT)
                on_session_event(zk, state);
        else if (type != ZOO_NOTWATCHING_EVENT)
                tell_node(zk, path);
}

/* "2026-01-31 12:00:00,000:4711:ZOO_INFO@function@123: text". We have time and process ourselves. */
static void on_log(const char *message) {
        const char *at = strchr(message, '@');

        log_debug("libzookeeper: %s", at ? at + 1 : message);
}

/* Turns of the loop */

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        int events = 0;

        (void) source;
        (void) fd;

        /* Whoever reads or writes finds out about errors. */
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                events |= ZOOKEEPER_READ;
        if (revents & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                events |= ZOOKEEPER_WRITE;
        zk_step(userdata, events);
        return 0;
}

static void watch_socket(Zk *zk, int fd, int interest) {
        uint32_t events = (interest & ZOOKEEPER_READ ? EPOLLIN : 0U) | (interest & ZOOKEEPER_WRITE ? EPOLLOUT : 0U);
        int r = sd_event_add_io(zk->event, &zk->io_source, fd, events, on_io, zk);

        if (r < 0)
                (void) log_warning_errno(r, "Cannot wait for ZooKeeper, trying again: %m");
        else
                (void) sd_event_source_set_description(zk->io_source, "zookeeper");
}

/*
 * A write that fails makes libzookeeper (3.8) close its socket, and the next call opens another
 * without a word to the watcher. What it says of its state is true.
 */
static void notice_loss(Zk *zk) {
        if (zk->state == ZK_CONNECTED && zoo_state(zk->handle) != ZOO_CONNECTED_STATE)
                on_session_event(zk, ZOO_CONNECTING_STATE);
}

/* Asks libzookeeper what it waits for, which is also when it connects. */
static void ask_interest(Zk *zk) {
        struct timeval wait = {};
        usec_t wait_usec;
        int fd = -1, interest = 0, rc;

        if (zoo_state(zk->handle) == ZOO_NOTCONNECTED_STATE)
                zk->attempt_usec = zk_now(zk);

        rc = zookeeper_interest(zk->handle, &fd, &interest, &wait);
        if (state_is_final(zk->state))
                return;

        notice_loss(zk);
        if (zk->doomed)
                return;

        wait_usec = (usec_t) wait.tv_sec * USEC_PER_SEC + (usec_t) wait.tv_usec;
        if (rc != ZOK)
                wait_usec = PAUSE_USEC;
        else if (fd >= 0)
                watch_socket(zk, fd, interest);
        arm(zk->step_source, wait_usec);
}

static void zk_step(Zk *zk, int events) {
        enter(zk);

        zk->io_source = sd_event_source_disable_unref(zk->io_source);
        for (unsigned n = 0; events != 0 && n < MAX_ANSWERS_A_TURN && !state_is_final(zk->state); n++) {
                if (zookeeper_process(zk->handle, events) != ZOK)
                        break;
                events &= ZOOKEEPER_READ;
        }

        if (zk->handle && !state_is_final(zk->state) && !zk->doomed)
                ask_interest(zk);

        leave(zk);
}

static int on_step(sd_event_source *source, uint64_t usec, void *userdata) {
        Zk *zk = userdata;

        (void) source;
        (void) usec;
        if (zk->handle)
                zk_step(zk, 0);
        else
                start_names(zk);
        return 0;
}

static int on_probe(sd_event_source *source, uint64_t usec, void *userdata) {
        Zk *zk = userdata;

        (void) source;
        (void) usec;
        if (!zk->probing && zk_probe(zk) == 0)
                zk->probing = true;
        arm(zk->probe_source, zk->timeout_usec / PROBES_A_TIMEOUT);
        return 0;
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata) {
        Zk *zk = userdata;

        (void) source;
        (void) usec;
        enter(zk);
        if (zk->had_session) {
                log_warning("No word from ZooKeeper for the session timeout, our session is over.");
                set_state(zk, ZK_EXPIRED);
        } else {
                close_handle(zk);
                arm(zk->step_source, 0);
        }
        leave(zk);
        return 0;
}

/* The beginning */

static void start_handle(Zk *zk, const char *addresses) {
        zk->handle = zookeeper_init2(addresses, on_watch, (int) (zk->timeout_usec / USEC_PER_MSEC), NULL, zk,
                                     ZOO_NO_LOG_CLIENTENV, on_log);
        if (!zk->handle) {
                (void) log_warning_errno(errno, "Cannot set up a session with ZooKeeper, trying again: %m");
                arm(zk->step_source, RETRY_USEC);
                return;
        }

        if (zk->url.credentials)
                (void) zoo_add_auth(zk->handle, "digest", zk->url.credentials, (int) strlen(zk->url.credentials), NULL,
                                    NULL);
        arm(zk->expiry_source, MAX(zk->timeout_usec, NAMES_MIN_USEC));
        arm(zk->step_source, 0);
}

static void on_names(const char *addresses, void *userdata) {
        Zk *zk = userdata;

        if (addresses)
                start_handle(zk, addresses);
        else {
                log_warning("No address is known of any ZooKeeper server, trying again.");
                arm(zk->step_source, RETRY_USEC);
        }
        zk->names = zk_names_free(zk->names);
}

static void start_names(Zk *zk) {
        int r = zk_names_new(zk->event, &zk->url, on_names, zk, &zk->names);

        if (r < 0) {
                (void) log_warning_errno(r, "Cannot look up ZooKeeper's servers, trying again: %m");
                arm(zk->step_source, RETRY_USEC);
        }
}

static int add_timer(Zk *zk, clockid_t clock, sd_event_time_handler_t handler, const char *name,
                     sd_event_source **ret) {
        int r = sd_event_add_time(zk->event, ret, clock, USEC_INFINITY, USEC_EXACT, handler, zk);

        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
        (void) sd_event_source_set_description(*ret, name);
        return 0;
}

int zk_new(sd_event *event, const ZkUrl *url, usec_t session_timeout_usec, Zk **ret) {
        _cleanup_(zk_freep) Zk *zk = calloc(1, sizeof(*zk));
        int r;

        if (!zk)
                return -ENOMEM;

        zk->event = sd_event_ref(event);
        zk->timeout_usec = MIN(MAX(session_timeout_usec, USEC_PER_MSEC), USEC_PER_HOUR);
        zk->state = ZK_CONNECTING;
        r = zk_url_copy(url, &zk->url);
        if (r >= 0)
                r = add_timer(zk, CLOCK_MONOTONIC, on_step, "zookeeper-step", &zk->step_source);
        if (r >= 0)
                r = add_timer(zk, CLOCK_MONOTONIC, on_probe, "zookeeper-probe", &zk->probe_source);
        if (r >= 0)
                r = add_timer(zk, CLOCK_BOOTTIME, on_expiry, "zookeeper-expiry", &zk->expiry_source);
        if (r >= 0)
                r = sd_event_source_set_priority(zk->expiry_source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                return r;

        zoo_set_debug_level(log_get_max_level() >= LOG_DEBUG ? ZOO_LOG_LEVEL_INFO : ZOO_LOG_LEVEL_ERROR);
        start_names(zk);
        *ret = TAKE_PTR(zk);
        return 0;
}

ZkState zk_state(const Zk *zk) {
        return zk->state;
}

sd_event *zk_event(const Zk *zk) {
        return zk->event;
}

int64_t zk_session_id(const Zk *zk) {
        return zk->handle && zk->had_session ? zoo_client_id(zk->handle)->client_id : 0;
}

const char *zk_path(const Zk *zk) {
        return zk->url.path;
}
