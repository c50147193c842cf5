/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The HTTP client
 *
 * One connection, plain HTTP/1.1, for two users: the executor, where a full-grown client library
 * would cost more memory than everything else in the process, and messages between daemons.
 *
 * Requests are queued and pipelined without waiting for answers; what was queued in one turn of the
 * loop is sent with one system call. Nothing is retried here: a connection that breaks tells its
 * owner, who knows which requests may be repeated, and the owner makes a new client.
 *
 * Callbacks come from the loop only, never from within http_client_new() or _request(). The owner
 * may free the client in any of them; `gone` is how the code above the callback learns of it.
 */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/net/http_client.h"
#include "common/net/http_parser.h"

/* One read. Stack that was touched once stays in memory for good, beside every task; large records take a few. */
#define READ_BYTES ((size_t) 4 << 10)
#define READS_PER_TURN 64
/* A queue that a burst made larger than this is given back once it is empty: a master has one for each agent. */
#define QUEUE_KEPT_BYTES ((size_t) 1 << 10)

struct HttpClient {
        sd_event *event;
        int fd;
        char host[128];
        IoWatch watch;
        sd_event_source *defer_source;   /* flushes, or tells of a connection that failed at once; made when needed */
        const HttpClientOps *ops;
        void *userdata;
        Buffer out;
        HttpParser parser;
        bool connected;
        bool closed;
        int connect_error;
        bool wants_out;                  /* EPOLLOUT is asked for */
        bool *gone;                      /* set when freed inside a callback */
};

int http_address_from_ip_port(const char *ip, uint16_t port, HttpAddress *ret) {
        HttpAddress a = {};

        if (inet_pton(AF_INET, ip, &a.in.sin_addr) == 1) {
                a.in.sin_family = AF_INET;
                a.in.sin_port = htons(port);
                a.n = sizeof(a.in);
                (void) snprintf(a.host, sizeof(a.host), "%s:%u", ip, port);
        } else if (inet_pton(AF_INET6, ip, &a.in6.sin6_addr) == 1) {
                a.in6.sin6_family = AF_INET6;
                a.in6.sin6_port = htons(port);
                a.n = sizeof(a.in6);
                (void) snprintf(a.host, sizeof(a.host), "[%s]:%u", ip, port);
        } else
                return -EINVAL;

        *ret = a;
        return 0;
}

int http_address_from_unix(const char *path, HttpAddress *ret) {
        HttpAddress a = { .un.sun_family = AF_UNIX, .n = sizeof(a.un), .host = "localhost" };

        if (strlen(path) >= sizeof(a.un.sun_path))
                return -ENAMETOOLONG;

        strcpy(a.un.sun_path, path);
        *ret = a;
        return 0;
}

/* The last thing the owner hears. */
static void client_close(HttpClient *c, int error) {
        io_watch_end(&c->watch);
        c->defer_source = sd_event_source_disable_unref(c->defer_source);
        c->fd = fd_close(c->fd);
        c->closed = true;
        c->gone = NULL; /* whoever called us looks at the client no more */

        if (c->ops->closed)
                c->ops->closed(c, error, c->userdata);
}

