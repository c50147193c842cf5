/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Refusals (Mesos calls them offer filters)
 *
 * A framework that declines resources of an agent is not offered the same, or less, of that agent
 * for a while. In a large cluster where most frameworks are idle, refusals are what there is most
 * of: every agent refused by everybody. So they are small, and asking is cheap:
 *
 *     RefusalAgent ──▶ [ Refusal Refusal … ]     sorted by client's serial: found by binary search
 *          │              │ │
 *          │              │ └──▶ RefusalClient   a list, to drop them at REVIVE
 *          │              ▼
 *          └────▶ Refused (bag)                  all who declined the same share one bag, and the
 *                                                answer to "does it cover the candidate?"
 *     RefusalQueue ──▶ heap by end               one timer for all
 *
 * A client may hold several refusals of an agent, of different bags; one that is covered by a newer
 * and longer one is replaced, and there are at most REFUSALS_PER_CLIENT.
 */

#include <utlist.h>

#include "master/refusal.h"

#define REFUSALS_PER_CLIENT 8

struct Refused {
        Refused *prev;
        Refused *next;
        unsigned n_refs;
        Resources *resources;      /* owned */
        uint64_t version;          /* of the candidate that `covers` is about */
        bool covers;
};

struct Refusal {
        RefusalAgent *agent;
        RefusalClient *client;
        Refused *refused;
        Refusal *prev;             /* of the client's list */
        Refusal *next;
        size_t heap_index;
        usec_t until_usec;
};

void refusal_queue_deinit(RefusalQueue *q) {
        assert(q->n == 0);
        free(q->heap);
        *q = (RefusalQueue) {};
}

static void heap_put(RefusalQueue *q, size_t i, Refusal *r) {
        q->heap[i] = r;
        r->heap_index = i;
}

static void heap_up(RefusalQueue *q, size_t i) {
        Refusal *r = q->heap[i];

        while (i > 0 && q->heap[(i - 1) / 2]->until_usec > r->until_usec) {
                heap_put(q, i, q->heap[(i - 1) / 2]);
                i = (i - 1) / 2;
        }

        heap_put(q, i, r);
}

static void heap_down(RefusalQueue *q, size_t i) {
        Refusal *r = q->heap[i];

        for (size_t child; (child = 2 * i + 1) < q->n; i = child) {
                if (child + 1 < q->n && q->heap[child + 1]->until_usec < q->heap[child]->until_usec)
                        child++;
                if (q->heap[child]->until_usec >= r->until_usec)
                        break;

                heap_put(q, i, q->heap[child]);
        }

        heap_put(q, i, r);
}

static void heap_remove(RefusalQueue *q, const Refusal *r) {
        size_t i = r->heap_index;
        Refusal *last = q->heap[--q->n];

        if (last == r)
                return;

        heap_put(q, i, last);
        heap_up(q, i);
        heap_down(q, last->heap_index);
}

/* Index of the first refusal whose client's serial is not below. */
static size_t find_first(const RefusalAgent *agent, uint64_t serial) {
        size_t low = 0, high = agent->n;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (agent->slots[middle].serial < serial)
                        low = middle + 1;
                else
                        high = middle;
        }

        return low;
}

static void refused_unref(RefusalAgent *agent, Refused *refused) {
        if (--refused->n_refs > 0)
                return;

        DL_DELETE(agent->refused, refused);
        resources_free(refused->resources);
        free(refused);
}

static int refused_get(RefusalAgent *agent, const Resources *resources, Refused **ret) {
        Refused *refused;

        DL_FOREACH(agent->refused, refused)
                if (resources_equal(refused->resources, resources)) {
                        refused->n_refs++;
                        *ret = refused;
                        return 0;
                }

        refused = malloc(sizeof(*refused));
        if (!refused)
                return -ENOMEM;

        *refused = (Refused) { .n_refs = 1, .resources = resources_copy(resources) };
        if (!refused->resources) {
                free(refused);
                return -ENOMEM;
        }

        DL_APPEND(agent->refused, refused);
        *ret = refused;
        return 0;
}

/* Takes it out of everything but its agent's array, and frees it. */
static void refusal_free(RefusalQueue *q, Refusal *r) {
        heap_remove(q, r);
        DL_DELETE(r->client->items, r);
        refused_unref(r->agent, r->refused);
        free(r);
}

static void remove_at(RefusalQueue *q, RefusalAgent *agent, size_t i) {
        Refusal *r = agent->slots[i].refusal;

        agent->n--;
        memmove(&agent->slots[i], &agent->slots[i + 1], (agent->n - i) * sizeof(RefusalSlot));
        refusal_free(q, r);
}

