#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Node: an agent registered with us, and the table of them. See node.c. */

#include <systemd/sd-event.h>
#include <uthash.h>

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/model/resources.h"
#include "common/net/peer.h"
#include "master/removal_limiter.h"
#include "proto/mesos.pb-c.h"

typedef struct Executor Executor;
typedef struct InverseOffer InverseOffer;
typedef struct Master Master;
typedef struct Node Node;
typedef struct NodeTable NodeTable;
typedef struct Offer Offer;
typedef struct Operation Operation;
typedef struct Task Task;

struct Node {
        Master *master;
        NodeTable *table;
        char *id;
        Mesos__V1__AgentInfo *info;     /* owned; resources in the new format */
        Upid pid;
        char *version;
        uint32_t capabilities;          /* 1 << Mesos__V1__AgentInfo__Capability__Type */
        uint8_t resource_version[16];
        bool has_resource_version;

        bool connected;                 /* our link to it holds */
        bool active;                    /* its resources may be offered */
        bool deactivated; /* by an operator: stays inactive however often it returns */
        bool was_told;                  /* while a framework tells its agents of itself */
        bool leaving;                   /* given up, as soon as the registry has recorded it */
        usec_t drain_started_usec;      /* wall clock: told to drain; 0: not since it is registered */

        usec_t registered_usec;         /* wall clock */
        usec_t reregistered_usec;       /* 0: never */

        unsigned n_missed_pongs;
        bool pong_pending;              /* pinged and not yet answered */
        sd_event_source *ping_source;
        sd_event_source *reregister_source;    /* runs while disconnected */
        RemovalTicket removal;          /* waits to be given up */
        bool removal_overdue;           /* … because it stayed away; else it does not answer */

        Buffer offer_parts; /* what its offers have in common, by offer_view.c; empty: not yet */

        Resources *total;
        Resources *used;                /* tasks and executors, allocated to roles */

        Task *tasks;                    /* those that are in their framework's `tasks` */
        Executor *executors;            /* owned */
        Operation *operations;          /* owned; that it told of */
        Offer *offers;                  /* in the offer table, which owns them */
        InverseOffer *inverse_offers;   /* the same of those */
        Mesos__V1__Unavailability *unavailability;    /* owned; NULL: no maintenance is planned */

        UT_hash_handle hh;              /* by id */
        UT_hash_handle hh_pid;          /* by pid.text */
};

struct NodeTable {
        Node *by_id;
        Node *by_pid;
        uint64_t next_number;
};

#define NODE_TABLE_NULL ((NodeTable) {})

/* The table must be empty. */
void node_table_deinit(NodeTable *t);

/* What an agent has: what it is configured with, and what dynamic reservations and persistent
 * volumes, which it keeps, have made of that. RESOURCES_E_INVALID. */
int node_work_out_total(const Mesos__V1__AgentInfo *info, Mesos__V1__Resource *const *checkpointed,
                        size_t n_checkpointed, Resources **ret, char **reterr_message);

/* Copies `info`, whose id must be set, converts its resources and enters the node.
 * RESOURCES_E_INVALID. */
int node_new(NodeTable *t, const Mesos__V1__AgentInfo *info,
             Mesos__V1__Resource *const *checkpointed, size_t n_checkpointed, const Upid *pid,
             Node **ret, char **reterr_message);

/* No offers and tasks may be left. */
Node *node_free(Node *n);
DEFINE_CLEANUP(Node *, node_free)

Node *node_find(const NodeTable *t, const char *id);
Node *node_find_pid(const NodeTable *t, const Upid *pid);
size_t node_count(const NodeTable *t);

/* The agent came back with another address, or with changed attributes or resources. */
void node_set_pid(Node *n, const Upid *pid);
int node_set_info(Node *n, const Mesos__V1__AgentInfo *info,
                  Mesos__V1__Resource *const *checkpointed, size_t n_checkpointed,
                  char **reterr_message);

/* Do both say the same, in whatever way they put it? What makes no sense equals nothing. */
bool agent_info_equal(const Mesos__V1__AgentInfo *a, const Mesos__V1__AgentInfo *b);

/* Takes it over. */
void node_set_total(Node *n, Resources *total);

int node_set_version(Node *n, const char *version,
                     Mesos__V1__AgentInfo__Capability *const *capabilities, size_t n_capabilities,
                     const Mesos__V1__UUID *resource_version);
bool node_has_capability(const Node *n, Mesos__V1__AgentInfo__Capability__Type type);

/* Which format the agent understands in what we send it. */
ResourceFormat node_resource_format(const Node *n);
