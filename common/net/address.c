/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses
 *
 * Peers compare process addresses as text, so each daemon decides once, at its start, what it calls
 * itself and what the others are called. Name services are asked only here, before the loop runs.
 */

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "common/net/address.h"

static bool is_any(const char *ip) {
        return !ip || !*ip || streq(ip, "0.0.0.0") || streq(ip, "::");
}

static bool is_ipv4(const char *text) {
        struct in_addr in;

        return inet_pton(AF_INET, text, &in) == 1;
}

static int first_own_ip(char ret[static ADDRESS_IP_MAX]) {
        struct ifaddrs *list;
        bool found = false;

        if (getifaddrs(&list) < 0)
                return -errno;

        for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
                if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
                    !(i->ifa_flags & IFF_UP))
                        continue;

                found = inet_ntop(AF_INET, &((const struct sockaddr_in *) (const void *) i->ifa_addr)->sin_addr, ret,
                                  ADDRESS_IP_MAX);
        }

        freeifaddrs(list);
        if (!found)
                strcpy(ret, "127.0.0.1");
        return 0;
}

int address_own_ip(const char *bind_ip, const char *advertised, char ret[static ADDRESS_IP_MAX]) {
        const char *ip = advertised ?: is_any(bind_ip) ? NULL : bind_ip;

        if (!ip)
                return first_own_ip(ret);
        if (!is_ipv4(ip))
                return -EINVAL;

        strcpy(ret, ip);
        return 0;
}

int address_discover_ip(const char *command, char ret[static ADDRESS_IP_MAX]) {
        char line[ADDRESS_IP_MAX] = "";
        FILE *f = popen(command, "re");
        int status;

        if (!f)
                return -errno;

        if (!fgets(line, sizeof(line), f))
                line[0] = '\0';
        status = pclose(f);

        line[strcspn(line, " \t\r\n")] = '\0';
        if (status != 0 || !is_ipv4(line))
                return -EINVAL;

        strcpy(ret, line);
        return 0;
}

char *address_hostname(const char *given, bool lookup, const char *ip) {
        struct sockaddr_in in = { .sin_family = AF_INET };
        char name[NI_MAXHOST];

        if (given)
                return strdup(given);

        if (lookup && inet_pton(AF_INET, ip, &in.sin_addr) == 1 &&
            getnameinfo((struct sockaddr *) &in, sizeof(in), name, sizeof(name), NULL, 0, NI_NAMEREQD) == 0)
                return strdup(name);

        return strdup(ip);
}

int address_resolve(const char *host, char ret[static ADDRESS_IP_MAX]) {
        struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *list;
        bool good;

        if (getaddrinfo(host, NULL, &hints, &list) != 0)
                return -EHOSTUNREACH;

        good = inet_ntop(AF_INET, &((const struct sockaddr_in *) (const void *) list->ai_addr)->sin_addr, ret,
                         ADDRESS_IP_MAX);
        freeaddrinfo(list);
        return good ? 0 : -errno;
}
