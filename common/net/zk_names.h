#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ZkNames: names of servers on their way to addresses, off the loop. See zk_names.c. */

#include <systemd/sd-event.h>

#include "common/net/zk_url.h"

typedef struct ZkNames ZkNames;

/* "10.0.0.1:2181,[::1]:2181", borrowed; NULL when no name is known. Never called from within zk_names_new(). */
typedef void (*ZkNamesDone)(const char *addresses, void *userdata);

int zk_names_new(sd_event *event, const ZkUrl *url, ZkNamesDone done, void *userdata,
                 ZkNames **ret);
ZkNames *zk_names_free(ZkNames *n);
DEFINE_CLEANUP(ZkNames *, zk_names_free)
