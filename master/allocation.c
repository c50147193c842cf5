/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Allocation
 *
 * The allocator is pure: it decides when asked and does nothing by itself. Here it meets the loop.
 * Whatever the master tells it arms a timer for when it next has something to do; when that comes,
 * it runs, its decisions become offers, and each framework gets its offers in one event:
 *
 *     task ended ──▶ allocation_free() ──▶ timer (at once) ──▶ allocator_run() ──▶ OFFERS
 *
 * The run is a turn of the loop of its own, so that what belongs together (twenty tasks of one
 * acknowledged ACCEPT) has happened before anybody is offered the half of it.
 */

#include <math.h>

#include "common/base/log.h"
#include "common/model/filters.h"
#include "master/allocation.h"
#include "master/allocation_pause.h"
#include "master/departure.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/minimum.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/scheduler_event.h"
#include "master/unavailability.h"

static void schedule(Master *m) {
        usec_t due_usec = allocator_next_due(m->allocator);

        if (!m->allocation_source)
                return;

        if (due_usec == USEC_INFINITY || allocation_is_paused(m)) {
                (void) sd_event_source_set_enabled(m->allocation_source, SD_EVENT_OFF);
                return;
        }

        if (due_usec == 0 && m->allocation_wanted_usec == 0)
                m->allocation_wanted_usec = usec_now(CLOCK_MONOTONIC);

        (void) sd_event_source_set_time(m->allocation_source, due_usec);
        (void) sd_event_source_set_enabled(m->allocation_source, SD_EVENT_ONESHOT);
}

/* After each change: the allocator may have something to do. Its own complaints are bugs of ours or
 * ENOMEM. */
static void changed(Master *m, int r, const char *what, const char *id) {
        if (r < 0)
                log_error_errno(r, "Allocator: cannot %s '%s', ignoring: %m", what, id);
        else if (r > 0)
                log_debug("Allocator: cannot %s '%s' (%d)", what, id, r);

        schedule(m);
}

/* The offers of one run, in the order they were decided. */
typedef struct Round {
        Master *master;
        Offer **offers;
        size_t n_offers, n_allocated;
} Round;

static int on_offer_overdue(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        departure_return_offer(userdata, true);
        return 0;
}

static int start_offer_timeout(Master *m, Offer *o) {
        if (m->config->offer_timeout_usec == USEC_INFINITY)
                return 0;

        return sd_event_add_time(m->event, &o->timeout_source, CLOCK_MONOTONIC,
                                 usec_add(master_now(m), m->config->offer_timeout_usec), 0,
                                 on_offer_overdue, o);
}

static int round_add(Round *round, const char *framework_id, const char *role, Node *n,
                     Resources **offered) {
        Master *m = round->master;
        Framework *f = framework_find(&m->frameworks, framework_id);
        Offer *o;
        int r;

        if (!f)
                return -ESTALE;

        if (round->n_offers == round->n_allocated) {
                size_t n_more = MAX(round->n_allocated * 2, (size_t) 16);
                Offer **p = reallocarray(round->offers, n_more, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                round->offers = p;
                round->n_allocated = n_more;
        }

        r = offer_new(&m->offers, m->id, f, n, role, *offered, &o);
        if (r < 0)
                return r;
        *offered = NULL;
        round->offers[round->n_offers++] = o;

        return start_offer_timeout(m, o);
}

static bool is_not_scalar(const ResourceView *v, void *userdata _unused_) {
        return !v->scalar;
}

static bool is_any(const ResourceView *v _unused_, void *userdata _unused_) {
        return true;
}

/* Ports and the like first, as Mesos lists an offer, and names what
 * is left of it in its messages. */
static Resources *in_offer_order(Resources *r) {
        _cleanup_(resources_freep) Resources *ordered = resources_new();

        if (!ordered || resources_move(ordered, r, is_not_scalar, NULL) < 0 ||
            resources_move(ordered, r, is_any, NULL) < 0)
                return NULL;

        return TAKE_PTR(ordered);
}

static void on_offer(const char *framework_id, const char *role, const char *agent_id,
                     void *agent_owner, Resources *offered, void *userdata) {
        _cleanup_(resources_freep) Resources *decided = offered;
        _cleanup_(resources_freep) Resources *owned = in_offer_order(decided);
        int r;

        r = owned ? round_add(userdata, framework_id, role, agent_owner, &owned) : -ENOMEM;
        if (r < 0)
                log_error_errno(r, "Cannot offer agent '%s' to framework '%s', ignoring: %m",
                                agent_id, framework_id);
}

/* By framework, and by age within: their numbers were given in the order of decision. */
static int compare_offers(const void *a, const void *b) {
        const Offer *x = *(Offer *const *) a, *y = *(Offer *const *) b;

        if (x->framework != y->framework)
                return x->framework < y->framework ? -1 : 1;

        return x->number < y->number ? -1 : x->number > y->number;
}

static void send_offers(Round *round) {
        size_t end;

        qsort(round->offers, round->n_offers, sizeof(*round->offers), compare_offers);

        for (size_t begin = 0; begin < round->n_offers; begin = end) {
                for (end = begin; end < round->n_offers; end++)
                        if (round->offers[end]->framework != round->offers[begin]->framework)
                                break;

                scheduler_send_offers(round->offers[begin]->framework, round->offers + begin,
                                      end - begin);
        }
}

static int on_allocation_due(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Master *m = userdata;
        Round round = { .master = m };
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);
        int r;

        if (m->allocation_wanted_usec > 0)
                metrics_add_sample(&m->metrics.allocation_run_latency,
                                   usec_sub(begin_usec, m->allocation_wanted_usec));
        m->allocation_wanted_usec = 0;

        r = allocator_run(m->allocator, master_now(m), on_offer, &round);
        if (r < 0)
                log_error_errno(r, "Allocator: %m");

        if (round.n_offers > 0)
                send_offers(&round);
        free(round.offers);
        unavailability_ask(m);

        metrics_add_sample(&m->metrics.allocation_run,
                           usec_sub(usec_now(CLOCK_MONOTONIC), begin_usec));
        schedule(m);
        return 0;
}

