/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Offers
 *
 * The allocator decides who is shown what; from then on until the framework answers, or the offer
 * is withdrawn, the resources are neither free nor used but offered. An Offer leaves the table
 * exactly once, so that what it holds is given to a task or back to the allocator exactly once:
 *
 *     allocator ──▶ Offer ──▶ ACCEPT: tasks, rest to the allocator
 *                        ├──▶ DECLINE, timeout, rescinded, framework or agent gone: to the
 * allocator
 *
 * Everything here is bookkeeping: no message is sent and no clock read.
 */

#include <utlist.h>

#include "common/model/id.h"
#include "master/framework.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/reject.h"

void offer_table_deinit(OfferTable *t) {
        assert(!t->offers);
}

int offer_new(OfferTable *t, const char *prefix, Framework *f, Node *n, const char *role,
              Resources *resources, Offer **ret) {
        _cleanup_(offer_freep) Offer *o = NULL;
        char id[ID_TEXT_MAX + 1];
        int r;

        assert(t);
        assert(f);
        assert(n);
        assert(resources);
        assert(ret);

        r = id_make(prefix, 'O', t->next_number, id);
        if (r < 0)
                return r;

        o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;

        o->id = strdup(id);
        o->role = strdup(role);
        if (!o->id || !o->role)
                return -ENOMEM;

        o->number = t->next_number++;
        o->resources = resources;
        o->framework = f;
        o->node = n;
        o->table = t;
        HASH_ADD_KEYPTR(hh, t->offers, o->id, strlen(o->id), o);
        DL_APPEND2(f->offers, o, framework_prev, framework_next);
        DL_APPEND2(n->offers, o, node_prev, node_next);

        *ret = TAKE_PTR(o);
        return 0;
}

Offer *offer_free(Offer *o) {
        if (!o)
                return NULL;

        if (o->table) {
                HASH_DELETE(hh, o->table->offers, o);
                DL_DELETE2(o->framework->offers, o, framework_prev, framework_next);
                DL_DELETE2(o->node->offers, o, node_prev, node_next);
        }

        sd_event_source_disable_unref(o->timeout_source);
        resources_free(o->resources);
        free(o->role);
        free(o->id);
        free(o);
        return NULL;
}

Offer *offer_find(const OfferTable *t, const char *id) {
        Offer *o;

        HASH_FIND_STR(t->offers, id, o);
        return o;
}

/* Asked for by people now and then; kept up with each offer it would be a tenth of what that
 * costs. */
int offers_sum(const Node *n, Resources **ret) {
        _cleanup_(resources_freep) Resources *sum = resources_new();
        int r = sum ? 0 : -ENOMEM;

        for (const Offer *o = n->offers; r >= 0 && o; o = o->node_next)
                r = resources_add(sum, o->resources);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(sum);
        return 0;
}

size_t offer_count(const OfferTable *t) {
        return HASH_COUNT(t->offers);
}

static int offer_validate(const Offer *o, const Offer *first, const Framework *f,
                          char **reterr_message) {
        if (o->framework != f)
                return reject(reterr_message,
                              "Offer %s has invalid framework %s while framework %s is expected",
                              o->id, o->framework->id, f->id);

        if (!streq(o->role, first->role))
                return reject(reterr_message,
                              "Aggregated offers must be allocated to the same role. Offer %s uses "
                              "role '%s' but "
                              "another is using role '%s'",
                              o->id, o->role, first->role);

        if (o->node != first->node)
                return reject(reterr_message,
                              "Aggregated offers must belong to one single agent. Offer %s uses "
                              "agent %s and agent %s",
                              o->id, o->node->id, first->node->id);

        if (!o->node->connected)
                return reject(reterr_message, "Offer %s outlived disconnected agent %s", o->id,
                              o->node->id);

        return ACCEPTED;
}

int offers_validate(const OfferTable *t, const char *const *ids, size_t n_ids, const Framework *f,
                    Offer **ret_offers, char **reterr_message) {
        int r;

        if (n_ids == 0)
                return reject(reterr_message, "No offers specified");

        for (size_t i = 0; i < n_ids; i++) {
                for (size_t j = 0; j < i; j++)
                        if (streq(ids[i], ids[j]))
                                return reject(reterr_message, "Duplicate offer %s in offer list",
                                              ids[i]);

                ret_offers[i] = offer_find(t, ids[i]);
                if (!ret_offers[i])
                        return reject(reterr_message, "Offer %s is no longer valid", ids[i]);

                r = offer_validate(ret_offers[i], ret_offers[0], f, reterr_message);
                if (r != ACCEPTED)
                        return r;
        }

        return ACCEPTED;
}
