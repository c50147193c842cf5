/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Port scan
 *
 * Which container listens on which port is told by nobody in one piece. The kernel lists sockets
 * that listen, each with the cgroup it was made in (sock_diag(7)): that is the container's who made
 * it, wherever it is kept. It may as well have been made elsewhere, and older kernels don't tell.
 * So it is also looked for by inode: /proc/PID/fd shows those of a process's sockets, and the cgroup
 * lists the container's processes. That takes as long as they have descriptors, and has a bound.
 *
 * None of it is a snapshot: a socket that is opened meanwhile is seen the next time.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/port_scan.h"
#include "common/base/fd.h"
#include "common/base/parse.h"
#include "common/base/usec.h"
#include "isolator/cgroup.h"

/* A host has 64 Ki ports for each of its addresses; nobody has so many services. */
#define N_LISTENERS_MAX (1U << 20)

#define N_PORTS 65536

/* For all cgroups of a scan. */
#define LOOK_USEC (20 * USEC_PER_SEC)

typedef struct Listener {
        uint64_t cgroup_id;            /* 0: not known */
        uint32_t inode;
        uint16_t port;
} Listener;

struct PortScan {
        int proc_fd;                   /* borrowed */
        Listener *listeners;           /* owned; sorted by inode */
        size_t n, n_allocated;
        usec_t deadline_usec;          /* for looking at descriptors */
        uint8_t seen[N_PORTS / 8];     /* of the cgroup that is being looked at */
};

static int ask(int fd, uint8_t family) {
        const struct {
                struct nlmsghdr header;
                struct inet_diag_req_v2 request;
        } message = {
                .header = {
                        .nlmsg_len = sizeof(message),
                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                },
                .request = {
                        .sdiag_family = family,
                        .sdiag_protocol = IPPROTO_TCP,
                        .idiag_states = 1U << TCP_LISTEN,
                },
        };

        return send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

static uint64_t find_cgroup_id(const struct nlmsghdr *h) {
        const struct inet_diag_msg *m = NLMSG_DATA(h);
        size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
        uint64_t id = 0;

        for (const struct rtattr *a = (const struct rtattr *) (m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(a) >= sizeof(id))
                        memcpy(&id, RTA_DATA(a), sizeof(id));

        return id;
}

static int add_listener(PortScan *s, const struct nlmsghdr *h) {
        const struct inet_diag_msg *m = NLMSG_DATA(h);

        if (m->idiag_inode == 0)
                return 0;
        if (s->n >= N_LISTENERS_MAX)
                return -E2BIG;

        if (s->n == s->n_allocated) {
                size_t n = MAX(s->n_allocated * 2, (size_t) 256);
                Listener *p = reallocarray(s->listeners, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                s->listeners = p;
                s->n_allocated = n;
        }

        s->listeners[s->n++] = (Listener) { find_cgroup_id(h), m->idiag_inode, ntohs(m->id.idiag_sport) };
        return 0;
}

/* Returns 1 at the end of the dump. */
static int take_message(PortScan *s, const struct nlmsghdr *h) {
        if (h->nlmsg_type == NLMSG_DONE)
                return 1;
        if (h->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *e = NLMSG_DATA(h);

                return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error < 0 ? e->error : -EBADMSG;
        }
        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
                return 0;

        return add_listener(s, h);
}

static int take_dump(PortScan *s, int fd) {
        _Alignas(struct nlmsghdr) char data[32768];
        int r = 0;

        while (r == 0) {
                ssize_t n = recv(fd, data, sizeof(data), 0);
                const struct nlmsghdr *h = (const struct nlmsghdr *) (const void *) data;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EPIPE;

                for (; r == 0 && NLMSG_OK(h, (size_t) n); h = NLMSG_NEXT(h, n))
                        r = take_message(s, h);
        }

        return MIN(r, 0);
}

static int by_inode(const void *a, const void *b) {
        const Listener *x = a, *y = b;

        return (x->inode > y->inode) - (x->inode < y->inode);
}

static int list_listeners(PortScan *s) {
        static const uint8_t families[] = { AF_INET, AF_INET6 };
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        int r = fd < 0 ? -errno : 0;

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(families); i++) {
                r = ask(fd, families[i]);
                if (r == 0)
                        r = take_dump(s, fd);

                /* A kernel without IPv6 has nothing that listens there. */
                if (families[i] == AF_INET6 && r == -ENOENT)
                        r = 0;
        }

        if (r == 0 && s->n > 0)
                qsort(s->listeners, s->n, sizeof(*s->listeners), by_inode);
        return r;
}

int port_scan_new(int proc_fd, PortScan **ret) {
        _cleanup_(port_scan_freep) PortScan *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;

        s->proc_fd = proc_fd;
        s->deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), LOOK_USEC);
        r = list_listeners(s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

PortScan *port_scan_free(PortScan *s) {
        if (!s)
                return NULL;

        free(s->listeners);
        free(s);
        return NULL;
}

static void note_port(PortScan *s, uint16_t port) {
        s->seen[port / 8] |= (uint8_t) (1U << port % 8);
}

static void note_cgroup(uint64_t id, void *userdata) {
        PortScan *s = userdata;

        for (size_t i = 0; i < s->n; i++)
                if (s->listeners[i].cgroup_id == id)
                        note_port(s, s->listeners[i].port);
}

/* "socket:[12345]" */
static void note_socket(PortScan *s, char *target) {
        const char *number = startswith(target, "socket:[");
        const Listener *found;
        Listener key = {};
        uint64_t inode;

        if (!number)
                return;

        target[strcspn(target, "]")] = '\0';
        if (parse_u64(number, &inode) < 0 || inode > UINT32_MAX)
                return;

        key.inode = (uint32_t) inode;
        found = bsearch(&key, s->listeners, s->n, sizeof(key), by_inode);
        if (found)
                note_port(s, found->port);
}

/* One that ended meanwhile listens on nothing. */
static void note_process(pid_t pid, void *userdata) {
        PortScan *s = userdata;
        char path[64], target[64];
        struct dirent *e;
        DIR *d;
        int fd;

        snprintf(path, sizeof(path), "%d/fd", pid);
        fd = openat(s->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd >= 0 ? fdopendir(fd) : NULL;
        if (!d) {
                (void) fd_close(fd);
                return;
        }

        while (usec_now(CLOCK_MONOTONIC) < s->deadline_usec && (e = readdir(d))) {
                ssize_t n = readlinkat(fd, e->d_name, target, sizeof(target) - 1);

                if (n <= 0)
                        continue;
                target[n] = '\0';
                note_socket(s, target);
        }
        (void) closedir(d);
}

int port_scan_cgroup(PortScan *s, int cgroup_fd, unsigned index, FILE *f) {
        int r, k;

        if (s->n == 0)
                return 0;

        memset(s->seen, 0, sizeof(s->seen));
        r = cgroup_foreach(cgroup_fd, note_cgroup, s);
        k = cgroup_foreach_process(cgroup_fd, note_process, s);

        for (unsigned port = 0; port < N_PORTS; port++)
                if (s->seen[port / 8] & (1U << port % 8))
                        fprintf(f, "%u %u\n", index, port);

        return r < 0 ? r : k;
}
