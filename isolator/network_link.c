/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Network links
 *
 *     host                           container
 *     bridge 10.88.0.1/16            lo up
 *       └─ hf0a1b2c3d4e5 ═══veth═══ eth0 10.88.0.5/16, default route by 10.88.0.1
 *
 * The pair needs no tidying up: it vanishes with the container's namespace, whose last reference is
 * held by the container's last process. The bridge stays, for all containers, and with it the host's
 * note of which Ethernet address an address had, until that is another container's.
 *
 * What leaves the host is the host's affair: whether it forwards and masquerades is for its
 * operator's firewall to say.
 */

#include <linux/neighbour.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

#include "isolator/network_link.h"

#define DEFINE_NL_CLEANUP(type, f)                                                                 \
        static inline void f##p(struct type **p) {                                                 \
                if (*p)                                                                            \
                        f(*p);                                                                     \
        }

DEFINE_NL_CLEANUP(nl_sock, nl_socket_free)
DEFINE_NL_CLEANUP(nl_addr, nl_addr_put)
DEFINE_NL_CLEANUP(rtnl_addr, rtnl_addr_put)
DEFINE_NL_CLEANUP(rtnl_link, rtnl_link_put)
DEFINE_NL_CLEANUP(rtnl_neigh, rtnl_neigh_put)
DEFINE_NL_CLEANUP(rtnl_route, rtnl_route_put)

static int fail(char **reterr_message, int nl_error, const char *format, ...) _printf_(3, 4);
static int fail(char **reterr_message, int nl_error, const char *format, ...) {
        _cleanup_free_ char *what = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&what, format, ap);
        va_end(ap);
        if (n < 0)
                what = NULL;
        if (asprintf(reterr_message, "%s: %s", what ? what : "?", nl_geterror(nl_error)) < 0)
                *reterr_message = NULL;
        return -1;
}

static int open_socket(struct nl_sock **ret) {
        _cleanup_(nl_socket_freep) struct nl_sock *s = nl_socket_alloc();
        int r;

        if (!s)
                return -NLE_NOMEM;

        r = nl_connect(s, NETLINK_ROUTE);
        if (r >= 0)
                *ret = TAKE_PTR(s);
        return r;
}

static int add_address(struct nl_sock *s, int index, const char *text) {
        _cleanup_(nl_addr_putp) struct nl_addr *local = NULL;
        _cleanup_(rtnl_addr_putp) struct rtnl_addr *a = rtnl_addr_alloc();
        int r;

        if (!a)
                return -NLE_NOMEM;

        r = nl_addr_parse(text, AF_INET, &local);
        if (r < 0)
                return r;

        rtnl_addr_set_ifindex(a, index);
        r = rtnl_addr_set_local(a, local);
        if (r < 0)
                return r;

        r = rtnl_addr_add(s, a, 0);
        return r == -NLE_EXIST ? 0 : r;
}

/* Up, and a port of a bridge where `master_index` is one's. */
static int set_up(struct nl_sock *s, int index, int master_index) {
        _cleanup_(rtnl_link_putp) struct rtnl_link *link = rtnl_link_alloc(), *change = rtnl_link_alloc();

        if (!link || !change)
                return -NLE_NOMEM;

        rtnl_link_set_ifindex(link, index);
        rtnl_link_set_flags(change, IFF_UP);
        if (master_index > 0)
                rtnl_link_set_master(change, master_index);

        return rtnl_link_change(s, link, change, 0);
}

/* Where frames for an address are sent to: told by the address, so that no two have the same. */
static int make_ethernet_address(const struct nl_addr *ip, struct nl_addr **ret) {
        uint8_t bytes[6] = { 0x02, 'h' };

        if (nl_addr_get_len(ip) != 4)
                return -NLE_INVAL;

        memcpy(bytes + 2, nl_addr_get_binary_addr(ip), 4);
        *ret = nl_addr_build(AF_LLC, bytes, sizeof(bytes));
        return *ret ? 0 : -NLE_NOMEM;
}

/*
 * A bridge that is told no Ethernet address takes the lowest of its ports', and another one when a lower comes; each
 * time the kernel forgets all neighbours, those that are pinned too.
 */
