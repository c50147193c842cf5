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
 *                                executors of ours it did not list: gone, with their last task;
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
#include "master/failover.h"
#include "master/framework.h"
#include "master/history.h"
#include "master/master.h"
#include "master/node.h"
#include "master/operator_stream.h"
#include "master/readmission.h"
#include "master/reject.h"
#include "master/status_router.h"
#include "master/task.h"
#include "proto/internal.pb-c.h"

/* The ids of the frameworks that a report describes, in order. */
typedef struct DescribedIds {
        const char **ids; /* owned array */
        size_t n;
} DescribedIds;

static void described_ids_deinit(DescribedIds *d) {
        free(d->ids);
}

static int by_text(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static bool described_ids_have(const DescribedIds *d, const char *id) {
        return bsearch(&id, d->ids, d->n, sizeof(*d->ids), by_text);
}

static int describe(const Mesos__Internal__ReregisterSlaveMessage *r, DescribedIds *ret,
                    char **reterr_message) {
        *ret = (DescribedIds) { .ids = calloc(r->n_frameworks + 1, sizeof(*ret->ids)) };
        if (!ret->ids)
                return -ENOMEM;

        for (size_t i = 0; i < r->n_frameworks; i++) {
                const Mesos__V1__FrameworkID *id = r->frameworks[i]->id;

                if (!id || !id_is_valid(id->value))
                        return reject(reterr_message, "a framework it reports has no valid id");
                ret->ids[ret->n++] = id->value;
        }

        qsort(ret->ids, ret->n, sizeof(*ret->ids), by_text);
        return ACCEPTED;
}

static int judge_task(const Mesos__V1__Task *t, const char *agent_id, const DescribedIds *known,
                      char **reterr_message) {
        if (!id_is_valid(t->task_id->value))
                return reject(reterr_message, "a task it reports has an invalid id");
        if (!streq(t->agent_id->value, agent_id))
                return reject(reterr_message, "it reports task '%s' of another agent, '%s'",
                              t->task_id->value, t->agent_id->value);
        if (!described_ids_have(known, t->framework_id->value))
                return reject(reterr_message,
                              "it reports task '%s' of framework '%s', which it does not describe",
                              t->task_id->value, t->framework_id->value);

        return ACCEPTED;
}

static int judge_executor(const Mesos__V1__ExecutorInfo *e, const DescribedIds *known,
                          char **reterr_message) {
        if (!id_is_valid(e->executor_id->value))
                return reject(reterr_message, "an executor it reports has an invalid id");
        if (!e->framework_id || !described_ids_have(known, e->framework_id->value))
                return reject(reterr_message,
                              "it reports executor '%s' of a framework that it does not describe",
                              e->executor_id->value);

        return ACCEPTED;
}

/* What could not be taken in would be used all the same, and offered to somebody else. So it is all
 * or nothing. */
int readmission_judge(const Mesos__Internal__ReregisterSlaveMessage *r, char **reterr_message) {
        _cleanup_(described_ids_deinit) DescribedIds known = {};
        int k;

        k = describe(r, &known, reterr_message);
        for (size_t i = 0; k == ACCEPTED && i < r->n_executor_infos; i++)
                k = judge_executor(r->executor_infos[i], &known, reterr_message);
        for (size_t i = 0; k == ACCEPTED && i < r->n_tasks; i++)
                k = judge_task(r->tasks[i], r->slave->id->value, &known, reterr_message);

        return k;
}

/* A framework we only know from its agent's report so far. */
static void learn_framework(Master *m, const Mesos__V1__FrameworkInfo *info) {
        Framework *f;
        int r;

        if (framework_find_completed(&m->frameworks, info->id->value))
                return;

        f = framework_find(&m->frameworks, info->id->value);
        if (f) {
                failover_extend(f, info->failover_timeout);
                return;
        }

        r = framework_new(&m->frameworks, info->id->value, info, &f);
        if (r < 0) {
                log_error_errno(r, "Cannot take framework '%s' in: %m", info->id->value);
                return;
        }

        f->master = m;
        f->registered_usec = f->reregistered_usec = master_wall_clock(m);
        allocation_put_framework(f);
        operator_stream_framework_added(f);
        failover_begin(f);
}

static void learn_executor(Master *m, Node *n, const Mesos__V1__ExecutorInfo *info) {
        Framework *f = framework_find(&m->frameworks, info->framework_id->value);
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

/*
 * One that runs elsewhere, too: the framework thought it lost and used its id again, which we let it
 * because we did not know of this one (a master before us did, or the task is long forgotten). The
 * framework cannot even name it, so it is ended here, and what is still told of it is kept from the
 * framework (status_router.c). It is in nobody's books until then.
 */
static bool is_known_or_unwanted(Framework *f, Node *n, const Mesos__V1__Task *report) {
        const Task *known = framework_find_task(f, report->task_id->value);

        if (!known || known->node == n)
                return known;

        log_warning("Task '%s' of framework '%s' runs on agents '%s' and '%s', ending it on the "
                    "latter",
                    known->id, f->id, known->agent_id, n->id);
        if (!task_state_is_terminal(report->state))
                agent_message_kill(n, f->id, known->id, NULL);
        return true;
}

/* The task, if that is how we learnt of it. */
static Task *learn_task(Node *n, const Mesos__V1__Task *report) {
        Framework *f = framework_find(&n->master->frameworks, report->framework_id->value);
        Task *t;
        int r;

        if (!f || is_known_or_unwanted(f, n, report))
                return NULL;

        r = task_new_from_report(report, &t);
        if (r != 0) {
                log_warning("Ignoring task '%s' that agent '%s' reports", report->task_id->value,
                            n->id);
                return NULL;
        }

        /* Its last update comes again, and is passed on without it. */
        if (task_is_terminal(t) && history_has(f, t))
                return task_free(t);

        forget_unreachable(f, t->id);
        t->node = n;
        framework_add_task(f, t);
        if (t->resources)
                resources_share(t->resources, n->total);
        if (t->resources && resources_add(n->used, t->resources) >= 0)
                allocation_charge(f, n, t->resources);

        operator_stream_task_added(t);
        return t;
}

static void learn_owners(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        for (size_t i = 0; i < r->n_frameworks; i++)
                learn_framework(n->master, r->frameworks[i]);
        for (size_t i = 0; i < r->n_executor_infos; i++)
                learn_executor(n->master, n, r->executor_infos[i]);
}

static void tell_of_return(Task *t, const char *message) {
        status_router_tell_latest(t, t->state,
                                  MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_REREGISTERED,
                                  message);
}

void readmission_learn(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r,
                       const char *message) {
        learn_owners(n, r);

        for (size_t i = 0; i < r->n_tasks; i++) {
                Task *t = learn_task(n, r->tasks[i]);

                if (t && message)
                        tell_of_return(t, message);
        }

        history_learn(n->master, n, r);
}

/* One we do not know on an agent we do know has mostly ended, and its framework has acknowledged
 * that, but the agent died before it heard so: the update comes again by itself. But one that lives
 * was lost with the connection, because its framework does not checkpoint. */
static void learn_unknown(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        learn_owners(n, r);

        for (size_t i = 0; i < r->n_tasks; i++) {
                Task *t = learn_task(n, r->tasks[i]);

                if (t && !task_is_terminal(t))
                        tell_of_return(t, "Disconnected agent re-registered");
        }
}

void readmission_settle_frameworks(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        Master *m = n->master;

        for (size_t i = 0; i < r->n_frameworks; i++) {
                const Mesos__V1__FrameworkInfo *info = r->frameworks[i];
                Framework *f;

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
                Executor *e = executor_find(n, info->framework_id->value,
                                            info->executor_id->value);

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

static Executor *executor_of(const Task *t) {
        return t->executor_id ? executor_find(t->node, t->framework->id, t->executor_id) : NULL;
}

/*
 * An agent that repeats a registration says what it had when it sent it, and may have been given a task
 * with a new executor since. About the task it is asked, which settles both: the executor counts until
 * then, or what it uses would be offered to somebody else.
 */
static void mark_doubtful(Node *n) {
        Task *t;

        for (Executor *e = n->executors; e; e = e->hh.next)
                e->doubtful = false;

        DL_FOREACH2(n->tasks, t, node_next) {
                Executor *e = task_is_active(t) && !t->reported ? executor_of(t) : NULL;

                if (e && !e->reported)
                        e->doubtful = true;
        }
}

static void remove_executor(Executor *e) {
        allocation_free(e->framework, e->node, e->resources);
        executor_free(e);
}

static void drop_unreported_executors(Node *n) {
        Executor *e, *next;

        HASH_ITER(hh, n->executors, e, next) {
                if (!e->reported && !e->doubtful)
                        remove_executor(e);
                else
                        e->reported = false;
        }
}

void readmission_settle_executor(const Task *t) {
        Executor *e = executor_of(t);
        const Task *other;

        if (!e || !e->doubtful)
                return;

        if (task_is_active(t)) {
                e->doubtful = false;
                return;
        }

        DL_FOREACH2(t->node->tasks, other, node_next)
                if (task_is_active(other) && executor_of(other) == e)
                        return;
        remove_executor(e);
}

/* What the agent lists that we do not know (we lost it, or it was killed while away) and the other
 * way round. */
void readmission_reconcile(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        Reconciliation c = {};
        Task *t, *next;
        int k = 0;

        mark_reported(n->master, n, r);
        mark_doubtful(n);

        DL_FOREACH_SAFE2(n->tasks, t, next, node_next) {
                if (k >= 0 && !task_is_terminal(t) && !t->reported)
                        k = reconciliation_add(&c, t, n);
                t->reported = false;
        }
        if (k < 0)
                log_error_errno(k, "Cannot reconcile the tasks of agent '%s', ignoring: %m", n->id);

        agent_message_reregistered(n, c.messages, c.n);
        reconciliation_deinit(&c);

        drop_unreported_executors(n);
        learn_unknown(n, r);

        DL_FOREACH_SAFE2(n->tasks, t, next, node_next)
                if (t->kill_wanted && !task_is_terminal(t))
                        agent_message_kill(n, t->framework->id, t->id, NULL);
}
