/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Offers as messages
 *
 * The same offer looks different to different frameworks: without MULTI_ROLE they never hear of
 * allocation roles, without RESERVATION_REFINEMENT they get the old resource format. Get this wrong
 * and a scheduler silently never launches anything.
 */

#include "common/net/pbwire.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/offer_view.h"

static bool is_shown(const ResourceView *v, void *userdata _unused_) {
        /* What the agent's own network isolation divides up; no task can use it directly. */
        return !streq(v->name, "ephemeral_ports");
}

static int offer_resources_to_pb(const Offer *o, ResourceFormat format, bool with_roles,
                                 Mesos__V1__Offer *m) {
        _cleanup_(resources_freep) Resources *shown = NULL;
        int r;

        shown = resources_filter(o->resources, is_shown, NULL);
        if (!shown)
                return -ENOMEM;

        if (!with_roles) {
                r = resources_unallocate(shown);
                if (r < 0)
                        return r;
        }

        return resources_to_pb(shown, format, &m->resources, &m->n_resources);
}

/* The ids of this framework's executors on the agent, borrowed. */
static int offer_executor_ids(const Offer *o, Mesos__V1__ExecutorID ***ret, size_t *ret_n) {
        Mesos__V1__ExecutorID **list;
        size_t n = 0;

        *ret = NULL;
        *ret_n = 0;
        if (!o->node->executors)
                return 0;

        list = calloc(HASH_COUNT(o->node->executors), sizeof(*list));
        if (!list)
                return -ENOMEM;

        for (Executor *e = o->node->executors; e; e = e->hh.next)
                if (e->framework == o->framework)
                        list[n++] = e->info->executor_id;

        *ret = list;
        *ret_n = n;
        return 0;
}

static void free_resources(Mesos__V1__Offer *m) {
        for (size_t i = 0; i < m->n_resources; i++)
                mesos__v1__resource__free_unpacked(m->resources[i], NULL);
        free(m->resources);
}

/* Where the agent of an offer is, of borrowed parts. */
typedef struct AgentUrl {
        Mesos__V1__URL url;
        Mesos__V1__Address address;
        char path[sizeof(((Upid *) NULL)->id) + 1];
} AgentUrl;

static void agent_url_init(AgentUrl *u, const Node *n) {
        mesos__v1__url__init(&u->url);
        mesos__v1__address__init(&u->address);

        u->path[0] = '/';
        strcpy(u->path + 1, n->pid.id);
        u->address.hostname = n->info->hostname;
        u->address.ip = (char *) n->pid.ip;
        u->address.port = n->pid.port;
        u->url.scheme = (char *) "http";
        u->url.address = &u->address;
        u->url.path = u->path;
}

/* Builds the message on the stack out of borrowed parts, then copies it whole. */
static int offer_to_pb(const Offer *o, ResourceFormat format, bool with_roles,
                       Mesos__V1__Offer **ret) {
        Mesos__V1__Offer m = MESOS__V1__OFFER__INIT;
        Mesos__V1__OfferID id = MESOS__V1__OFFER_ID__INIT;
        Mesos__V1__Resource__AllocationInfo allocation = MESOS__V1__RESOURCE__ALLOCATION_INFO__INIT;
        AgentUrl url;
        int r;

        r = offer_executor_ids(o, &m.executor_ids, &m.n_executor_ids);
        if (r < 0)
                return r;

        r = offer_resources_to_pb(o, format, with_roles, &m);
        if (r < 0) {
                free(m.executor_ids);
                return r;
        }

        agent_url_init(&url, o->node);
        allocation.role = o->role;

        id.value = o->id;
        m.id = &id;
        m.framework_id = o->framework->info->id;
        m.agent_id = o->node->info->id;
        m.hostname = o->node->info->hostname;
        m.url = &url.url;
        m.unavailability = o->node->unavailability;
        m.domain = o->node->info->domain;
        m.attributes = o->node->info->attributes;
        m.n_attributes = o->node->info->n_attributes;
        m.allocation_info = with_roles ? &allocation : NULL;

        *ret = (Mesos__V1__Offer *) pb_copy(&m.base);

        free(m.executor_ids);
        free_resources(&m);
        return *ret ? 0 : -ENOMEM;
}

int offer_to_scheduler_pb(const Offer *o, Mesos__V1__Offer **ret) {
        const Framework *f = o->framework;
        bool refined = framework_has_capability(
                        f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT);
        bool with_roles = framework_has_capability(
                        f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE);

        return offer_to_pb(o, refined ? RESOURCE_FORMAT_NEW : RESOURCE_FORMAT_OLD, with_roles, ret);
}

int offer_to_operator_pb(const Offer *o, Mesos__V1__Offer **ret) {
        return offer_to_pb(o, RESOURCE_FORMAT_NEW, true, ret);
}

int inverse_offer_to_pb(const InverseOffer *o, Mesos__V1__InverseOffer **ret) {
        Mesos__V1__InverseOffer m = MESOS__V1__INVERSE_OFFER__INIT;
        Mesos__V1__OfferID id = MESOS__V1__OFFER_ID__INIT;
        AgentUrl url;

        assert(o->node->unavailability);

        agent_url_init(&url, o->node);
        id.value = o->id;
        m.id = &id;
        m.url = &url.url;
        m.framework_id = o->framework->info->id;
        m.agent_id = o->node->info->id;
        m.unavailability = o->node->unavailability;

        *ret = (Mesos__V1__InverseOffer *) pb_copy(&m.base);
        return *ret ? 0 : -ENOMEM;
}
