/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The registry as JSON, for /registrar(1)/registry: some tools read it as Mesos keeps it, with who
 * leads in front and resources in the old format.
 */

#include <utlist.h>

#include "common/model/resources.h"
#include "common/net/pbjson.h"
#include "common/net/pbwire.h"
#include "master/registry_parts.h"

typedef Mesos__Internal__Registry Message;

/* A copy with the resources as v0 says them. */
static int make_shown(const Mesos__V1__AgentInfo *info, Mesos__V1__AgentInfo **ret) {
        _cleanup_(resources_freep) Resources *resources = NULL;
        _cleanup_free_ char *error = NULL;
        Mesos__V1__AgentInfo shown = *info;
        int r;

        r = resources_from_pb(info->resources, info->n_resources, &resources, &error);
        if (r != RESOURCES_OK)
                return r < 0 ? r : -EBADMSG;

        r = resources_to_pb(resources, RESOURCE_FORMAT_OLD, &shown.resources, &shown.n_resources);
        if (r < 0)
                return r;

        *ret = (Mesos__V1__AgentInfo *) pb_copy(&shown.base);
        resources_free_pb(shown.resources, shown.n_resources);
        return *ret ? 0 : -ENOMEM;
}

/* The lists of agents in the making: their entries are borrowed, but for what make_shown() made. */
typedef struct Lists {
        Mesos__Internal__Registry__Slaves agents;
        Mesos__Internal__Registry__UnreachableSlaves unreachable;
        Mesos__Internal__Registry__GoneSlaves gone;
        RegistrySlave *shown; /* owned, and each one's info */
        size_t n_shown;
} Lists;

static void lists_deinit(Lists *lists) {
        for (size_t i = 0; i < lists->n_shown; i++)
                pb_free(&lists->shown[i].info->base);
        free(lists->shown);
        free(lists->agents.slaves);
        free(lists->unreachable.slaves);
        free(lists->gone.slaves);
}

static int lists_init(Lists *lists, const RecordIndex *index) {
        *lists = (Lists){
                .agents = MESOS__INTERNAL__REGISTRY__SLAVES__INIT,
                .unreachable = MESOS__INTERNAL__REGISTRY__UNREACHABLE_SLAVES__INIT,
                .gone = MESOS__INTERNAL__REGISTRY__GONE_SLAVES__INIT,
        };

        lists->shown = calloc(index->counts[RECORD_AGENT] + 1, sizeof(*lists->shown));
        lists->agents.slaves = calloc(index->counts[RECORD_AGENT] + 1, sizeof(void *));
        lists->unreachable.slaves = calloc(index->counts[RECORD_UNREACHABLE] + 1, sizeof(void *));
        lists->gone.slaves = calloc(index->counts[RECORD_GONE] + 1, sizeof(void *));
        return lists->shown && lists->agents.slaves && lists->unreachable.slaves &&
                                               lists->gone.slaves
                               ? 0
                               : -ENOMEM;
}

static int fill_agents(Lists *lists, const RecordIndex *index) {
        const Record *record;

        DL_FOREACH (index->lists[RECORD_AGENT], record) {
                RegistrySlave *shown = &lists->shown[lists->n_shown];
                int r;

                *shown = *(const RegistrySlave *) record->message;
                shown->has_deactivated = true;
                r = make_shown(shown->info, &shown->info);
                if (r < 0)
                        return r;

                lists->n_shown++;
                lists->agents.slaves[lists->agents.n_slaves++] = shown;
        }

        return 0;
}

static void fill_others(Lists *lists, const RecordIndex *index) {
        Record *record;

        DL_FOREACH (index->lists[RECORD_UNREACHABLE], record)
                lists->unreachable.slaves[lists->unreachable.n_slaves++] =
                                (RegistryUnreachable *) record->message;
        DL_FOREACH (index->lists[RECORD_GONE], record)
                lists->gone.slaves[lists->gone.n_slaves++] = (RegistryGone *) record->message;
}

/* Of the kinds there is one of each record has a field. */
static void borrow_singles(Message *m, const RecordIndex *index) {
        for (RecordKind kind = RECORD_MACHINES; kind < _RECORD_MAX; kind++) {
                const Record *record = record_index_find(index, record_single_id(kind));
                const Message *part = record ? (const Message *) record->message : NULL;

                if (!part)
                        continue;

                if (part->machines)
                        m->machines = part->machines;
                if (part->n_schedules > 0) {
                        m->schedules = part->schedules;
                        m->n_schedules = part->n_schedules;
                }
                if (part->n_weights > 0) {
                        m->weights = part->weights;
                        m->n_weights = part->n_weights;
                }
                if (part->n_quota_configs > 0) {
                        m->quota_configs = part->quota_configs;
                        m->n_quota_configs = part->n_quota_configs;
                }
                if (part->n_minimum_capabilities > 0) {
                        m->minimum_capabilities = part->minimum_capabilities;
                        m->n_minimum_capabilities = part->n_minimum_capabilities;
                }
        }
}

void registry_to_json(const Registry *r, const Mesos__V1__MasterInfo *leader, JsonWriter *w) {
        Mesos__Internal__Registry__Master master = MESOS__INTERNAL__REGISTRY__MASTER__INIT;
        Message registry = MESOS__INTERNAL__REGISTRY__INIT;
        _cleanup_(lists_deinit) Lists lists = {};

        /* While it is read there is nothing to be shown, least of all a part of it. */
        if (!r->loaded) {
                json_put_message(w, NULL, &registry.base);
                return;
        }

        if (lists_init(&lists, &r->index) < 0 || fill_agents(&lists, &r->index) < 0) {
                w->error = -ENOMEM;
                return;
        }

        fill_others(&lists, &r->index);
        borrow_singles(&registry, &r->index);
        master.info = (Mesos__V1__MasterInfo *) leader;
        registry.master = &master;
        registry.slaves = lists.agents.n_slaves > 0 ? &lists.agents : NULL;
        registry.unreachable = lists.unreachable.n_slaves > 0 ? &lists.unreachable : NULL;
        registry.gone = lists.gone.n_slaves > 0 ? &lists.gone : NULL;
        json_put_message(w, NULL, &registry.base);
}
