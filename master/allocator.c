/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The allocator
 *
 * Decides which framework is offered what is free. It is the hierarchical allocator of Mesos with one
 * difference: nothing waits for a clock. Whatever frees something or makes somebody want something
 * puts the agents concerned into a queue, and the next run looks at these agents only:
 *
 *     task ended, offer declined, agent added, refusal over ──▶ that agent
 *     framework added or changed, role revived              ──▶ all agents with something free
 *
 * For each agent the tree of roles and frameworks is walked, least share first (drf.c). The first
 * who may have what is free there gets all of it. Who may not:
 *
 *     - does not want it: suppressed, or refused as much before (refusal.c)
 *     - cannot use it: a GPU agent, a remote region, refined reservations…, reserved to others
 *     - too little (minimum.c)
 *
 * If that leaves something, because parts are reserved to others, the walk goes on. Shares change
 * after the agent is done, so the order of the walk is that of its beginning.
 *
 * Books: the Stock of an agent says what is free of its total; a Charge is what of it counts as the
 * share of one framework in one role (a Client), so that both can go in any order.
 *
 * Offer constraints and maintenance add conditions in suits(); quotas, a walk before this one.
 */

#include <uthash.h>
#include <utlist.h>

#include "common/model/role.h"
#include "master/allocator.h"
#include "master/drf.h"
#include "master/refusal.h"
#include "master/stock.h"

typedef struct Agent Agent;
typedef struct Client Client;
typedef struct Framework Framework;

/* What a client holds of an agent. */
typedef struct Charge {
        Client *client;
        size_t n;
        int64_t milli[];
} Charge;

