#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Record: one entry of the registry, and the index of all of them. See registry_record.c. */

#include <uthash.h>

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "proto/registry.pb-c.h"

typedef enum RecordKind {
        /* One per agent, by its id, and an agent has one of these at most. */
        RECORD_AGENT,
        RECORD_UNREACHABLE,
        RECORD_GONE,
        /* One in all: a Registry with nothing but what the name says. */
        RECORD_MACHINES,
        RECORD_SCHEDULE,
        RECORD_WEIGHTS,
        RECORD_QUOTAS,
        RECORD_CAPABILITIES,
        _RECORD_MAX,
        RECORD_NONE = -1,
} RecordKind;

/* As it is called in every store: "agents", …, "minimum_capabilities". */
const char *record_kind_name(RecordKind kind);
RecordKind record_kind_from_name(const char *name);
static inline bool record_kind_is_single(RecordKind kind) {
        return kind >= RECORD_MACHINES;
}

typedef struct Record {
        RecordKind kind;
        char *id;                  /* owned; of an agent, or record_single_id() */
        ProtobufCMessage *message; /* owned; never changes */
        size_t n_packed;
        UT_hash_handle hh;
        struct Record *prev, *next; /* of its kind */
} Record;

/* No agent can have such an id: it has a slash. */
const char *record_single_id(RecordKind kind);

int record_new(RecordKind kind, const char *id, const ProtobufCMessage *message, Record **ret);
/* What a store gave back. -EBADMSG with a text: it is damaged. */
int record_decode(RecordKind kind, const char *id, const void *data, size_t n, Record **ret,
                  char **reterr_message);
Record *record_free(Record *record);
DEFINE_CLEANUP(Record *, record_free)

/* Since when an agent is unreachable or gone. */
usec_t record_since(const Record *record);

typedef struct RecordIndex {
        Record *by_id; /* a hash; owned */
        Record *lists[_RECORD_MAX];
        uint64_t counts[_RECORD_MAX];
        uint64_t n_bytes; /* of all records, packed */
} RecordIndex;

void record_index_deinit(RecordIndex *index);
Record *record_index_find(const RecordIndex *index, const char *id);
/* Takes the record, in the place of any with its id. */
void record_index_put(RecordIndex *index, Record *record);
void record_index_remove(RecordIndex *index, const char *id);
/* Unreachable and gone agents, oldest first. */
void record_index_sort(RecordIndex *index, RecordKind kind);