static void want_out(HttpClient *c, bool on) {
        if (c->wants_out == on)
                return;

        c->wants_out = on;
        (void) io_watch_modify(&c->watch, on ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Sends what the kernel takes. A broken connection is left for the reading side to notice. */
void http_client_flush(HttpClient *c) {
        if (!c->connected || c->closed)
                return;

        while (buffer_size(&c->out) > 0) {
                ssize_t n = send(c->fd, buffer_data(&c->out), buffer_size(&c->out), MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        return;
                if (n < 0)
                        break;

                buffer_consume(&c->out, (size_t) n);
        }

        want_out(c, buffer_size(&c->out) > 0);
        if (buffer_size(&c->out) == 0 && c->out.n_allocated > QUEUE_KEPT_BYTES)
                buffer_deinit(&c->out);
}

static int on_defer(sd_event_source *source, void *userdata) {
        HttpClient *c = userdata;

        (void) source;

        if (c->connect_error < 0)
                client_close(c, c->connect_error);
        else
                http_client_flush(c);
        return 0;
}

static void tell_head(HttpClient *c) {
        HttpResponseHead head = {
                .status = c->parser.status,
                .content_type = c->parser.content_type,
                .stream_id = c->parser.stream_id,
                .location = c->parser.location,
        };

        if (c->ops->head)
                c->ops->head(c, &head, c->userdata);
}

/* Passes on what was read. Returns false when the client is closed or freed. */
static bool tell_parsed(HttpClient *c, const char *data, size_t n) {
        bool gone = false;

        c->gone = &gone;
        for (;;) {
                const char *body;
                size_t n_body;
                int r;

                r = http_parser_next(&c->parser, &data, &n, &body, &n_body);
                if (r == HTTP_PARSED_ALL)
                        break;

                if (r < 0) {
                        client_close(c, r);
                        return false;
                }

                if (r == HTTP_PARSED_HEAD)
                        tell_head(c);
                else if (r == HTTP_PARSED_BODY && c->ops->body)
                        c->ops->body(c, body, n_body, c->userdata);
                else if (r == HTTP_PARSED_DONE && c->ops->done)
                        c->ops->done(c, c->userdata);
                if (gone)
                        return false;

                if (r == HTTP_PARSED_DONE && c->parser.closes) {
                        client_close(c, 0);
                        return false;
                }
        }

        c->gone = NULL;
        return true;
}

static void end_of_file(HttpClient *c) {
        bool gone = false;
        int r;

        r = http_parser_end(&c->parser);
        if (r == HTTP_PARSED_DONE && c->ops->done) {
                c->gone = &gone;
                c->ops->done(c, c->userdata);
                if (gone)
                        return;
        }

        client_close(c, r < 0 ? r : 0);
}

static void client_read(HttpClient *c) {
        char data[READ_BYTES];

        for (unsigned i = 0; i < READS_PER_TURN; i++) {
                ssize_t n = recv(c->fd, data, sizeof(data), 0);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n < 0) {
                        client_close(c, -errno);
                        return;
                }
                if (n == 0) {
                        end_of_file(c);
                        return;
                }
                if (!tell_parsed(c, data, (size_t) n) || (size_t) n < sizeof(data))
                        return;
        }
}

/* Returns false when the client is closed or freed. */
static bool finish_connect(HttpClient *c) {
        socklen_t n = sizeof(int);
        bool gone = false;
        int error = 0;

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
                error = errno;
        if (error > 0) {
                client_close(c, -error);
                return false;
        }

        c->connected = true;
        if (!c->ops->connected)
                return true;

        c->gone = &gone;
        c->ops->connected(c, c->userdata);
        if (gone)
                return false;

        c->gone = NULL;
        return true;
}

static void on_ready(uint32_t events, void *userdata) {
        HttpClient *c = userdata;

        if (!c->connected && !finish_connect(c))
                return;
        if (events & EPOLLOUT)
                http_client_flush(c);
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                client_read(c);
}

/* Peers that vanish without a word are found by keep-alive. Half a minute is enough to connect in. */
static void set_socket_options(int fd) {
        static const struct {
                int level, name, value;
        } options[] = {
                { IPPROTO_TCP, TCP_NODELAY, 1 },
                { IPPROTO_TCP, TCP_SYNCNT, 4 },
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_KEEPIDLE, 60 },
                { IPPROTO_TCP, TCP_KEEPINTVL, 15 },
                { IPPROTO_TCP, TCP_KEEPCNT, 4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                (void) setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                                  sizeof(options[i].value));
}

static int start_connect(HttpClient *c, const HttpAddress *address) {
        c->fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
                return -errno;

        if (address->sa.sa_family != AF_UNIX)
                set_socket_options(c->fd);

        if (connect(c->fd, &address->sa, address->n) < 0 && errno != EINPROGRESS)
                c->connect_error = -errno;

        return 0;
}

/* Has on_defer() called in the next turn. */
static int defer(HttpClient *c) {
        int r;

        if (c->defer_source)
                return sd_event_source_set_enabled(c->defer_source, SD_EVENT_ONESHOT);

        r = sd_event_add_defer(c->event, &c->defer_source, on_defer, c);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(c->defer_source, "http-client-flush");
        return 0;
}

int http_client_new(sd_event *event, IoGroup *group, const HttpAddress *address, size_t max_queued_bytes,
                    const HttpClientOps *ops, void *userdata, HttpClient **ret) {
        _cleanup_(http_client_freep) HttpClient *c = NULL;
        int r;

        assert(event);
        assert(address);
        assert(ops);
        assert(ret);

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;

        *c = (HttpClient) {
                .event = sd_event_ref(event),
                .fd = -EBADF,
                .ops = ops,
                .userdata = userdata,
                .out = BUFFER_INIT(max_queued_bytes),
                .parser = HTTP_PARSER_INIT,
                .wants_out = true,
        };
        memcpy(c->host, address->host, sizeof(c->host));

        r = start_connect(c, address);
        if (r < 0)
                return r;

        /* One that failed at once is told of it in the next turn. */
        r = c->connect_error < 0 ? defer(c)
                                 : io_watch_start(&c->watch, event, group, c->fd, EPOLLIN | EPOLLOUT, on_ready, c);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

HttpClient *http_client_free(HttpClient *c) {
        if (!c)
                return NULL;

        if (c->gone)
                *c->gone = true;
        io_watch_end(&c->watch);
        sd_event_source_disable_unref(c->defer_source);
        fd_close(c->fd);
        buffer_deinit(&c->out);
        http_parser_deinit(&c->parser);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}

static int append_parts(HttpClient *c, const struct iovec *parts, size_t n_parts) {
        for (size_t i = 0; i < n_parts; i++) {
                int r = buffer_append(&c->out, parts[i].iov_base, parts[i].iov_len);

                if (r < 0)
                        return r;
        }

        return 0;
}

int http_client_queue(HttpClient *c, const struct iovec *parts, size_t n_parts) {
        size_t before = buffer_size(&c->out);
        int r;

        if (c->closed)
                return -ENOTCONN;

        r = append_parts(c, parts, n_parts);
        if (r < 0)
                c->out.end = c->out.begin + before; /* all or nothing */

        return r;
}

static int append_request(HttpClient *c, const char *method, const char *target, const char *content_type,
                          const char *extra_headers, const void *body, size_t n) {
        int r;

        r = buffer_printf(&c->out, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s%s", method, target, c->host,
                          content_type ? "Content-Type: " : "", content_type ?: "", content_type ? "\r\n" : "",
                          extra_headers ?: "");
        if (r < 0)
                return r;

        r = n > 0 || streq(method, "POST") ? buffer_printf(&c->out, "Content-Length: %zu\r\n\r\n", n)
                                           : buffer_append_text(&c->out, "\r\n");
        if (r < 0)
                return r;

        return buffer_append(&c->out, body, n);
}

int http_client_request(HttpClient *c, const char *method, const char *target, const char *content_type,
                        const char *extra_headers, const void *body, size_t n) {
        size_t before = buffer_size(&c->out);
        int r;

        if (c->closed)
                return -ENOTCONN;

        r = append_request(c, method, target, content_type, extra_headers, body, n);
        if (r < 0) {
                c->out.end = c->out.begin + before; /* all or nothing */
                return r;
        }

        return defer(c);
}

bool http_client_stands(const HttpClient *c) {
        struct tcp_info info = {};
        socklen_t n = sizeof(info);

        if (c->closed || c->connect_error < 0)
                return false;
        if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
                return errno == EOPNOTSUPP;

        return info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_SYN_SENT;
}

size_t http_client_queued(const HttpClient *c) {
        return buffer_size(&c->out);
}
