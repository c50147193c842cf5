/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The v1 views
 *
 * Every object becomes the message the v1 API defines for it. They are put together on the stack
 * out of parts that belong to the object, with only the resources made for the occasion; whoever
 * needs one that lasts gets a copy.
 */

#include "common/net/pbwire.h"
#include "master/api_view.h"
#include "master/drain.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/offer_view.h"
#include "master/task.h"

/* A time as Mesos rounds it: through a double of seconds, which shows in the last digits. */
static void time_info_init(Mesos__V1__TimeInfo *t, usec_t usec) {
        mesos__v1__time_info__init(t);
        t->nanoseconds = (int64_t) (usec_to_secs(usec) * 1e9);
}

typedef struct ResourceList {
        Mesos__V1__Resource **list;
        size_t n;
} ResourceList;

static int resource_list_init(ResourceList *l, const Resources *r) {
        *l = (ResourceList) {};
        return resources_to_pb(r, RESOURCE_FORMAT_ENDPOINT, &l->list, &l->n);
}

static void resource_list_deinit(ResourceList *l) {
        resources_free_pb(l->list, l->n);
}

/* The capabilities of a mask, built into the caller's arrays. */
static size_t capability_list(uint32_t mask, Mesos__V1__AgentInfo__Capability *items,
                              Mesos__V1__AgentInfo__Capability **list) {
        size_t n = 0;

        for (unsigned i = 1; i < 32; i++)
                if (mask & (UINT32_C(1) << i)) {
                        mesos__v1__agent_info__capability__init(&items[n]);
                        items[n].has_type = true;
                        items[n].type = i;
                        list[n] = &items[n];
                        n++;
                }

        return n;
}

int api_view_agent(Node *n, ApiAgent **ret) {
        ApiAgent a = MESOS__V1__MASTER__RESPONSE__GET_AGENTS__AGENT__INIT;
        Mesos__V1__AgentInfo__Capability items[32], *capabilities[32];
        Mesos__V1__TimeInfo registered, reregistered, drain_started;
        ResourceList total = {}, used = {}, offered = {};
        _cleanup_(resources_freep) Resources *sum = NULL;
        int r;

        r = offers_sum(n, &sum);
        if (r >= 0)
                r = resource_list_init(&total, n->total);
        if (r >= 0)
                r = resource_list_init(&used, n->used);
        if (r >= 0)
                r = resource_list_init(&offered, sum);

        if (r >= 0) {
                time_info_init(&registered, n->registered_usec);
                time_info_init(&reregistered, n->reregistered_usec);
                /* Whole seconds, as Mesos tells it here (not so in /state). */
                time_info_init(&drain_started, n->drain_started_usec / USEC_PER_SEC * USEC_PER_SEC);

                a.agent_info = n->info;
                a.active = n->active;
                a.has_deactivated = true;
                a.deactivated = n->deactivated;
                a.version = n->version;
                a.pid = n->pid.text;
                a.registered_time = &registered;
                a.reregistered_time = n->reregistered_usec > 0 ? &reregistered : NULL;
                a.total_resources = total.list;
                a.n_total_resources = total.n;
                a.allocated_resources = used.list;
                a.n_allocated_resources = used.n;
                a.offered_resources = offered.list;
                a.n_offered_resources = offered.n;
                if (n->drain_started_usec > 0)
                        a.estimated_drain_start_time = &drain_started;
                a.drain_info = (Mesos__V1__DrainInfo *) drain_find(n->master, n->id);
                a.n_capabilities = capability_list(n->capabilities, items, capabilities);
                a.capabilities = capabilities;

                *ret = (ApiAgent *) pb_copy(&a.base);
                r = *ret ? 0 : -ENOMEM;
        }

        resource_list_deinit(&total);
        resource_list_deinit(&used);
        resource_list_deinit(&offered);
        return r;
}

/* What a full view of a framework has beyond the rest. */
typedef struct FrameworkParts {
        Resources *used, *offered;
        ResourceList used_list, offered_list;
        Mesos__V1__Offer **offers;
        size_t n_offers;
        Mesos__V1__InverseOffer **inverse_offers;
        size_t n_inverse_offers;
} FrameworkParts;

