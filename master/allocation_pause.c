/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Allocation pause
 *
 * A new leader does not know what is used before the agents have told it. Where a quota promises
 * something to a role, or denies it more, to offer what the first agents have free could break that
 * promise. So then offers wait for most agents that are in the registry:
 *
 *     registry read, quota, agents missing ──▶ paused ──┬─ enough of them are here       ──▶ offers
 *                                                       ├─ none is missing any more
 *                                                       └─ --allocator_recovery_timeout
 *
 * Enough is --allocator_agent_recovery_factor of those that are here or may yet come. An agent that
 * is given up, or was declared gone, is none of them: nobody waits for what will not happen.
 */

#include "common/base/log.h"
#include "master/allocation.h"
#include "master/allocation_pause.h"
#include "master/master.h"
#include "master/recovered.h"

static bool is_enough_here(const Master *m) {
        double n_here = (double) node_count(&m->nodes);
        double n_hoped = n_here + (double) recovered_count(m);

        /* Rounded down, as Mesos does. */
        return recovered_count(m) == 0 ||
               n_here >= (double) (uint64_t) (m->config->allocator_recovery_factor * n_hoped);
}

static void end(Master *m, const char *why) {
        log_info("Offers are made from now on: %s", why);
        allocation_pause_stop(m);
        allocation_resume(m);
}

static int on_overdue(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        end(userdata, "agents that are still missing are waited for no longer");
        return 0;
}

int allocation_pause_start(Master *m) {
        size_t n_quotas;

        (void) registry_quota_configs(m->registry, &n_quotas);
        if (n_quotas == 0 || is_enough_here(m))
                return 0;

        log_notice("There is quota: no offers are made until most of %zu agents are back",
                   recovered_count(m));
        return sd_event_add_time(m->event, &m->allocation_pause_source, CLOCK_MONOTONIC,
                                 usec_add(master_now(m),
                                          m->config->allocator_recovery_timeout_usec),
                                 0, on_overdue, m);
}

void allocation_pause_stop(Master *m) {
        m->allocation_pause_source = sd_event_source_disable_unref(m->allocation_pause_source);
}

bool allocation_is_paused(const Master *m) {
        return m->allocation_pause_source;
}

void allocation_pause_review(Master *m) {
        if (allocation_is_paused(m) && is_enough_here(m))
                end(m, recovered_count(m) == 0 ? "no agent is missing any more" : "most agents are back");
}
