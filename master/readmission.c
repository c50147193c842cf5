/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Readmission
 *
 * What an agent that comes back says it has is the truth about it: that is how a new master learns
 * of tasks and of frameworks at all. Registration has let it in by now; here its report and our
 * records are made one.
 *
 *     no node of ours till now   all it reports is taken in: frameworks, executors, tasks, history
 *     a node of ours             tasks of ours it did not list: it is asked about each;
 *                                executors of ours it did not list: gone;
 *                                what it lists and we do not know: taken in;
 *                                kills it may have missed: sent again
 *     either                     frameworks removed meanwhile end there, too; of the others it gets
 *                                the description we have
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/model/id.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/history.h"
#include "master/master.h"
#include "master/node.h"
#include "master/operator_stream.h"
#include "master/readmission.h"
#include "master/status_router.h"
#include "master/task.h"
#include "proto/internal.pb-c.h"

/* A framework we only know from its agent's report so far. */
static Framework *learn_framework(Master *m, const Mesos__V1__FrameworkInfo *info) {
        Framework *f;
        int r;

        if (!info->id || !id_is_valid(info->id->value) ||
            framework_find_completed(&m->frameworks, info->id->value))
                return NULL;

        f = framework_find(&m->frameworks, info->id->value);
        if (f)
                return f;

        r = framework_new(&m->frameworks, info->id->value, info, &f);
        if (r < 0) {
                log_error_errno(r, "Cannot take framework '%s' in: %m", info->id->value);
                return NULL;
        }

        f->master = m;
        f->registered_usec = f->reregistered_usec = master_wall_clock(m);
        allocation_put_framework(f);
        operator_stream_framework_added(f);
        return f;
}

static void learn_executor(Master *m, Node *n, const Mesos__V1__ExecutorInfo *info) {
        Framework *f = info->framework_id
                                       ? framework_find(&m->frameworks, info->framework_id->value)
                                       : NULL;
        Executor *e;
        int r;

        if (!f || executor_find(n, f->id, info->executor_id->value))
                return;

        r = executor_new(f, n, info, &e);
        if (r != 0) {
                log_warning("Ignoring executor '%s' that agent '%s' reports",
                            info->executor_id->value, n->id);
                return;
        }

        allocation_charge(f, n, e->resources);
}

/* A task that was thought unreachable is taken from there, whatever has become of it. */
static void forget_unreachable(Framework *f, const char *task_id) {
        Task *t = framework_find_unreachable(f, task_id);

        if (!t)
                return;

        framework_remove_unreachable(f, t);
        task_free(t);
}

static void learn_task(Master *m, Node *n, const Mesos__V1__Task *report, const char *message) {
        Framework *f = framework_find(&m->frameworks, report->framework_id->value);
        Task *t;
        int r;

        if (!f || !id_is_valid(report->task_id->value) ||
            framework_find_task(f, report->task_id->value))
                return;

        r = task_new_from_report(report, &t);
        if (r != 0) {
                log_warning("Ignoring task '%s' that agent '%s' reports", report->task_id->value,
                            n->id);
                return;
        }

        /* Its last update comes again, and is passed on without it. */
        if (task_is_terminal(t) && history_has(f, t)) {
                task_free(t);
                return;
        }

        forget_unreachable(f, t->id);
        t->node = n;
        framework_add_task(f, t);
        if (t->resources && resources_add(n->used, t->resources) >= 0)
                allocation_charge(f, n, t->resources);

        operator_stream_task_added(t);
        if (message)
                status_router_tell_latest(t, t->state,
                                          MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_REREGISTERED,
                                          message);
}

/* All the agent reports, in the order in which one depends on the other. */
static void learn(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r, const char *message) {
        Master *m = n->master;

        for (size_t i = 0; i < r->n_frameworks; i++)
                (void) learn_framework(m, r->frameworks[i]);
        for (size_t i = 0; i < r->n_executor_infos; i++)
                learn_executor(m, n, r->executor_infos[i]);
        for (size_t i = 0; i < r->n_tasks; i++)
                learn_task(m, n, r->tasks[i], message);
}

void readmission_learn(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r,
                       const char *message) {
        learn(n, r, message);
        history_learn(n->master, n, r);
}

void readmission_settle_frameworks(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        Master *m = n->master;

        for (size_t i = 0; i < r->n_frameworks; i++) {
                const Mesos__V1__FrameworkInfo *info = r->frameworks[i];
                Framework *f;

                if (!info->id)
                        continue;

                if (framework_find_completed(&m->frameworks, info->id->value)) {
                        agent_message_shutdown_framework(n, info->id->value);
                        continue;
                }

                f = framework_find(&m->frameworks, info->id->value);
                if (f)
                        agent_message_update_framework(n, f);
        }
}

