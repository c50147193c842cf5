/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The allocator
 *
 * Decides which framework is offered what is free. It is the hierarchical allocator of Mesos with
 * one difference: nothing waits for a clock. Whatever frees something or makes somebody want
 * something puts the agents concerned into a queue, and the next run looks at these agents only:
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
 * If that leaves something, because parts are reserved to others, the walk goes on
 * (allocator_walk.c).
 *
 * Books: the Stock of an agent says what is free of its total; a Charge is what of it counts as the
 * share of one framework in one role (a Client), so that both can go in any order.
 *
 * Offer constraints add conditions in suits(); quotas, a walk before this one. What of agents that
 * are to be away their frameworks are asked is in allocator_outage.c.
 */

#include <utlist.h>

#include "master/allocator.h"
#include "master/allocator_parts.h"

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
        a->outage_due_usec = USEC_INFINITY;

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

/* ---- clients and frameworks ---- */

static void client_refresh(Client *client) {
        drf_leaf_set_active(client->party.leaf,
                            client->framework->active && client->subscribed && !client->suppressed);
}

static void client_free(Allocator *a, Client *client) {
        Agent *agent, *next;

        refusal_drop_client(&a->refusals, &client->refusals, NULL, NULL);
        HASH_ITER(hh, a->agents, agent, next) {
                if (client->party.n_agents == 0)
                        break;

                charges_drop(&agent->charges, &client->party);
        }

        DL_DELETE(client->framework->clients, client);
        drf_leaf_free(a->drf, client->party.leaf);
        minimums_free(client->minimums);
        free(client->role);
        free(client);
}

/* Frees a client that left its role once nothing is held any more. */
static void client_settle(Allocator *a, Client *client) {
        if (!client->subscribed && client->party.n_agents == 0)
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
        r = client->role ? drf_leaf_new(a->drf, role, framework->id, client, &client->party.leaf)
                         : -ENOMEM;
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

int allocator_framework_add(Allocator *a, const char *framework_id,
                            const AllocatorFramework *info) {
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

int allocator_framework_update(Allocator *a, const char *framework_id,
                               const AllocatorFramework *info) {
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

        allocator_outages_framework_removed(a, framework_id);
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

        allocator_outages_framework_active(a, framework_id, active);
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
        allocator_outages_framework_active(a, framework_id, true);
        return for_each_role(a, framework_id, role, client_revive);
}

int allocator_set_weight(Allocator *a, const char *role, double weight) {
        assert(a && !a->running);

        return drf_set_weight(a->drf, role, weight);
}

/* ---- agents ---- */

int allocator_agent_add(Allocator *a, const char *agent_id, const Resources *total,
                        bool remote_region, void *owner) {
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
        agent->owner = owner;
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
        ChargeParty *party;
        DrfAmounts total;

        while ((party = charges_release_one(&agent->charges, a->drf)))
                client_settle(a, CONTAINER_OF(party, Client, party));

        drf_measure(a->drf, agent->stock.total, &total);
        drf_subtract_total(a->drf, &total);
        refusal_drop_agent(&a->refusals, &agent->refusals);
        allocator_outage_drop(a, agent);
        unqueue(a, agent);
        HASH_DEL(a->agents, agent);
        stock_deinit(&agent->stock);
        charges_deinit(&agent->charges);
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
        allocator_outage_touch(a, agent);
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
static int find_or_make_holder(Allocator *a, const char *framework_id, const Resources *resources,
                               Client **ret) {
        const char *role = resources_allocation_role(resources);
        Framework *framework = find_framework(a, framework_id);

        *ret = holder(a, framework_id, resources);
        if (*ret || !framework || !role)
                return 0;

        return client_new(a, framework, role, ret);
}

int allocator_charge(Allocator *a, const char *framework_id, const char *agent_id,
                     const Resources *resources) {
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
        allocator_outage_touch(a, agent);
        return charges_add(&agent->charges, a->drf, &client->party, &amounts);
}

/* How long the client refuses; 0: not at all. */
static usec_t refusal_duration(const Allocator *a, AllocatorReason reason, usec_t refuse_usec) {
        switch (reason) {
        case ALLOCATOR_FREED:
                return 0;
        case ALLOCATOR_UNUSED:
                return refuse_usec > 0 ? MAX(refuse_usec, a->interval_usec) : 0;
        case ALLOCATOR_DECLINED:
                /*
                 * Never at once: a framework that declines everything would keep us both busy for
                 * ever.
                 */
                return MAX(refuse_usec, a->interval_usec);
        }

        return 0;
}

static int refuse(Allocator *a, Agent *agent, Client *client, const Resources *resources,
                  usec_t until_usec) {
        _cleanup_(resources_freep) Resources *refused = resources_copy(resources);

        if (!refused || resources_unallocate(refused) < 0)
                return -ENOMEM;

        return refusal_add(&a->refusals, &agent->refusals, &client->refusals, refused, until_usec);
}

int allocator_recover(Allocator *a, const char *framework_id, const char *agent_id,
                      const Resources *resources, AllocatorReason reason, usec_t refuse_usec,
                      usec_t now_usec) {
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
        charges_subtract(&agent->charges, a->drf, &client->party, &amounts);

        if (duration_usec > 0 && client->subscribed && client->framework->active) {
                r = refuse(a, agent, client, resources, usec_add(now_usec, duration_usec));
                if (r < 0)
                        return r;
        }

        client_settle(a, client);
        return 0;
}

/* ---- running ---- */

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
                r = allocator_offer_agent(a, agent, offer, userdata, &n_offers);
                if (r < 0)
                        touch(a, agent);
        }
        a->running = false;

        return r < 0 ? r : n_offers;
}

usec_t allocator_next_due(const Allocator *a) {
        assert(a);

        if (a->queue || a->outage_queue)
                return 0;

        return MIN(refusal_next(&a->refusals), a->outage_due_usec);
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

        return client ? drf_share(a->drf, client->party.leaf) : 0;
}

size_t allocator_n_filters(const Allocator *a, const char *framework_id, const char *role) {
        const Framework *framework = find_framework(a, framework_id);
        const Client *client = framework ? find_client(framework, role) : NULL;

        return client ? refusal_count(&client->refusals) : 0;
}
