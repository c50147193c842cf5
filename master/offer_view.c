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

/* What the agent's own network isolation divides up; no task can use it directly. */
#define HIDDEN "ephemeral_ports"

static bool is_shown(const ResourceView *v, void *userdata _unused_) {
        return !streq(v->name, HIDDEN);
}

static int offer_resources_to_pb(const Offer *o, ResourceFormat format, bool with_roles,
                                 Mesos__V1__Offer *m) {
        _cleanup_(resources_freep) Resources *shown = NULL;
        int r;

        if (with_roles && !resources_has(o->resources, HIDDEN))
                return resources_to_pb(o->resources, format, &m->resources, &m->n_resources);

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

static int view_init(OfferView *v, const Offer *o, ResourceFormat format, bool with_roles) {
        Mesos__V1__Offer *m = &v->message;
        const Node *n = o->node;
        int r;

        mesos__v1__offer__init(m);
        mesos__v1__offer_id__init(&v->id);
        mesos__v1__resource__allocation_info__init(&v->allocation);

        r = offer_executor_ids(o, &m->executor_ids, &m->n_executor_ids);
        if (r < 0)
                return r;

        r = offer_resources_to_pb(o, format, with_roles, m);
        if (r < 0) {
                free(m->executor_ids);
                return r;
        }

        agent_url_init(&v->url, n);
        v->allocation.role = o->role;
        v->id.value = o->id;
        m->id = &v->id;
        m->framework_id = o->framework->info->id;
        m->agent_id = n->info->id;
        m->hostname = n->info->hostname;
        m->url = &v->url.url;
        m->unavailability = n->unavailability;
        m->domain = n->info->domain;
        m->attributes = n->info->attributes;
        m->n_attributes = n->info->n_attributes;
        m->allocation_info = with_roles ? &v->allocation : NULL;
        return 0;
}

int offer_view_init(OfferView *v, const Offer *o) {
        const Framework *f = o->framework;
        bool refined = framework_has_capability(
                        f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT);
        bool with_roles = framework_has_capability(
                        f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE);

        return view_init(v, o, refined ? RESOURCE_FORMAT_NEW : RESOURCE_FORMAT_OLD, with_roles);
}

void offer_view_deinit(OfferView *v) {
        free(v->message.executor_ids);
        resources_free_pb(v->message.resources, v->message.n_resources);
}

int offer_to_operator_pb(const Offer *o, Mesos__V1__Offer **ret) {
        OfferView v;
        int r;

        r = view_init(&v, o, RESOURCE_FORMAT_NEW, true);
        if (r < 0)
                return r;

        *ret = (Mesos__V1__Offer *) pb_copy(&v.message.base);
        offer_view_deinit(&v);
        return *ret ? 0 : -ENOMEM;
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
