#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What the allocator consists of; for the files allocator*.c only. See allocator.c. */

#include <uthash.h>

#include "master/allocator.h"
#include "master/charge.h"
#include "master/drf.h"
#include "master/outage.h"
#include "master/refusal.h"
#include "master/stock.h"

typedef struct Agent Agent;
typedef struct Client Client;
typedef struct Framework Framework;

struct Agent {
        UT_hash_handle hh;
        Agent *prev, *next;          /* in the queue */
        char *id;                    /* owned */
        void *owner;                 /* whose agent it is, for whoever is told of offers */
        Stock stock;
        Charges charges;
        RefusalAgent refusals;
        Outage *outage;              /* owned; NULL: none announced */
        Agent *outage_prev, *outage_next;    /* in the outage queue */
        bool outage_queued;
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
        Agent *outage_queue;         /* those whose frameworks may have to be asked */
        size_t n_outages;
        usec_t outage_due_usec;      /* a refusal of a question ends; USEC_INFINITY: none */
        usec_t outage_not_before_usec;    /* the next look for such ends */
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

/* Somebody may have come who is to be asked about the agent's outage, if it has one. */
void allocator_outage_touch(Allocator *a, Agent *agent);
void allocator_outage_drop(Allocator *a, Agent *agent);

/* Refusals of questions end with a framework's presence and with REVIVE; what it said, with it. */
void allocator_outages_framework_active(Allocator *a, const char *framework_id, bool active);
void allocator_outages_framework_removed(Allocator *a, const char *framework_id);
