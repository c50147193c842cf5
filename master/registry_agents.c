/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Agents in the registry
 *
 *                     unknown        admitted       unreachable    gone
 *
 *     put_agent       admitted       admitted       admitted       (refused)
 *     remove_agent    -              unknown        -              -
 *     unreachable     unreachable    unreachable    -              -
 *     mark_gone       gone           gone           gone           -
 *     set_drain       (refused)      admitted       unreachable    (refused)
 *     prune           -              -              unknown        unknown
 *
 * What operators said of an agent, that it drains or takes nothing new, is part of its record and
 * goes along between admitted and unreachable: an agent that comes back after a failover drains on.
 * Gone is final: an id never comes back from there but by being forgotten.
 */

#include <utlist.h>

#include "master/registry_parts.h"

static const RegistrySlave *as_agent(const Record *record) {
        return record && record->kind == RECORD_AGENT ? (const RegistrySlave *) record->message
                                                      : NULL;
}

static const RegistryUnreachable *as_unreachable(const Record *record) {
        return record && record->kind == RECORD_UNREACHABLE
                               ? (const RegistryUnreachable *) record->message
                               : NULL;
}

static bool is_gone(const Record *record) {
        return record && record->kind == RECORD_GONE;
}

/* Most changes are of one agent: they end alike. */
static int queue_put(Registry *r, RecordKind kind, const char *id, const ProtobufCMessage *message,
                     RegistryDone done, void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        if (message) {
                k = change_put(c, kind, id, message);
                if (k < 0)
                        return k;
        }

        return change_queue(&c);
}

int registry_put_agent(Registry *r, const Mesos__V1__AgentInfo *info, RegistryDone done,
                       void *userdata) {
        RegistrySlave slave = MESOS__INTERNAL__REGISTRY__SLAVE__INIT;
        const RegistryUnreachable *unreachable;
        const RegistrySlave *agent;
        const Record *newest;

        assert(info->id);

        newest = registry_newest(r, info->id->value);
        if (is_gone(newest))
                return REGISTRY_E_GONE;

        agent = as_agent(newest);
        unreachable = as_unreachable(newest);
        slave.info = (Mesos__V1__AgentInfo *) info;
        slave.has_deactivated = true;
        if (agent) {
                slave.drain_info = agent->drain_info;
                slave.deactivated = agent->deactivated;
        } else if (unreachable) {
                slave.drain_info = unreachable->drain_info;
                slave.deactivated = unreachable->deactivated;
        }

        return queue_put(r, RECORD_AGENT, info->id->value, &slave.base, done, userdata);
}

int registry_remove_agent(Registry *r, const char *agent_id, RegistryDone done, void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        if (as_agent(registry_newest(r, agent_id))) {
                k = change_remove(c, agent_id);
                if (k < 0)
                        return k;
        }

        return change_queue(&c);
}

static int64_t usec_to_nanoseconds(usec_t t) {
        return (int64_t) (MIN(t, (usec_t) INT64_MAX / 1000) * 1000);
}

int registry_mark_unreachable(Registry *r, const char *agent_id, usec_t since_usec,
                              RegistryDone done, void *userdata) {
        RegistryUnreachable slave = MESOS__INTERNAL__REGISTRY__UNREACHABLE_SLAVE__INIT;
        const Record *newest = registry_newest(r, agent_id);
        const RegistrySlave *agent = as_agent(newest);
        Mesos__V1__AgentID id = MESOS__V1__AGENT_ID__INIT;
        Mesos__V1__TimeInfo since = MESOS__V1__TIME_INFO__INIT;

        id.value = (char *) agent_id;
        since.nanoseconds = usec_to_nanoseconds(since_usec);
        slave.id = &id;
        slave.timestamp = &since;
        slave.has_deactivated = true;
        if (agent) {
                slave.drain_info = agent->drain_info;
                slave.deactivated = agent->deactivated;
        }

        /* One that is unreachable already is so since then. */
        return queue_put(r, RECORD_UNREACHABLE, agent_id, newest && !agent ? NULL : &slave.base,
                         done, userdata);
}

int registry_mark_gone(Registry *r, const char *agent_id, usec_t since_usec, RegistryDone done,
                       void *userdata) {
        RegistryGone slave = MESOS__INTERNAL__REGISTRY__GONE_SLAVE__INIT;
        Mesos__V1__AgentID id = MESOS__V1__AGENT_ID__INIT;
        Mesos__V1__TimeInfo since = MESOS__V1__TIME_INFO__INIT;

        id.value = (char *) agent_id;
        since.nanoseconds = usec_to_nanoseconds(since_usec);
        slave.id = &id;
        slave.timestamp = &since;
        return queue_put(r, RECORD_GONE, agent_id,
                         is_gone(registry_newest(r, agent_id)) ? NULL : &slave.base, done,
                         userdata);
}

