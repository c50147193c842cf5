#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the registry in ZooKeeper share. See registry_zookeeper.c. */

#include "common/net/zk.h"
#include "master/registry_backend.h"

/* A record to be read: the id is what the znode's name says. */
typedef struct ZookeeperKey {
        RecordKind kind;
        char *id; /* owned */
} ZookeeperKey;

typedef enum ZookeeperWork {
        ZOOKEEPER_IDLE,
        ZOOKEEPER_LOADING,
        ZOOKEEPER_COMMITTING,
} ZookeeperWork;

typedef struct Zookeeper {
        Zk *zk;          /* borrowed; outlives us */
        char *root;      /* owned: "<path of the URL>/holdfast" */
        char *token;     /* owned; no other master has it */
        int32_t version; /* of the epoch, as we left it */
        uint64_t serial; /* of the last transaction that is known to be done */

        ZookeeperWork work;
        unsigned n_in_flight; /* requests that are not answered */
        RegistryBackendDone done;
        void *userdata;

        /* Loading: a step at a time, then all keys, some at once. */
        unsigned step;
        ZookeeperKey *keys; /* owned */
        size_t n_keys, n_allocated_keys;
        size_t n_sent, n_taken; /* answers come in the order of requests */
        bool lost;              /* one of them was lost, and what follows it counts as lost */
        RegistryEntry entry;

        /* Committing: from write number `at`, those of one transaction at a time. */
        const RegistryWrite *writes;
        size_t n_writes, at;
        size_t n_sent_writes;
        bool uncertain; /* whether the one that was sent is done */
} Zookeeper;

/* "<root>/agents/<name of the id>" and so on; id NULL: what is above them. NULL: out of memory. */
char *zookeeper_path(const Zookeeper *z, RecordKind kind, const char *id);
char *zookeeper_epoch_path(const Zookeeper *z);
char *zookeeper_epoch_text(const Zookeeper *z, uint64_t serial);

/* Who has written the epoch, and what. -EBADMSG: it cannot be read. */
int zookeeper_epoch_parse(const ZkAnswer *answer, char **ret_token, uint64_t *ret_serial);

/* The id whose znode has this name. */
int zookeeper_id_from_name(const char *name, char **ret);

/* Ends what is being done. */
void zookeeper_finish(Zookeeper *z, int error);

/* A request could not be sent (negative errno), or its answer is ZK_E_*: true when it is to be made
 * again once there is a connection; otherwise the work has failed. */
bool zookeeper_is_to_repeat(Zookeeper *z, int error, const char *what);

int zookeeper_load(void *backend, RegistryEntry entry, RegistryBackendDone done, void *userdata);
void zookeeper_load_go_on(Zookeeper *z);
void zookeeper_load_clear(Zookeeper *z);
