/* SPDX-License-Identifier: Apache-2.0 */

/*
 * HTTP requests
 *
 * One object from the first line of a request to the last byte of its answer:
 *
 *     new ─▶ head ─▶ body … ─▶ handed over ─▶ answered ─▶ free
 *                      │            └ suspended until http_request_answer*() or _stream()
 *                      └ too large, too many, no such place: the rest is read and thrown away, then refused
 *
 * libmicrohttpd calls http_request_advance() for each of these steps. It cannot take an answer while
 * the body is still coming, hence the throwing away; only a body announced as hopelessly large is
 * refused at once, and one that exceeds what we are willing to throw away ends the connection.
 *
 * Handlers may answer from within or at any later time. "Consumed" means that the handler's claim ends;
 * the object itself lives on until libmicrohttpd is through with it.
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/base/parse.h"
#include "common/net/http_internal.h"

/* Answers longer than a socket buffer takes are worth watching for readers that stall. */
#define ANSWER_WATCHED_BYTES ((size_t) 64 << 10)

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX in place. Returns false for what is no path: a broken escape or a NUL. */
static bool path_decode(char *path) {
        char *to = path;

        for (const char *from = path; *from; from++) {
                int high, low;

                if (*from != '%') {
                        *to++ = *from;
                        continue;
                }

                high = hex_digit(from[1]);
                low = high < 0 ? -1 : hex_digit(from[2]);
                if (low < 0 || high + low == 0)
                        return false;

                *to++ = (char) (high << 4 | low);
                from += 2;
        }

        *to = '\0';
        return true;
}

/* Drops empty components and a trailing '/'. Returns false when a component is "..". */
static bool path_simplify(char *path) {
        const char *from = path;
        char *to = path;

        while (*from) {
                size_t n;

                from += strspn(from, "/");
                n = strcspn(from, "/");
                if (n == 2 && from[0] == '.' && from[1] == '.')
                        return false;
                if (n == 0)
                        break;

                *to++ = '/';
                memmove(to, from, n);
                to += n;
                from += n;
        }

        *to = '\0';
        return true;
}

/* The path of a request target, "/a/b?query" or "http://host/a/b"; NULL when it is none or memory is short. */
static char *path_of_target(const char *target) {
        _cleanup_free_ char *path = NULL;
        const char *authority = strstr(target, "://");

        if (authority && authority < target + strcspn(target, "/")) {
                target = authority + 3;
                target += strcspn(target, "/?");
        }
        if (*target != '/')
                return NULL;

        path = strndup(target, strcspn(target, "?#"));
        if (!path || !path_decode(path) || !path_simplify(path))
                return NULL;

        return TAKE_PTR(path);
}

/* Begins a request; NULL when out of memory. */
HttpRequest *http_request_new(HttpConnection *c, const char *target) {
        HttpRequest *r;

        r = malloc(sizeof(*r));
        if (!r)
                return NULL;

        *r = (HttpRequest) {
                .server = c->server,
                .connection = c,
                .target = strdup(target),
                .body = BUFFER_INIT(c->server->max_body_bytes),
        };
        if (!r->target) {
                free(r);
                return NULL;
        }

        return r;
}

static void drop_body(HttpRequest *r) {
        r->server->total_body_bytes -= buffer_size(&r->body);
        buffer_deinit(&r->body);
}

static void drop_headers(HttpRequest *r) {
        HttpHeader *h, *next;

        LL_FOREACH_SAFE(r->headers, h, next) {
                free(h->name);
                free(h->value);
                free(h);
        }
        r->headers = NULL;
}

/* libmicrohttpd is done with the request: whoever still counts on it is told. */
HttpRequest *http_request_free(HttpRequest *r) {
        if (!r)
                return NULL;

        r->watch_source = sd_event_source_disable_unref(r->watch_source);
        r->connection->request = NULL;

        if (r->handed_over && !r->response && r->gone)
                r->gone(r, r->gone_userdata);
        r->stream = http_stream_free(r->stream);

        if (r->response && r->response != r->server->empty)
                MHD_destroy_response(r->response);
        drop_body(r);
        drop_headers(r);
        free(r->target);
        free(r->path);
        free(r);
        return NULL;
}

