/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scheduler calls
 *
 * A call that arrives here is complete and comes from the framework's own scheduler. Whether it
 * makes sense in the world as it is now is decided call by call; what does not is dropped with a
 * line in the log, or answered with an event where the protocol has one for it.
 */

#include "common/base/log.h"
#include "master/accept.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/departure.h"
#include "master/framework.h"
#include "master/framework_info.h"
#include "master/master.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/reconcile.h"
#include "master/reconciliation.h"
#include "master/scheduler_call.h"
#include "master/scheduler_event.h"
#include "master/status_router.h"
#include "master/task.h"
#include "master/unavailability.h"

typedef Mesos__V1__Scheduler__Call Call;

static void decline(Framework *f, const Mesos__V1__Scheduler__Call__Decline *d) {
        metrics_count(f->master, COUNTER_MESSAGES_DECLINE_OFFERS);

        for (size_t i = 0; i < d->n_offer_ids; i++) {
                Offer *o = offer_find(&f->master->offers, d->offer_ids[i]->value);

                if (!o || o->framework != f) {
                        log_debug("Framework '%s' declines offer '%s', which it does not have",
                                  f->id, d->offer_ids[i]->value);
                        continue;
                }

                f->metrics.offers_declined++;
                allocation_decline(f, o->node, o->resources, ALLOCATOR_DECLINED, d->filters);
                offer_free(o);
        }
}

/* All roles or none: one that is not the framework's spoils the call. */
static bool owns_roles(const Framework *f, char *const *roles, size_t n, const char *what) {
        if (n > FRAMEWORK_MAX_ROLES) {
                log_warning("Dropping %s of framework '%s': it names %zu roles", what, f->id, n);
                return false;
        }

        for (size_t i = 0; i < n; i++)
                if (!framework_has_role(f, roles[i])) {
                        log_warning("Dropping %s of framework '%s': it does not have role '%s'",
                                    what, f->id, roles[i]);
                        return false;
                }

        return true;
}

/* Suppression as it is after roles were added to it or taken from it; n 0 means all roles. */
static int change_suppressed(Framework *f, char *const *roles, size_t n, bool suppress) {
        _cleanup_free_ char **now = calloc(f->n_roles + 1, sizeof(*now));
        size_t n_now = 0;

        if (!now)
                return -ENOMEM;

        for (size_t i = 0; i < f->n_roles; i++) {
                bool named = n == 0;

                for (size_t j = 0; j < n; j++)
                        named = named || streq(roles[j], f->roles[i]);

                if (named ? suppress : framework_is_suppressed(f, f->roles[i]))
                        now[n_now++] = f->roles[i];
        }

        return framework_set_suppressed(f, now, n_now);
}

static void revive(Framework *f, const Mesos__V1__Scheduler__Call__Revive *r) {
        size_t n = r ? r->n_roles : 0;

        metrics_count(f->master, COUNTER_MESSAGES_REVIVE_OFFERS);
        if (!owns_roles(f, r ? r->roles : NULL, n, "REVIVE") ||
            change_suppressed(f, r ? r->roles : NULL, n, false) < 0)
                return;

        if (n == 0)
                allocation_revive(f, NULL);
        for (size_t i = 0; i < n; i++)
                allocation_revive(f, r->roles[i]);
}

static void suppress(Framework *f, const Mesos__V1__Scheduler__Call__Suppress *s) {
        size_t n = s ? s->n_roles : 0;

        metrics_count(f->master, COUNTER_MESSAGES_SUPPRESS_OFFERS);
        if (!owns_roles(f, s ? s->roles : NULL, n, "SUPPRESS") ||
            change_suppressed(f, s ? s->roles : NULL, n, true) < 0)
                return;

        if (n == 0)
                allocation_suppress(f, NULL);
        for (size_t i = 0; i < n; i++)
                allocation_suppress(f, s->roles[i]);
}

/* One that an agent told of; no uuid, since there is nothing to acknowledge. */
static void tell_operation(Framework *f, const Operation *known) {
        Mesos__V1__OperationStatus status = *known->pb->latest_status;

        status.operation_id = known->pb->info->id;
        status.agent_id = known->node->info->id;
        status.uuid = NULL;
        scheduler_send_operation_status(f, &status);
}

/* Operations of frameworks are refused at once and not kept, so none other is known; what differs is
 * whose word that is. */
static void
reconcile_operation(Framework *f,
                    const Mesos__V1__Scheduler__Call__ReconcileOperations__Operation *o) {
        const Operation *known = operation_find(&f->master->operations, f->id,
                                                o->operation_id->value);
        Mesos__V1__OperationStatus status = MESOS__V1__OPERATION_STATUS__INIT;
        const char *agent_id = o->agent_id ? o->agent_id->value : NULL;

        if (known) {
                tell_operation(f, known);
                return;
        }

        status.operation_id = o->operation_id;
        status.agent_id = o->agent_id;
        status.resource_provider_id = o->resource_provider_id;
        status.state = MESOS__V1__OPERATION_STATE__OPERATION_UNKNOWN;

        switch (reconciliation_standing(f->master, agent_id, NULL)) {
        case AGENT_UNNAMED:
                status.message = (char *) "Reconciliation: Operation is unknown and no 'agent_id' "
                                          "was provided";
                break;
        case AGENT_RECOVERED:
                status.state = MESOS__V1__OPERATION_STATE__OPERATION_RECOVERING;
                status.message = (char *) "Reconciliation: Agent is recovered but has not "
                                          "re-registered";
                break;
        case AGENT_REGISTERED:
                status.message = (char *) "Reconciliation: Operation is unknown";
                break;
        case AGENT_UNREACHABLE:
                status.state = MESOS__V1__OPERATION_STATE__OPERATION_UNREACHABLE;
                status.message = (char *) "Reconciliation: Agent is unreachable";
                break;
        case AGENT_GONE:
                status.state = MESOS__V1__OPERATION_STATE__OPERATION_GONE_BY_OPERATOR;
                status.message = (char *) "Reconciliation: Agent marked gone by operator";
                break;
        case AGENT_UNKNOWN:
                status.message = (char *) "Reconciliation: Both operation and agent are unknown";
                break;
        }

        scheduler_send_operation_status(f, &status);
}

