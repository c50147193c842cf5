/* SPDX-License-Identifier: Apache-2.0 */

/*
 * History
 *
 * A new master knows of work that is over only what agents tell of it when they register again:
 *
 *     ReregisterSlave.completed_frameworks ─▶ completed tasks of a framework we know, live or removed
 *                                          └▶ an archived framework, until one of that id is back
 *
 * "Completed" means something else to an agent than to us: that nothing of the framework is left
 * there. It may be as alive as ever, and about to subscribe; therefore an archived framework is shown
 * with the removed ones, but its id is not refused. Its tasks go to the framework when that comes.
 *
 * An agent that comes back to a master that knows it has nothing new to tell: tasks are over once
 * their acknowledgement has gone through the master. One that was unreachable when this master began
 * has; one that became so later tells what we have, so tasks are compared.
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/model/id.h"
#include "common/net/pbwire.h"
#include "master/framework.h"
#include "master/history.h"
#include "master/node.h"
#include "master/task.h"

/* A framework's completed tasks of one agent, by id. */
typedef struct KnownTasks {
        const Task **tasks; /* owned array */
        size_t n;
} KnownTasks;

static void known_tasks_deinit(KnownTasks *k) {
        free(k->tasks);
}

static int by_id(const void *x, const void *y) {
        const Task *const *a = x, *const *b = y;

        return strcmp((*a)->id, (*b)->id);
}

static int known_tasks_init(KnownTasks *k, const Framework *f, const Node *n) {
        *k = (KnownTasks) { .tasks = calloc(f->n_completed_tasks + 1, sizeof(*k->tasks)) };
        if (!k->tasks)
                return -ENOMEM;

        for (const Task *t = f->completed_tasks; t; t = t->next)
                if (streq(t->agent_id, n->id))
                        k->tasks[k->n++] = t;
        qsort(k->tasks, k->n, sizeof(*k->tasks), by_id);
        return 0;
}

/* Ids may be used again: the uuid of the last status tells one run from the other. */
static bool is_same_run(const Task *a, const Task *b) {
        Mesos__V1__TaskStatus *x = task_last_status(a), *y = task_last_status(b);
        bool same = !x || !y || !x->has_uuid || !y->has_uuid ||
                    (x->uuid.len == y->uuid.len && memcmp(x->uuid.data, y->uuid.data, x->uuid.len) == 0);

        if (x)
                pb_free(&x->base);
        if (y)
                pb_free(&y->base);
        return same;
}

bool history_has(const Framework *f, const Task *t) {
        for (const Task *old = f->completed_tasks; old; old = old->next)
                if (streq(old->id, t->id) && streq(old->agent_id, t->agent_id) && is_same_run(old, t))
                        return true;

        return false;
}

static bool known_tasks_have(const KnownTasks *k, const Task *t) {
        const Task **found = bsearch(&t, k->tasks, k->n, sizeof(*k->tasks), by_id), **end = k->tasks + k->n;

        if (!found)
                return false;

        while (found > k->tasks && streq(found[-1]->id, t->id))
                found--;
        for (; found < end && streq((*found)->id, t->id); found++)
                if (is_same_run(*found, t))
                        return true;

        return false;
}

/* Nobody told us when it came and went: as far as its tasks show. */
static void stretch_times(Framework *f, const Mesos__V1__Task *report) {
        size_t n = report->n_statuses;
        usec_t first_usec, last_usec;

        if (f->state != FRAMEWORK_ARCHIVED || n == 0)
                return;

        first_usec = usec_from_secs(report->statuses[0]->timestamp);
        last_usec = usec_from_secs(report->statuses[n - 1]->timestamp);
        if (f->registered_usec == 0 || first_usec < f->registered_usec)
                f->registered_usec = f->reregistered_usec = first_usec;
        f->unregistered_usec = MAX(f->unregistered_usec, last_usec);
}

/* A task we have not got yet, or NULL. */
static Task *judge_task(const Framework *f, const Node *n, const KnownTasks *known, const Mesos__V1__Task *report) {
        Task *t;

        if (!id_is_valid(report->task_id->value) || !streq(report->framework_id->value, f->id) ||
            !streq(report->agent_id->value, n->id) || !task_state_is_terminal(report->state))
                return NULL;

        if (task_new_from_report(report, &t) != 0) {
                log_warning("Ignoring completed task '%s' that agent '%s' reports", report->task_id->value, n->id);
                return NULL;
        }

        return known_tasks_have(known, t) ? task_free(t) : t;
}

static Framework *find_or_archive(Master *m, const Mesos__V1__FrameworkInfo *info) {
        Framework *f;
        int r;

        f = framework_find(&m->frameworks, info->id->value) ?: framework_find_over(&m->frameworks, info->id->value);
        if (f)
                return f;

        r = framework_archive(&m->frameworks, info, m->config->max_completed_frameworks, &f);
        if (r < 0)
                log_error_errno(r, "Cannot remember framework '%s', which an agent reports: %m", info->id->value);
        if (r != FRAMEWORK_OK)
                return NULL;

        f->master = m;
        return f;
}

/* All are judged before the first is added: the bound may take those they are compared with. */
static int learn_tasks(Framework *f, Node *n, const Mesos__Internal__Archive__Framework *report) {
        _cleanup_(known_tasks_deinit) KnownTasks known = {};
        Task *fresh = NULL, *t, *next;
        int r;

        r = known_tasks_init(&known, f, n);
        if (r < 0)
                return r;

        for (size_t i = 0; i < report->n_tasks; i++) {
                t = judge_task(f, n, &known, report->tasks[i]);
                if (t) {
                        stretch_times(f, report->tasks[i]);
                        DL_APPEND(fresh, t);
                }
        }

        DL_FOREACH_SAFE(fresh, t, next) {
                DL_DELETE(fresh, t);
                framework_add_completed(f, t, n->master->config->max_completed_tasks_per_framework);
        }

        return 0;
}

static void learn_framework(Master *m, Node *n, const Mesos__Internal__Archive__Framework *report) {
        const Mesos__V1__FrameworkInfo *info = report->framework_info;
        Framework *f;

        if (!info->id || !id_is_valid(info->id->value) || report->n_tasks == 0)
                return;

        f = find_or_archive(m, info);
        if (f && learn_tasks(f, n, report) < 0)
                (void) log_oom();
}

void history_learn(Master *m, Node *n, const Mesos__Internal__ReregisterSlaveMessage *r) {
        for (size_t i = 0; i < r->n_completed_frameworks; i++)
                learn_framework(m, n, r->completed_frameworks[i]);
}