static int add_bridge(struct nl_sock *s, const NetworkLink *l) {
        _cleanup_(rtnl_link_putp) struct rtnl_link *bridge = rtnl_link_bridge_alloc();
        _cleanup_(nl_addr_putp) struct nl_addr *ip = NULL, *ethernet = NULL;
        int r;

        if (!bridge)
                return -NLE_NOMEM;

        r = nl_addr_parse(l->gateway, AF_INET, &ip);
        if (r == 0)
                r = make_ethernet_address(ip, &ethernet);
        if (r < 0)
                return r;

        rtnl_link_set_name(bridge, l->bridge);
        rtnl_link_set_addr(bridge, ethernet);
        r = rtnl_link_add(s, bridge, NLM_F_CREATE | NLM_F_EXCL);
        return r == -NLE_EXIST ? 0 : r;
}

/* Containers that start at the same time make it together: one of them comes first. */
static int have_bridge(struct nl_sock *s, const NetworkLink *l, int *ret_index, char **reterr_message) {
        unsigned index;
        int r;

        r = if_nametoindex(l->bridge) > 0 ? 0 : add_bridge(s, l);
        if (r < 0)
                return fail(reterr_message, r, "cannot make the bridge '%s'", l->bridge);

        index = if_nametoindex(l->bridge);
        if (index == 0)
                return fail(reterr_message, -NLE_NODEV, "bridge '%s'", l->bridge);

        r = add_address(s, (int) index, l->gateway);
        if (r >= 0)
                r = set_up(s, (int) index, 0);
        if (r < 0)
                return fail(reterr_message, r, "cannot give the bridge '%s' its address %s", l->bridge, l->gateway);

        *ret_index = (int) index;
        return 0;
}

static int pin(struct nl_sock *s, int family, int index, struct nl_addr *ip, struct nl_addr *ethernet) {
        _cleanup_(rtnl_neigh_putp) struct rtnl_neigh *n = rtnl_neigh_alloc();
        int r = n ? 0 : -NLE_NOMEM;

        if (r == 0) {
                rtnl_neigh_set_family(n, family);
                rtnl_neigh_set_ifindex(n, index);
                rtnl_neigh_set_lladdr(n, ethernet);
                rtnl_neigh_set_state(n, ip ? NUD_PERMANENT : NUD_NOARP);
                if (ip)
                        r = rtnl_neigh_set_dst(n, ip);
                else
                        rtnl_neigh_set_flags(n, NTF_MASTER | NTF_STICKY);
        }

        return r < 0 ? r : rtnl_neigh_add(s, n, NLM_F_CREATE | NLM_F_REPLACE);
}

/*
 * By this address the agent knows an executor, so a neighbour who claims it must get no answer: the
 * host asks nobody who has it, and the bridge doesn't learn from frames where that one is.
 */
static int pin_address(struct nl_sock *s, const NetworkLink *l, int bridge_index, int host_index) {
        _cleanup_(nl_addr_putp) struct nl_addr *ip = NULL, *ethernet = NULL;
        int r;

        r = nl_addr_parse(l->address, AF_INET, &ip);
        if (r < 0)
                return r;

        nl_addr_set_prefixlen(ip, 32);
        r = make_ethernet_address(ip, &ethernet);
        if (r == 0)
                r = pin(s, AF_BRIDGE, host_index, NULL, ethernet);
        if (r == 0)
                r = pin(s, AF_INET, bridge_index, ip, ethernet);
        return r;
}

/* Its Ethernet address is known from the start. */
static int name_peer(struct rtnl_link *peer, const NetworkLink *l) {
        _cleanup_(nl_addr_putp) struct nl_addr *ip = NULL, *ethernet = NULL;
        int r;

        r = nl_addr_parse(l->address, AF_INET, &ip);
        if (r == 0)
                r = make_ethernet_address(ip, &ethernet);
        if (r < 0)
                return r;

        rtnl_link_set_name(peer, "eth0");
        rtnl_link_set_addr(peer, ethernet);
        rtnl_link_set_ns_fd(peer, l->namespace_fd);
        return 0;
}