int allocation_start(Master *m) {
        int r;

        r = allocator_new(&m->config->allocator, &m->allocator);
        if (r < 0)
                return r;

        r = sd_event_add_time(m->event, &m->allocation_source, CLOCK_MONOTONIC, 0, 1,
                              on_allocation_due, m);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(m->allocation_source, "allocation");
        schedule(m);
        return 0;
}

void allocation_resume(Master *m) {
        schedule(m);
}

void allocation_stop(Master *m) {
        m->allocation_source = sd_event_source_disable_unref(m->allocation_source);
        m->allocator = allocator_free(m->allocator);
}

static unsigned framework_capabilities(const Framework *f) {
        static const struct {
                Mesos__V1__FrameworkInfo__Capability__Type wire;
                AllocatorCapability ours;
        } table[] = {
                { MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__REVOCABLE_RESOURCES,
                  ALLOCATOR_REVOCABLE_RESOURCES },
                { MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__GPU_RESOURCES,
                  ALLOCATOR_GPU_RESOURCES },
                { MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__SHARED_RESOURCES,
                  ALLOCATOR_SHARED_RESOURCES },
                { MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
                  ALLOCATOR_RESERVATION_REFINEMENT },
                { MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__REGION_AWARE,
                  ALLOCATOR_REGION_AWARE },
        };
        unsigned capabilities = 0;

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (framework_has_capability(f, table[i].wire))
                        capabilities |= table[i].ours;

        return capabilities;
}

