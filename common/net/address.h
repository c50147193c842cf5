#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Where a daemon is reached: addresses and names, settled once at start. See address.c. */

#include "common/base/macro.h"

#define ADDRESS_IP_MAX 64

/*
 * The address to tell others: `advertised` if given, else `bind_ip` unless that means any, else the
 * first of this host that is not loopback, else 127.0.0.1.
 */
int address_own_ip(const char *bind_ip, const char *advertised, char ret[static ADDRESS_IP_MAX]);

/* Runs the command with the shell; its output is an address. -EINVAL when it is none. */
int address_discover_ip(const char *command, char ret[static ADDRESS_IP_MAX]);

/* The name to tell others: `given`, else the reverse lookup of the address if allowed, else the address. Owned. */
char *address_hostname(const char *given, bool lookup, const char *ip);

/* A host name or address to a numeric IPv4 address. Blocks: only before the loop runs. -EHOSTUNREACH when unknown. */
int address_resolve(const char *host, char ret[static ADDRESS_IP_MAX]);
