/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The HTTP server
 *
 * libmicrohttpd parses and prints HTTP; we own the loop around it. Its epoll instance is one I/O
 * source of ours, its next timeout one timer, and connections are accepted here and handed to it:
 *
 *     listen fd ── accept_connections() ──▶ MHD_add_connection()
 *     epoll fd of libmicrohttpd ──▶ server_run() ──▶ callbacks below ──▶ http_request.c
 *
 * Accepting ourselves is what gives every bound a behaviour:
 *
 *  - at max_connections the connection that has idled longest is closed to make room. Links of
 *    libprocess peers are spared, for their end means something. With none idle it is the request
 *    that has been coming for longest, which who never ends theirs cannot complain about. With
 *    nothing to close newcomers wait in the kernel's queue until a connection ends, or has dawdled;
 *  - out of file descriptors we pause for a moment rather than spin;
 *  - a request that has begun must be complete within request_timeout_usec. A connection on which
 *    nothing was ever said is not a slow request: peers link by connecting and waiting;
 *  - bodies are bounded one by one and in sum (http_request.c).
 *
 * libmicrohttpd does not notice when a peer leaves while its connection is suspended, so requests
 * and streams watch for that themselves. TCP keep-alive finds peers that left without a word.
 *
 * Its epoll fd does not tell of connections that were resumed, so whoever resumes one also calls
 * http_server_wake(). Nobody runs libmicrohttpd from inside one of its callbacks.
 */

#include <arpa/inet.h>
#include <linux/tcp.h>    /* tcpi_bytes_received is not in netinet/tcp.h */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/net/http_internal.h"

/* Of one request. A re-registering agent with 10,000 tasks sends about 10 MB. */
#define BODY_MAX_DEFAULT (32U << 20)
/* Of all requests together, in largest bodies. */
#define BODIES_MAX 4U
#define REQUEST_TIMEOUT_DEFAULT (60 * USEC_PER_SEC)
/* An answer or a closing stream that makes no progress for this long is given up. */
#define ANSWER_STALL_SECS 60U
/* The head of a request and that of its answer live here; a longer one gets 431. libmicrohttpd clears all of it
 * for each request, so every idle connection costs this much, and a master has ten thousand of them. */
#define POOL_BYTES ((size_t) 6 << 10)
/* Left for everybody else in the process: at least this many descriptors, or an eighth. */
#define RESERVED_FDS 32U
#define CONNECTIONS_MAX 65536U
/* What a request may take while there is no room for others; enough for those who mean it. */
#define CROWDED_TIMEOUT (2 * USEC_PER_SEC)
#define ACCEPT_PAUSE (100 * USEC_PER_MSEC)
/* Deadlines here are limits, not appointments. */
#define TIMER_ACCURACY (10 * USEC_PER_MSEC)
/* Accepts and rounds of libmicrohttpd before other sources get their turn. */
#define ACCEPT_BATCH 64
#define RUN_BATCH 8

static usec_t server_now(const HttpServer *s) {
        usec_t now_usec = 0;

        (void) sd_event_now(s->event, CLOCK_MONOTONIC, &now_usec);
        return now_usec;
}

/* Moves a connection to another list. Deadlines are all equally long, so appending keeps the order. */
void http_connection_enter(HttpConnection *c, ConnectionState state) {
        HttpServer *s = c->server;

        DL_DELETE(s->connections[c->state], c);
        if (state == CONNECTION_DUE)
                c->deadline_usec = usec_add(server_now(s), s->request_timeout_usec);
        c->state = state;
        DL_APPEND(s->connections[state], c);
}

/* Lets libmicrohttpd close the connection when its peer stops reading, or no longer. */
void http_connection_watch_progress(HttpConnection *c, bool on) {
        if (c->has_timeout == on)
                return;

        c->has_timeout = on;
        (void) MHD_set_connection_option(c->mhd, MHD_CONNECTION_OPTION_TIMEOUT, on ? ANSWER_STALL_SECS : 0U);
}

