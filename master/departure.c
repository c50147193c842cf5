/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Departures
 *
 * Offers, frameworks and agents come through many doors and leave through this one, so that nobody
 * leaves half: resources go back exactly once, whoever is concerned is told once, and the books
 * agree afterwards.
 *
 * What becomes of the tasks of an agent that is given up:
 *
 *                    partition aware                   not aware     kept as
 *     unreachable    UNREACHABLE                       LOST          unreachable: may come back
 *     gone           GONE_BY_OPERATOR                  LOST          completed; LOST: unreachable
 *     removed        LOST                              LOST          completed
 *
 * That the LOST ones of an agent that is gone stay with the unreachable ones is Mesos's way, and
 * what is shown of them. Nothing comes of it: the agent is not let in again.
 */

#include <stdio.h>
#include <utlist.h>

#include "common/base/log.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/departure.h"
#include "master/executor.h"
#include "master/failover.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/operator_stream.h"
#include "master/promise.h"
#include "master/reconciliation.h"
#include "master/recovered.h"
#include "master/scheduler_event.h"
#include "master/status_router.h"
#include "master/task.h"
#include "master/unavailability.h"
#include "master/unreachable.h"

void departure_return_offer(Offer *o, bool rescind) {
        allocation_free(o->framework, o->node, o->resources);
        if (rescind)
                scheduler_send_rescind(o->framework, o->id);

        offer_free(o);
}

void departure_return_node_offers(Node *n, bool rescind) {
        Offer *o, *next;

        DL_FOREACH_SAFE2(n->offers, o, next, node_next)
                departure_return_offer(o, rescind);
        unavailability_withdraw_node(n, rescind);
}

void departure_return_framework_offers(Framework *f, bool rescind) {
        Offer *o, *next;

        DL_FOREACH_SAFE2(f->offers, o, next, framework_next)
                departure_return_offer(o, rescind);
        unavailability_withdraw_framework(f, rescind);
}

/* Closed by us: the stream's own callback does not come then. */
static void close_stream(Framework *f) {
        f->heartbeat_source = sd_event_source_disable_unref(f->heartbeat_source);
        reconciliation_stop(f);
        f->stream = f->stream_overflowed ? http_stream_cut(f->stream) : http_stream_close(f->stream);
        f->stream_overflowed = false;
}

void departure_disconnect_framework(Framework *f) {
        if (f->state != FRAMEWORK_CONNECTED)
                return;

        log_info_ctx(&(LogContext) { .framework_id = f->id }, "Framework '%s' (%s) disconnected",
                     f->id, f->info->name);

        close_stream(f);
        f->state = FRAMEWORK_DISCONNECTED;
        f->active = false;
        allocation_deactivate_framework(f);
        departure_return_framework_offers(f, false);
        failover_begin(f);
}

static void kill_in_books(Task *t, const char *message) {
        status_router_transition(t, &(MasterStatus) {
                .task_id = t->id,
                .agent_id = t->agent_id,
                .state = MESOS__V1__TASK_STATE__TASK_KILLED,
                .reason = MESOS__V1__TASK_STATUS__REASON__REASON_FRAMEWORK_REMOVED,
                .message = message,
        }, true);
}

static void remove_framework_tasks(Framework *f) {
        unsigned max = f->master->config->max_completed_tasks_per_framework;
        char message[300];
        Task *t, *next;

        snprintf(message, sizeof(message), "Framework %.256s removed", f->id);

        HASH_ITER(hh, f->tasks, t, next) {
                kill_in_books(t, message);
                status_router_retire(t);
        }

        HASH_ITER(hh, f->unreachable_tasks, t, next) {
                kill_in_books(t, message);
                framework_remove_unreachable(f, t);
                framework_add_completed(f, t, max);
        }
}

static void remove_executor(Executor *e) {
        allocation_free(e->framework, e->node, e->resources);
        executor_free(e);
}

/* All, as Mesos does: an agent may know of work that we have forgotten, such as the executor of a
 * command task that has ended. Those who come and go without a task cost ten thousand agents
 * nothing. */
static void shut_down_everywhere(Framework *f) {
        Node *n, *next;

        if (f->unheard_of)
                return;

        HASH_ITER(hh, f->master->nodes.by_id, n, next)
                agent_message_shutdown_framework(n, f->id);
}

