#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* AddressPool: the IPv4 addresses of a network that containers can have. See address_pool.c. */

#include "common/base/macro.h"

typedef struct AddressPool AddressPool;

/* "10.88.0.0/16" and the like. */
#define ADDRESS_POOL_TEXT_MAX sizeof("255.255.255.255/32")

/* From "ADDRESS/PREFIX", 8 to 29 bits of prefix. -EINVAL for anything else. */
int address_pool_new(const char *subnet, AddressPool **ret);
AddressPool *address_pool_free(AddressPool *p);
DEFINE_CLEANUP(AddressPool *, address_pool_free)

/* The first of the network, which is ours: "10.88.0.1/16". */
const char *address_pool_gateway(const AddressPool *p);

/* One that nobody has, and that was free for long if there are any; -ENOSPC when all are taken. */
int address_pool_take(AddressPool *p, char ret[static ADDRESS_POOL_TEXT_MAX]);

/* One that a container has had since an earlier life of the agent. What is not of this network is passed over. */
void address_pool_reserve(AddressPool *p, const char *address);
void address_pool_release(AddressPool *p, const char *address);
