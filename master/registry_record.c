/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records
 *
 * The registry is a set of records. Each has a kind, an id and a message, and each store keeps it
 * under kind and id as the packed message:
 *
 *     agents/<id>            Registry.Slave               admitted, or expected back
 *     unreachable/<id>       Registry.UnreachableSlave    failed its health checks; may come back
 *     gone/<id>              Registry.GoneSlave           an operator's word, final
 *     machines  schedule     Registry with that field     one each
 *     weights  quotas
 *     minimum_capabilities
 *
 * In the index there is one record per id, so an agent cannot be in two of the lists.
 */

#include <stdio.h>
#include <utlist.h>

#include "common/net/pbwire.h"
#include "master/registry_record.h"

static const struct {
        const char *name;
        const char *single_id;
        const ProtobufCMessageDescriptor *descriptor;
} kinds[_RECORD_MAX] = {
        [RECORD_AGENT] = { "agents", NULL, &mesos__internal__registry__slave__descriptor },
        [RECORD_UNREACHABLE] = { "unreachable", NULL,
                                 &mesos__internal__registry__unreachable_slave__descriptor },
        [RECORD_GONE] = { "gone", NULL, &mesos__internal__registry__gone_slave__descriptor },
        [RECORD_MACHINES] = { "machines", "/machines", &mesos__internal__registry__descriptor },
        [RECORD_SCHEDULE] = { "schedule", "/schedule", &mesos__internal__registry__descriptor },
        [RECORD_WEIGHTS] = { "weights", "/weights", &mesos__internal__registry__descriptor },
        [RECORD_QUOTAS] = { "quotas", "/quotas", &mesos__internal__registry__descriptor },
        [RECORD_CAPABILITIES] = { "minimum_capabilities", "/minimum_capabilities",
                                  &mesos__internal__registry__descriptor },
};

const char *record_kind_name(RecordKind kind) {
        return kinds[kind].name;
}

RecordKind record_kind_from_name(const char *name) {
        for (RecordKind kind = 0; kind < _RECORD_MAX; kind++)
                if (streq(kinds[kind].name, name))
                        return kind;

        return RECORD_NONE;
}

const char *record_single_id(RecordKind kind) {
        return kinds[kind].single_id;
}

/* Takes the message. */
static int new_owning(RecordKind kind, const char *id, ProtobufCMessage *message, size_t n_packed,
                      Record **ret) {
        _cleanup_(record_freep) Record *record = NULL;

        record = malloc(sizeof(*record));
        if (!record) {
                pb_free(message);
                return -ENOMEM;
        }

        *record = (Record){ .kind = kind, .message = message, .n_packed = n_packed };

        record->id = strdup(id);
        if (!record->id)
                return -ENOMEM;

        *ret = TAKE_PTR(record);
        return 0;
}

int record_new(RecordKind kind, const char *id, const ProtobufCMessage *message, Record **ret) {
        ProtobufCMessage *copy;

        assert(message->descriptor == kinds[kind].descriptor);

        copy = pb_copy(message);
        if (!copy)
                return -ENOMEM;

        return new_owning(kind, id, copy, protobuf_c_message_get_packed_size(copy), ret);
}

static const char *agent_id(RecordKind kind, const ProtobufCMessage *message) {
        switch (kind) {
        case RECORD_AGENT: {
                const Mesos__V1__AgentInfo *info =
                                ((const Mesos__Internal__Registry__Slave *) message)->info;

                return info->id ? info->id->value : NULL;
        }
        case RECORD_UNREACHABLE:
                return ((const Mesos__Internal__Registry__UnreachableSlave *) message)->id->value;
        case RECORD_GONE:
                return ((const Mesos__Internal__Registry__GoneSlave *) message)->id->value;
        case RECORD_MACHINES:
        case RECORD_SCHEDULE:
        case RECORD_WEIGHTS:
        case RECORD_QUOTAS:
        case RECORD_CAPABILITIES:
        case _RECORD_MAX:
        case RECORD_NONE:
                return NULL;
        }

        return NULL;
}

static int complain(RecordKind kind, const char *id, const char *what, char **reterr_message) {
        int n;

        if (record_kind_is_single(kind))
                n = asprintf(reterr_message, "The record of %s is damaged: %s", kinds[kind].name,
                             what);
        else
                n = asprintf(reterr_message, "The record '%s' of %s is damaged: %s", id,
                             kinds[kind].name, what);

        return n < 0 ? -ENOMEM : -EBADMSG;
}

int record_decode(RecordKind kind, const char *id, const void *data, size_t n, Record **ret,
                  char **reterr_message) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        _cleanup_free_ char *error = NULL;
        int r;

        r = pb_unpack(kinds[kind].descriptor, data, n, PB_LIMITS_DEFAULT, &message, &error);
        if (r < 0)
                return r;
        if (r > 0)
                return complain(kind, id, error, reterr_message);

        if (record_kind_is_single(kind))
                id = kinds[kind].single_id;
        else if (!streq_ptr(agent_id(kind, message), id))
                return complain(kind, id, "it is about another agent", reterr_message);

        return new_owning(kind, id, TAKE_PTR(message), n, ret);
}

Record *record_free(Record *record) {
        if (!record)
                return NULL;

        pb_free(record->message);
        free(record->id);
        free(record);
        return NULL;
}

usec_t record_since(const Record *record) {
        const Mesos__V1__TimeInfo *time =
                        record->kind == RECORD_GONE
                                        ? ((const Mesos__Internal__Registry__GoneSlave *)
                                                           record->message)
                                                          ->timestamp
                                        : ((const Mesos__Internal__Registry__UnreachableSlave *)
                                                           record->message)
                                                          ->timestamp;

        return time->nanoseconds > 0 ? (usec_t) time->nanoseconds / 1000 : 0;
}

void record_index_deinit(RecordIndex *index) {
        Record *record, *next;

        HASH_ITER (hh, index->by_id, record, next)
                record_index_remove(index, record->id);
}

Record *record_index_find(const RecordIndex *index, const char *id) {
        Record *record;

        HASH_FIND_STR(index->by_id, id, record);
        return record;
}

void record_index_remove(RecordIndex *index, const char *id) {
        Record *record = record_index_find(index, id);

        if (!record)
                return;

        HASH_DEL(index->by_id, record);
        DL_DELETE(index->lists[record->kind], record);
        index->counts[record->kind]--;
        index->n_bytes -= record->n_packed;
        record_free(record);
}

/* A changed record stays where it was in its list. */
void record_index_put(RecordIndex *index, Record *record) {
        Record *old = record_index_find(index, record->id);

        if (old && old->kind == record->kind)
                DL_PREPEND_ELEM(index->lists[record->kind], old, record);
        else
                DL_APPEND(index->lists[record->kind], record);
        index->counts[record->kind]++;
        index->n_bytes += record->n_packed;

        if (old)
                record_index_remove(index, old->id);
        HASH_ADD_KEYPTR(hh, index->by_id, record->id, strlen(record->id), record);
}

static int compare_since(const Record *a, const Record *b) {
        usec_t x = record_since(a), y = record_since(b);

        return x < y ? -1 : x > y;
}

void record_index_sort(RecordIndex *index, RecordKind kind) {
        assert(kind == RECORD_UNREACHABLE || kind == RECORD_GONE);

        DL_SORT(index->lists[kind], compare_since);
}
