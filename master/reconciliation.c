/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Implicit reconciliation
 *
 * A framework that names no task is told about all it has. Those can be more than its stream may
 * hold unsent, and a scheduler that just asked shall not be cut off for reading no faster than the
 * network. So the answer comes in slices: the framework keeps a cursor into its tasks, and a timer
 * goes on where the last slice stopped, once little enough is unsent.
 *
 * Tasks are in the order in which they came. One that comes meanwhile is at the end and told too;
 * one that goes takes the cursor along (framework_remove_task()), and its end was an event of its
 * own.
 */

#include "common/base/log.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/reconciliation.h"
#include "master/status_router.h"
#include "master/task.h"

/* Far below what the stream may hold, which is for all its other events as well. */
#define UNSENT_MAX_BYTES ((size_t) 4 << 20)
#define SLICE_MAX_TASKS 1000
#define RETRY_USEC (20 * USEC_PER_MSEC)

void reconciliation_tell(Task *t) {
        status_router_tell_latest(t, t->has_update ? t->update_state : t->state,
                                  MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION,
                                  "Reconciliation: Latest task state");
}

/* True when there is more to tell. */
static bool tell_slice(Framework *f) {
        for (unsigned n = 0; f->reconcile_next; n++) {
                Task *t = f->reconcile_next;

                if (n >= SLICE_MAX_TASKS || http_stream_unsent(f->stream) >= UNSENT_MAX_BYTES)
                        return true;

                f->reconcile_next = t->hh.next;
                reconciliation_tell(t);
        }

        return false;
}

static usec_t next_slice_usec(const Framework *f) {
        bool full = http_stream_unsent(f->stream) >= UNSENT_MAX_BYTES;

        return usec_add(master_now(f->master), full ? RETRY_USEC : 0);
}

static int on_slice_due(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Framework *f = userdata;

        if (!tell_slice(f))
                return 0;

        (void) sd_event_source_set_time(s, next_slice_usec(f));
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void reconciliation_start(Framework *f) {
        int r;

        reconciliation_stop(f);
        if (f->state != FRAMEWORK_CONNECTED)
                return;

        f->reconcile_next = f->tasks;
        if (!tell_slice(f))
                return;

        r = sd_event_add_time(f->master->event, &f->reconcile_source, CLOCK_MONOTONIC,
                              next_slice_usec(f), USEC_PER_MSEC, on_slice_due, f);
        if (r < 0)
                master_fail(f->master, r, "Cannot start a timer");
}

void reconciliation_stop(Framework *f) {
        f->reconcile_next = NULL;
        f->reconcile_source = sd_event_source_disable_unref(f->reconcile_source);
}
