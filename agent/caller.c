/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who is calling?
 *
 * An executor is known by names that any task on the host can learn. The kernel knows better: each
 * container is a cgroup, and every socket remembers the cgroup it was made in. So nothing secret has
 * to be handed out, and executors need not know of it:
 *
 *     Unix socket   the peer's pid, as of connect(); its cgroup
 *     TCP           the peer's socket, found by its addresses (sock_diag); its cgroup
 *     own network   an address of the container's own, which no other container has
 *
 * The answer holds for a connection, and is kept with it.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/caller.h"
#include "agent/container.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "isolator/cgroup.h"

/* Since Linux 6.5; not in the headers we build with. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

struct CallerCheck {
        const Agent *agent;       /* borrowed */
        int proc_fd;
        int mount_fd;             /* of cgroup2; negative: none */
        int diag_fd;              /* NETLINK_SOCK_DIAG; negative: none */
        uint32_t sequence;
};

int caller_check_new(const Agent *a, CallerCheck **ret) {
        _cleanup_(caller_check_freep) CallerCheck *c = malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;

        *c = (CallerCheck) { .agent = a, .mount_fd = -EBADF, .diag_fd = -EBADF };
        c->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c->proc_fd < 0)
                return -errno;

        c->mount_fd = cgroup_open_mount(c->proc_fd);
        c->diag_fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
        *ret = TAKE_PTR(c);
        return 0;
}

CallerCheck *caller_check_free(CallerCheck *c) {
        if (!c)
                return NULL;

        (void) fd_close(c->proc_fd);
        (void) fd_close(c->mount_fd);
        (void) fd_close(c->diag_fd);
        free(c);
        return NULL;
}

/* One socket of this host, named by both its ends. */
typedef struct DiagRequest {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
} DiagRequest;

static int parse_cgroup_id(const struct nlmsghdr *h, size_t n, uint64_t *ret) {
        const struct inet_diag_msg *m = NLMSG_DATA(h);
        const struct rtattr *a;
        size_t left;

        if (!NLMSG_OK(h, n))
                return -EBADMSG;
        if (h->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *) NLMSG_DATA(h))->error ?: -EBADMSG;
        if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
                return -EBADMSG;

        left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
        for (a = (const struct rtattr *) (m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(a) >= sizeof(*ret)) {
                        memcpy(ret, RTA_DATA(a), sizeof(*ret));
                        return 0;
                }

        /* What TCP keeps of a connection whose caller hung up has no cgroup, either: that is nobody's word. */
        return m->idiag_state == TCP_ESTABLISHED ? -EOPNOTSUPP : -ENOENT;
}

/* The kernel answers while it takes the question, so nothing waits. -ENOENT: it is no socket of this host's. */
static int find_cgroup_of_socket(CallerCheck *c, const struct sockaddr_in *local, const struct sockaddr_in *remote,
                                 uint64_t *ret) {
        DiagRequest request = {
                .header = {
                        .nlmsg_len = sizeof(request),
                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                        .nlmsg_flags = NLM_F_REQUEST,
                        .nlmsg_seq = ++c->sequence,
                },
                .body = {
                        .sdiag_family = AF_INET,
                        .sdiag_protocol = IPPROTO_TCP,
                        .idiag_states = UINT32_MAX,
                        .id = {
                                .idiag_sport = local->sin_port,
                                .idiag_dport = remote->sin_port,
                                .idiag_src = { local->sin_addr.s_addr },
                                .idiag_dst = { remote->sin_addr.s_addr },
                                .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
                        },
                },
        };
        union {
                struct nlmsghdr header;
                char bytes[8192];
        } answer;
        ssize_t n;

        if (send(c->diag_fd, &request, sizeof(request), 0) < 0)
                return -errno;

        /* One that was not fetched, by a question that failed halfway, is passed over. */
        do
                n = recv(c->diag_fd, &answer, sizeof(answer), 0);
        while (n >= (ssize_t) sizeof(answer.header) && answer.header.nlmsg_seq != c->sequence);

        return n < 0 ? -errno : parse_cgroup_id(&answer.header, (size_t) n, ret);
}

