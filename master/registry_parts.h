#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the registry share. See registry.c. */

#include "master/registry.h"
#include "master/registry_backend.h"
#include "master/registry_record.h"

typedef struct Change Change;

/* What a change does to one record. */
typedef struct Mutation {
        char *id;        /* owned */
        RecordKind from; /* RECORD_NONE: it is new */
        Record *record;  /* owned; NULL: forgotten */
        void *packed;    /* owned; of record */
        struct Mutation *next;
        UT_hash_handle hh; /* in Registry.newest, as long as it is the newest of its id */
} Mutation;

struct Change {
        Registry *registry;
        Mutation *mutations; /* owned */
        size_t n_writes;
        size_t n_bytes;
        usec_t begin_usec;
        RegistryDone done;
        void *userdata;
        struct Change *prev, *next;
};

struct Registry {
        RegistryBackend backend;
        RecordIndex index; /* what is durable */
        Mutation *newest;  /* a hash: what is not durable yet */
        bool loaded;
        int error; /* it has failed: nothing is taken any more */

        Change *queued;        /* owned */
        Change *under_way;     /* owned; what the backend is making durable */
        RegistryWrite *writes; /* owned; of these */
        unsigned n_queued;     /* both */
        bool armed;

        sd_event_source *load_source;
        sd_event_source *flush_source;   /* when nothing else is to be done */
        sd_event_source *late_source;    /* or when that takes too long */
        sd_event_source *timeout_source; /* of the load, or of what is under way */
        usec_t fetch_timeout_usec, store_timeout_usec;

        RegistryDone on_loaded;
        void *loaded_userdata;
        usec_t load_begin_usec;
        usec_t fetch_usec;
        RegistryStored stored;
        void *stored_userdata;
};

/* A transaction of ZooKeeper carries one megabyte; an SQLite database could take more, but what a
 * registry accepts should not depend on where it is. */
#define REGISTRY_CHANGE_MAX_BYTES (900U << 10)
#define REGISTRY_CHANGE_MAX_WRITES 500U

/* What the record will be when all that is queued is durable; NULL: none. */
const Record *registry_newest(const Registry *r, const char *id);

/* The same of the kinds there is one record of, and what it is now; empty when there is none. */
const Mesos__Internal__Registry *registry_newest_single(const Registry *r, RecordKind kind);
const Mesos__Internal__Registry *registry_durable_single(const Registry *r, RecordKind kind);

/* Sees to it that what is queued is committed. */
void registry_arm_commit(Registry *r);

Change *change_new(Registry *r, RegistryDone done, void *userdata);
Change *change_free(Change *c);
DEFINE_CLEANUP(Change *, change_free)

/* Each id at most once in a change. Both do nothing when nothing would be different. */
int change_put(Change *c, RecordKind kind, const char *id, const ProtobufCMessage *message);
int change_remove(Change *c, const char *id);
/* Says that a master which does not know this must not touch the registry from now on. */
int change_require(Change *c, const char *capability);
bool change_knows(const char *capability);
/* Takes the change, unless it fails. REGISTRY_E_TOO_LARGE. */
int change_queue(Change **c);

/* Appends what a backend is to do. */
void change_list_writes(const Change *c, RegistryWrite *writes, size_t *n);
/* It is durable: the index says so from now on. */
void change_apply(Change *c);
