/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One agent offered around
 *
 * The frameworks are asked in the order of their shares. What one could have is worked out once for
 * all that are alike, since in large clusters most of them only say that they refused it before.
 * Shares change when the walk is over, so its order is that of its beginning.
 */

#include "common/model/role.h"
#include "master/allocator_parts.h"

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
        if (agent->stock.gpus && !a->offer_gpus_to_all &&
            !(framework->capabilities & ALLOCATOR_GPU_RESOURCES))
                return false;
        if (agent->remote_region && !(framework->capabilities & ALLOCATOR_REGION_AWARE))
                return false;

        return true;
}

static bool is_like(const Walk *w, const Client *client) {
        if (!w->like)
                return false;

        return w->agent->stock.plain ||
               (w->like->framework->capabilities == client->framework->capabilities &&
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
        w->offer(client->framework->id, client->role, w->agent->id, w->agent->owner, offered,
                 w->userdata);
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
                int k = charges_add(&agent->charges, a->drf, &a->grants[i].client->party,
                                    &a->grants[i].amounts);

                r = r < 0 ? r : k;
        }

        if (a->n_grants > 0)
                allocator_outage_touch(a, agent);
        a->n_grants = 0;
        return r;
}

int allocator_offer_agent(Allocator *a, Agent *agent, AllocatorOffer offer, void *userdata,
                          int *n_offers) {
        Walk w = { .a = a, .agent = agent, .offer = offer, .userdata = userdata };
        int r;

        drf_walk(a->drf, walk_visit, &w);
        walk_forget(&w);
        *n_offers += w.n_offers;

        r = settle_grants(a, agent);
        return w.error < 0 ? w.error : r;
}