static enum MHD_Result queue_response(HttpRequest *r) {
        if (r->dead)
                return MHD_NO;

        return MHD_queue_response(r->connection->mhd, r->status, r->response);
}

static int on_departure(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        (void) source;
        (void) fd;
        (void) events;

        http_request_abandon(userdata);
        return 0;
}

/*
 * Watches the socket while libmicrohttpd does not look. A peer that has only shut down its writing
 * side still wants a plain answer, so `events` is 0 there and the kernel reports what is beyond doubt;
 * for streams EPOLLRDHUP is enough.
 */
int http_request_watch(HttpRequest *r, uint32_t events, sd_event_io_handler_t handler, void *userdata) {
        r->watch_source = sd_event_source_disable_unref(r->watch_source);
        return sd_event_add_io(r->server->event, &r->watch_source, r->connection->fd, events, handler, userdata);
}

/* Called inside a callback of libmicrohttpd only. */
void http_request_suspend(HttpRequest *r) {
        assert(!r->suspended);

        MHD_suspend_connection(r->connection->mhd);
        r->suspended = true;
}

/* Called anywhere; the loop comes back to the request soon. */
void http_request_resume(HttpRequest *r) {
        if (!r->suspended)
                return;

        r->suspended = false;
        MHD_resume_connection(r->connection->mhd);
        http_server_wake(r->server);
}

/* The peer is gone, or nothing more is to be said to it: libmicrohttpd shall find out. */
void http_request_abandon(HttpRequest *r) {
        r->dead = true;
        r->watch_source = sd_event_source_disable_unref(r->watch_source);
        (void) shutdown(r->connection->fd, SHUT_RDWR);
        http_request_resume(r);
}

/* How much is thrown away of a body that is refused anyway. */
static size_t discard_bound(const HttpRequest *r) {
        return 2 * r->server->max_body_bytes;
}

/* The head is complete. Returns MHD_NO to end the connection. */
static enum MHD_Result begin(HttpRequest *r, const char *method, const char *version) {
        const char *text = http_request_header(r, "Content-Length");
        uint64_t n_announced = 0;

        r->begun = true;
        r->method = method;
        r->chunked = !streq(version, MHD_HTTP_VERSION_1_0);
        r->path = path_of_target(r->target);
        if (!r->path)
                r->refused = MHD_HTTP_BAD_REQUEST;

        if (text && (parse_u64(text, &n_announced) < 0 || n_announced > r->server->max_body_bytes))
                r->refused = MHD_HTTP_CONTENT_TOO_LARGE;

        /* Bytes beyond this would not be read to the end, so there is no use in waiting for them. */
        if (n_announced > discard_bound(r)) {
                http_request_answer(r, r->refused, NULL, NULL, 0);
                http_connection_enter(r->connection, CONNECTION_ANSWERING);
                return queue_response(r);
        }

        return MHD_YES;
}

static enum MHD_Result take_body(HttpRequest *r, const char *data, size_t n) {
        HttpServer *s = r->server;

        if (!r->refused && n > s->max_body_bytes - buffer_size(&r->body))
                r->refused = MHD_HTTP_CONTENT_TOO_LARGE;
        else if (!r->refused && (n > s->max_total_body_bytes - s->total_body_bytes ||
                                 buffer_append(&r->body, data, n) < 0))
                r->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
        else if (!r->refused) {
                s->total_body_bytes += n;
                return MHD_YES;
        }

        drop_body(r);
        r->n_discarded += n;
        return r->n_discarded > discard_bound(r) ? MHD_NO : MHD_YES;
}

/* Real libprocess peers hold their connections open on purpose. */
static bool is_link(const HttpRequest *r) {
        const char *agent = http_request_header(r, "User-Agent");

        return agent && startswith(agent, "libprocess/");
}