static size_t find_refusal(const Refusal *r) {
        size_t i = find_first(r->agent, r->client->serial);

        while (r->agent->slots[i].refusal != r)
                i++;

        return i;
}

/* Room for one more in both arrays. */
static int reserve(RefusalQueue *q, RefusalAgent *agent) {
        if (q->n == q->n_allocated) {
                size_t n = q->n_allocated > 0 ? 2 * q->n_allocated : 16;
                Refusal **heap = reallocarray(q->heap, n, sizeof(*heap));

                if (!heap)
                        return -ENOMEM;

                q->heap = heap;
                q->n_allocated = n;
        }

        if (agent->n == agent->n_allocated) {
                size_t n = agent->n_allocated > 0 ? 2 * agent->n_allocated : 4;
                RefusalSlot *slots = reallocarray(agent->slots, n, sizeof(*slots));

                if (!slots)
                        return -ENOMEM;

                agent->slots = slots;
                agent->n_allocated = n;
        }

        return 0;
}

/*
 * Makes room among the client's refusals: drops what the new one makes idle, and the first to end
 * if too many.
 */
static void thin_out(RefusalQueue *q, RefusalAgent *agent, const RefusalClient *client,
                     const Refused *refused, usec_t until_usec) {
        size_t first = find_first(agent, client->serial), n = 0, soonest = first;

        for (size_t i = first; i < agent->n && agent->slots[i].serial == client->serial;) {
                Refusal *r = agent->slots[i].refusal;

                if (r->until_usec <= until_usec &&
                    resources_contains(refused->resources, r->refused->resources)) {
                        remove_at(q, agent, i);
                        continue;
                }

                if (n == 0 || r->until_usec < agent->slots[soonest].refusal->until_usec)
                        soonest = i;
                n++;
                i++;
        }

        if (n >= REFUSALS_PER_CLIENT)
                remove_at(q, agent, soonest);
}

int refusal_add(RefusalQueue *q, RefusalAgent *agent, RefusalClient *client,
                const Resources *resources, usec_t until_usec) {
        Refused *refused;
        Refusal *r;
        size_t i;

        if (reserve(q, agent) < 0 || refused_get(agent, resources, &refused) < 0)
                return -ENOMEM;

        r = malloc(sizeof(*r));
        if (!r) {
                refused_unref(agent, refused);
                return -ENOMEM;
        }

        thin_out(q, agent, client, refused, until_usec);

        *r = (Refusal) {
                .agent = agent, .client = client, .refused = refused, .until_usec = until_usec
        };
        DL_APPEND(client->items, r);

        i = find_first(agent, client->serial);
        memmove(&agent->slots[i + 1], &agent->slots[i], (agent->n - i) * sizeof(RefusalSlot));
        agent->slots[i] = (RefusalSlot) { client->serial, refused, r };
        agent->n++;

        heap_put(q, q->n, r);
        heap_up(q, q->n++);
        return 0;
}

static bool refused_covers(Refused *refused, const Resources *candidate, uint64_t version) {
        if (refused->version != version) {
                refused->version = version;
                refused->covers = resources_contains(refused->resources, candidate);
        }

        return refused->covers;
}

bool refusal_covers(const RefusalAgent *agent, const RefusalClient *client,
                    const Resources *candidate, uint64_t version) {
        assert(version > 0);

        for (size_t i = find_first(agent, client->serial);
             i < agent->n && agent->slots[i].serial == client->serial; i++)
                if (refused_covers(agent->slots[i].refused, candidate, version))
                        return true;

        return false;
}

size_t refusal_count(const RefusalClient *client) {
        const Refusal *refusal;
        size_t n = 0;

        DL_FOREACH(client->items, refusal)
                n++;

        return n;
}

void refusal_drop_agent(RefusalQueue *q, RefusalAgent *agent) {
        for (size_t i = 0; i < agent->n; i++)
                refusal_free(q, agent->slots[i].refusal);

        free(agent->slots);
        agent->slots = NULL;
        agent->n = agent->n_allocated = 0;
}

void refusal_drop_client(RefusalQueue *q, RefusalClient *client,
                         void (*dropped)(void *owner, void *userdata), void *userdata) {
        while (client->items) {
                RefusalAgent *agent = client->items->agent;

                remove_at(q, agent, find_refusal(client->items));
                if (dropped)
                        dropped(agent->owner, userdata);
        }
}

usec_t refusal_next(const RefusalQueue *q) {
        return q->n > 0 ? q->heap[0]->until_usec : USEC_INFINITY;
}

void *refusal_expire(RefusalQueue *q, usec_t now_usec) {
        RefusalAgent *agent;

        if (refusal_next(q) > now_usec)
                return NULL;

        agent = q->heap[0]->agent;
        remove_at(q, agent, find_refusal(q->heap[0]));
        return agent->owner;
}
