#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Line: one of many thousand TCP connections on a bare epoll. See line.c. */

#include <netinet/in.h>

#include "common/base/buffer.h"
#include "common/base/usec.h"

typedef struct Line Line;
typedef struct Lines Lines;

/* How many of the bytes are dealt with; the rest comes again with more behind it. */
typedef size_t (*LineReceived)(Line *line, const char *data, size_t n);
typedef void (*LineClosed)(Line *line);
typedef void (*LineAccepted)(Lines *lines, int fd, const struct sockaddr_in *local, void *userdata);

struct Line {
        Lines *lines;
        int fd;
        Buffer in, out;
        LineReceived received;
        LineClosed closed;     /* its last call; the line is freed after it. NULL: nobody minds */
        LineAccepted accepted; /* set: listens, and has no bytes of its own */
        void *userdata;
        bool connecting;
        bool wants_out;
        bool unflushed;
        bool over;
        Line *next; /* in lines->unflushed or lines->over */
        Line *all_prev, *all_next;
};

struct Lines {
        int epoll_fd;
        Line *all;
        Line *unflushed;
        Line *over;
        size_t n_open;
        char *scratch; /* what is read lands here first */
};

/* Ends the program: a measurement that went wrong is none. */
_noreturn_ void bench_die(const char *format, ...) _printf_(1, 2);
void *bench_allocate(size_t n);

void lines_init(Lines *lines);

/* Closes all that are open, without a word. */
void lines_deinit(Lines *lines);

/* One round: waits at most so long, deals with what came, sends what is queued. */
void lines_run(Lines *lines, usec_t timeout_usec);

/* Has `accepted` called with each new connection, and returns the port, which is the kernel's
 * choice. */
uint16_t lines_listen(Lines *lines, LineAccepted accepted, void *userdata);

Line *line_new(Lines *lines, int fd, LineReceived received, LineClosed closed, void *userdata);
Line *line_connect(Lines *lines, const struct sockaddr_in *to, LineReceived received,
                   LineClosed closed, void *userdata);

/* Says nothing to anybody. */
void line_close(Line *line);

/* What was appended to line->out goes out at the end of the round. */
void line_flush_soon(Line *line);

/* One libprocess message, as real peers send them. */
void line_post(Line *line, const char *from, const char *path, const void *body, size_t n);

/* A request that was received whole: the number of its bytes; 0 while some are missing. */
typedef struct LineRequest {
        const char *path; /* not terminated */
        size_t n_path;
        const char *from; /* of Libprocess-From; not terminated */
        size_t n_from;
        const void *body;
        size_t n_body;
} LineRequest;
size_t line_request_parse(const char *data, size_t n, LineRequest *ret);
