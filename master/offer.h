#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Offer: resources of one agent shown to one framework, and the table of those outstanding. See
 * offer.c. */

#include <systemd/sd-event.h>
#include <uthash.h>

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/model/resources.h"

typedef struct Framework Framework;
typedef struct Node Node;
typedef struct OfferTable OfferTable;

typedef struct Offer {
        char *id;
        uint64_t number;                /* the one in the id */
        char *role;                     /* the allocation role */
        Resources *resources;           /* owned; allocated to `role`, */
        Framework *framework;
        Node *node;
        OfferTable *table;
        sd_event_source *timeout_source;    /* --offer_timeout */
        UT_hash_handle hh;              /* by id, in the table */
        struct Offer *framework_prev, *framework_next;
        struct Offer *node_prev, *node_next;
} Offer;

struct OfferTable {
        Offer *offers;
        uint64_t next_number;
};

#define OFFER_TABLE_NULL ((OfferTable) {})

/* The table must be empty. */
void offer_table_deinit(OfferTable *t);

/* Takes `resources` over on success. `prefix` is the master's id. */
int offer_new(OfferTable *t, const char *prefix, Framework *f, Node *n, const char *role,
              Resources *resources, Offer **ret);

/* Leaves the table and the agent's books; what becomes of the resources is the caller's decision
 * before. */
Offer *offer_free(Offer *o);
DEFINE_CLEANUP(Offer *, offer_free)

Offer *offer_find(const OfferTable *t, const char *id);
size_t offer_count(const OfferTable *t);

/* What of the agent is offered, to whomever. */
int offers_sum(const Node *n, Resources **ret);

/*
 * Judges the offers an ACCEPT names: each outstanding and this framework's, none twice, all of one
 * connected agent and one role. Fills ret_offers (borrowed, n_ids of them) when good. See reject.h.
 */
int offers_validate(const OfferTable *t, const char *const *ids, size_t n_ids, const Framework *f,
                    Offer **ret_offers, char **reterr_message);
