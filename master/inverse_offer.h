#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* InverseOffer: a framework is asked for an agent back, and the table of those outstanding. See
 * inverse_offer.c. */

#include <systemd/sd-event.h>
#include <uthash.h>

#include "common/base/macro.h"

typedef struct Framework Framework;
typedef struct InverseOfferTable InverseOfferTable;
typedef struct Node Node;

typedef struct InverseOffer {
        char *id;
        uint64_t number;                /* the one in the id */
        Framework *framework;
        Node *node;                     /* its unavailability is what is asked about */
        InverseOfferTable *table;
        sd_event_source *timeout_source;    /* --offer_timeout */
        UT_hash_handle hh;              /* by id, in the table */
        struct InverseOffer *framework_prev, *framework_next;
        struct InverseOffer *node_prev, *node_next;
} InverseOffer;

struct InverseOfferTable {
        InverseOffer *offers;
};

/* The table must be empty. */
void inverse_offer_table_deinit(InverseOfferTable *t);

/* `prefix` is the master's id, `number` one that no offer of either kind has. */
int inverse_offer_new(InverseOfferTable *t, const char *prefix, uint64_t number, Framework *f,
                      Node *n, InverseOffer **ret);

/* Leaves the table; whether somebody is told is the caller's decision before. */
InverseOffer *inverse_offer_free(InverseOffer *o);
DEFINE_CLEANUP(InverseOffer *, inverse_offer_free)

InverseOffer *inverse_offer_find(const InverseOfferTable *t, const char *id);