/* A connection made for a link has never carried a byte; a slow request has. */
static bool connection_is_silent(const HttpConnection *c) {
        struct tcp_info info = {};
        socklen_t n = sizeof(info);

        if (c->request)
                return false;

        return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
               n >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received) &&
               info.tcpi_bytes_received == 0;
}

/* Both sides are shut, and libmicrohttpd closes the connection when it sees the end of file. */
static void connection_drop(HttpConnection *c) {
        http_connection_enter(c, CONNECTION_ANSWERING);
        if (c->request)
                http_request_abandon(c->request);
        else
                (void) shutdown(c->fd, SHUT_RDWR);
}

static void drop_overdue(HttpServer *s) {
        usec_t now_usec = server_now(s);
        HttpConnection *c;

        while ((c = s->connections[CONNECTION_DUE]) && c->deadline_usec <= now_usec) {
                if (connection_is_silent(c))
                        http_connection_enter(c, CONNECTION_IDLE);
                else
                        connection_drop(c);
        }
}

static void resume_accepting(HttpServer *s) {
        if (!s->accept_paused || !s->listen_source)
                return;

        s->accept_paused = s->crowded = false;
        s->accept_resume_usec = USEC_INFINITY;
        (void) sd_event_source_set_enabled(s->listen_source, SD_EVENT_ON);
}

static void pause_accepting(HttpServer *s, usec_t pause_usec) {
        s->accept_paused = true;
        s->accept_resume_usec = usec_add(server_now(s), pause_usec);
        (void) sd_event_source_set_enabled(s->listen_source, SD_EVENT_OFF);
}

/* Has libmicrohttpd run soon: once, however often this is called in a turn of the loop. */
void http_server_wake(HttpServer *s) {
        (void) sd_event_source_set_enabled(s->wake_source, SD_EVENT_ONESHOT);
}

