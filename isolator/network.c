/* SPDX-License-Identifier: Apache-2.0 */

/*
 * network/bridge
 *
 * A network of its own for each container: loopback, and one address on a bridge of the host. Ports
 * are the container's alone; the host and the other containers are neighbours, and what lies beyond
 * the host is reached if the host forwards and masquerades, which its operator decides.
 *
 * A host of its own needs a name, and files that say so: the container's id is its hostname, and
 * /etc/hosts, /etc/hostname and /etc/resolv.conf are its own, where the host has such files for
 * them to cover. Name servers are the host's; where those listen on the host's loopback only
 * (systemd-resolved's stub), they are the ones behind.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/file.h"
#include "isolator/isolator.h"

/* What glibc reads of it is less. */
#define RESOLV_CONF_MAX_BYTES 65536

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_BEHIND_THE_STUB "/run/systemd/resolve/resolv.conf"

/* IFNAMSIZ, with its end. */
#define INTERFACE_NAME_MAX 16

static int network_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        if (!host->root)
                return isolator_refuse(reterr_message, "network/bridge needs root, to make interfaces on the host");
        if (strlen(config->network_bridge) == 0 || strlen(config->network_bridge) >= INTERFACE_NAME_MAX)
                return isolator_refuse(reterr_message, "'%s' cannot be the name of a bridge: 1 to 15 bytes",
                                       config->network_bridge);
        if (access(config->network_helper, X_OK) < 0)
                return isolator_refuse(reterr_message, "network/bridge needs '%s': %s", config->network_helper,
                                       strerror(errno));

        return ISOLATOR_OK;
}

/* "hf" and 52 bits of the container's id: unique for all that can live on a host at once. */
static void name_interface(const char *container_id, char ret[static INTERFACE_NAME_MAX]) {
        size_t n = 0;

        ret[n++] = 'h';
        ret[n++] = 'f';
        for (const char *p = container_id; *p && n < INTERFACE_NAME_MAX - 1; p++)
                if (*p != '-')
                        ret[n++] = *p;
        ret[n] = '\0';
}

/* Shows it in the container in place of the host's, if that has one. */
static int cover(Confinement *c, const IsolatorRequest *request, const char *path, const char *content) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;
        const char *name = strrchr(path, '/') + 1;
        int r;

        if (access(path, F_OK) < 0)
                return 0;

        r = confinement_add_file(c, name, content);
        if (r < 0)
                return r;

        m.source_below = (char *) request->runtime_directory;
        m.source = (char *) name;
        m.target = (char *) path;
        m.flags = MS_RDONLY;
        return confinement_add_mount(c, &m);
}

/* Whether all name servers it names are of the host's own loopback. */
static bool is_stub(const char *resolv_conf) {
        bool stub = false;

        for (const char *line = resolv_conf; line; line = strchr(line, '\n')) {
                const char *server;

                line += *line == '\n';
                server = startswith(line, "nameserver");
                if (!server)
                        continue;
                if (!startswith(server + strspn(server, " \t"), "127."))
                        return false;

                stub = true;
        }

        return stub;
}

static int cover_resolv_conf(Confinement *c, const IsolatorRequest *request) {
        _cleanup_free_ char *text = NULL, *behind = NULL;
        int r;

        r = file_read_at(AT_FDCWD, RESOLV_CONF, RESOLV_CONF_MAX_BYTES, &text, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        if (is_stub(text))
                (void) file_read_at(AT_FDCWD, RESOLV_CONF_BEHIND_THE_STUB, RESOLV_CONF_MAX_BYTES, &behind, NULL);

        return cover(c, request, RESOLV_CONF, behind ? behind : text);
}

static int cover_files(Confinement *c, const IsolatorRequest *request) {
        _cleanup_free_ char *hosts = NULL, *hostname = NULL;
        int n_address = (int) strcspn(request->address, "/");
        int r;

        if (asprintf(&hostname, "%s\n", request->container_id) < 0 ||
            asprintf(&hosts, "127.0.0.1 localhost\n%.*s %s\n", n_address, request->address, request->container_id) < 0)
                return -ENOMEM;

        r = cover(c, request, "/etc/hosts", hosts);
        if (r == 0)
                r = cover(c, request, "/etc/hostname", hostname);
        return r < 0 ? r : cover_resolv_conf(c, request);
}

static int network_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                        char **reterr_message) {
        ConfinementNetwork network = HOLDFAST__LAUNCHER__CONFINEMENT__NETWORK__INIT;
        char interface[INTERFACE_NAME_MAX];
        int r;

        if (!request->address)
                return isolator_refuse(reterr_message, "No address is free for the container");

        name_interface(request->container_id, interface);
        network.helper = (char *) config->network_helper;
        network.bridge = (char *) config->network_bridge;
        network.gateway = (char *) config->network_gateway;
        network.host_interface = interface;
        network.address = (char *) request->address;

        r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__NETWORK);
        if (r == 0)
                r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__UTS);
        if (r == 0)
                r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__MOUNT);
        if (r == 0)
                r = confinement_set_text(&c->hostname, "%s", request->container_id);
        if (r == 0)
                r = cover_files(c, request);
        return r < 0 ? r : confinement_set_network(c, &network);
}

/* The line "  NAME: …" of /proc/net/dev, after the colon; NULL when there is none. */
static const char *find_interface(const char *interfaces, const char *name) {
        size_t n = strlen(name);

        for (const char *line = interfaces; line; line = strchr(line, '\n')) {
                line += strspn(line, "\n ");
                if (strncmp(line, name, n) == 0 && line[n] == ':')
                        return line + n + 1;
        }

        return NULL;
}

/* What the host's end received is what the container sent. */
static void network_usage(const IsolatorConfig *config, const UsageSource *source, Mesos__V1__ResourceStatistics *s) {
        uint64_t in_bytes, in_packets, in_errors, in_dropped, out_bytes, out_packets, out_errors, out_dropped;
        char interface[INTERFACE_NAME_MAX];
        const char *line;

        (void) config;
        name_interface(source->container_id, interface);
        line = find_interface(source->interfaces, interface);

        /* Between them: fifo, frame, compressed, multicast. */
        if (!line || sscanf(line, "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%*u%*u%*u%*u%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64,
                            &in_bytes, &in_packets, &in_errors, &in_dropped, &out_bytes, &out_packets, &out_errors,
                            &out_dropped) != 8)
                return;

        USAGE_SET(s, net_rx_bytes, out_bytes);
        USAGE_SET(s, net_rx_packets, out_packets);
        USAGE_SET(s, net_rx_errors, out_errors);
        USAGE_SET(s, net_rx_dropped, out_dropped);
        USAGE_SET(s, net_tx_bytes, in_bytes);
        USAGE_SET(s, net_tx_packets, in_packets);
        USAGE_SET(s, net_tx_errors, in_errors);
        USAGE_SET(s, net_tx_dropped, in_dropped);
}

const IsolatorOps isolator_network_bridge = {
        .name = "network/bridge",
        .probe = network_probe,
        .plan = network_plan,
        .usage = network_usage,
};