/* The gate, the route's handler, or we answer it, now or later. */
static void dispatch(HttpRequest *r) {
        const HttpServer *s = r->server;
        const HttpRoute *route = r->refused ? NULL : http_server_find_route(s, r->path);

        if (!r->refused && s->gate && s->gate(r, s->gate_userdata))
                return;

        if (!route) {
                http_request_answer(r, r->refused ?: MHD_HTTP_NOT_FOUND, NULL, NULL, 0);
                return;
        }

        r->n_route = route->n_path;
        route->handler(r, route->userdata);
}

/* Nobody waits for the answers to messages, so they may travel together: the kernel holds them back for up to a
 * fifth of a second, and a master with thousands of agents need not wake each for every one. */
static void become_link(HttpConnection *c) {
        if (c->is_link)
                return;

        c->is_link = true;
        (void) setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &(int) { 1 }, sizeof(int));
}

/* The request is complete. */
static enum MHD_Result hand_over(HttpRequest *r) {
        http_connection_enter(r->connection, CONNECTION_ANSWERING);
        if (is_link(r))
                become_link(r->connection);
        r->handed_over = true;

        dispatch(r);
        if (r->response)
                return queue_response(r);

        if (http_request_watch(r, 0, on_departure, r) < 0)
                return MHD_NO;

        http_request_suspend(r);
        return MHD_YES;
}

/* One step of libmicrohttpd: the head (first call), a piece of the body, its end, the return from suspension. */
enum MHD_Result http_request_advance(HttpRequest *r, const char *method, const char *version, const char *data,
                                     size_t *n) {
        size_t n_data = *n;

        if (!r->begun)
                return begin(r, method, version);

        if (n_data > 0) {
                *n = 0;
                return take_body(r, data, n_data);
        }

        return r->handed_over ? queue_response(r) : hand_over(r);
}

/* HEAD is told as GET: the body is withheld below us. */
const char *http_request_method(const HttpRequest *r) {
        return streq(r->method, "HEAD") ? "GET" : r->method;
}

const char *http_request_path(const HttpRequest *r) {
        return *r->path ? r->path : "/";
}

const char *http_request_target(const HttpRequest *r) {
        return r->target;
}

const char *http_request_rest(const HttpRequest *r) {
        return r->path + r->n_route;
}

/* The decoded value of a query parameter, "" when it is there without one, NULL when it is not there. */
const char *http_request_query(const HttpRequest *r, const char *name) {
        const char *value = NULL;

        if (MHD_lookup_connection_value_n(r->connection->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
                                          NULL) != MHD_YES)
                return NULL;

        return value ?: "";
}

const char *http_request_header(const HttpRequest *r, const char *name) {
        return MHD_lookup_connection_value(r->connection->mhd, MHD_HEADER_KIND, name);
}

const void *http_request_body(const HttpRequest *r, size_t *ret_n) {
        *ret_n = buffer_size(&r->body);
        return *ret_n > 0 ? buffer_data(&r->body) : "";
}

static void format_peer(HttpRequest *r) {
        const union MHD_ConnectionInfo *info;
        char ip[INET6_ADDRSTRLEN] = "";
        uint16_t port = 0;

        info = MHD_get_connection_info(r->connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        if (info && info->client_addr->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) info->client_addr;

                (void) inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
                port = ntohs(in->sin_port);
        } else if (info && info->client_addr->sa_family == AF_INET6) {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) (const void *) info->client_addr;

                (void) inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
                port = ntohs(in6->sin6_port);
        }

        if (*ip)
                (void) snprintf(r->peer, sizeof(r->peer), strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
        else
                strcpy(r->peer, "unix");
}

/* Formatted when first asked for: most requests never need it. */
int http_request_fd(const HttpRequest *r) {
        return r->connection->fd;
}

uint64_t http_request_connection(const HttpRequest *r) {
        return r->connection->number;
}

uint64_t http_request_mark(const HttpRequest *r) {
        return r->connection->mark;
}

