/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The floor under the failover figures: what looks like a master to simulated agents that come
 * back, and does nothing but what none can do without. Accepts, reads, unpacks each message with
 * protobuf-c and frees it, connects to its sender, and answers. What it takes is the kernel's and
 * protobuf's.
 *
 *     trivial          prints its port, and runs until it is ended
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/line.h"
#include "common/base/parse.h"
#include "proto/internal.pb-c.h"

typedef struct Trivial {
        Lines lines;
        char self[48];
} Trivial;

static size_t on_nothing(Line *line _unused_, const char *data _unused_, size_t n) {
        return n;
}

static void send_to(Trivial *t, const LineRequest *request, const char *name,
                    const ProtobufCMessage *message) {
        _cleanup_free_ char *pid = strndup(request->from, request->n_from), *host = NULL,
                            *path = NULL;
        struct sockaddr_in to = { .sin_family = AF_INET };
        char *at = pid ? strchr(pid, '@') : NULL;
        uint8_t body[1024];
        uint16_t port;
        Line *line;
        size_t n;

        if (!at || parse_host_port(at + 1, &host, &port) < 0 ||
            inet_pton(AF_INET, host, &to.sin_addr) != 1)
                bench_die("a message from nobody");

        *at = '\0';
        to.sin_port = htons(port);
        n = protobuf_c_message_pack(message, body);
        if (asprintf(&path, "/%s/mesos.internal.%s", pid, name) < 0)
                bench_die("out of memory");
        line = line_connect(&t->lines, &to, on_nothing, NULL, NULL);
        line_post(line, t->self, path, body, n);
}

static void answer(Trivial *t, const LineRequest *request) {
        Mesos__Internal__SlaveReregisteredMessage reply =
                        MESOS__INTERNAL__SLAVE_REREGISTERED_MESSAGE__INIT;
        Mesos__Internal__ReregisterSlaveMessage *m;

        if (!memmem(request->path, request->n_path, ".ReregisterSlaveMessage", 23))
                return;

        m = mesos__internal__reregister_slave_message__unpack(NULL, request->n_body, request->body);
        if (!m)
                bench_die("a message does not parse");
        reply.slave_id = m->slave->id;
        send_to(t, request, "SlaveReregisteredMessage", &reply.base);
        mesos__internal__reregister_slave_message__free_unpacked(m, NULL);
}

static size_t on_request(Line *line, const char *data, size_t n) {
        LineRequest request;
        size_t done = 0, k;

        while (done < n && (k = line_request_parse(data + done, n - done, &request)) > 0) {
                answer(line->userdata, &request);
                done += k;
                if (buffer_append_text(&line->out,
                                       "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n") < 0)
                        bench_die("too much is queued");
        }

        line_flush_soon(line);
        return done;
}

static void on_accepted(Lines *lines, int fd, const struct sockaddr_in *local _unused_,
                        void *userdata) {
        (void) line_new(lines, fd, on_request, NULL, userdata);
}

int main(void) {
        struct rlimit limit;
        Trivial t = {};
        uint16_t port;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }

        lines_init(&t.lines);
        port = lines_listen(&t.lines, on_accepted, &t);
        snprintf(t.self, sizeof(t.self), "master@127.0.0.1:%u", port);
        printf("%u\n", port);
        (void) fflush(stdout);

        for (;;)
                lines_run(&t.lines, USEC_INFINITY);
}
