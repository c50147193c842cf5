/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Failover of a scheduler
 *
 * While a framework has no scheduler its tasks run on, for as long as it asked for in its
 * description; then it is removed, and its tasks end with it.
 *
 *     stream broke               failover_timeout from then on
 *     agents told a new master   failover_timeout from then on, but not less than agents have to come
 *     of it (RECOVERED)          back after a failover of the master: --agent_reregister_timeout
 *
 * The second row has a bound from below because the scheduler did nothing wrong: it was the master
 * that went away, and with the default timeout of 0 the first agent to return would end all of the
 * framework's tasks. Agents that were away for a while may describe the framework as it was earlier,
 * so the longest timeout that any of them tells counts.
 */

#include "common/base/log.h"
#include "master/departure.h"
#include "master/failover.h"
#include "master/framework.h"
#include "master/master.h"

static int on_overdue(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Framework *f = userdata;

        departure_remove_framework(f, f->state == FRAMEWORK_RECOVERED
                                                      ? "it did not subscribe with this master in time"
                                                      : "it did not return within its failover timeout");
        return 0;
}

static usec_t deadline_usec(const Framework *f) {
        usec_t timeout_usec = f->failover_timeout_usec;

        if (f->state == FRAMEWORK_RECOVERED)
                timeout_usec = MAX(timeout_usec, f->master->config->agent_reregister_timeout_usec);

        return usec_add(f->away_since_usec, timeout_usec);
}

void failover_begin(Framework *f) {
        Master *m = f->master;
        int r;

        f->away_since_usec = master_now(m);
        f->failover_timeout_usec = usec_from_secs(f->info->failover_timeout);

        /* Even a timeout of 0 waits for the next turn: whoever noticed the break may not be done
         * with the framework. */
        failover_end(f);
        r = sd_event_add_time(m->event, &f->failover_source, CLOCK_MONOTONIC, deadline_usec(f), 0,
                              on_overdue, f);
        if (r < 0)
                master_fail(m, r, "Cannot start a timer");
        else
                (void) sd_event_source_set_description(f->failover_source, "scheduler-failover");
}

void failover_extend(Framework *f, double timeout_secs) {
        usec_t timeout_usec = usec_from_secs(timeout_secs);

        if (f->state != FRAMEWORK_RECOVERED || timeout_usec <= f->failover_timeout_usec)
                return;

        f->failover_timeout_usec = timeout_usec;
        (void) sd_event_source_set_time(f->failover_source, deadline_usec(f));
}

void failover_end(Framework *f) {
        f->failover_source = sd_event_source_disable_unref(f->failover_source);
}