/* Marks what it lists of what we know of it: looked up once each, not compared each with each. */
static void mark_reported(Master *m, Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        for (size_t i = 0; i < r->n_tasks; i++) {
                Framework *f = framework_find(&m->frameworks, r->tasks[i]->framework_id->value);
                Task *t = f ? framework_find_task(f, r->tasks[i]->task_id->value) : NULL;

                if (t && t->node == n)
                        t->reported = true;
        }

        for (size_t i = 0; i < r->n_executor_infos; i++) {
                const Mesos__V1__ExecutorInfo *info = r->executor_infos[i];
                Executor *e = info->framework_id ? executor_find(n, info->framework_id->value,
                                                                 info->executor_id->value)
                                                 : NULL;

                if (e)
                        e->reported = true;
        }
}

/* Tasks of ours the agent did not list: it is asked, and answers TASK_DROPPED or TASK_LOST for
 * those it never got. */
typedef struct Reconciliation {
        Mesos__Internal__ReconcileTasksMessage **messages;
        size_t n;
} Reconciliation;

static Mesos__Internal__ReconcileTasksMessage *reconciliation_for(Reconciliation *c, Framework *f) {
        Mesos__Internal__ReconcileTasksMessage *one, **grown;

        for (size_t i = 0; i < c->n; i++)
                if (streq(c->messages[i]->framework_id->value, f->id))
                        return c->messages[i];

        grown = reallocarray(c->messages, c->n + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        c->messages = grown;

        one = malloc(sizeof(*one));
        if (!one)
                return NULL;
        mesos__internal__reconcile_tasks_message__init(one);
        one->framework_id = f->info->id;
        one->framework = f->info;
        c->messages[c->n++] = one;
        return one;
}

static int reconciliation_add(Reconciliation *c, Task *t, Node *n) {
        Mesos__Internal__ReconcileTasksMessage *one = reconciliation_for(c, t->framework);
        Mesos__V1__TaskStatus **grown, *status;

        if (!one)
                return -ENOMEM;

        grown = reallocarray(one->statuses, one->n_statuses + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        one->statuses = grown;

        status = malloc(sizeof(*status) + sizeof(*status->task_id));
        if (!status)
                return -ENOMEM;

        mesos__v1__task_status__init(status);
        status->task_id = (Mesos__V1__TaskID *) (status + 1);
        mesos__v1__task_id__init(status->task_id);
        status->task_id->value = t->id;
        status->state = t->state;
        status->agent_id = n->info->id;
        one->statuses[one->n_statuses++] = status;
        return 0;
}

static void reconciliation_deinit(Reconciliation *c) {
        for (size_t i = 0; i < c->n; i++) {
                for (size_t j = 0; j < c->messages[i]->n_statuses; j++)
                        free(c->messages[i]->statuses[j]);
                free(c->messages[i]->statuses);
                free(c->messages[i]);
        }
        free(c->messages);
}

/* What the agent lists that we do not know (we lost it, or it was killed while away) and the other
 * way round. */
void readmission_reconcile(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        Reconciliation c = {};
        Executor *e, *next_executor;
        Task *t, *next;
        int k = 0;

        mark_reported(n->master, n, r);

        DL_FOREACH_SAFE2(n->tasks, t, next, node_next) {
                if (k >= 0 && !task_is_terminal(t) && !t->reported)
                        k = reconciliation_add(&c, t, n);
                t->reported = false;
        }
        if (k < 0)
                log_error_errno(k, "Cannot reconcile the tasks of agent '%s', ignoring: %m", n->id);

        agent_message_reregistered(n, c.messages, c.n);
        reconciliation_deinit(&c);

        HASH_ITER(hh, n->executors, e, next_executor) {
                if (!e->reported) {
                        allocation_free(e->framework, n, e->resources);
                        executor_free(e);
                } else
                        e->reported = false;
        }

        /* Silently: a task we do not know here has mostly ended, and its framework has acknowledged
         * that, but the agent died before it heard so. Its update comes again by itself. */
        learn(n, r, NULL);

        DL_FOREACH_SAFE2(n->tasks, t, next, node_next)
                if (t->kill_wanted && !task_is_terminal(t))
                        agent_message_kill(n, t->framework->id, t->id, NULL);
}