/* A role's own minimums, from FrameworkInfo.offer_filters. */
static int role_minimums(const Mesos__V1__OfferFilters__MinAllocatableResources *min,
                         Minimums **ret) {
        _cleanup_(minimums_freep) Minimums *m = minimums_new();
        int r = m ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < min->n_quantities; i++) {
                const Mesos__V1__OfferFilters__ResourceQuantities *q = min->quantities[i];

                r = minimums_add_set(m);
                for (size_t j = 0; r >= 0 && j < q->n_quantities; j++)
                        r = minimums_add(m, q->quantities[j]->key ?: "",
                                         q->quantities[j]->value
                                                         ? llround(q->quantities[j]->value->value *
                                                                   1000)
                                                         : 0);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

static void roles_free(AllocatorRole *roles, size_t n) {
        for (size_t i = 0; i < n; i++)
                minimums_free((Minimums *) roles[i].minimums);
        free(roles);
}

static int role_init(const Framework *f, const char *name, AllocatorRole *role) {
        *role = (AllocatorRole) { .name = name, .suppressed = framework_is_suppressed(f, name) };

        for (size_t i = 0; i < f->info->n_offer_filters; i++) {
                const Mesos__V1__FrameworkInfo__OfferFiltersEntry *entry =
                                f->info->offer_filters[i];
                Minimums *minimums = NULL;
                int r;

                if (!streq(entry->key ?: "", name) || !entry->value ||
                    !entry->value->min_allocatable_resources)
                        continue;

                r = role_minimums(entry->value->min_allocatable_resources, &minimums);
                role->minimums = minimums;
                return r;
        }

        return 0;
}

void allocation_put_framework(Framework *f) {
        Master *m = f->master;
        AllocatorRole *roles;
        size_t n = 0;
        int r = 0;

        roles = calloc(MAX(f->n_roles, (size_t) 1), sizeof(*roles));
        if (!roles) {
                log_oom();
                return;
        }

        while (r >= 0 && n < f->n_roles) {
                r = role_init(f, f->roles[n], &roles[n]);
                n++;
        }

        if (r >= 0) {
                AllocatorFramework info = {
                        .capabilities = framework_capabilities(f),
                        .roles = roles,
                        .n_roles = n,
                };

                r = allocator_framework_add(m->allocator, f->id, &info);
                if (r == ALLOCATOR_E_EXISTS)
                        r = allocator_framework_update(m->allocator, f->id, &info);
                if (r >= 0)
                        r = f->active ? allocator_framework_activate(m->allocator, f->id)
                                      : allocator_framework_deactivate(m->allocator, f->id);
        }

        roles_free(roles, n);
        changed(m, r, "add framework", f->id);
}

void allocation_deactivate_framework(Framework *f) {
        changed(f->master, allocator_framework_deactivate(f->master->allocator, f->id),
                "deactivate framework", f->id);
}

void allocation_remove_framework(Framework *f) {
        changed(f->master, allocator_framework_remove(f->master->allocator, f->id),
                "remove framework", f->id);
}

void allocation_suppress(Framework *f, const char *role) {
        changed(f->master, allocator_suppress(f->master->allocator, f->id, role),
                "suppress framework", f->id);
}

void allocation_revive(Framework *f, const char *role) {
        changed(f->master, allocator_revive(f->master->allocator, f->id, role), "revive framework",
                f->id);
}

void allocation_add_node(Node *n) {
        changed(n->master, allocator_agent_add(n->master->allocator, n->id, n->total, false, n),
                "add agent", n->id);
}

void allocation_activate_node(Node *n) {
        changed(n->master, allocator_agent_activate(n->master->allocator, n->id), "activate agent",
                n->id);
}

void allocation_deactivate_node(Node *n) {
        changed(n->master, allocator_agent_deactivate(n->master->allocator, n->id),
                "deactivate agent", n->id);
}

void allocation_remove_node(Node *n) {
        changed(n->master, allocator_agent_remove(n->master->allocator, n->id), "remove agent",
                n->id);
}

void allocation_update_node(Node *n) {
        int r;

        r = allocator_agent_set_total(n->master->allocator, n->id, n->total);
        if (r >= 0)
                r = allocator_agent_clear_filters(n->master->allocator, n->id);
        changed(n->master, r, "update agent", n->id);
}

void allocation_charge(Framework *f, Node *n, const Resources *resources) {
        changed(n->master, allocator_charge(n->master->allocator, f->id, n->id, resources),
                "charge framework", f->id);
}

void allocation_free(Framework *f, Node *n, const Resources *resources) {
        Master *m = n->master;

        changed(m,
                allocator_recover(m->allocator, f->id, n->id, resources, ALLOCATOR_FREED, 0,
                                  master_now(m)),
                "recover from agent", n->id);
}

void allocation_decline(Framework *f, Node *n, const Resources *resources, AllocatorReason reason,
                        const Mesos__V1__Filters *filters) {
        Master *m = n->master;

        if (resources_is_empty(resources))
                return;

        changed(m,
                allocator_recover(m->allocator, f->id, n->id, resources, reason,
                                  filters_refuse_usec(filters), master_now(m)),
                "recover from agent", n->id);
}

void allocation_set_outage(Node *n, const Mesos__V1__Unavailability *u) {
        changed(n->master, allocator_agent_set_outage(n->master->allocator, n->id, u),
                "announce agent", n->id);
}

void allocation_answer(Framework *f, Node *n, OutageAnswer answer,
                       const Mesos__V1__Filters *filters) {
        Master *m = n->master;

        changed(m,
                allocator_outage_answer(m->allocator, f->id, n->id, answer, master_wall_clock(m),
                                        filters_refuse_usec(filters), master_now(m)),
                "take the answer of framework", f->id);
}

void allocation_withdraw_question(Framework *f, Node *n) {
        changed(n->master, allocator_outage_withdraw(n->master->allocator, f->id, n->id),
                "take back what was asked of framework", f->id);
}
