/* SPDX-License-Identifier: Apache-2.0 */

/*
 * network/bridge
 *
 * A network of its own for each container: loopback, and one address on a bridge of the host. Ports
 * are the container's alone; the host and the other containers are neighbours, and what lies beyond
 * the host is reached if the host forwards and masquerades, which its operator decides.
 */

#include <stdio.h>
#include <unistd.h>

#include "isolator/isolator.h"

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
        return r < 0 ? r : confinement_set_network(c, &network);
}

const IsolatorOps isolator_network_bridge = {
        .name = "network/bridge",
        .probe = network_probe,
        .plan = network_plan,
};
