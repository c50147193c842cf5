/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Offers as messages
 *
 * The same offer looks different to different frameworks: without MULTI_ROLE they never hear of
 * allocation roles, without RESERVATION_REFINEMENT they get the old resource format. Get this wrong
 * and a scheduler silently never launches anything.
 */

#include "common/net/pbwire.h"
#include "master/api_writer.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/offer_view.h"

/* What the agent's own network isolation divides up; no task can use it directly. */
#define HIDDEN "ephemeral_ports"

/* Numbers of fields of Offer. The tag of each takes one byte. */
enum {
        OFFER_RESOURCES = 5,
        OFFER_ATTRIBUTES = 7,
        OFFER_URL = 8,
        OFFER_DOMAIN = 11,
};

#define PACKED_MAX_BYTES ((size_t) 64 << 20)

static bool is_shown(const ResourceView *v, void *userdata _unused_) {
        return !streq(v->name, HIDDEN);
}

static int put_resources(OfferView *v, const Resources *r, ResourceFormat format) {
        return resources_to_pb(r, format, &v->message.resources, &v->message.n_resources);
}

static int put_resources_that_differ(OfferView *v, const Offer *o, ResourceFormat format,
                                     bool with_roles) {
        _cleanup_(resources_freep) Resources *shown =
                        resources_filter(o->resources, is_shown, NULL);
        int r;

        if (!shown)
                return -ENOMEM;

        if (!with_roles) {
                r = resources_unallocate(shown);
                if (r < 0)
                        return r;
        }

        return put_resources(v, shown, format);
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

/* What every view has. */
static int view_init(OfferView *v, const Offer *o, bool with_roles) {
        Mesos__V1__Offer *m = &v->message;
        const Node *n = o->node;

        *v = (OfferView){ .packed = BUFFER_INIT(PACKED_MAX_BYTES) };
        mesos__v1__offer__init(m);
        mesos__v1__offer_id__init(&v->id);
        mesos__v1__resource__allocation_info__init(&v->allocation);

        v->allocation.role = o->role;
        v->id.value = o->id;
        m->id = &v->id;
        m->framework_id = o->framework->info->id;
        m->agent_id = n->info->id;
        m->hostname = n->info->hostname;
        m->unavailability = n->unavailability;
        m->allocation_info = with_roles ? &v->allocation : NULL;
        return offer_executor_ids(o, &m->executor_ids, &m->n_executor_ids);
}

/* The rest, as parts of the message. */
static int view_put_parts(OfferView *v, const Offer *o, ResourceFormat format, bool with_roles) {
        Mesos__V1__Offer *m = &v->message;
        const Node *n = o->node;

        agent_url_init(&v->url, n);
        m->url = &v->url.url;
        m->domain = n->info->domain;
        m->attributes = n->info->attributes;
        m->n_attributes = n->info->n_attributes;

        if (with_roles && !resources_has(o->resources, HIDDEN))
                return put_resources(v, o->resources, format);

        return put_resources_that_differ(v, o, format, with_roles);
}

/* Of the rest the parts that are the same in all offers of an agent; made once. */
static int pack_common_parts(Node *n) {
        const Mesos__V1__AgentInfo *info = n->info;
        AgentUrl url;
        ApiWriter w;
        int r;

        if (buffer_size(&n->offer_parts) > 0)
                return 0;

        agent_url_init(&url, n);
        api_writer_init(&w, MEDIA_PROTOBUF);
        api_writer_message(&w, "url", OFFER_URL, &url.url.base);
        for (size_t i = 0; i < info->n_attributes; i++)
                api_writer_message(&w, "attributes", OFFER_ATTRIBUTES, &info->attributes[i]->base);
        if (info->domain)
                api_writer_message(&w, "domain", OFFER_DOMAIN, &info->domain->base);

        r = api_writer_finish(&w);
        if (r < 0)
                api_writer_deinit(&w);
        else
                n->offer_parts = w.buffer;
        return r;
}

/*
 * The rest, packed already, as one field that the message does not know: protobuf-c writes the tag
 * of such a field and after it the bytes as they are, so those of the other fields come along, with
 * tags of their own.
 */
static int view_put_packed(OfferView *v, const Offer *o) {
        const Buffer *common = &o->node->offer_parts;
        int r;

        r = pack_common_parts(o->node);
        if (r >= 0)
                r = buffer_append(&v->packed, buffer_data(common), buffer_size(common));
        if (r >= 0)
                r = resources_pack(o->resources, OFFER_RESOURCES, &v->packed);
        if (r < 0)
                return r;

        v->packed_field = (ProtobufCMessageUnknownField){
                .tag = OFFER_URL,
                .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
                .len = buffer_size(&v->packed) - 1,
                .data = (uint8_t *) buffer_data(&v->packed) + 1,
        };
        v->message.base.n_unknown_fields = 1;
        v->message.base.unknown_fields = &v->packed_field;
        return 0;
}

int offer_view_init(OfferView *v, const Offer *o, MediaType type) {
        const Framework *f = o->framework;
        bool refined = framework_has_capability(
                        f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT);
        bool with_roles = framework_has_capability(
                        f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE);
        ResourceFormat format = refined ? RESOURCE_FORMAT_NEW : RESOURCE_FORMAT_OLD;
        int r;

        r = view_init(v, o, with_roles);
        if (r < 0)
                return r;

        if (type == MEDIA_PROTOBUF && refined && with_roles && !resources_has(o->resources, HIDDEN))
                r = view_put_packed(v, o);
        else
                r = view_put_parts(v, o, format, with_roles);
        if (r < 0)
                offer_view_deinit(v);

        return r;
}

void offer_view_deinit(OfferView *v) {
        free(v->message.executor_ids);
        resources_free_pb(v->message.resources, v->message.n_resources);
        buffer_deinit(&v->packed);
}

int offer_to_operator_pb(const Offer *o, Mesos__V1__Offer **ret) {
        OfferView v;
        int r;

        r = view_init(&v, o, true);
        if (r < 0)
                return r;

        r = view_put_parts(&v, o, RESOURCE_FORMAT_NEW, true);
        if (r >= 0) {
                *ret = (Mesos__V1__Offer *) pb_copy(&v.message.base);
                r = *ret ? 0 : -ENOMEM;
        }

        offer_view_deinit(&v);
        return r;
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
