/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Unavailability
 *
 * While the host of an agent is in the maintenance schedule, its offers carry the time it will be
 * away, and each framework that uses it has an inverse offer, or has answered one. A changed
 * schedule takes all of them back first: whatever a framework decided, it decided on old facts.
 *
 *     schedule ──▶ unavailability_set() ──▶ offers, inverse offers rescinded ──▶ allocator
 *                                                  OFFERS, INVERSE_OFFERS ◀──────────┘
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/model/filters.h"
#include "common/net/pbwire.h"
#include "master/allocation.h"
#include "master/departure.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/scheduler_event.h"
#include "master/unavailability.h"

static bool is_same(const Mesos__V1__Unavailability *a, const Mesos__V1__Unavailability *b) {
        return a && b ? pb_equal(&a->base, &b->base) : a == b;
}

void unavailability_set(Node *n, const Mesos__V1__Unavailability *u) {
        Mesos__V1__Unavailability *copy = NULL;

        if (is_same(n->unavailability, u))
                return;

        if (u) {
                copy = (Mesos__V1__Unavailability *) pb_copy(&u->base);
                if (!copy) {
                        log_oom();
                        return;
                }
        }

        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Agent '%s' at %s (%s) %s", n->id,
                     n->pid.text, n->info->hostname,
                     u ? "is to be away for maintenance" : "is not to be away any more");

        departure_return_node_offers(n, true);
        if (n->unavailability)
                pb_free(&n->unavailability->base);
        n->unavailability = copy;
        allocation_set_outage(n, u);
}

static void withdraw(InverseOffer *o, bool rescind) {
        allocation_withdraw_question(o->framework, o->node);
        if (rescind)
                scheduler_send_rescind_inverse(o->framework, o->id);

        inverse_offer_free(o);
}

void unavailability_withdraw_node(Node *n, bool rescind) {
        InverseOffer *o, *next;

        DL_FOREACH_SAFE2(n->inverse_offers, o, next, node_next)
                withdraw(o, rescind);
}

void unavailability_withdraw_framework(Framework *f, bool rescind) {
        InverseOffer *o, *next;

        DL_FOREACH_SAFE2(f->inverse_offers, o, next, framework_next)
                withdraw(o, rescind);
}

static int on_overdue(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        withdraw(userdata, true);
        return 0;
}

static int start_timeout(Master *m, InverseOffer *o) {
        if (m->config->offer_timeout_usec == USEC_INFINITY)
                return 0;

        return sd_event_add_time(m->event, &o->timeout_source, CLOCK_MONOTONIC,
                                 usec_add(master_now(m), m->config->offer_timeout_usec), 0,
                                 on_overdue, o);
}

/* The questions of one run. */
typedef struct Round {
        Master *master;
        InverseOffer **offers;
        size_t n_offers, n_allocated;
} Round;

static int round_add(Round *round, const char *framework_id, const char *agent_id) {
        Master *m = round->master;
        Framework *f = framework_find(&m->frameworks, framework_id);
        Node *n = node_find(&m->nodes, agent_id);
        InverseOffer *o;
        int r;

        if (!f || !n || !n->unavailability)
                return -ESTALE;

        if (round->n_offers == round->n_allocated) {
                size_t n_more = MAX(round->n_allocated * 2, (size_t) 16);
                InverseOffer **p = reallocarray(round->offers, n_more, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                round->offers = p;
                round->n_allocated = n_more;
        }

        r = inverse_offer_new(&m->inverse_offers, m->id, m->offers.next_number++, f, n, &o);
        if (r < 0)
                return r;
        round->offers[round->n_offers++] = o;

        return start_timeout(m, o);
}

static void on_asked(const char *framework_id, const char *agent_id, void *userdata) {
        int r;

        r = round_add(userdata, framework_id, agent_id);
        if (r < 0)
                log_error_errno(r, "Cannot ask framework '%s' about agent '%s', ignoring: %m",
                                framework_id, agent_id);
}

/* By framework, and by age within. */
static int compare(const void *a, const void *b) {
        const InverseOffer *x = *(InverseOffer *const *) a, *y = *(InverseOffer *const *) b;

        if (x->framework != y->framework)
                return x->framework < y->framework ? -1 : 1;

        return x->number < y->number ? -1 : x->number > y->number;
}

void unavailability_ask(Master *m) {
        Round round = { .master = m };
        size_t end;
        int r;

        r = allocator_run_outages(m->allocator, master_now(m), on_asked, &round);
        if (r < 0)
                log_error_errno(r, "Allocator: %m");

        if (round.n_offers > 0)
                qsort(round.offers, round.n_offers, sizeof(*round.offers), compare);

        for (size_t begin = 0; begin < round.n_offers; begin = end) {
                for (end = begin; end < round.n_offers; end++)
                        if (round.offers[end]->framework != round.offers[begin]->framework)
                                break;

                scheduler_send_inverse_offers(round.offers[begin]->framework, round.offers + begin,
                                              end - begin);
        }

        free(round.offers);
}

void unavailability_answer(Framework *f, Mesos__V1__OfferID *const *ids, size_t n_ids,
                           OutageAnswer answer, const Mesos__V1__Filters *filters) {
        for (size_t i = 0; i < n_ids; i++) {
                InverseOffer *o = inverse_offer_find(&f->master->inverse_offers, ids[i]->value);

                if (!o || o->framework != f) {
                        log_debug("Framework '%s' answers inverse offer '%s', which it does not "
                                  "have",
                                  f->id, ids[i]->value);
                        continue;
                }

                allocation_answer(f, o->node, answer, filters);
                inverse_offer_free(o);
        }
}