void departure_remove_framework(Framework *f, const char *why) {
        Master *m = f->master;
        Executor *e, *next;

        log_info_ctx(&(LogContext) { .framework_id = f->id }, "Removing framework '%s' (%s): %s",
                     f->id, f->info->name, why);

        close_stream(f);
        f->active = false;
        allocation_deactivate_framework(f);

        shut_down_everywhere(f);
        departure_return_framework_offers(f, false);
        remove_framework_tasks(f);
        DL_FOREACH_SAFE(f->executors, e, next)
                remove_executor(e);

        allocation_remove_framework(f);
        f->unregistered_usec = master_wall_clock(m);
        operator_stream_framework_removed(f);
        framework_complete(f, m->config->max_completed_frameworks);
}

void departure_drop_unrecoverable(Node *n) {
        char message[300];
        Executor *e, *next_executor;
        Task *t, *next;

        snprintf(message, sizeof(message), "Agent %.256s disconnected", n->info->hostname);

        DL_FOREACH_SAFE2(n->tasks, t, next, node_next) {
                if (t->framework->info->checkpoint)
                        continue;

                status_router_transition(t, &(MasterStatus) {
                        .task_id = t->id,
                        .agent_id = n->id,
                        .executor_id = t->executor_id,
                        .state = MESOS__V1__TASK_STATE__TASK_LOST,
                        .reason = MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_DISCONNECTED,
                        .message = message,
                }, false);
                status_router_retire(t);
        }

        HASH_ITER(hh, n->executors, e, next_executor)
                if (!e->framework->info->checkpoint)
                        remove_executor(e);
}

typedef enum Fate {
        FATE_UNREACHABLE,
        FATE_GONE,
        FATE_REMOVED,              /* it said so itself */
        FATE_REPLACED,             /* another is at its address */
        FATE_DOWN,                 /* its machine is down for maintenance */
} Fate;

/* A node that has been given up, until the registry has recorded it. */
struct Departure {
        Master *master;
        char *agent_id;
        char *message;
        Fate fate;
        usec_t since_usec;
        Promise promise;
        UT_hash_handle hh;         /* by agent_id */
};