struct Agent {
        UT_hash_handle hh;
        Agent *prev, *next;          /* in the queue */
        char *id;                    /* owned */
        Stock stock;
        Charge **charges;            /* owned */
        size_t n_charges;
        size_t n_allocated;
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
        DrfLeaf *leaf;               /* owned */
        RefusalClient refusals;
        size_t n_charges;            /* agents that have one */
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

/* Offered in this walk, to be charged after it. */
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

static int default_minimums(Minimums **ret) {
        _cleanup_free_ char *message = NULL;

        return minimums_parse(MINIMUMS_DEFAULT, ret, &message);
}

int allocator_new(const AllocatorConfig *config, Allocator **ret) {
        _cleanup_(allocator_freep) Allocator *a = NULL;
        int r;

        assert(config);
        assert(ret);

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;

        a->interval_usec = config->allocation_interval_usec ?: USEC_PER_SEC;
        a->offer_gpus_to_all = config->offer_gpus_to_all;

        if (config->minimums) {
                a->minimums = minimums_copy(config->minimums);
                if (!a->minimums)
                        return -ENOMEM;
        } else {
                r = default_minimums(&a->minimums);
                if (r != MINIMUMS_OK)
                        return -ENOMEM;
        }

        r = drf_new(config->excluded_names, &a->drf);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(a);
        return 0;
}

static Agent *find_agent(const Allocator *a, const char *id) {
        Agent *agent;

        assert(id);
        HASH_FIND_STR(a->agents, id, agent);
        return agent;
}

static Framework *find_framework(const Allocator *a, const char *id) {
        Framework *framework;

        assert(id);
        HASH_FIND_STR(a->frameworks, id, framework);
        return framework;
}

static Client *find_client(const Framework *framework, const char *role) {
        Client *client;

        DL_FOREACH(framework->clients, client)
                if (streq(client->role, role))
                        return client;

        return NULL;
}

/* Puts the agent into the queue if there is any use in looking at it. */
static void touch(Allocator *a, Agent *agent) {
        if (agent->queued || !agent->active || resources_is_empty(agent->stock.free))
                return;

        DL_APPEND(a->queue, agent);
        agent->queued = true;
}

static void touch_all(Allocator *a) {
        Agent *agent, *next;

        HASH_ITER(hh, a->agents, agent, next)
                touch(a, agent);
}

static void touch_owner(void *owner, void *userdata) {
        touch(userdata, owner);
}

static void unqueue(Allocator *a, Agent *agent) {
        if (!agent->queued)
                return;

        DL_DELETE(a->queue, agent);
        agent->queued = false;
}

/* ---- charges ---- */

static size_t find_charge(const Agent *agent, const Client *client) {
        size_t i;

        for (i = 0; i < agent->n_charges; i++)
                if (agent->charges[i]->client == client)
                        break;

        return i;
}

static int reserve_charge(Agent *agent) {
        size_t n = agent->n_allocated > 0 ? 2 * agent->n_allocated : 4;
        Charge **charges;

        if (agent->n_charges < agent->n_allocated)
                return 0;

        charges = reallocarray(agent->charges, n, sizeof(*charges));
        if (!charges)
                return -ENOMEM;

        agent->charges = charges;
        agent->n_allocated = n;
        return 0;
}

/* The charge of a client, with room for so many kinds of resources; made if there is none. */
static int get_charge(Agent *agent, Client *client, size_t n, Charge **ret) {
        size_t i = find_charge(agent, client);
        Charge *old = NULL, *charge;

        if (i < agent->n_charges) {
                old = agent->charges[i];
                if (old->n >= n) {
                        *ret = old;
                        return 0;
                }
        } else if (reserve_charge(agent) < 0)
                return -ENOMEM;

        charge = realloc(old, sizeof(*charge) + n * sizeof(charge->milli[0]));
        if (!charge)
                return -ENOMEM;

        if (!old) {
                charge->client = client;
                charge->n = 0;
                client->n_charges++;
                agent->n_charges++;
        }

        memset(&charge->milli[charge->n], 0, (n - charge->n) * sizeof(charge->milli[0]));
        charge->n = n;
        agent->charges[i] = charge;
        *ret = charge;
        return 0;
}

static int charge_add(Allocator *a, Agent *agent, Client *client, const DrfAmounts *amounts) {
        Charge *charge;
        int r;

        r = get_charge(agent, client, amounts->n, &charge);
        if (r < 0)
                return r;

        for (size_t i = 0; i < amounts->n; i++)
                if (__builtin_add_overflow(charge->milli[i], amounts->milli[i], &charge->milli[i]))
                        charge->milli[i] = INT64_MAX;

        drf_charge(a->drf, client->leaf, amounts);
        return 0;
}

static void charge_drop(Agent *agent, size_t i) {
        agent->charges[i]->client->n_charges--;
        free(agent->charges[i]);
        agent->charges[i] = agent->charges[--agent->n_charges];
}

static bool charge_is_empty(const Charge *charge) {
        for (size_t i = 0; i < charge->n; i++)
                if (charge->milli[i] != 0)
                        return false;

        return true;
}

/* Gives back no more than was charged, so that shares can never drift. */
static void charge_subtract(Allocator *a, Agent *agent, Client *client, const DrfAmounts *amounts) {
        size_t i = find_charge(agent, client);
        DrfAmounts back = {};
        Charge *charge;

        if (i == agent->n_charges)
                return;

        charge = agent->charges[i];
        back.n = MIN(charge->n, amounts->n);
        for (size_t k = 0; k < back.n; k++) {
                back.milli[k] = MIN(charge->milli[k], amounts->milli[k]);
                charge->milli[k] -= back.milli[k];
        }

        drf_discharge(a->drf, client->leaf, &back);
        if (charge_is_empty(charge))
                charge_drop(agent, i);
}

/* ---- clients and frameworks ---- */

static void client_refresh(Client *client) {
        drf_leaf_set_active(client->leaf, client->framework->active && client->subscribed && !client->suppressed);
}

static void client_free(Allocator *a, Client *client) {
        Agent *agent, *next;

        refusal_drop_client(&a->refusals, &client->refusals, NULL, NULL);
        HASH_ITER(hh, a->agents, agent, next) {
                size_t i;

                if (client->n_charges == 0)
                        break;

                i = find_charge(agent, client);
                if (i < agent->n_charges)
                        charge_drop(agent, i);
        }

        DL_DELETE(client->framework->clients, client);
        drf_leaf_free(a->drf, client->leaf);
        minimums_free(client->minimums);
        free(client->role);
        free(client);
}

/* Frees a client that left its role once nothing is held any more. */
static void client_settle(Allocator *a, Client *client) {
        if (!client->subscribed && client->n_charges == 0)
                client_free(a, client);
}

static int client_new(Allocator *a, Framework *framework, const char *role, Client **ret) {
        Client *client;
        int r;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;

        client->framework = framework;
        client->refusals.serial = ++a->last_serial;
        client->role = strdup(role);
        r = client->role ? drf_leaf_new(a->drf, role, framework->id, client, &client->leaf) : -ENOMEM;
        if (r < 0) {
                free(client->role);
                free(client);
                return r;
        }

        DL_APPEND(framework->clients, client);
        *ret = client;
        return 0;
}

static int subscribe(Allocator *a, Framework *framework, const AllocatorRole *role) {
        _cleanup_(minimums_freep) Minimums *minimums = NULL;
        Client *client = find_client(framework, role->name);
        int r;

        if (role->minimums) {
                minimums = minimums_copy(role->minimums);
                if (!minimums)
                        return -ENOMEM;
        }

        if (!client) {
                r = client_new(a, framework, role->name, &client);
                if (r < 0)
                        return r;
        }

        minimums_free(client->minimums);
        client->minimums = TAKE_PTR(minimums);
        client->subscribed = true;
        client->suppressed = role->suppressed;
        return 0;
}

static bool names_role(const AllocatorFramework *info, const char *role) {
        for (size_t i = 0; i < info->n_roles; i++)
                if (streq(info->roles[i].name, role))
                        return true;

        return false;
}

static int framework_apply(Allocator *a, Framework *framework, const AllocatorFramework *info) {
        Client *client, *next;
        int r;

        for (size_t i = 0; i < info->n_roles; i++) {
                r = subscribe(a, framework, &info->roles[i]);
                if (r < 0)
                        return r;
        }

        framework->capabilities = info->capabilities;
        DL_FOREACH_SAFE(framework->clients, client, next) {
                if (!names_role(info, client->role)) {
                        client->subscribed = false;
                        refusal_drop_client(&a->refusals, &client->refusals, NULL, NULL);
                }

                client_refresh(client);
                client_settle(a, client);
        }

        touch_all(a);
        return 0;
}

static void framework_free(Allocator *a, Framework *framework) {
        while (framework->clients)
                client_free(a, framework->clients);

        HASH_DEL(a->frameworks, framework);
        free(framework->id);
        free(framework);
}

int allocator_framework_add(Allocator *a, const char *framework_id, const AllocatorFramework *info) {
        Framework *framework;
        int r;

        assert(a && !a->running);
        assert(info);

        if (find_framework(a, framework_id))
                return ALLOCATOR_E_EXISTS;

        framework = calloc(1, sizeof(*framework));
        if (!framework)
                return -ENOMEM;

        framework->active = true;
        framework->id = strdup(framework_id);
        if (!framework->id) {
                free(framework);
                return -ENOMEM;
        }

        HASH_ADD_KEYPTR(hh, a->frameworks, framework->id, strlen(framework->id), framework);
        r = framework_apply(a, framework, info);
        if (r < 0)
                framework_free(a, framework);

        return r;
}

int allocator_framework_update(Allocator *a, const char *framework_id, const AllocatorFramework *info) {
        Framework *framework;

        assert(a && !a->running);
        assert(info);

        framework = find_framework(a, framework_id);
        return framework ? framework_apply(a, framework, info) : ALLOCATOR_E_UNKNOWN;
}

int allocator_framework_remove(Allocator *a, const char *framework_id) {
        Framework *framework;

        assert(a && !a->running);

        framework = find_framework(a, framework_id);
        if (!framework)
                return ALLOCATOR_E_UNKNOWN;

        framework_free(a, framework);
        return 0;
}

static int framework_set_active(Allocator *a, const char *framework_id, bool active) {
        Framework *framework;
        Client *client;

        assert(a && !a->running);

        framework = find_framework(a, framework_id);
        if (!framework)
                return ALLOCATOR_E_UNKNOWN;

        framework->active = active;
        DL_FOREACH(framework->clients, client) {
                client_refresh(client);
                if (!active)
                        refusal_drop_client(&a->refusals, &client->refusals, NULL, NULL);
        }

        if (active)
                touch_all(a);
        return 0;
}

int allocator_framework_activate(Allocator *a, const char *framework_id) {
        return framework_set_active(a, framework_id, true);
}

int allocator_framework_deactivate(Allocator *a, const char *framework_id) {
        return framework_set_active(a, framework_id, false);
}

static void client_suppress(_unused_ Allocator *a, Client *client) {
        client->suppressed = true;
        client_refresh(client);
}

/* Who was suppressed has missed things; who wasn't is only let see again what it refused. */
static void client_revive(Allocator *a, Client *client) {
        refusal_drop_client(&a->refusals, &client->refusals, touch_owner, a);
        if (!client->suppressed)
                return;

        client->suppressed = false;
        client_refresh(client);
        touch_all(a);
}

static int for_each_role(Allocator *a, const char *framework_id, const char *role,
                         void (*apply)(Allocator *a, Client *client)) {
        Framework *framework;
        Client *client;
        bool found = !role;

        assert(a && !a->running);

        framework = find_framework(a, framework_id);
        if (!framework)
                return ALLOCATOR_E_UNKNOWN;

        DL_FOREACH(framework->clients, client)
                if (client->subscribed && (!role || streq(client->role, role))) {
                        apply(a, client);
                        found = true;
                }

        return found ? ALLOCATOR_OK : ALLOCATOR_E_UNKNOWN;
}

int allocator_suppress(Allocator *a, const char *framework_id, const char *role) {
        return for_each_role(a, framework_id, role, client_suppress);
}

int allocator_revive(Allocator *a, const char *framework_id, const char *role) {
        return for_each_role(a, framework_id, role, client_revive);
}

int allocator_set_weight(Allocator *a, const char *role, double weight) {
        assert(a && !a->running);

        return drf_set_weight(a->drf, role, weight);
}

/* ---- agents ---- */

int allocator_agent_add(Allocator *a, const char *agent_id, const Resources *total, bool remote_region) {
        DrfAmounts amounts;
        Agent *agent;
        int r;

        assert(a && !a->running);
        assert(total);

        if (find_agent(a, agent_id))
                return ALLOCATOR_E_EXISTS;

        agent = calloc(1, sizeof(*agent));
        if (!agent)
                return -ENOMEM;

        agent->active = true;
        agent->remote_region = remote_region;
        agent->refusals.owner = agent;
        agent->id = strdup(agent_id);
        r = agent->id ? stock_init(&agent->stock, total) : -ENOMEM;
        if (r < 0) {
                free(agent->id);
                free(agent);
                return r;
        }

        HASH_ADD_KEYPTR(hh, a->agents, agent->id, strlen(agent->id), agent);
        drf_measure(a->drf, total, &amounts);
        drf_add_total(a->drf, &amounts);
        touch(a, agent);
        return 0;
}

static void agent_free(Allocator *a, Agent *agent) {
        DrfAmounts total;

        while (agent->n_charges > 0) {
                Charge *charge = agent->charges[agent->n_charges - 1];
                Client *client = charge->client;
                DrfAmounts amounts = { .n = charge->n };

                memcpy(amounts.milli, charge->milli, charge->n * sizeof(charge->milli[0]));
                drf_discharge(a->drf, client->leaf, &amounts);
                charge_drop(agent, agent->n_charges - 1);
                client_settle(a, client);
        }

        drf_measure(a->drf, agent->stock.total, &total);
        drf_subtract_total(a->drf, &total);
        refusal_drop_agent(&a->refusals, &agent->refusals);
        unqueue(a, agent);
        HASH_DEL(a->agents, agent);
        stock_deinit(&agent->stock);
        free(agent->charges);
        free(agent->id);
        free(agent);
}

int allocator_agent_remove(Allocator *a, const char *agent_id) {
        Agent *agent;

        assert(a && !a->running);

        agent = find_agent(a, agent_id);
        if (!agent)
                return ALLOCATOR_E_UNKNOWN;

        agent_free(a, agent);
        return 0;
}

int allocator_agent_set_total(Allocator *a, const char *agent_id, const Resources *total) {
        DrfAmounts before, after;
        Agent *agent;
        int r;

        assert(a && !a->running);
        assert(total);

        agent = find_agent(a, agent_id);
        if (!agent)
                return ALLOCATOR_E_UNKNOWN;

        drf_measure(a->drf, agent->stock.total, &before);
        r = stock_set_total(&agent->stock, total);
        if (r < 0)
                return r;

        drf_subtract_total(a->drf, &before);
        drf_measure(a->drf, total, &after);
        drf_add_total(a->drf, &after);
        touch(a, agent);
        return 0;
}

int allocator_agent_activate(Allocator *a, const char *agent_id) {
        Agent *agent;

        assert(a && !a->running);

        agent = find_agent(a, agent_id);
        if (!agent)
                return ALLOCATOR_E_UNKNOWN;

        agent->active = true;
        touch(a, agent);
        return 0;
}

int allocator_agent_deactivate(Allocator *a, const char *agent_id) {
        Agent *agent;

        assert(a && !a->running);

        agent = find_agent(a, agent_id);
        if (!agent)
                return ALLOCATOR_E_UNKNOWN;

        agent->active = false;
        unqueue(a, agent);
        return 0;
}

int allocator_agent_clear_filters(Allocator *a, const char *agent_id) {
        Agent *agent;

        assert(a && !a->running);

        agent = find_agent(a, agent_id);
        if (!agent)
                return ALLOCATOR_E_UNKNOWN;

        refusal_drop_agent(&a->refusals, &agent->refusals);
        touch(a, agent);
        return 0;
}

Allocator *allocator_free(Allocator *a) {
        Framework *framework, *next_framework;
        Agent *agent, *next_agent;

        if (!a)
                return NULL;

        HASH_ITER(hh, a->agents, agent, next_agent)
                agent_free(a, agent);
        HASH_ITER(hh, a->frameworks, framework, next_framework)
                framework_free(a, framework);

        refusal_queue_deinit(&a->refusals);
        drf_free(a->drf);
        minimums_free(a->minimums);
        free(a->grants);
        free(a);
        return NULL;
}

/* ---- resources ---- */

/* Whose share resources are: the framework's client of the role they are allocated to. */
static Client *holder(const Allocator *a, const char *framework_id, const Resources *resources) {
        const char *role = resources_allocation_role(resources);
        Framework *framework = find_framework(a, framework_id);

        return framework && role ? find_client(framework, role) : NULL;
}

/* A task may be left in a role that its framework left: counted there until it ends. */
static int find_or_make_holder(Allocator *a, const char *framework_id, const Resources *resources, Client **ret) {
        const char *role = resources_allocation_role(resources);
        Framework *framework = find_framework(a, framework_id);

        *ret = holder(a, framework_id, resources);
        if (*ret || !framework || !role)
                return 0;

        return client_new(a, framework, role, ret);
}

int allocator_charge(Allocator *a, const char *framework_id, const char *agent_id, const Resources *resources) {
        DrfAmounts amounts;
        Client *client;
        Agent *agent;
        int r;

        assert(a && !a->running);
        assert(resources);

        agent = find_agent(a, agent_id);
        if (!agent)
                return ALLOCATOR_E_UNKNOWN;

        r = find_or_make_holder(a, framework_id, resources, &client);
        if (r < 0)
                return r;

        r = stock_take(&agent->stock, resources);
        if (r < 0 || !client)
                return r;

        drf_measure(a->drf, resources, &amounts);
        return charge_add(a, agent, client, &amounts);
}

/* How long the client refuses; 0: not at all. */
static usec_t refusal_duration(const Allocator *a, AllocatorReason reason, usec_t refuse_usec) {
        switch (reason) {
        case ALLOCATOR_FREED:
                return 0;
        case ALLOCATOR_UNUSED:
                return refuse_usec > 0 ? MAX(refuse_usec, a->interval_usec) : 0;
        case ALLOCATOR_DECLINED:
                /* Never at once: a framework that declines everything would keep us both busy for ever. */
                return MAX(refuse_usec, a->interval_usec);
        }

        return 0;
}

static int refuse(Allocator *a, Agent *agent, Client *client, const Resources *resources, usec_t until_usec) {
        _cleanup_(resources_freep) Resources *refused = resources_copy(resources);

        if (!refused || resources_unallocate(refused) < 0)
                return -ENOMEM;

        return refusal_add(&a->refusals, &agent->refusals, &client->refusals, refused, until_usec);
}

int allocator_recover(Allocator *a, const char *framework_id, const char *agent_id, const Resources *resources,
                      AllocatorReason reason, usec_t refuse_usec, usec_t now_usec) {
        const usec_t duration_usec = refusal_duration(a, reason, refuse_usec);
        DrfAmounts amounts;
        Client *client;
        Agent *agent;
        int r;

        assert(a && !a->running);
        assert(resources);

        agent = find_agent(a, agent_id);
        if (!agent || resources_is_empty(resources))
                return 0;

        r = stock_give_back(&agent->stock, resources);
        if (r < 0)
                return r;

        touch(a, agent);

        client = holder(a, framework_id, resources);
        if (!client)
                return 0;

        drf_measure(a->drf, resources, &amounts);
        charge_subtract(a, agent, client, &amounts);

        if (duration_usec > 0 && client->subscribed && client->framework->active) {
                r = refuse(a, agent, client, resources, usec_add(now_usec, duration_usec));
                if (r < 0)
                        return r;
        }

        client_settle(a, client);
        return 0;
}

/* ---- running ---- */

/* One agent's walk. */
typedef struct Walk {
        Allocator *a;
        Agent *agent;
        AllocatorOffer offer;
        void *userdata;
        int n_offers;
        int error;

        /* What the client asked last, and all like it, could have. */
        const Client *like;
        const Resources *candidate;
        Resources *made;             /* owned; the candidate, unless it is all that is free */
        uint64_t version;
        bool enough;                 /* for the configured minimums */
} Walk;

static bool may_have(const ResourceView *v, void *userdata) {
        const Client *client = userdata;
        unsigned capabilities = client->framework->capabilities;

        if (v->reservation_role && !role_is_same_or_subrole(client->role, v->reservation_role))
                return false;
        if (v->refined && !(capabilities & ALLOCATOR_RESERVATION_REFINEMENT))
                return false;
        if (v->revocable && !(capabilities & ALLOCATOR_REVOCABLE_RESOURCES))
                return false;
        if (v->shared && !(capabilities & ALLOCATOR_SHARED_RESOURCES))
                return false;

        return true;
}

/* Of several ways to list an offer this is Mesos's: what quota doesn't count, then the rest. */
static bool may_have_first(const ResourceView *v, void *userdata) {
        return (!v->scalar || v->reservation_role || v->revocable) && may_have(v, userdata);
}

static bool suits(const Allocator *a, const Agent *agent, const Framework *framework) {
        if (agent->stock.gpus && !a->offer_gpus_to_all && !(framework->capabilities & ALLOCATOR_GPU_RESOURCES))
                return false;
        if (agent->remote_region && !(framework->capabilities & ALLOCATOR_REGION_AWARE))
                return false;

        return true;
}

static bool is_like(const Walk *w, const Client *client) {
        if (!w->like)
                return false;

        return w->agent->stock.plain || (w->like->framework->capabilities == client->framework->capabilities &&
                                         streq(w->like->role, client->role));
}

static void walk_forget(Walk *w) {
        w->made = resources_free(w->made);
        w->candidate = NULL;
        w->like = NULL;
}

/* Works out what the client could have, unless it is what the one before could. */
static int walk_consider(Walk *w, Client *client) {
        if (is_like(w, client))
                return 0;

        walk_forget(w);
        if (!w->agent->stock.plain) {
                w->made = resources_filter(w->agent->stock.free, may_have, client);
                if (!w->made)
                        return -ENOMEM;
        }

        w->candidate = w->made ?: w->agent->stock.free;
        w->like = client;
        w->version = ++w->a->last_version;
        w->enough = !resources_is_empty(w->candidate) && minimums_met(w->a->minimums, w->candidate);
        return 0;
}

static bool walk_enough(const Walk *w, const Client *client) {
        if (!client->minimums)
                return w->enough;

        return !resources_is_empty(w->candidate) && minimums_met(client->minimums, w->candidate);
}

static int reserve_grant(Allocator *a) {
        size_t n = a->n_grants_allocated > 0 ? 2 * a->n_grants_allocated : 4;
        Grant *grants;

        if (a->n_grants < a->n_grants_allocated)
                return 0;

        grants = reallocarray(a->grants, n, sizeof(*grants));
        if (!grants)
                return -ENOMEM;

        a->grants = grants;
        a->n_grants_allocated = n;
        return 0;
}

/* Moves the candidate out of the stock, in the order it is shown. */
static int walk_take(Walk *w, Client *client, Resources **ret) {
        _cleanup_(resources_freep) Resources *offered = resources_new();
        int r;

        if (!offered)
                return -ENOMEM;

        r = resources_move(offered, w->agent->stock.free, may_have_first, client);
        if (r >= 0)
                r = resources_move(offered, w->agent->stock.free, may_have, client);
        if (r >= 0) {
                drf_measure(w->a->drf, offered, &w->a->grants[w->a->n_grants].amounts);
                r = resources_allocate(offered, client->role);
        }
        if (r < 0) {
                (void) stock_give_back(&w->agent->stock, offered);
                return r;
        }

        *ret = TAKE_PTR(offered);
        return 0;
}

static int walk_grant(Walk *w, Client *client) {
        Allocator *a = w->a;
        Resources *offered;
        int r;

        r = reserve_grant(a);
        if (r < 0)
                return r;

        r = walk_take(w, client, &offered);
        if (r < 0)
                return r;

        a->grants[a->n_grants++].client = client;
        w->n_offers++;
        w->offer(client->framework->id, client->role, w->agent->id, offered, w->userdata);
        walk_forget(w);
        return 0;
}

static bool walk_visit(DrfLeaf *leaf, void *userdata) {
        Client *client = drf_leaf_userdata(leaf);
        Walk *w = userdata;
        int r;

        if (!suits(w->a, w->agent, client->framework))
                return true;

        r = walk_consider(w, client);
        if (r >= 0 && walk_enough(w, client) &&
            !refusal_covers(&w->agent->refusals, &client->refusals, w->candidate, w->version))
                r = walk_grant(w, client);
        if (r < 0) {
                w->error = r;
                return false;
        }

        return !resources_is_empty(w->agent->stock.free);
}

/* What was offered counts from now on, even if keeping the books needs memory we don't have. */
static int settle_grants(Allocator *a, Agent *agent) {
        int r = 0;

        for (size_t i = 0; i < a->n_grants; i++) {
                int k = charge_add(a, agent, a->grants[i].client, &a->grants[i].amounts);

                r = r < 0 ? r : k;
        }

        a->n_grants = 0;
        return r;
}

static int offer_agent(Allocator *a, Agent *agent, AllocatorOffer offer, void *userdata, int *n_offers) {
        Walk w = { .a = a, .agent = agent, .offer = offer, .userdata = userdata };
        int r;

        drf_walk(a->drf, walk_visit, &w);
        walk_forget(&w);
        *n_offers += w.n_offers;

        r = settle_grants(a, agent);
        return w.error < 0 ? w.error : r;
}

int allocator_run(Allocator *a, usec_t now_usec, AllocatorOffer offer, void *userdata) {
        int n_offers = 0, r = 0;
        Agent *agent;

        assert(a && !a->running);
        assert(offer);

        while ((agent = refusal_expire(&a->refusals, now_usec)))
                touch(a, agent);

        a->running = true;
        while ((agent = a->queue) && r >= 0) {
                unqueue(a, agent);
                r = offer_agent(a, agent, offer, userdata, &n_offers);
                if (r < 0)
                        touch(a, agent);
        }
        a->running = false;

        return r < 0 ? r : n_offers;
}

usec_t allocator_next_due(const Allocator *a) {
        assert(a);

        return a->queue ? 0 : refusal_next(&a->refusals);
}

/* ---- looking ---- */

const Resources *allocator_agent_total(const Allocator *a, const char *agent_id) {
        const Agent *agent = find_agent(a, agent_id);

        return agent ? agent->stock.total : NULL;
}

const Resources *allocator_agent_free(const Allocator *a, const char *agent_id) {
        const Agent *agent = find_agent(a, agent_id);

        return agent ? agent->stock.free : NULL;
}

double allocator_share(Allocator *a, const char *framework_id, const char *role) {
        const Framework *framework = find_framework(a, framework_id);
        const Client *client = framework ? find_client(framework, role) : NULL;

        return client ? drf_share(a->drf, client->leaf) : 0;
}
