#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What a store must do for the registry: give back all records, and make writes durable. */

#include "master/registry_record.h"

typedef struct Zk Zk;

typedef struct RegistryWrite {
        RecordKind kind;
        const char *id;   /* of an agent; anything for the kinds there is one of */
        const void *data; /* NULL: removes it, and it is there */
        size_t n_data;
        bool exists;      /* there is one to be replaced */
        bool ends_change; /* may be durable without what follows, but not without what precedes */
} RegistryWrite;

/* Returns negative errno to stop. */
typedef int (*RegistryEntry)(RecordKind kind, const char *id, const void *data, size_t n,
                             void *userdata);

typedef void (*RegistryBackendDone)(int error, void *userdata);

typedef struct RegistryBackendOps {
        /* Both may call `done` before they return, and must when they succeed. What is written
         * stays where it is until then. Failing says why in the log. */
        int (*load)(void *backend, RegistryEntry entry, RegistryBackendDone done, void *userdata);
        int (*commit)(void *backend, const RegistryWrite *writes, size_t n_writes,
                      RegistryBackendDone done, void *userdata);
        /* NULL: as large as its records. */
        uint64_t (*size)(void *backend);
        /* Afterwards nobody is called. */
        void (*free)(void *backend);
} RegistryBackendOps;

typedef struct RegistryBackend {
        const RegistryBackendOps *ops;
        void *object; /* owned */
} RegistryBackend;

int registry_memory_new(RegistryBackend *ret);

/* Positive: *reterr_message says why the database cannot be used. */
int registry_sqlite_new(const char *path, RegistryBackend *ret, char **reterr_message);

/* `master_id` is nobody else's, and not that of a former life. The session outlives the backend. */
int registry_zookeeper_new(Zk *zk, const char *master_id, RegistryBackend *ret);