static Departure *departure_free(Departure *d) {
        if (!d)
                return NULL;

        if (d->master)
                HASH_DELETE(hh, d->master->departures, d);
        free(d->agent_id);
        free(d->message);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(Departure *, departure_free)

static MasterStatus fate_status(const Task *t, Fate fate, const char *message, usec_t since_usec) {
        bool aware = framework_is_partition_aware(t->framework);
        MasterStatus s = {
                .task_id = t->id,
                .agent_id = t->agent_id,
                .executor_id = t->executor_id,
                .state = MESOS__V1__TASK_STATE__TASK_LOST,
                .reason = MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_REMOVED,
                .message = message,
        };

        switch (fate) {
        case FATE_UNREACHABLE:
                s.state = task_state_for(MESOS__V1__TASK_STATE__TASK_UNREACHABLE, aware);
                s.unreachable_usec = since_usec;
                break;
        case FATE_GONE:
                if (!aware)
                        break;
                s.state = MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR;
                s.reason = MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_REMOVED_BY_OPERATOR;
                break;
        case FATE_REMOVED:
        case FATE_REPLACED:
        case FATE_DOWN:
                break;
        }

        return s;
}

static bool stays_unreachable(const Framework *f, Fate fate) {
        return fate == FATE_UNREACHABLE || (fate == FATE_GONE && !framework_is_partition_aware(f));
}

static void remove_node_task(Task *t, Fate fate, const char *message, usec_t since_usec) {
        Framework *f = t->framework;
        MasterStatus s = fate_status(t, fate, message, since_usec);
        bool ended = task_is_terminal(t);

        /* One that had come to its end was not lost; only its last acknowledgement is missing. */
        if (!ended)
                status_router_transition(t, &s, false);

        if (ended || !stays_unreachable(f, fate)) {
                status_router_retire(t);
                return;
        }

        framework_remove_task(f, t);
        framework_add_unreachable(f, t, f->master->config->max_unreachable_tasks_per_framework);
}

static void tell_all_of_failure(Master *m, const char *agent_id) {
        Framework *f, *next;

        HASH_ITER(hh, m->frameworks.by_id, f, next)
                scheduler_send_failure(f, agent_id, NULL, 0);
}

static void count_removal(Master *m, Fate fate) {
        switch (fate) {
        case FATE_UNREACHABLE:
                metrics_count(m, COUNTER_SLAVE_UNREACHABLE_COMPLETED);
                metrics_count(m, COUNTER_SLAVE_REMOVALS_UNHEALTHY);
                break;
        case FATE_GONE:
                break;
        case FATE_REMOVED:
                metrics_count(m, COUNTER_SLAVE_REMOVALS_UNREGISTERED);
                break;
        case FATE_REPLACED:
                metrics_count(m, COUNTER_SLAVE_REMOVALS_REGISTERED);
                break;
        case FATE_DOWN:
                break;
        }

        metrics_count(m, COUNTER_SLAVE_REMOVALS);
}

static bool removes(Fate fate) {
        return fate == FATE_REMOVED || fate == FATE_REPLACED || fate == FATE_DOWN;
}

/* Its process is to end, and is told before it is forgotten. */
static bool shuts_down(Fate fate) {
        return fate == FATE_GONE || fate == FATE_DOWN;
}

static void remove_node(Node *n, Fate fate, const char *message, usec_t since_usec) {
        _cleanup_free_ char *agent_id = strdup(n->id);
        Master *m = n->master;
        char reason[512];
        Task *t, *next;

        log_notice("Agent '%s' at %s (%s) is %s: %s", n->id, n->pid.text, n->info->hostname,
                   fate == FATE_UNREACHABLE ? "unreachable"
                   : fate == FATE_GONE      ? "gone"
                                            : "removed",
                   message);

        if (removes(fate))
                snprintf(reason, sizeof(reason), "Agent %.256s removed: %.128s", n->info->hostname,
                         message);
        else
                snprintf(reason, sizeof(reason), "%s", message);

        allocation_deactivate_node(n);
        DL_FOREACH_SAFE2(n->tasks, t, next, node_next)
                remove_node_task(t, fate, reason, since_usec);
        departure_return_node_offers(n, true);
        allocation_remove_node(n);

        count_removal(m, fate);
        if (removes(fate))
                operator_stream_node_removed(n);

        /* One that was just told to shut down: that must still reach it, and when it has done so its
         * connection ends by itself. */
        if (!shuts_down(fate))
                peer_pool_forget(m->peers, &n->pid);
        node_free(n);

        if (agent_id)
                tell_all_of_failure(m, agent_id);
}

/* An unreachable agent that is now gone takes its unreachable tasks with it. */
static void remove_unreachable_tasks(Master *m, const Departure *d) {
        unsigned max = m->config->max_completed_tasks_per_framework;
        Task *t, *next;

        for (t = unreachable_index_first(&m->frameworks.unreachable, d->agent_id); t; t = next) {
                Framework *f = t->framework;
                MasterStatus s = fate_status(t, d->fate, d->message, d->since_usec);

                next = t->node_next;
                status_router_transition(t, &s, false);
                if (stays_unreachable(f, d->fate))
                        continue;

                framework_remove_unreachable(f, t);
                framework_add_completed(f, t, max);
        }
}

void departure_forget_unreachable(Master *m, const char *agent_id) {
        Task *t;

        while ((t = unreachable_index_first(&m->frameworks.unreachable, agent_id))) {
                framework_remove_unreachable(t->framework, t);
                task_free(t);
        }
}

static void forget_if_pruned(const char *agent_id, void *userdata) {
        Master *m = userdata;

        if (!registry_is_unreachable(m->registry, agent_id, NULL) &&
            !registry_is_gone(m->registry, agent_id))
                departure_forget_unreachable(m, agent_id);
}

void departure_forget_pruned(Master *m) {
        unreachable_index_foreach(&m->frameworks.unreachable, forget_if_pruned, m);
}

static void on_departure_recorded(int error, void *userdata) {
        _cleanup_(departure_freep) Departure *d = userdata;
        Master *m = d->master;
        bool was_recovered = recovered_find(m, d->agent_id);
        Node *n;

        promise_keep(&d->promise, error < 0 ? 500 : 200);
        if (error < 0) {
                master_fail(m, error, "Cannot record the departure of an agent");
                return;
        }

        recovered_forget(m, d->agent_id);
        n = node_find(&m->nodes, d->agent_id);
        if (n) {
                if (shuts_down(d->fate))
                        agent_message_shutdown(m, &n->pid, d->message);
                remove_node(n, d->fate, d->message, d->since_usec);
                return;
        }

        if (d->fate == FATE_GONE)
                remove_unreachable_tasks(m, d);
        else
                count_removal(m, d->fate);

        /* That an unreachable one failed was told when it became so. */
        if (was_recovered)
                tell_all_of_failure(m, d->agent_id);
}

static int departure_new(Master *m, const char *agent_id, Fate fate, const char *message,
                         Departure **ret) {
        _cleanup_(departure_freep) Departure *d = NULL;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;

        d->fate = fate;
        d->since_usec = master_wall_clock(m);
        d->agent_id = strdup(agent_id);
        d->message = strdup(message);
        if (!d->agent_id || !d->message)
                return -ENOMEM;

        d->master = m;
        HASH_ADD_KEYPTR(hh, m->departures, d->agent_id, strlen(d->agent_id), d);
        *ret = TAKE_PTR(d);
        return 0;
}

static void record(Master *m, const char *agent_id, Fate fate, const char *message,
                   HttpRequest *request) {
        Departure *d;
        int r;

        r = departure_new(m, agent_id, fate, message, &d);
        if (r < 0) {
                if (request)
                        http_request_answer(request, 500, NULL, NULL, 0);
                master_fail(m, r, "Cannot record the departure of an agent");
                return;
        }

        promise_init(&d->promise, request);
        switch (fate) {
        case FATE_UNREACHABLE:
                r = registry_mark_unreachable(m->registry, agent_id, d->since_usec,
                                              on_departure_recorded, d);
                break;
        case FATE_GONE:
                r = registry_mark_gone(m->registry, agent_id, d->since_usec, on_departure_recorded,
                                       d);
                break;
        case FATE_REMOVED:
        case FATE_REPLACED:
        case FATE_DOWN:
                r = registry_remove_agent(m->registry, agent_id, on_departure_recorded, d);
                break;
        }

        if (r < 0) {
                promise_keep(&d->promise, 500);
                departure_free(d);
                master_fail(m, r, "Cannot record the departure of an agent");
        }
}

static void leave(Node *n, Fate fate, const char *message, HttpRequest *request) {
        n->leaving = true;
        (void) removal_ticket_cancel(&n->removal);
        n->ping_source = sd_event_source_disable_unref(n->ping_source);
        n->reregister_source = sd_event_source_disable_unref(n->reregister_source);
        record(n->master, n->id, fate, message, request);
}

void departure_mark_unreachable(Node *n, const char *message) {
        if (!n->leaving)
                leave(n, FATE_UNREACHABLE, message, NULL);
}

static const Departure *find_pending(const Master *m, const char *agent_id) {
        const Departure *d;

        HASH_FIND_STR(m->departures, agent_id, d);
        return d;
}

/* Why it cannot be declared gone now: something else becomes of it. */
static void refuse_gone(HttpRequest *request, const char *agent_id, Fate fate) {
        const char *text = NULL;

        switch (fate) {
        case FATE_GONE:
                text = "already being transitioned to gone";
                break;
        case FATE_UNREACHABLE:
                text = "being transitioned to unreachable";
                break;
        case FATE_REMOVED:
        case FATE_REPLACED:
        case FATE_DOWN:
                text = "being transitioned to removed";
                break;
        }

        http_request_answer_text(request, 503, "Agent '%s' is %s", agent_id, text);
}

void departure_mark_gone(Master *m, const char *agent_id, HttpRequest *request) {
        static const char message[] = "Agent has been marked gone";
        const Departure *pending = find_pending(m, agent_id);
        Node *n = node_find(&m->nodes, agent_id);

        if (pending && request)
                refuse_gone(request, agent_id, pending->fate);
        else if (!pending && n)
                leave(n, FATE_GONE, message, request);
        else if (!pending)
                record(m, agent_id, FATE_GONE, message, request);
}

static const char machine_down[] = "Operator initiated 'Machine DOWN'";

void departure_machine_down(Node *n) {
        if (!n->leaving)
                leave(n, FATE_DOWN, machine_down, NULL);
}

void departure_recovered_down(Master *m, const char *agent_id) {
        if (!find_pending(m, agent_id))
                record(m, agent_id, FATE_DOWN, machine_down, NULL);
}

void departure_unregister(Node *n, const char *message) {
        if (!n->leaving)
                leave(n, FATE_REMOVED, message, NULL);
}

void departure_replace(Node *n) {
        if (!n->leaving)
                leave(n, FATE_REPLACED, "a new agent registered at the same address", NULL);
}

void departure_give_up_recovered(Master *m, const char *agent_id) {
        char timeout[USEC_TEXT_MAX], message[64 + USEC_TEXT_MAX];

        if (departure_is_under_way(m, agent_id))
                return;

        snprintf(message, sizeof(message), "did not reregister within %s after master failover",
                 usec_format(m->config->agent_reregister_timeout_usec, timeout));
        log_notice("Agent '%s' is unreachable: it %s", agent_id, message);
        metrics_count(m, COUNTER_RECOVERY_SLAVE_REMOVALS);
        record(m, agent_id, FATE_UNREACHABLE, message, NULL);
}

bool departure_is_under_way(const Master *m, const char *agent_id) {
        return find_pending(m, agent_id);
}

bool departure_is_marking_gone(const Master *m, const char *agent_id) {
        const Departure *d = find_pending(m, agent_id);

        return d && d->fate == FATE_GONE;
}

void departure_stop(Master *m) {
        Departure *d, *next;

        HASH_ITER(hh, m->departures, d, next)
                departure_free(d);
}