static void arm_timer(HttpServer *s) {
        usec_t next_usec = s->accept_resume_usec;
        unsigned long long msec;

        if (s->connections[CONNECTION_DUE])
                next_usec = MIN(next_usec, s->connections[CONNECTION_DUE]->deadline_usec);
        if (MHD_get_timeout(s->daemon, &msec) == MHD_YES) {
                if (msec == 0)
                        http_server_wake(s);
                else
                        next_usec = MIN(next_usec, usec_add(server_now(s), msec * USEC_PER_MSEC));
        }

        (void) sd_event_source_set_time(s->timer_source, next_usec);
        (void) sd_event_source_set_enabled(s->timer_source,
                                           next_usec == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void server_run(HttpServer *s) {
        unsigned long long msec;

        (void) sd_event_source_set_enabled(s->wake_source, SD_EVENT_OFF);
        for (unsigned i = 0; i < RUN_BATCH; i++) {
                (void) MHD_run(s->daemon);
                if (MHD_get_timeout(s->daemon, &msec) == MHD_NO || msec > 0)
                        break;
        }

        if (s->n_connections < s->max_connections && s->crowded)
                resume_accepting(s);
        arm_timer(s);
}

static int on_daemon(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        (void) source;
        (void) fd;
        (void) events;

        server_run(userdata);
        return 0;
}

static int on_wake(sd_event_source *source, void *userdata) {
        (void) source;

        server_run(userdata);
        CRASH_POINT("http-written");
        return 0;
}

static int on_flush(sd_event_source *source, void *userdata) {
        (void) source;

        http_stream_flush_all(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        HttpServer *s = userdata;

        (void) source;
        (void) usec;

        if (s->accept_resume_usec <= server_now(s))
                resume_accepting(s);
        drop_overdue(s);
        server_run(s);
        return 0;
}

/* The request that has been on its way for longest, if that is long enough while others wait. */
static HttpConnection *find_slow_request(const HttpServer *s) {
        usec_t now_usec = server_now(s);
        HttpConnection *c;

        DL_FOREACH(s->connections[CONNECTION_DUE], c) {
                if (usec_sub(usec_add(now_usec, s->request_timeout_usec), c->deadline_usec) < CROWDED_TIMEOUT)
                        return NULL;
                if (!c->is_link && !connection_is_silent(c))
                        return c;
        }

        return NULL;
}

/* Closes the connection that nobody has used for longest. Returns false when all are needed. */
static bool make_room(HttpServer *s) {
        HttpConnection *c;

        DL_FOREACH(s->connections[CONNECTION_IDLE], c) {
                if (c->is_link)
                        continue;

                connection_drop(c);
                server_run(s);
                return s->n_connections < s->max_connections;
        }

        c = find_slow_request(s);
        if (!c)
                return false;

        connection_drop(c);
        server_run(s);
        return s->n_connections < s->max_connections;
}

/* Returns false when there is nothing more to accept now. */
static bool accept_one(HttpServer *s) {
        struct sockaddr_storage address;
        socklen_t n = sizeof(address);
        int fd;

        fd = accept4(s->listen_fd, (struct sockaddr *) &address, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                        pause_accepting(s, ACCEPT_PAUSE);

                return errno == EINTR || errno == ECONNABORTED;
        }

        /* Closes the fd when it fails. */
        (void) MHD_add_connection(s->daemon, fd, (struct sockaddr *) &address, n);
        return true;
}

static int accept_connections(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        HttpServer *s = userdata;

        (void) source;
        (void) fd;
        (void) events;

        for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
                if (s->n_connections >= s->max_connections && !make_room(s)) {
                        /* server_run() undoes this when a connection ends. */
                        s->crowded = true;
                        pause_accepting(s, ACCEPT_PAUSE);
                        break;
                }

                if (!accept_one(s))
                        break;
        }

        server_run(s);
        return 0;
}

static void on_connection(void *userdata, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code) {
        HttpServer *s = userdata;
        HttpConnection *c = *context;

        if (code == MHD_CONNECTION_NOTIFY_STARTED) {
                const union MHD_ConnectionInfo *info;

                info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
                c = info ? malloc(sizeof(*c)) : NULL;
                if (!c)
                        return; /* its requests will find no connection and be refused */

                *c = (HttpConnection) {
                        .server = s,
                        .mhd = mhd,
                        .fd = info->connect_fd,
                        .number = ++s->n_connections_ever,
                        .deadline_usec = usec_add(server_now(s), s->request_timeout_usec),
                };
                DL_APPEND(s->connections[c->state], c);
                *context = c;
                s->n_connections++;
                return;
        }

        if (!c)
                return;

        *context = NULL;
        http_request_free(c->request);
        DL_DELETE(s->connections[c->state], c);
        s->n_connections--;
        free(c);
}

/* Called when the first line of a request is there; the result is the request's context from here on. */
static void *on_request_line(void *userdata, const char *target, struct MHD_Connection *mhd) {
        const union MHD_ConnectionInfo *info;
        HttpConnection *c;

        (void) userdata;

        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        c = info ? info->socket_context : NULL;
        if (!c)
                return NULL;

        /* The first request shares the deadline that began with the connection. */
        if (c->state != CONNECTION_DUE)
                http_connection_enter(c, CONNECTION_DUE);

        c->request = http_request_new(c, target);
        return c->request;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **context) {
        (void) userdata;
        (void) mhd;
        (void) url;

        if (!*context)
                return MHD_NO;

        return http_request_advance(*context, method, version, data, n);
}

static void on_completed(void *userdata, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code) {
        HttpRequest *r = *context;
        HttpConnection *c;

        (void) userdata;
        (void) mhd;
        (void) code;

        if (!r)
                return;

        *context = NULL;
        CRASH_POINT("http-answered");
        c = r->connection;
        http_request_free(r);
        http_connection_watch_progress(c, false);
        http_connection_enter(c, CONNECTION_IDLE);
}

const HttpRoute *http_server_find_route(const HttpServer *s, const char *path) {
        const HttpRoute *best = NULL, *route;

        LL_FOREACH(s->routes, route) {
                if (strncmp(path, route->path, route->n_path) != 0)
                        continue;
                if (path[route->n_path] != '\0' && path[route->n_path] != '/')
                        continue;
                if (!best || route->n_path > best->n_path)
                        best = route;
        }

        return best;
}

int http_server_route(HttpServer *s, const char *path, HttpHandler handler, void *userdata) {
        HttpRoute *route;
        size_t n = strlen(path);

        assert(handler);

        while (n > 0 && path[n - 1] == '/')
                n--;

        route = malloc(sizeof(*route));
        if (!route)
                return -ENOMEM;

        *route = (HttpRoute) { .path = strndup(path, n), .n_path = n, .handler = handler, .userdata = userdata };
        if (!route->path) {
                free(route);
                return -ENOMEM;
        }

        LL_PREPEND(s->routes, route);
        return 0;
}

void http_server_set_gate(HttpServer *s, HttpGate gate, void *userdata) {
        s->gate = gate;
        s->gate_userdata = userdata;
}

uint16_t http_server_port(const HttpServer *s) {
        return s->port;
}

/* The connections inherit these from the listening socket. */
static void set_socket_options(int fd) {
        static const struct {
                int level, name, value;
        } options[] = {
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_KEEPIDLE, 60 },
                { IPPROTO_TCP, TCP_KEEPINTVL, 15 },
                { IPPROTO_TCP, TCP_KEEPCNT, 4 },
                { IPPROTO_TCP, TCP_NODELAY, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                (void) setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                                  sizeof(options[i].value));
}

static int listen_tcp(const char *ip, uint16_t port) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        const struct sockaddr *address = (const struct sockaddr *) &in;
        socklen_t n = sizeof(in);
        _cleanup_fd_ int fd = -EBADF;

        if (ip && inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1) {
                address = (const struct sockaddr *) &in6;
                n = sizeof(in6);
        } else if (ip && inet_pton(AF_INET, ip, &in.sin_addr) != 1)
                return -EINVAL;

        fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;

        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) < 0 ||
            bind(fd, address, n) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static int listen_unix(const char *path) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;

        if (strlen(path) >= sizeof(un.sun_path))
                return -ENAMETOOLONG;

        strcpy(un.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;

        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        if (bind(fd, (const struct sockaddr *) &un, sizeof(un)) < 0)
                return -errno;

        /* Open to all users, as a port is: who they are is the handlers' to ask. */
        if (chmod(path, 0666) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static int server_listen(HttpServer *s, const HttpServerConfig *config) {
        struct sockaddr_storage address = {};
        socklen_t n = sizeof(address);
        int r;

        if (config->listen_fd >= 0)
                s->listen_fd = config->listen_fd;
        else if (config->unix_path)
                s->listen_fd = listen_unix(config->unix_path);
        else
                s->listen_fd = listen_tcp(config->ip, config->port);
        if (s->listen_fd < 0)
                return s->listen_fd;

        r = fd_set_nonblock(s->listen_fd, true);
        if (r < 0)
                return r;

        if (getsockname(s->listen_fd, (struct sockaddr *) &address, &n) < 0)
                return -errno;

        if (address.ss_family == AF_INET)
                s->port = ntohs(((struct sockaddr_in *) &address)->sin_port);
        else if (address.ss_family == AF_INET6)
                s->port = ntohs(((struct sockaddr_in6 *) &address)->sin6_port);

        if (address.ss_family != AF_UNIX)
                set_socket_options(s->listen_fd);

        return listen(s->listen_fd, SOMAXCONN) < 0 ? -errno : 0;
}

/* As many as asked for, but never all the descriptors there are. */
static unsigned connection_bound(unsigned wanted) {
        struct rlimit limit = { .rlim_cur = 1024 };
        uint64_t possible;

        (void) getrlimit(RLIMIT_NOFILE, &limit);
        possible = limit.rlim_cur - MIN((uint64_t) limit.rlim_cur,
                                        MAX((uint64_t) RESERVED_FDS, (uint64_t) limit.rlim_cur / 8));
        possible = MAX((uint64_t) 1, MIN(possible, (uint64_t) CONNECTIONS_MAX));
        return wanted == 0 ? (unsigned) possible : (unsigned) MIN((uint64_t) wanted, possible);
}

static int start_daemon(HttpServer *s) {
        s->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, s,
                MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
                MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s,
                MHD_OPTION_CONNECTION_LIMIT, s->max_connections + 1,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_BYTES,
                MHD_OPTION_END);
        if (!s->daemon)
                return -EIO;

        s->empty = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        return s->empty ? 0 : -ENOMEM;
}

static int add_sources(HttpServer *s) {
        const union MHD_DaemonInfo *info;
        int r;

        info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -EIO;

        r = sd_event_add_io(s->event, &s->daemon_source, info->epoll_fd, EPOLLIN, on_daemon, s);
        if (r < 0)
                return r;

        r = sd_event_add_io(s->event, &s->listen_source, s->listen_fd, EPOLLIN, accept_connections, s);
        if (r < 0)
                return r;

        r = sd_event_add_time(s->event, &s->timer_source, CLOCK_MONOTONIC, USEC_INFINITY, TIMER_ACCURACY, on_timer, s);
        if (r < 0)
                return r;

        r = sd_event_add_defer(s->event, &s->wake_source, on_wake, s);
        if (r < 0)
                return r;

        r = sd_event_add_defer(s->event, &s->flush_source, on_flush, s);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(s->timer_source, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(s->wake_source, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(s->flush_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(s->wake_source, "http-wake");
        (void) sd_event_source_set_description(s->flush_source, "http-flush");
        (void) sd_event_source_set_description(s->daemon_source, "http-daemon");
        (void) sd_event_source_set_description(s->listen_source, "http-listen");
        (void) sd_event_source_set_description(s->timer_source, "http-timer");
        return 0;
}

/* config->listen_fd is taken over also when this fails. */
int http_server_new(sd_event *event, const HttpServerConfig *config, HttpServer **ret) {
        _cleanup_(http_server_freep) HttpServer *s = NULL;
        int r;

        assert(event);
        assert(config);
        assert(ret);

        s = malloc(sizeof(*s));
        if (!s) {
                fd_close(config->listen_fd);
                return -ENOMEM;
        }

        *s = (HttpServer) {
                .event = sd_event_ref(event),
                .listen_fd = -EBADF,
                .max_connections = connection_bound(config->max_connections),
                .max_body_bytes = config->max_body_bytes ?: BODY_MAX_DEFAULT,
                .request_timeout_usec = config->request_timeout_usec ?: REQUEST_TIMEOUT_DEFAULT,
                .accept_resume_usec = USEC_INFINITY,
        };
        s->max_total_body_bytes = s->max_body_bytes * BODIES_MAX;

        r = server_listen(s, config);
        if (r < 0)
                return r;

        if (config->unix_path && config->listen_fd < 0) {
                s->unix_path = strdup(config->unix_path);
                if (!s->unix_path)
                        return -ENOMEM;
        }

        r = start_daemon(s);
        if (r < 0)
                return r;

        r = add_sources(s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

void http_server_quiesce(HttpServer *s) {
        s->listen_source = sd_event_source_disable_unref(s->listen_source);
        s->listen_fd = fd_close(s->listen_fd);
        if (s->unix_path)
                (void) unlink(s->unix_path);
        free(TAKE_PTR(s->unix_path));
}

/* libmicrohttpd insists that nothing is suspended when it stops, streams that are ending included. */
static void abandon_requests(HttpServer *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->connections); i++) {
                HttpConnection *c;

                DL_FOREACH(s->connections[i], c)
                        if (c->request)
                                http_request_abandon(c->request);
        }
}

/* Owners of unanswered requests and open streams are told that these are gone. */
HttpServer *http_server_free(HttpServer *s) {
        HttpRoute *route, *next;

        if (!s)
                return NULL;

        http_server_quiesce(s);
        s->timer_source = sd_event_source_disable_unref(s->timer_source);
        s->daemon_source = sd_event_source_disable_unref(s->daemon_source);
        s->wake_source = sd_event_source_disable_unref(s->wake_source);
        s->flush_source = sd_event_source_disable_unref(s->flush_source);
        if (s->daemon) {
                abandon_requests(s);
                MHD_stop_daemon(s->daemon);
        }
        if (s->empty)
                MHD_destroy_response(s->empty);
        assert(s->n_connections == 0);

        LL_FOREACH_SAFE(s->routes, route, next) {
                free(route->path);
                free(route);
        }

        sd_event_unref(s->event);
        free(s);
        return NULL;
}
