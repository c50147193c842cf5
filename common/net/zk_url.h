#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ZkUrl: where a ZooKeeper ensemble is and which znode is ours. See zk_url.c. */

#include "common/base/macro.h"

#define ZK_PORT_DEFAULT 2181
#define ZK_MAX_SERVERS 32

typedef struct ZkServer {
        char *host;     /* owned; a name or an address, IPv6 without its brackets */
        uint16_t port;
} ZkServer;

typedef struct ZkUrl {
        ZkServer servers[ZK_MAX_SERVERS];
        size_t n_servers;
        char *path;        /* owned; "/mesos", never "/" */
        char *credentials; /* owned; "user:password", NULL: anonymous */
} ZkUrl;

bool zk_url_is_one(const char *text);
int zk_url_parse(const char *text, ZkUrl *ret, char **reterr_message);
int zk_url_copy(const ZkUrl *url, ZkUrl *ret);
void zk_url_deinit(ZkUrl *url);

/* What of --zk or --master may be shown to people: without the password. Owned. */
char *zk_url_redact(const char *text);