static void reconcile_operations(Framework *f,
                                 const Mesos__V1__Scheduler__Call__ReconcileOperations *r) {
        metrics_count(f->master, COUNTER_MESSAGES_RECONCILE_OPERATIONS);

        for (size_t i = 0; i < r->n_operations; i++)
                reconcile_operation(f, r->operations[i]);
}

static void kill_task(Framework *f, const Mesos__V1__Scheduler__Call__Kill *k) {
        const char *agent_id = k->agent_id ? k->agent_id->value : NULL;
        Task *t;

        metrics_count(f->master, COUNTER_MESSAGES_KILL_TASK);

        t = framework_find_task(f, k->task_id->value);
        if (!t) {
                reconciliation_answer(f, k->task_id->value, agent_id);
                return;
        }

        if (agent_id && !streq(agent_id, t->agent_id)) {
                log_warning("Dropping kill of task '%s' of framework '%s': it is not on agent '%s'",
                            t->id, f->id, agent_id);
                return;
        }

        /* Sent again whenever the agent is back, if the task is still alive then: it may not have got there. */
        t->kill_wanted = true;
        if (t->node->connected)
                agent_message_kill(t->node, f->id, t->id, k->kill_policy);
}

static Node *find_connected(Master *m, const char *agent_id, const char *what) {
        Node *n = node_find(&m->nodes, agent_id);

        if (n && n->connected)
                return n;

        log_debug("Dropping %s: agent '%s' is not here", what, agent_id);
        return NULL;
}

static void shutdown_executor(Framework *f, const Mesos__V1__Scheduler__Call__Shutdown *s) {
        Node *n = find_connected(f->master, s->agent_id->value, "SHUTDOWN");

        if (n)
                agent_message_shutdown_executor(n, f->id, s->executor_id->value);
}

static void message(Framework *f, const Mesos__V1__Scheduler__Call__Message *x) {
        Node *n = find_connected(f->master, x->agent_id->value, "MESSAGE");

        metrics_count(f->master, COUNTER_MESSAGES_FRAMEWORK_TO_EXECUTOR);
        metrics_count(f->master, n ? COUNTER_VALID_FRAMEWORK_TO_EXECUTOR
                                   : COUNTER_INVALID_FRAMEWORK_TO_EXECUTOR);
        if (n)
                agent_message_text(n, f->id, x->executor_id->value, x->data);
}

void scheduler_call_process(Framework *f, Call *c) {
        metrics_count_call(f, c->type);

        switch (c->type) {
        case MESOS__V1__SCHEDULER__CALL__TYPE__TEARDOWN:
                departure_remove_framework(f, "it asked for it");
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT:
                accept_process(f, c->accept);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE:
                decline(f, c->decline);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__REVIVE:
                revive(f, c->revive);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__SUPPRESS:
                suppress(f, c->suppress);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__KILL:
                kill_task(f, c->kill);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__SHUTDOWN:
                shutdown_executor(f, c->shutdown);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE:
                status_router_acknowledge(f->master, f, c->acknowledge);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE:
                metrics_count(f->master, COUNTER_MESSAGES_RECONCILE_TASKS);
                reconciliation_ask(f, c->reconcile);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE_OPERATIONS:
                reconcile_operations(f, c->reconcile_operations);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__MESSAGE:
                message(f, c->message);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__REQUEST:
                /* A hint the allocator has no use for, as in Mesos. */
                metrics_count(f->master, COUNTER_MESSAGES_RESOURCE_REQUEST);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE_OPERATION_STATUS:
                /* No operation sends a status that wants one. */
                metrics_count(f->master, COUNTER_MESSAGES_OPERATION_STATUS_UPDATE_ACKNOWLEDGEMENT);
                metrics_count(f->master, COUNTER_INVALID_OPERATION_STATUS_UPDATE_ACKNOWLEDGEMENTS);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT_INVERSE_OFFERS:
                unavailability_answer(f, c->accept_inverse_offers->inverse_offer_ids,
                                      c->accept_inverse_offers->n_inverse_offer_ids, OUTAGE_ACCEPTED,
                                      c->accept_inverse_offers->filters);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE_INVERSE_OFFERS:
                unavailability_answer(f, c->decline_inverse_offers->inverse_offer_ids,
                                      c->decline_inverse_offers->n_inverse_offer_ids, OUTAGE_DECLINED,
                                      c->decline_inverse_offers->filters);
                break;
        case MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE:
        case MESOS__V1__SCHEDULER__CALL__TYPE__UPDATE_FRAMEWORK:
        case MESOS__V1__SCHEDULER__CALL__TYPE__UNKNOWN:
        case _MESOS__V1__SCHEDULER__CALL__TYPE_IS_INT_SIZE:
                break;
        }
}
