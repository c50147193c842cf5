/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The address pool
 *
 * Addresses are handed out in turn, so that one that was given back rests as long as possible: peers
 * may still have it in their tables. Nothing of it is stored: a restarted agent hears from each
 * launcher which address its container has.
 *
 * The network's first address is the host's, on the bridge; its zeroth and last are nobody's.
 */

#include <arpa/inet.h>
#include <stdio.h>

#include "agent/address_pool.h"
#include "common/base/parse.h"

#define PREFIX_MIN 8
#define PREFIX_MAX 29

#define BITS_PER_WORD 64

struct AddressPool {
        uint32_t network;                            /* host byte order, as all here */
        unsigned prefix;
        uint32_t n_hosts;                            /* with the three that are no container's */
        uint32_t next;                               /* where to look first */
        char gateway[ADDRESS_POOL_TEXT_MAX];
        uint64_t taken[];
};

static bool is_taken(const AddressPool *p, uint32_t host) {
        return p->taken[host / BITS_PER_WORD] >> host % BITS_PER_WORD & 1;
}

static void set_taken(AddressPool *p, uint32_t host, bool taken) {
        uint64_t bit = UINT64_C(1) << host % BITS_PER_WORD;

        if (taken)
                p->taken[host / BITS_PER_WORD] |= bit;
        else
                p->taken[host / BITS_PER_WORD] &= ~bit;
}

static void format(const AddressPool *p, uint32_t host, char ret[static ADDRESS_POOL_TEXT_MAX]) {
        uint32_t a = p->network + host;

        snprintf(ret, ADDRESS_POOL_TEXT_MAX, "%u.%u.%u.%u/%u", a >> 24 & 0xff, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff,
                 p->prefix & 0x3f);
}

static int parse(const char *text, uint32_t *ret_address, unsigned *ret_prefix) {
        char address[INET_ADDRSTRLEN];
        const char *slash = strchr(text, '/');
        struct in_addr parsed;
        uint64_t prefix;

        if (!slash || (size_t) (slash - text) >= sizeof(address))
                return -EINVAL;

        memcpy(address, text, (size_t) (slash - text));
        address[slash - text] = '\0';
        if (inet_pton(AF_INET, address, &parsed) != 1 || parse_u64(slash + 1, &prefix) < 0 || prefix > 32)
                return -EINVAL;

        *ret_address = ntohl(parsed.s_addr);
        *ret_prefix = (unsigned) prefix;
        return 0;
}

int address_pool_new(const char *subnet, AddressPool **ret) {
        uint32_t address, n_hosts;
        AddressPool *p;
        unsigned prefix;
        int r;

        r = parse(subnet, &address, &prefix);
        if (r < 0)
                return r;
        if (prefix < PREFIX_MIN || prefix > PREFIX_MAX)
                return -EINVAL;

        n_hosts = UINT32_C(1) << (32 - prefix);
        if (address & (n_hosts - 1))
                return -EINVAL;

        p = calloc(1, sizeof(*p) + (n_hosts + BITS_PER_WORD - 1) / BITS_PER_WORD * sizeof(uint64_t));
        if (!p)
                return -ENOMEM;

        p->network = address;
        p->prefix = prefix;
        p->n_hosts = n_hosts;
        format(p, 1, p->gateway);
        set_taken(p, 0, true);
        set_taken(p, 1, true);
        set_taken(p, n_hosts - 1, true);
        *ret = p;
        return 0;
}

AddressPool *address_pool_free(AddressPool *p) {
        free(p);
        return NULL;
}

const char *address_pool_gateway(const AddressPool *p) {
        return p->gateway;
}

int address_pool_take(AddressPool *p, char ret[static ADDRESS_POOL_TEXT_MAX]) {
        for (uint32_t i = 0; i < p->n_hosts; i++) {
                uint32_t host = (p->next + i) % p->n_hosts;

                if (is_taken(p, host))
                        continue;

                set_taken(p, host, true);
                p->next = host + 1;
                format(p, host, ret);
                return 0;
        }

        return -ENOSPC;
}

/* Whose turn in the network it is; false for what is no container's. */
static bool find(const AddressPool *p, const char *text, uint32_t *ret_host) {
        uint32_t address;
        unsigned prefix;

        if (parse(text, &address, &prefix) < 0 || prefix != p->prefix || address < p->network + 2 ||
            address - p->network >= p->n_hosts - 1)
                return false;

        *ret_host = address - p->network;
        return true;
}

void address_pool_reserve(AddressPool *p, const char *address) {
        uint32_t host;

        if (find(p, address, &host))
                set_taken(p, host, true);
}

void address_pool_release(AddressPool *p, const char *address) {
        uint32_t host;

        if (find(p, address, &host))
                set_taken(p, host, false);
}