static int find_tcp_caller(CallerCheck *c, int fd, char **ret) {
        struct sockaddr_in peer, here;
        socklen_t n_peer = sizeof(peer), n_here = sizeof(here);
        uint64_t id;
        int r;

        if (c->diag_fd < 0)
                return -EOPNOTSUPP;
        if (getpeername(fd, (struct sockaddr *) &peer, &n_peer) < 0 ||
            getsockname(fd, (struct sockaddr *) &here, &n_here) < 0)
                return -errno;
        if (peer.sin_family != AF_INET || here.sin_family != AF_INET)
                return -EOPNOTSUPP;

        r = find_cgroup_of_socket(c, &peer, &here, &id);
        return r < 0 ? r : cgroup_path_of_id(c->mount_fd, id, ret);
}

/*
 * Whoever connected may have ended and left the connection to others, and then its pid may be anybody's. 0: it has not;
 * -ENOPROTOOPT: Linux before 6.5 does not tell.
 */
static int check_unix_caller_lives(int fd) {
        _cleanup_fd_ int pid_fd = -EBADF;
        socklen_t n = sizeof(pid_fd);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pid_fd, &n) < 0)
                return -errno;

        return process_pidfd_signal(pid_fd, 0);
}

static int find_unix_caller(const CallerCheck *c, int fd, char **ret) {
        struct ucred peer;
        socklen_t n = sizeof(peer);
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return -errno;

        /* 0: of a pid namespace that is no part of ours. */
        r = peer.pid > 0 ? cgroup_path_of_process(c->proc_fd, peer.pid, ret) : -ESRCH;
        if (r < 0)
                return r;

        r = check_unix_caller_lives(fd);
        return r == -ENOPROTOOPT || r == -EPERM ? 0 : r;
}

static bool is_below(const char *path, const char *cgroup) {
        const char *rest = startswith(path, cgroup);

        return rest && startswith(rest, "/payload/");
}

/* The host's end of its network sees no address but its own. */
static bool has_address(const HttpRequest *r, const Executor *e) {
        size_t n = strcspn(e->address, "/");
        const char *peer = http_request_peer(r);

        return strncmp(peer, e->address, n) == 0 && peer[n] == ':';
}

/* FNV-1a of the container's id: what a connection is marked with. */
static uint64_t mark_of(const Executor *e) {
        uint64_t mark = UINT64_C(0xcbf29ce484222325);

        for (const char *p = e->container_id; *p; p++)
                mark = (mark ^ (uint8_t) *p) * UINT64_C(0x100000001b3);

        return mark ?: 1;
}

static bool look(CallerCheck *c, const HttpRequest *r, const Executor *e) {
        const char *cgroup = e->container ? container_cgroup(e->container) : NULL;
        bool is_unix = streq(http_request_peer(r), "unix");
        _cleanup_free_ char *path = NULL;
        int k;

        if (*e->address && !is_unix)
                return has_address(r, e);
        if (!cgroup || c->mount_fd < 0)
                return true;

        k = is_unix ? find_unix_caller(c, http_request_fd(r), &path) : find_tcp_caller(c, http_request_fd(r), &path);
        if (k == -EOPNOTSUPP || k == -EPERM) {
                log_debug_errno(k, "Cannot find out who speaks for executor '%s': %m", e->id);
                return true;
        }

        return k >= 0 && is_below(path, cgroup);
}

bool caller_check_is_executor(CallerCheck *c, HttpRequest *r, const Executor *e) {
        uint64_t mark = mark_of(e);

        if (http_request_mark(r) == mark)
                return true;
        if (!look(c, r, e))
                return false;

        http_request_set_mark(r, mark);
        return true;
}
