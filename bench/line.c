/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lines
 *
 * The load generators hold twenty thousand connections beside the daemon they measure, on the same
 * two processors, so what one message costs them counts as much as what it costs the daemon. Hence
 * no event library: one epoll, one buffer to read into, and one system call per connection and
 * round for whatever is queued there.
 *
 * A request is parsed as far as our own masters need it: one chunk, a Content-Length, or no body.
 * Nothing is checked that a daemon would have to check.
 */

#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "bench/line.h"

#define EVENTS_MAX 512
#define SCRATCH_BYTES ((size_t) 1 << 20)
#define QUEUE_MAX_BYTES ((size_t) 1 << 30)

void bench_die(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

void *bench_allocate(size_t n) {
        void *p = calloc(1, n);

        if (!p)
                bench_die("out of memory");
        return p;
}

void lines_init(Lines *lines) {
        *lines = (Lines){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
        if (lines->epoll_fd < 0)
                bench_die("epoll: %m");
        lines->scratch = bench_allocate(SCRATCH_BYTES);
}

static void watch(Line *line, int operation) {
        struct epoll_event e = { .events = EPOLLIN | (line->wants_out ? EPOLLOUT : 0U),
                                 .data.ptr = line };

        if (epoll_ctl(line->lines->epoll_fd, operation, line->fd, &e) < 0)
                bench_die("epoll_ctl: %m");
}

static void want_out(Line *line, bool wants) {
        if (line->wants_out == wants)
                return;

        line->wants_out = wants;
        watch(line, EPOLL_CTL_MOD);
}

Line *line_new(Lines *lines, int fd, LineReceived received, LineClosed closed, void *userdata) {
        Line *line = bench_allocate(sizeof(*line));

        *line = (Line){
                .lines = lines,
                .fd = fd,
                .in = BUFFER_INIT(QUEUE_MAX_BYTES),
                .out = BUFFER_INIT(QUEUE_MAX_BYTES),
                .received = received,
                .closed = closed,
                .userdata = userdata,
        };
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        watch(line, EPOLL_CTL_ADD);
        DL_APPEND2(lines->all, line, all_prev, all_next);
        lines->n_open++;
        return line;
}

Line *line_connect(Lines *lines, const struct sockaddr_in *to, LineReceived received,
                   LineClosed closed, void *userdata) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        Line *line;

        if (fd < 0)
                bench_die("socket: %m");
        if (connect(fd, (const struct sockaddr *) to, sizeof(*to)) < 0 && errno != EINPROGRESS)
                bench_die("connect: %m");

        line = line_new(lines, fd, received, closed, userdata);
        line->connecting = true;
        want_out(line, true);
        return line;
}

/* The object stays until the end of the round: events of the round may still name it. */
void line_close(Line *line) {
        if (!line || line->over)
                return;

        line->over = true;
        (void) close(line->fd);
        line->lines->n_open--;
        if (!line->unflushed) {
                line->next = line->lines->over;
                line->lines->over = line;
        }
}

static void line_end(Line *line) {
        if (line->closed)
                line->closed(line);
        line_close(line);
}

void line_flush_soon(Line *line) {
        if (line->unflushed || line->over || line->connecting)
                return;

        line->unflushed = true;
        line->next = line->lines->unflushed;
        line->lines->unflushed = line;
}

static void flush(Line *line) {
        while (buffer_size(&line->out) > 0) {
                ssize_t n = send(line->fd, buffer_data(&line->out), buffer_size(&line->out),
                                 MSG_NOSIGNAL);

                if (n < 0 && errno == EAGAIN) {
                        want_out(line, true);
                        return;
                }
                if (n < 0) {
                        line_end(line);
                        return;
                }
                buffer_consume(&line->out, (size_t) n);
        }

        buffer_deinit(&line->out);
        want_out(line, false);
}

static void flush_all(Lines *lines) {
        while (lines->unflushed) {
                Line *line = lines->unflushed;

                lines->unflushed = line->next;
                line->unflushed = false;
                if (!line->over)
                        flush(line);
                else {
                        line->next = lines->over;
                        lines->over = line;
                }
        }
}

static void bury(Lines *lines) {
        while (lines->over) {
                Line *line = lines->over;

                lines->over = line->next;
                DL_DELETE2(lines->all, line, all_prev, all_next);
                buffer_deinit(&line->in);
                buffer_deinit(&line->out);
                free(line);
        }
}

void lines_deinit(Lines *lines) {
        Line *line;

        DL_FOREACH2(lines->all, line, all_next)
        line_close(line);
        flush_all(lines);
        bury(lines);
        (void) close(lines->epoll_fd);
        free(lines->scratch);
}

static void keep(Line *line, const char *data, size_t n) {
        if (buffer_append(&line->in, data, n) < 0)
                bench_die("too much at once");
}

/* Bytes are looked at where they were read, unless a piece came before them. */
static void take(Line *line, const char *data, size_t n) {
        size_t n_taken;

        if (buffer_size(&line->in) > 0) {
                keep(line, data, n);
                n_taken = line->received(line, buffer_data(&line->in), buffer_size(&line->in));
                buffer_consume(&line->in, n_taken);
                if (buffer_size(&line->in) == 0)
                        buffer_deinit(&line->in);
                return;
        }

        n_taken = line->received(line, data, n);
        if (n_taken < n && !line->over)
                keep(line, data + n_taken, n - n_taken);
}

static void accept_all(Line *line) {
        int fd;

        while ((fd = accept4(line->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                struct sockaddr_in local = {};
                socklen_t n = sizeof(local);

                (void) getsockname(fd, (struct sockaddr *) &local, &n);
                line->accepted(line->lines, fd, &local, line->userdata);
        }
        if (errno != EAGAIN)
                bench_die("accept: %m");
}

static void on_line(Line *line, uint32_t events) {
        ssize_t n;

        if (line->over)
                return;
        if (line->accepted) {
                accept_all(line);
                return;
        }

        if (events & EPOLLOUT) {
                line->connecting = false;
                flush(line);
        }
        if (line->over || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return;

        n = recv(line->fd, line->lines->scratch, SCRATCH_BYTES, 0);
        if (n > 0)
                take(line, line->lines->scratch, (size_t) n);
        else if (n == 0 || errno != EAGAIN)
                line_end(line);
}

void lines_run(Lines *lines, usec_t timeout_usec) {
        struct epoll_event events[EVENTS_MAX];
        int n;

        flush_all(lines);
        n = epoll_wait(lines->epoll_fd, events, EVENTS_MAX,
                       timeout_usec == USEC_INFINITY
                                       ? -1
                                       : (int) ((timeout_usec + 999) / USEC_PER_MSEC));
        if (n < 0 && errno != EINTR)
                bench_die("epoll_wait: %m");

        for (int i = 0; i < n; i++)
                on_line(events[i].data.ptr, events[i].events);
        flush_all(lines);
        bury(lines);
}

uint16_t lines_listen(Lines *lines, LineAccepted accepted, void *userdata) {
        struct sockaddr_in any = { .sin_family = AF_INET };
        socklen_t n = sizeof(any);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *) &any, n) < 0 || listen(fd, SOMAXCONN) < 0 ||
            getsockname(fd, (struct sockaddr *) &any, &n) < 0)
                bench_die("listen: %m");

        line_new(lines, fd, NULL, NULL, userdata)->accepted = accepted;
        return ntohs(any.sin_port);
}

static void append(Line *line, const void *data, size_t n) {
        if (buffer_append(&line->out, data, n) < 0)
                bench_die("too much is queued");
}

void line_post(Line *line, const char *from, const char *path, const void *body, size_t n) {
        char head[512];
        int k;

        k = snprintf(head, sizeof(head),
                     "POST %s HTTP/1.1\r\n"
                     "User-Agent: libprocess/%s\r\n"
                     "Libprocess-From: %s\r\n"
                     "Connection: Keep-Alive\r\n"
                     "Host: \r\n%s\r\n",
                     path, from, from, n > 0 ? "Transfer-Encoding: chunked\r\n" : "");
        append(line, head, (size_t) k);
        if (n > 0) {
                k = snprintf(head, sizeof(head), "%zx\r\n", n);
                append(line, head, (size_t) k);
                append(line, body, n);
                append(line, "\r\n0\r\n\r\n", 7);
        }
        line_flush_soon(line);
}

/* The value of a header in a head that ends with an empty line; NULL when it is not there. */
static const char *find_header(const char *head, size_t n_head, const char *name, size_t *ret_n) {
        const char *p = memmem(head, n_head, name, strlen(name));

        if (!p)
                return NULL;

        p += strlen(name);
        *ret_n = (size_t) ((const char *) memchr(p, '\r', (size_t) (head + n_head - p)) - p);
        return p;
}

/* One chunk, and the empty one that ends the body. */
static size_t parse_chunked(const char *data, size_t n, LineRequest *ret) {
        const char *end = memmem(data, n, "\r\n", 2);
        size_t n_chunk = 0;

        if (!end)
                return 0;

        for (const char *p = data; p < end; p++)
                n_chunk = n_chunk * 16 + (size_t) (*p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10);

        ret->body = end + 2;
        ret->n_body = n_chunk;
        end += 2 + n_chunk + strlen("\r\n0\r\n\r\n");
        return end <= data + n ? (size_t) (end - data) : 0;
}

size_t line_request_parse(const char *data, size_t n, LineRequest *ret) {
        const char *end = memmem(data, n, "\r\n\r\n", 4), *value;
        size_t n_head, n_value, n_body;

        *ret = (LineRequest){};
        if (!end)
                return 0;

        n_head = (size_t) (end - data) + 4;
        ret->path = (const char *) memchr(data, ' ', n_head) + 1;
        ret->n_path = (size_t) ((const char *) memchr(ret->path, ' ', (size_t) (end - ret->path)) -
                                ret->path);
        ret->from = find_header(data, n_head, "\r\nLibprocess-From: ", &ret->n_from);

        if (find_header(data, n_head, "\r\nTransfer-Encoding: ", &n_value)) {
                n_body = parse_chunked(data + n_head, n - n_head, ret);
                return n_body > 0 ? n_head + n_body : 0;
        }

        value = find_header(data, n_head, "\r\nContent-Length: ", &n_value);
        ret->body = end + 4;
        ret->n_body = value ? strtoul(value, NULL, 10) : 0;
        return n - n_head >= ret->n_body ? n_head + ret->n_body : 0;
}