void http_request_set_mark(HttpRequest *r, uint64_t mark) {
        r->connection->mark = mark;
}

const char *http_request_peer(const HttpRequest *r) {
        HttpRequest *cache = (HttpRequest *) r;

        if (!*r->peer)
                format_peer(cache);

        return r->peer;
}

void http_request_on_gone(HttpRequest *r, HttpGone gone, void *userdata) {
        r->gone = gone;
        r->gone_userdata = userdata;
}

int http_request_add_header(HttpRequest *r, const char *name, const char *value) {
        HttpHeader *h;

        h = malloc(sizeof(*h));
        if (!h)
                return -ENOMEM;

        *h = (HttpHeader) { .name = strdup(name), .value = strdup(value) };
        LL_PREPEND(r->headers, h);
        return h->name && h->value ? 0 : -ENOMEM;
}

/*
 * Takes the response as the request's answer; with NULL, which stands for no memory, the answer is
 * a bare 500.
 */
void http_request_respond(HttpRequest *r, unsigned status, const char *content_type, struct MHD_Response *response) {
        HttpHeader *h;

        assert(!r->response);

        if (response && response != r->server->empty) {
                if (content_type)
                        (void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
                LL_FOREACH(r->headers, h)
                        if (h->name && h->value)
                                (void) MHD_add_response_header(response, h->name, h->value);
        }

        r->status = response ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
        r->response = response ?: r->server->empty;
        drop_body(r);
        drop_headers(r);
        if (!r->stream)
                r->watch_source = sd_event_source_disable_unref(r->watch_source);
        http_request_resume(r);
}

/* Answers with bytes that libmicrohttpd frees. */
static void answer_owned(HttpRequest *r, unsigned status, const char *content_type, char *body, size_t n) {
        struct MHD_Response *response;

        response = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
        if (!response)
                free(body);
        else if (n > ANSWER_WATCHED_BYTES)
                http_connection_watch_progress(r->connection, true);

        http_request_respond(r, status, content_type, response);
}

void http_request_answer(HttpRequest *r, unsigned status, const char *content_type, const void *body, size_t n) {
        char *copy;

        if (n == 0 && !content_type && !r->headers) {
                http_request_respond(r, status, NULL, r->server->empty);
                return;
        }

        copy = malloc(n + 1);
        if (!copy) {
                http_request_respond(r, status, NULL, NULL);
                return;
        }

        if (n > 0)
                memcpy(copy, body, n);
        answer_owned(r, status, content_type, copy, n);
}

/* Empties `body`, whose bytes are sent without another copy. */
void http_request_answer_buffer(HttpRequest *r, unsigned status, const char *content_type, Buffer *body) {
        size_t n = buffer_size(body);

        if (n == 0) {
                http_request_answer(r, status, content_type, NULL, 0);
                return;
        }

        if (body->begin > 0)
                memmove(body->data, body->data + body->begin, n);
        answer_owned(r, status, content_type, TAKE_PTR(body->data), n);
        *body = BUFFER_INIT(body->max_bytes);
}

/*
 * Sends the first n bytes of a regular file without taking them into memory. The descriptor is ours
 * from here on. A file that turns out shorter ends the connection, so that the peer notices.
 */
void http_request_answer_fd(HttpRequest *r, unsigned status, const char *content_type, int fd, uint64_t n) {
        struct MHD_Response *response;

        if (n == 0) {
                (void) fd_close(fd);
                http_request_answer(r, status, content_type, NULL, 0);
                return;
        }

        response = MHD_create_response_from_fd64(n, fd);
        if (!response)
                (void) fd_close(fd);
        else if (n > ANSWER_WATCHED_BYTES)
                http_connection_watch_progress(r->connection, true);

        http_request_respond(r, status, content_type, response);
}

void http_request_answer_text(HttpRequest *r, unsigned status, const char *format, ...) {
        char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);

        if (n < 0)
                http_request_respond(r, status, NULL, NULL);
        else
                answer_owned(r, status, "text/plain; charset=utf-8", text, (size_t) n);
}