/* Between the host's bridge and the container's eth0. */
static int make_pair(struct nl_sock *s, const NetworkLink *l, int bridge_index, char **reterr_message) {
        _cleanup_(rtnl_link_putp) struct rtnl_link *host = rtnl_link_veth_alloc();
        struct rtnl_link *peer;
        unsigned index;
        int r;

        if (!host)
                return fail(reterr_message, -NLE_NOMEM, "interface '%s'", l->host_interface);

        peer = rtnl_link_veth_get_peer(host);
        rtnl_link_set_name(host, l->host_interface);
        r = name_peer(peer, l);
        if (r == 0)
                r = rtnl_link_add(s, host, NLM_F_CREATE | NLM_F_EXCL);
        if (r == -NLE_EXIST) {
                /* Of the program that ran here before, such as the fetcher: its namespace is still being taken down. */
                (void) rtnl_link_delete(s, host);
                r = rtnl_link_add(s, host, NLM_F_CREATE | NLM_F_EXCL);
        }
        rtnl_link_put(peer);
        if (r < 0)
                return fail(reterr_message, r, "cannot make the interface '%s'", l->host_interface);

        index = if_nametoindex(l->host_interface);
        r = index > 0 ? set_up(s, (int) index, bridge_index) : -NLE_NODEV;
        if (r < 0)
                return fail(reterr_message, r, "cannot connect '%s' to the bridge", l->host_interface);

        r = pin_address(s, l, bridge_index, (int) index);
        return r < 0 ? fail(reterr_message, r, "cannot keep %s for '%s' alone", l->address, l->host_interface) : 0;
}

static int add_default_route(struct nl_sock *s, int index, const char *gateway) {
        _cleanup_(nl_addr_putp) struct nl_addr *everywhere = NULL, *through = NULL;
        _cleanup_(rtnl_route_putp) struct rtnl_route *route = rtnl_route_alloc();
        struct rtnl_nexthop *hop;
        int r;

        if (!route)
                return -NLE_NOMEM;

        r = nl_addr_parse("0.0.0.0/0", AF_INET, &everywhere);
        if (r >= 0)
                r = nl_addr_parse(gateway, AF_INET, &through);
        if (r < 0)
                return r;

        nl_addr_set_prefixlen(through, 32);
        hop = rtnl_route_nh_alloc();
        if (!hop)
                return -NLE_NOMEM;

        rtnl_route_nh_set_ifindex(hop, index);
        rtnl_route_nh_set_gateway(hop, through);
        rtnl_route_add_nexthop(route, hop);
        rtnl_route_set_family(route, AF_INET);
        r = rtnl_route_set_dst(route, everywhere);
        return r < 0 ? r : rtnl_route_add(s, route, NLM_F_CREATE);
}

/* In the container's namespace. */
static int set_up_inside(const NetworkLink *l, char **reterr_message) {
        _cleanup_(nl_socket_freep) struct nl_sock *s = NULL;
        unsigned lo = if_nametoindex("lo"), eth0 = if_nametoindex("eth0");
        int r;

        if (lo == 0 || eth0 == 0)
                return fail(reterr_message, -NLE_NODEV, "interfaces of the container");

        r = open_socket(&s);
        if (r >= 0)
                r = set_up(s, (int) lo, 0);
        if (r >= 0)
                r = add_address(s, (int) eth0, l->address);
        if (r >= 0)
                r = set_up(s, (int) eth0, 0);
        if (r >= 0)
                r = add_default_route(s, (int) eth0, l->gateway);
        return r < 0 ? fail(reterr_message, r, "cannot give the container its address %s", l->address) : 0;
}

int network_link_make(const NetworkLink *l, char **reterr_message) {
        _cleanup_(nl_socket_freep) struct nl_sock *s = NULL;
        int bridge_index = 0, r;

        r = open_socket(&s);
        if (r < 0)
                return fail(reterr_message, r, "cannot open a netlink socket");

        r = have_bridge(s, l, &bridge_index, reterr_message);
        if (r == 0)
                r = make_pair(s, l, bridge_index, reterr_message);
        if (r < 0)
                return r;

        if (setns(l->namespace_fd, CLONE_NEWNET) < 0)
                return fail(reterr_message, -nl_syserr2nlerr(errno), "cannot enter the container's network");

        return set_up_inside(l, reterr_message);
}