static int framework_parts_add_inverse(FrameworkParts *p, const Framework *f) {
        size_t n = 0;

        for (const InverseOffer *o = f->inverse_offers; o; o = o->framework_next)
                n++;

        p->inverse_offers = calloc(n + 1, sizeof(*p->inverse_offers));
        if (!p->inverse_offers)
                return -ENOMEM;

        for (const InverseOffer *o = f->inverse_offers; o; o = o->framework_next) {
                int r = inverse_offer_to_pb(o, &p->inverse_offers[p->n_inverse_offers]);

                if (r < 0)
                        return r;
                p->n_inverse_offers++;
        }

        return 0;
}

static int framework_parts_init(FrameworkParts *p, Framework *f) {
        size_t n_offers = 0;
        int r = 0;

        *p = (FrameworkParts) { .used = resources_new(), .offered = resources_new() };
        if (!p->used || !p->offered)
                return -ENOMEM;

        for (const Task *t = f->tasks; r >= 0 && t; t = t->hh.next)
                if (t->resources)
                        r = resources_add(p->used, t->resources);
        for (const Executor *e = f->executors; r >= 0 && e; e = e->next)
                r = resources_add(p->used, e->resources);
        for (const Offer *o = f->offers; r >= 0 && o; o = o->framework_next) {
                r = resources_add(p->offered, o->resources);
                n_offers++;
        }

        p->offers = calloc(n_offers + 1, sizeof(*p->offers));
        if (!p->offers)
                return -ENOMEM;

        for (const Offer *o = f->offers; r >= 0 && o; o = o->framework_next) {
                r = offer_to_operator_pb(o, &p->offers[p->n_offers]);
                if (r >= 0)
                        p->n_offers++;
        }

        if (r >= 0)
                r = framework_parts_add_inverse(p, f);
        if (r >= 0)
                r = resource_list_init(&p->used_list, p->used);
        if (r >= 0)
                r = resource_list_init(&p->offered_list, p->offered);
        return r;
}

static void framework_parts_deinit(FrameworkParts *p) {
        for (size_t i = 0; i < p->n_offers; i++)
                pb_free(&p->offers[i]->base);
        free(p->offers);
        for (size_t i = 0; i < p->n_inverse_offers; i++)
                pb_free(&p->inverse_offers[i]->base);
        free(p->inverse_offers);
        resource_list_deinit(&p->used_list);
        resource_list_deinit(&p->offered_list);
        resources_free(p->used);
        resources_free(p->offered);
}

int api_view_framework(Framework *f, bool full, ApiFramework **ret) {
        ApiFramework x = MESOS__V1__MASTER__RESPONSE__GET_FRAMEWORKS__FRAMEWORK__INIT;
        Mesos__V1__Scheduler__OfferConstraints no_constraints =
                        MESOS__V1__SCHEDULER__OFFER_CONSTRAINTS__INIT;
        Mesos__V1__TimeInfo registered, reregistered, unregistered;
        FrameworkParts parts = {};
        int r = 0;

        time_info_init(&registered, f->registered_usec);
        time_info_init(&reregistered, f->reregistered_usec);
        time_info_init(&unregistered, f->unregistered_usec);

        x.framework_info = f->info;
        x.active = f->active;
        x.connected = f->state == FRAMEWORK_CONNECTED;
        x.recovered = f->state == FRAMEWORK_RECOVERED;
        x.registered_time = &registered;
        x.reregistered_time = &reregistered;
        x.unregistered_time = !full || f->unregistered_usec > 0 ? &unregistered : NULL;

        if (full) {
                r = framework_parts_init(&parts, f);
                x.offers = parts.offers;
                x.n_offers = parts.n_offers;
                x.inverse_offers = parts.inverse_offers;
                x.n_inverse_offers = parts.n_inverse_offers;
                x.allocated_resources = parts.used_list.list;
                x.n_allocated_resources = parts.used_list.n;
                x.offered_resources = parts.offered_list.list;
                x.n_offered_resources = parts.offered_list.n;
                x.offer_constraints = f->offer_constraints ?: &no_constraints;
        }

        if (r >= 0) {
                *ret = (ApiFramework *) pb_copy(&x.base);
                r = *ret ? 0 : -ENOMEM;
        }

        framework_parts_deinit(&parts);
        return r;
}

