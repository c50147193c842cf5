/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Inverse offers
 *
 * The host of an agent will be away for maintenance, and a framework that uses the agent is asked
 * whether it can do without. It is a question about the agent as a whole: no resources are named,
 * none change hands, whatever the answer. Ids are of the same series as those of offers, so that no
 * id means both.
 *
 *     allocator ──▶ InverseOffer ──▶ ACCEPT_…, DECLINE_INVERSE_OFFERS: for operators to see
 *                              └──▶ timeout, agent or framework gone, another plan: withdrawn
 *
 * Everything here is bookkeeping: no message is sent and no clock read.
 */

#include <utlist.h>

#include "common/model/id.h"
#include "master/framework.h"
#include "master/inverse_offer.h"
#include "master/node.h"

void inverse_offer_table_deinit(InverseOfferTable *t) {
        assert(!t->offers);
}

int inverse_offer_new(InverseOfferTable *t, const char *prefix, uint64_t number, Framework *f,
                      Node *n, InverseOffer **ret) {
        _cleanup_(inverse_offer_freep) InverseOffer *o = NULL;
        char id[ID_TEXT_MAX + 1];
        int r;

        assert(t);
        assert(f);
        assert(n);
        assert(ret);

        r = id_make(prefix, 'O', number, id);
        if (r < 0)
                return r;

        o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;

        o->id = strdup(id);
        if (!o->id)
                return -ENOMEM;

        o->number = number;
        o->framework = f;
        o->node = n;
        o->table = t;
        HASH_ADD_KEYPTR(hh, t->offers, o->id, strlen(o->id), o);
        DL_APPEND2(f->inverse_offers, o, framework_prev, framework_next);
        DL_APPEND2(n->inverse_offers, o, node_prev, node_next);

        *ret = TAKE_PTR(o);
        return 0;
}

InverseOffer *inverse_offer_free(InverseOffer *o) {
        if (!o)
                return NULL;

        if (o->table) {
                HASH_DELETE(hh, o->table->offers, o);
                DL_DELETE2(o->framework->inverse_offers, o, framework_prev, framework_next);
                DL_DELETE2(o->node->inverse_offers, o, node_prev, node_next);
        }

        sd_event_source_disable_unref(o->timeout_source);
        free(o->id);
        free(o);
        return NULL;
}

InverseOffer *inverse_offer_find(const InverseOfferTable *t, const char *id) {
        InverseOffer *o;

        HASH_FIND_STR(t->offers, id, o);
        return o;
}
