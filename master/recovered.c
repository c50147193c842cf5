/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Recovered agents
 *
 * A master that begins to lead knows from the registry which agents there are, and nothing of what
 * they run until they come. Until then each is "recovered": nobody is told anything about tasks that
 * may be there.
 *
 *     registry ──▶ recovered ── reregisters ──────────────────────────────▶ a Node
 *                      │
 *                      └── --agent_reregister_timeout ──▶ (limiter) ──▶ unreachable
 *
 * When so many stay away that it is more likely our fault than theirs we rather end, and leave it to
 * an operator: --recovery_agent_removal_limit.
 */

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/allocation_pause.h"
#include "master/departure.h"
#include "master/master.h"
#include "master/recovered.h"
#include "master/registration.h"

RecoveredAgent *recovered_find(const Master *m, const char *agent_id) {
        RecoveredAgent *a;

        HASH_FIND_STR(m->recovered.by_id, agent_id, a);
        return a;
}

size_t recovered_count(const Master *m) {
        return HASH_COUNT(m->recovered.by_id);
}

static void forget(RecoveredAgent *a) {
        HASH_DELETE(hh, a->master->recovered.by_id, a);
        (void) removal_ticket_cancel(&a->removal);
        pb_free(&a->info->base);
        free(a);
}

void recovered_forget(Master *m, const char *agent_id) {
        RecoveredAgent *a = recovered_find(m, agent_id);

        if (!a)
                return;

        if (removal_ticket_is_waiting(&a->removal))
                metrics_count(m, COUNTER_SLAVE_UNREACHABLE_CANCELED);
        forget(a);
        allocation_pause_review(m);
}

/* One that is just being let in again is not given up. */
static void on_removal_turn(void *userdata) {
        RecoveredAgent *a = userdata;
        Master *m = a->master;

        if (registration_is_pending(m, a->info->id->value))
                metrics_count(m, COUNTER_SLAVE_UNREACHABLE_CANCELED);
        else
                departure_give_up_recovered(m, a->info->id->value);
}

static void give_up(RecoveredAgent *a) {
        Master *m = a->master;
        int r;

        metrics_count(m, COUNTER_SLAVE_UNREACHABLE_SCHEDULED);
        r = removal_limiter_queue(m->removal_limiter, &a->removal, on_removal_turn, a);
        if (r < 0)
                master_fail(m, r, "Cannot start a timer");
}

/* True when we may go on. */
static bool limit_holds(Master *m) {
        size_t n = recovered_count(m), n_start = m->recovered.n_at_start;
        char timeout[USEC_TEXT_MAX];
        double percent;

        if (n == 0)
                return true;

        percent = 100.0 * (double) n / (double) n_start;
        if (percent <= m->config->recovery_agent_removal_limit_percent)
                return true;

        log_error("Post-recovery agent removal limit exceeded: %s after this master began to lead "
                  "%zu of %zu agents (%.4g%%) are not back, and --recovery_agent_removal_limit is "
                  "%.4g%%. Look for what keeps them away, or raise the limit",
                  usec_format(m->config->agent_reregister_timeout_usec, timeout), n, n_start, percent,
                  m->config->recovery_agent_removal_limit_percent);
        return false;
}

static int on_overdue(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Master *m = userdata;
        RecoveredAgent *a, *next;

        if (!limit_holds(m)) {
                master_fail(m, -ECANCELED, "Too many agents stay away");
                return 0;
        }

        m->recovered.is_overdue = true;
        HASH_ITER(hh, m->recovered.by_id, a, next)
                give_up(a);

        return 0;
}

void recovered_stays_out(Master *m, const char *agent_id) {
        RecoveredAgent *a = recovered_find(m, agent_id);

        if (a && m->recovered.is_overdue && !removal_ticket_is_waiting(&a->removal))
                give_up(a);
}

static int add(Master *m, const Mesos__V1__AgentInfo *info) {
        RecoveredAgent *a;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;

        a->info = (Mesos__V1__AgentInfo *) pb_copy(&info->base);
        if (!a->info) {
                free(a);
                return -ENOMEM;
        }

        a->master = m;
        HASH_ADD_KEYPTR(hh, m->recovered.by_id, a->info->id->value, strlen(a->info->id->value), a);
        return 0;
}

static int on_registered(const RegistrySlave *agent, void *userdata) {
        return add(userdata, agent->info);
}

int recovered_start(Master *m) {
        RecoveredTable *t = &m->recovered;
        int r;

        r = registry_foreach_agent(m->registry, on_registered, m);
        if (r < 0)
                return r;

        t->n_at_start = recovered_count(m);
        log_info("Recovered %zu agents from the registry", t->n_at_start);
        if (t->n_at_start == 0)
                return 0;

        r = sd_event_add_time(m->event, &t->overdue_source, CLOCK_MONOTONIC,
                              usec_add(master_now(m), m->config->agent_reregister_timeout_usec), 0,
                              on_overdue, m);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(t->overdue_source, "recovered-overdue");
        return 0;
}

void recovered_stop(Master *m) {
        RecoveredAgent *a, *next;

        HASH_ITER(hh, m->recovered.by_id, a, next)
                forget(a);
        m->recovered.overdue_source = sd_event_source_disable_unref(m->recovered.overdue_source);
}
