/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reconciliation
 *
 * A framework that was away asks what became of tasks it names, or, naming none, what tasks it has.
 * Those can be more than its stream may hold unsent, and a scheduler that just asked shall not be cut
 * off for reading no faster than the network. So answers come in slices, each when little enough is
 * unsent:
 *
 *     RECONCILE without tasks   a cursor into the framework's tasks, reconcile_next
 *     RECONCILE with tasks      what is not answered at once waits in reconcile_calls, up to a bound
 *
 * Tasks are in the order in which they came. One that comes meanwhile is at the end and told too;
 * one that goes takes the cursor along (framework_remove_task()), and its end was an event of its
 * own. What can be said of a task is decided when it is told, in reconcile.c.
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/reconciliation.h"
#include "master/recovered.h"
#include "master/status_router.h"
#include "master/task.h"

/* Far below what the stream may hold, which is for all its other events as well. */
#define UNSENT_MAX_BYTES ((size_t) 4 << 20)
#define SLICE_MAX_TASKS 1000U
#define RETRY_USEC (20 * USEC_PER_MSEC)

/* Waiting for an answer, each some 200 bytes: more than the tasks of a large cluster. */
#define WAITING_MAX_TASKS ((size_t) 250000)

/* Some tasks of a call. */
struct ReconcileCall {
        Mesos__V1__Scheduler__Call__Reconcile *call;     /* owned */
        size_t i_next;                                   /* the first that is not answered */
        ReconcileCall *prev, *next;
};

static void tell(Task *t) {
        status_router_tell_latest(t, t->has_update ? t->update_state : t->state,
                                  MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION,
                                  "Reconciliation: Latest task state");
}

AgentStanding reconciliation_standing(const Master *m, const char *agent_id,
                                      usec_t *ret_unreachable_usec) {
        if (!agent_id)
                return AGENT_UNNAMED;
        if (node_find(&m->nodes, agent_id))
                return AGENT_REGISTERED;
        if (recovered_find(m, agent_id))
                return AGENT_RECOVERED;
        if (registry_is_unreachable(m->registry, agent_id, ret_unreachable_usec))
                return AGENT_UNREACHABLE;
        if (registry_is_gone(m->registry, agent_id))
                return AGENT_GONE;

        return AGENT_UNKNOWN;
}

void reconciliation_answer(Framework *f, const char *task_id, const char *agent_id) {
        Master *m = f->master;
        Task *known = framework_find_task(f, task_id), *unreachable;
        usec_t unreachable_usec = 0;
        ReconcileQuestion q = {};
        ReconcileAnswer a;

        if (known) {
                tell(known);
                return;
        }

        unreachable = framework_find_unreachable(f, task_id);
        if (unreachable && !agent_id)
                agent_id = unreachable->agent_id;

        q.agent = reconciliation_standing(m, agent_id, &unreachable_usec);
        q.task_unreachable = unreachable;
        q.any_agent_recovered = recovered_count(m) > 0;
        q.partition_aware = framework_is_partition_aware(f);

        a = reconcile_task(&q);
        if (a.silent)
                return;

        status_router_tell(f, &(MasterStatus) {
                .task_id = task_id,
                .agent_id = agent_id,
                .state = a.state,
                .reason = MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION,
                .message = a.message,
                .unreachable_usec = a.tell_unreachable_time ? unreachable_usec : 0,
        });
}

static void answer_named(Framework *f, const Mesos__V1__Scheduler__Call__Reconcile__Task *t) {
        reconciliation_answer(f, t->task_id->value, t->agent_id ? t->agent_id->value : NULL);
}

static void drop_call(Framework *f, ReconcileCall *c) {
        DL_DELETE(f->reconcile_calls, c);
        f->n_reconcile_tasks -= c->call->n_tasks - c->i_next;
        pb_free(&c->call->base);
        free(c);
}

static void tell_next(Framework *f) {
        ReconcileCall *c = f->reconcile_calls;
        Task *t = f->reconcile_next;

        if (t) {
                f->reconcile_next = t->hh.next;
                tell(t);
                return;
        }

        answer_named(f, c->call->tasks[c->i_next++]);
        f->n_reconcile_tasks--;
        if (c->i_next >= c->call->n_tasks)
                drop_call(f, c);
}

static bool is_full(const Framework *f) {
        return http_stream_unsent(f->stream) >= UNSENT_MAX_BYTES;
}

/* True when there is more to tell. */
static bool tell_slice(Framework *f) {
        for (unsigned n = 0; f->reconcile_next || f->reconcile_calls; n++) {
                if (n >= SLICE_MAX_TASKS || is_full(f))
                        return true;

                tell_next(f);
        }

        return false;
}

static usec_t next_slice_usec(const Framework *f) {
        return usec_add(master_now(f->master), is_full(f) ? RETRY_USEC : 0);
}

static int on_slice_due(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Framework *f = userdata;

        if (!tell_slice(f))
                return 0;

        (void) sd_event_source_set_time(s, next_slice_usec(f));
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* Keeps the tasks of a call from `begin` on. */
static int keep_call(Framework *f, const Mesos__V1__Scheduler__Call__Reconcile *r, size_t begin) {
        Mesos__V1__Scheduler__Call__Reconcile rest = *r;
        ReconcileCall *c;

        rest.tasks += begin;
        rest.n_tasks = MIN(r->n_tasks - begin, WAITING_MAX_TASKS - f->n_reconcile_tasks);
        if (rest.n_tasks < r->n_tasks - begin)
                log_warning("Framework '%s' asks for more tasks than can wait for an answer, "
                            "forgetting %zu",
                            f->id, r->n_tasks - begin - rest.n_tasks);
        if (rest.n_tasks == 0)
                return 0;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->call = (Mesos__V1__Scheduler__Call__Reconcile *) pb_copy(&rest.base);
        if (!c->call) {
                free(c);
                return -ENOMEM;
        }

        DL_APPEND(f->reconcile_calls, c);
        f->n_reconcile_tasks += rest.n_tasks;
        return 0;
}

static int take_call(Framework *f, const Mesos__V1__Scheduler__Call__Reconcile *r) {
        size_t n = 0;

        if (r->n_tasks == 0) {
                f->reconcile_next = f->tasks;
                return 0;
        }

        /* Mostly there is nothing to wait for, and nothing to be copied. */
        if (!f->reconcile_calls)
                while (n < r->n_tasks && n < SLICE_MAX_TASKS && !is_full(f))
                        answer_named(f, r->tasks[n++]);

        return n < r->n_tasks ? keep_call(f, r, n) : 0;
}

void reconciliation_ask(Framework *f, const Mesos__V1__Scheduler__Call__Reconcile *r) {
        int k;

        k = take_call(f, r);
        if (k < 0) {
                log_error_errno(k, "Cannot answer framework '%s' about its tasks: %m", f->id);
                return;
        }

        f->reconcile_source = sd_event_source_disable_unref(f->reconcile_source);
        if (!tell_slice(f))
                return;

        k = sd_event_add_time(f->master->event, &f->reconcile_source, CLOCK_MONOTONIC,
                              next_slice_usec(f), USEC_PER_MSEC, on_slice_due, f);
        if (k < 0)
                master_fail(f->master, k, "Cannot start a timer");
}

void reconciliation_stop(Framework *f) {
        f->reconcile_next = NULL;
        f->reconcile_source = sd_event_source_disable_unref(f->reconcile_source);
        while (f->reconcile_calls)
                drop_call(f, f->reconcile_calls);
}
