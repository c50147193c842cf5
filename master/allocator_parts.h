#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What the allocator consists of; for the files allocator*.c only. See allocator.c. */

#include <uthash.h>

#include "master/allocator.h"
#include "master/charge.h"
#include "master/drf.h"
#include "master/refusal.h"
#include "master/stock.h"

typedef struct Agent Agent;
typedef struct Client Client;
typedef struct Framework Framework;

struct Agent {
        UT_hash_handle hh;
        Agent *prev, *next;          /* in the queue */
        char *id;                    /* owned */
        Stock stock;
        Charges charges;
        RefusalAgent refusals;
        bool active;
        bool queued;
        bool remote_region;
};

struct Client {
        Client *prev, *next;         /* of the framework */
        Framework *framework;
        char *role;                  /* owned */
        Minimums *minimums;          /* owned; NULL: the configured ones */
        ChargeParty party;           /* owns the leaf */
        RefusalClient refusals;
        bool subscribed;             /* false: only waits for what it holds to come back */
        bool suppressed;
};

struct Framework {
        UT_hash_handle hh;
        char *id;                    /* owned */
        Client *clients;             /* owned */
        unsigned capabilities;
        bool active;
};

/* Offered in the current walk, to be charged after it. */
typedef struct Grant {
        Client *client;
        DrfAmounts amounts;
} Grant;

struct Allocator {
        Agent *agents;               /* owned, by id */
        Framework *frameworks;       /* owned, by id */
        Agent *queue;                /* those to look at */
        Drf *drf;
        RefusalQueue refusals;
        Minimums *minimums;
        Grant *grants;               /* owned; only of the current walk */
        size_t n_grants;
        size_t n_grants_allocated;
        usec_t interval_usec;
        uint64_t last_serial;
        uint64_t last_version;
        bool offer_gpus_to_all;
        bool running;
};

/* Offers what is free on one agent; adds to *n_offers. */
int allocator_offer_agent(Allocator *a, Agent *agent, AllocatorOffer offer, void *userdata,
                          int *n_offers);
