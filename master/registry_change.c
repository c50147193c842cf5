/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Changes
 *
 * A change is what one call of the registry does to its records, in one piece: an agent that
 * becomes unreachable leaves one list and enters the other, or neither. It is built from what the
 * records will be when all that was queued before is durable, so each record's newest form that is
 * not durable yet is kept at hand until it is.
 */

#include <utlist.h>

#include "common/net/pbwire.h"
#include "master/registry_parts.h"

static const char *const known_capabilities[] = { "AGENT_DRAINING", "QUOTA_V2" };

bool change_knows(const char *capability) {
        for (size_t i = 0; i < ELEMENTSOF(known_capabilities); i++)
                if (streq(known_capabilities[i], capability))
                        return true;

        return false;
}

const Record *registry_newest(const Registry *r, const char *id) {
        Mutation *m;

        HASH_FIND_STR(r->newest, id, m);
        return m ? m->record : record_index_find(&r->index, id);
}

static const Mesos__Internal__Registry *as_single(const Record *record) {
        static const Mesos__Internal__Registry none = MESOS__INTERNAL__REGISTRY__INIT;

        return record ? (const Mesos__Internal__Registry *) record->message : &none;
}

const Mesos__Internal__Registry *registry_newest_single(const Registry *r, RecordKind kind) {
        return as_single(registry_newest(r, record_single_id(kind)));
}

const Mesos__Internal__Registry *registry_durable_single(const Registry *r, RecordKind kind) {
        return as_single(record_index_find(&r->index, record_single_id(kind)));
}

Change *change_new(Registry *r, RegistryDone done, void *userdata) {
        Change *c;

        assert(r->loaded || r->error < 0);

        c = malloc(sizeof(*c));
        if (!c)
                return NULL;

        *c = (Change){
                .registry = r,
                .begin_usec = usec_now(CLOCK_MONOTONIC),
                .done = done,
                .userdata = userdata,
        };
        return c;
}

static void mutation_free(Mutation *m) {
        record_free(m->record);
        free(m->packed);
        free(m->id);
        free(m);
}

Change *change_free(Change *c) {
        Mutation *m, *next;

        if (!c)
                return NULL;

        LL_FOREACH_SAFE (c->mutations, m, next) {
                Mutation *newest;

                HASH_FIND_STR(c->registry->newest, m->id, newest);
                if (newest == m)
                        HASH_DEL(c->registry->newest, m);
                mutation_free(m);
        }

        free(c);
        return NULL;
}

static int add_mutation(Change *c, const char *id, RecordKind from, Mutation **ret) {
        Mutation *m;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;

        m->from = from;
        m->id = strdup(id);
        if (!m->id) {
                mutation_free(m);
                return -ENOMEM;
        }

        LL_APPEND(c->mutations, m);
        *ret = m;
        return 0;
}

int change_put(Change *c, RecordKind kind, const char *id, const ProtobufCMessage *message) {
        const Record *old = registry_newest(c->registry, id);
        Mutation *m;
        int r;

        if (old && old->kind == kind && pb_equal(old->message, message))
                return 0;

        r = add_mutation(c, id, old ? old->kind : RECORD_NONE, &m);
        if (r >= 0)
                r = record_new(kind, id, message, &m->record);
        if (r < 0)
                return r;

        m->packed = malloc(MAX(m->record->n_packed, (size_t) 1));
        if (!m->packed)
                return -ENOMEM;

        protobuf_c_message_pack(message, m->packed);
        c->n_bytes += m->record->n_packed;
        c->n_writes += m->from == RECORD_NONE || m->from == kind ? 1 : 2;
        return 0;
}

int change_remove(Change *c, const char *id) {
        const Record *old = registry_newest(c->registry, id);
        Mutation *m;

        if (!old)
                return 0;

        c->n_writes++;
        return add_mutation(c, id, old->kind, &m);
}

int change_require(Change *c, const char *capability) {
        const Mesos__Internal__Registry *present =
                        registry_newest_single(c->registry, RECORD_CAPABILITIES);
        const char *id = record_single_id(RECORD_CAPABILITIES);
        Mesos__Internal__Registry__MinimumCapability added =
                        MESOS__INTERNAL__REGISTRY__MINIMUM_CAPABILITY__INIT;
        Mesos__Internal__Registry registry = MESOS__INTERNAL__REGISTRY__INIT;
        size_t n = present->n_minimum_capabilities;
        _cleanup_free_ void *list = NULL;

        assert(change_knows(capability));

        for (size_t i = 0; i < n; i++)
                if (streq(present->minimum_capabilities[i]->capability, capability))
                        return 0;

        list = calloc(n + 1, sizeof(*registry.minimum_capabilities));
        if (!list)
                return -ENOMEM;

        registry.minimum_capabilities = list;
        registry.n_minimum_capabilities = n + 1;
        for (size_t i = 0; i < n; i++)
                registry.minimum_capabilities[i] = present->minimum_capabilities[i];
        registry.minimum_capabilities[n] = &added;
        added.capability = (char *) capability;
        return change_put(c, RECORD_CAPABILITIES, id, &registry.base);
}

int change_queue(Change **c) {
        Change *change = *c;
        Registry *r = change->registry;
        Mutation *m;

        if (r->error < 0)
                return r->error;
        if (change->n_bytes > REGISTRY_CHANGE_MAX_BYTES)
                return REGISTRY_E_TOO_LARGE;
        assert(change->n_writes <= REGISTRY_CHANGE_MAX_WRITES);

        LL_FOREACH (change->mutations, m) {
                Mutation *older;

                HASH_FIND_STR(r->newest, m->id, older);
                if (older)
                        HASH_DEL(r->newest, older);
                HASH_ADD_KEYPTR(hh, r->newest, m->id, strlen(m->id), m);
        }

        *c = NULL;
        DL_APPEND(r->queued, change);
        r->n_queued++;
        registry_arm_commit(r);
        return REGISTRY_OK;
}

/* An agent that goes from one list to another is removed from the one and put into the other. */
void change_list_writes(const Change *c, RegistryWrite *writes, size_t *n) {
        const Mutation *m;

        LL_FOREACH (c->mutations, m) {
                bool stays = m->record && m->record->kind == m->from;

                if (m->from != RECORD_NONE && !stays)
                        writes[(*n)++] = (RegistryWrite){ .kind = m->from, .id = m->id };
                if (m->record)
                        writes[(*n)++] = (RegistryWrite){
                                .kind = m->record->kind,
                                .id = m->id,
                                .data = m->packed,
                                .n_data = m->record->n_packed,
                                .exists = stays,
                        };
        }

        if (*n > 0)
                writes[*n - 1].ends_change = true;
}

/* The index now says what the change made of its records. */
void change_apply(Change *c) {
        Registry *r = c->registry;
        Mutation *m;

        LL_FOREACH (c->mutations, m) {
                Mutation *newest;

                HASH_FIND_STR(r->newest, m->id, newest);
                if (newest == m)
                        HASH_DEL(r->newest, m);

                if (m->record)
                        record_index_put(&r->index, TAKE_PTR(m->record));
                else
                        record_index_remove(&r->index, m->id);
        }
}