static void put_task(ApiWriter *w, const Task *t) {
        Mesos__V1__Task *m;
        int r;

        r = task_to_pb(t, &m);
        if (r < 0) {
                w->error = r;
                return;
        }

        api_writer_item(w, &m->base);
        pb_free(&m->base);
}

typedef void (*FrameworkVisitor)(ApiWriter *w, const Framework *f);

static void put_live(ApiWriter *w, const Framework *f) {
        for (const Task *t = f->tasks; t; t = t->hh.next)
                put_task(w, t);
}

static void put_unreachable(ApiWriter *w, const Framework *f) {
        for (const Task *t = f->unreachable_tasks; t; t = t->hh.next)
                put_task(w, t);
}

static void put_completed(ApiWriter *w, const Framework *f) {
        for (const Task *t = f->completed_tasks; t; t = t->next)
                put_task(w, t);
}

static void put_task_list(Master *m, ApiWriter *w, const char *key, unsigned field,
                          FrameworkVisitor put) {
        api_writer_list_begin(w, key, field);
        for (const Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                put(w, f);
        for (const Framework *f = m->frameworks.completed; f; f = f->next)
                put(w, f);
        api_writer_list_end(w);
}

void api_view_tasks(Master *m, ApiWriter *w) {
        put_task_list(m, w, "tasks", 2, put_live);
        put_task_list(m, w, "unreachable_tasks", 5, put_unreachable);
        put_task_list(m, w, "completed_tasks", 3, put_completed);
}

void api_view_executors(Master *m, ApiWriter *w) {
        api_writer_list_begin(w, "executors", 1);
        for (const Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->next) {
                        Mesos__V1__Master__Response__GetExecutors__Executor x =
                                MESOS__V1__MASTER__RESPONSE__GET_EXECUTORS__EXECUTOR__INIT;

                        x.executor_info = e->info;
                        x.agent_id = e->node->info->id;
                        api_writer_item(w, &x.base);
                }
        api_writer_list_end(w);
}

static void put_framework(ApiWriter *w, Framework *f) {
        ApiFramework *x;
        int r;

        r = api_view_framework(f, true, &x);
        if (r < 0) {
                w->error = r;
                return;
        }

        api_writer_item(w, &x->base);
        pb_free(&x->base);
}

void api_view_frameworks(Master *m, ApiWriter *w) {
        api_writer_list_begin(w, "frameworks", 1);
        for (Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                put_framework(w, f);
        api_writer_list_end(w);

        api_writer_list_begin(w, "completed_frameworks", 2);
        for (Framework *f = m->frameworks.completed; f; f = f->next)
                put_framework(w, f);
        api_writer_list_end(w);
}

void api_view_agents(Master *m, ApiWriter *w) {
        api_writer_list_begin(w, "agents", 1);
        for (Node *n = m->nodes.by_id; n; n = n->hh.next) {
                ApiAgent *a;
                int r;

                r = api_view_agent(n, &a);
                if (r < 0) {
                        w->error = r;
                        continue;
                }

                api_writer_item(w, &a->base);
                pb_free(&a->base);
        }
        api_writer_list_end(w);

        api_writer_list_begin(w, "recovered_agents", 2);
        for (const RecoveredAgent *a = m->recovered.by_id; a; a = a->hh.next)
                api_writer_item(w, &a->info->base);
        api_writer_list_end(w);
}

void api_view_state(Master *m, ApiWriter *w) {
        static const struct {
                const char *key;
                unsigned field;
                void (*view)(Master *m, ApiWriter *w);
        } parts[] = {
                { "get_tasks", 1, api_view_tasks },
                { "get_executors", 2, api_view_executors },
                { "get_frameworks", 3, api_view_frameworks },
                { "get_agents", 4, api_view_agents },
        };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                ApiWriter inner;

                api_writer_init(&inner, w->type);
                parts[i].view(m, &inner);
                api_writer_nested(w, parts[i].key, parts[i].field, &inner);
        }
}