static int put_drain(Change *c, const char *agent_id, const Mesos__V1__DrainInfo *drain_info,
                     bool deactivated) {
        const Record *newest = registry_newest(c->registry, agent_id);

        if (as_agent(newest)) {
                RegistrySlave slave = *as_agent(newest);

                slave.drain_info = (Mesos__V1__DrainInfo *) drain_info;
                slave.has_deactivated = true;
                slave.deactivated = deactivated;
                return change_put(c, RECORD_AGENT, agent_id, &slave.base);
        }

        if (as_unreachable(newest)) {
                RegistryUnreachable slave = *as_unreachable(newest);

                slave.drain_info = (Mesos__V1__DrainInfo *) drain_info;
                slave.has_deactivated = true;
                slave.deactivated = deactivated;
                return change_put(c, RECORD_UNREACHABLE, agent_id, &slave.base);
        }

        return REGISTRY_E_UNKNOWN;
}

int registry_set_drain(Registry *r, const char *agent_id, const Mesos__V1__DrainInfo *drain_info,
                       bool deactivated, RegistryDone done, void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        k = put_drain(c, agent_id, drain_info, deactivated);
        if (k == 0 && (drain_info || deactivated))
                k = change_require(c, "AGENT_DRAINING");
        if (k != 0)
                return k;

        return change_queue(&c);
}

/* Those of the list that are too old or too many, as a number: they are at its beginning. */
static uint64_t count_outlived(Registry *r, RecordKind kind, usec_t older_than_usec,
                               uint64_t max_count) {
        uint64_t n = r->index.counts[kind], n_outlived = n > max_count ? n - max_count : 0;
        uint64_t i = 0;
        Record *record;

        record_index_sort(&r->index, kind);
        DL_FOREACH (r->index.lists[kind], record) {
                if (i >= n_outlived && record_since(record) >= older_than_usec)
                        break;
                i++;
        }

        return i;
}

/* Up to as many as a change may have, beginning with *record. One that something is queued for
 * already is what the index says no more, and stays. */
static int queue_prune(Registry *r, Record **record, uint64_t *n) {
        _cleanup_(change_freep) Change *c = change_new(r, NULL, NULL);
        int k;

        if (!c)
                return -ENOMEM;

        for (; *n > 0 && c->n_writes < REGISTRY_CHANGE_MAX_WRITES;
             (*n)--, *record = (*record)->next) {
                if (registry_newest(r, (*record)->id) != *record)
                        continue;

                k = change_remove(c, (*record)->id);
                if (k < 0)
                        return k;
        }

        return change_queue(&c);
}

int registry_prune(Registry *r, usec_t older_than_usec, uint64_t max_count, RegistryDone done,
                   void *userdata) {
        static const RecordKind lists[] = { RECORD_UNREACHABLE, RECORD_GONE };

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                uint64_t n = count_outlived(r, lists[i], older_than_usec, max_count);
                Record *record = r->index.lists[lists[i]];
                int k = 0;

                while (n > 0 && k == 0)
                        k = queue_prune(r, &record, &n);
                if (k != 0)
                        return k;
        }

        /* The last one has nothing to write but what is to be told. */
        return queue_put(r, RECORD_NONE, NULL, NULL, done, userdata);
}

/* -- Lookups -- */

const RegistrySlave *registry_find_agent(const Registry *r, const char *agent_id) {
        return as_agent(record_index_find(&r->index, agent_id));
}

uint64_t registry_count_agents(const Registry *r) {
        return r->index.counts[RECORD_AGENT];
}

int registry_foreach_agent(const Registry *r, RegistryAgentVisitor visit, void *userdata) {
        Record *record;
        int k = 0;

        DL_FOREACH (r->index.lists[RECORD_AGENT], record) {
                k = visit((const RegistrySlave *) record->message, userdata);
                if (k != 0)
                        break;
        }

        return k;
}

const RegistryUnreachable *registry_find_unreachable(const Registry *r, const char *agent_id) {
        return as_unreachable(record_index_find(&r->index, agent_id));
}

bool registry_is_unreachable(const Registry *r, const char *agent_id, usec_t *ret_since_usec) {
        const Record *record = record_index_find(&r->index, agent_id);

        if (!as_unreachable(record))
                return false;

        if (ret_since_usec)
                *ret_since_usec = record_since(record);
        return true;
}

uint64_t registry_count_unreachable(const Registry *r) {
        return r->index.counts[RECORD_UNREACHABLE];
}

int registry_foreach_unreachable(const Registry *r, RegistryUnreachableVisitor visit,
                                 void *userdata) {
        Record *record;
        int k = 0;

        DL_FOREACH (r->index.lists[RECORD_UNREACHABLE], record) {
                k = visit((const RegistryUnreachable *) record->message, userdata);
                if (k != 0)
                        break;
        }

        return k;
}

bool registry_is_gone(const Registry *r, const char *agent_id) {
        return is_gone(record_index_find(&r->index, agent_id));
}

uint64_t registry_count_gone(const Registry *r) {
        return r->index.counts[RECORD_GONE];
}
