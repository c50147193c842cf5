/* SPDX-License-Identifier: Apache-2.0 */

/*
 * History
 *
 * Operators ask about work after it has ended, and a new master knows of it only what agents
 * remember. So what is acknowledged to the end is not dropped at once:
 *
 *     Framework.executors ─▶ Executor.tasks ──acknowledged──▶ Executor.completed       the last 200
 *              │                     └──gone, no tasks──▶ Framework.completed          the last 150
 *              └──no executors──▶ Agent.completed                                      the last 50
 *
 * The bounds are Mesos's; of executors it is --max_completed_executors_per_framework. An older entry
 * gives way to a newer one.
 *
 * Of frameworks that checkpoint the history is stored as well, each step in the transaction that
 * takes the same thing out of the checkpoint: a task is in one of the two, whatever happens. What is
 * stored is dropped with the sandbox, or by the bounds; what is in memory by the bounds alone.
 */

#include <utlist.h>

#include "agent/checkpoint.h"
#include "agent/history.h"
#include "agent/history_store.h"
#include "common/base/log.h"
#include "common/net/pbwire.h"

#define N_TASKS_MAX 200
#define N_FRAMEWORKS_MAX 50

/* Not stored, or not any more: there is nothing to drop. */
static bool take_record(int64_t *record, int64_t *ret) {
        *ret = *record;
        *record = 0;
        return *ret > 0;
}

static void drop_task_row(Agent *a, CompletedTask *t) {
        int64_t record;

        if (take_record(&t->record, &record))
                (void) history_store_drop_task(a->history, record);
}

static void drop_executor_rows(Agent *a, Executor *e) {
        CompletedTask *t;
        int64_t record;

        DL_FOREACH (e->completed, t)
                drop_task_row(a, t);
        if (take_record(&e->record, &record))
                (void) history_store_drop_executor(a->history, record);
}

static void drop_framework_row(Agent *a, Framework *f) {
        int64_t record;

        if (take_record(&f->record, &record))
                (void) history_store_drop_framework(a->history, record);
}

static void remember_task(Agent *a, Executor *e, CompletedTask *t) {
        DL_PREPEND(e->completed, t);
        e->n_completed++;

        while (e->n_completed > N_TASKS_MAX) {
                CompletedTask *oldest = e->completed->prev;

                drop_task_row(a, oldest);
                DL_DELETE(e->completed, oldest);
                completed_task_free(oldest);
                e->n_completed--;
        }
}

/* Takes `e`, which is in nobody's books. */
static int remember_executor(Agent *a, Framework *f, Executor *e) {
        CompletedExecutor *c = malloc(sizeof(*c));

        if (!c) {
                drop_executor_rows(a, e);
                executor_free(e);
                return -ENOMEM;
        }

        c->executor = e;
        DL_PREPEND(f->completed, c);
        f->n_completed++;

        while (f->n_completed > a->config->max_completed_executors) {
                CompletedExecutor *oldest = f->completed->prev;

                drop_executor_rows(a, oldest->executor);
                DL_DELETE(f->completed, oldest);
                executor_free(oldest->executor);
                free(oldest);
                f->n_completed--;
        }

        return 0;
}

static void drop_framework_rows(Agent *a, Framework *f) {
        CompletedExecutor *c;

        DL_FOREACH (f->completed, c)
                drop_executor_rows(a, c->executor);
        drop_framework_row(a, f);
}

/* Takes `f`, which is in nobody's books. */
static int remember_framework(Agent *a, Framework *f) {
        CompletedFramework *c = malloc(sizeof(*c));

        if (!c) {
                drop_framework_rows(a, f);
                framework_free(f);
                return -ENOMEM;
        }

        c->framework = f;
        DL_PREPEND(a->completed, c);
        a->n_completed++;

        while (a->n_completed > N_FRAMEWORKS_MAX) {
                CompletedFramework *oldest = a->completed->prev;

                drop_framework_rows(a, oldest->framework);
                DL_DELETE(a->completed, oldest);
                framework_free(oldest->framework);
                free(oldest);
                a->n_completed--;
        }

        return 0;
}

static int complete_task(Agent *a, Executor *e, const Task *t) {
        const Framework *f = e->framework;
        _cleanup_free_ uint8_t *packed = NULL;
        CompletedTask *c;
        size_t n;
        int r;

        r = task_pack(t, f->id, a->id ?: "", e->generated ? NULL : e->id, &packed, &n);
        if (r >= 0)
                r = completed_task_new(packed, n, &c);
        if (r < 0)
                return r;

        if (framework_checkpoints(f))
                (void) history_store_add_task(a->history, e->container_id, c, &c->record);
        remember_task(a, e, c);
        return 0;
}

void history_add_task(Agent *a, Executor *e, Task *t) {
        (void) checkpoint_forget_task(a->checkpoint, e->framework->id, t->id);
        HASH_DEL(e->tasks, t);

        /* Its framework was removed: nobody waits for its end, which is what masters call it then. */
        if (!task_state_is_terminal(t->state))
                t->state = MESOS__V1__TASK_STATE__TASK_KILLED;

        if (complete_task(a, e, t) < 0)
                log_warning("No memory to remember task '%s', which is over.", t->id);
        task_free(t);
}

void history_add_executor(Agent *a, Executor *e) {
        Framework *f = e->framework;

        (void) checkpoint_forget_executor(a->checkpoint, e);
        HASH_DEL(f->executors, e);
        if (framework_checkpoints(f))
                (void) history_store_add_executor(a->history, e, &e->record);
        if (remember_executor(a, f, e) < 0)
                (void) log_oom();
}

void history_add_framework(Agent *a, Framework *f) {
        (void) checkpoint_forget_framework(a->checkpoint, f->id);
        HASH_DEL(a->frameworks, f);
        if (framework_checkpoints(f))
                (void) history_store_add_framework(a->history, f, &f->record);
        if (remember_framework(a, f) < 0)
                (void) log_oom();
}

static CompletedFramework *find_completed(const Agent *a, const char *framework_id) {
        CompletedFramework *c;

        DL_FOREACH (a->completed, c)
                if (streq(c->framework->id, framework_id))
                        return c;

        return NULL;
}

void history_revive_framework(Agent *a, Framework *f) {
        CompletedFramework *old = find_completed(a, f->id);
        CompletedExecutor *c;

        assert(!f->completed);

        if (!old)
                return;

        drop_framework_row(a, old->framework);
        DL_FOREACH (old->framework->completed, c)
                c->executor->framework = f;
        f->completed = TAKE_PTR(old->framework->completed);
        f->n_completed = old->framework->n_completed;

        DL_DELETE(a->completed, old);
        a->n_completed--;
        framework_free(old->framework);
        free(old);
}

static void forget_in_framework(Agent *a, Framework *f, const char *directory) {
        CompletedExecutor *c;

        DL_FOREACH (f->completed, c)
                if (streq_ptr(c->executor->directory, directory))
                        drop_executor_rows(a, c->executor);
}

void history_forget_sandbox(Agent *a, const char *directory) {
        CompletedFramework *c;

        for (Framework *f = a->frameworks; f; f = f->hh.next)
                forget_in_framework(a, f, directory);
        DL_FOREACH (a->completed, c)
                forget_in_framework(a, c->framework, directory);
}

/* Recovery */

typedef struct Load {
        Agent *agent;
        Executor **executors; /* owned array; all there are, in the order of their containers' ids */
        size_t n_executors;
        bool damaged;
} Load;

static void load_deinit(Load *l) {
        free(l->executors);
}

/* A row that cannot be what we wrote; it is dropped with the sandbox or by an operator, not by us. */
static int skip_damaged(Load *l, const char *what, const char *id, const char *why) {
        log_error("The stored %s '%s', which is over, cannot be read: %s", what, id, why ?: "damaged");
        l->agent->counters.recovery_errors++;
        l->damaged = true;
        return 0;
}

static int load_framework(const StoredCompletedFramework *stored, void *userdata) {
        Load *l = userdata;
        Agent *a = l->agent;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        const Mesos__V1__FrameworkInfo *info;
        Framework *f;
        int r;

        r = pb_unpack(&mesos__v1__framework_info__descriptor, stored->info, stored->n_info, PB_LIMITS_DEFAULT, &m, &why);
        info = (const Mesos__V1__FrameworkInfo *) m;
        if (r < 0)
                return r;
        if (r != PB_OK || !info->id)
                return skip_damaged(l, "framework", stored->pid, why);

        /* It came back, and the disk was full just then. */
        HASH_FIND_STR(a->frameworks, info->id->value, f);
        if (f || find_completed(a, info->id->value))
                return history_store_drop_framework(a->history, stored->record);

        r = framework_new((Mesos__V1__FrameworkInfo *) m, stored->pid, &f);
        if (r < 0)
                return r;

        TAKE_PTR(m);
        f->record = stored->record;
        return remember_framework(a, f);
}

static Framework *find_framework(const Agent *a, const char *id) {
        CompletedFramework *c;
        Framework *f;

        HASH_FIND_STR(a->frameworks, id, f);
        if (f)
                return f;

        c = find_completed(a, id);
        return c ? c->framework : NULL;
}

static int restore_executor(Framework *f, const StoredCompletedExecutor *stored, Mesos__V1__ExecutorInfo *info,
                            Executor **ret) {
        _cleanup_(executor_freep) Executor *e = NULL;
        int r;

        r = executor_new(f, info, stored->generated, stored->container_id, &e);
        if (r < 0) {
                pb_free(&info->base);
                return r;
        }

        e->state = EXECUTOR_TERMINATED;
        e->exit_status = stored->exit_status;
        e->record = stored->record;
        e->directory = strdup(stored->directory);
        e->user = stored->user ? strdup(stored->user) : NULL;
        if (!e->directory || (stored->user && !e->user))
                return -ENOMEM;

        *ret = TAKE_PTR(e);
        return 0;
}

static int load_executor(const StoredCompletedExecutor *stored, void *userdata) {
        Load *l = userdata;
        Framework *f = find_framework(l->agent, stored->framework_id);
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        Executor *e;
        int r;

        /* Its framework fell to the bounds, or could not be recorded. */
        if (!f)
                return history_store_drop_executor(l->agent->history, stored->record);

        r = pb_unpack(&mesos__v1__executor_info__descriptor, stored->info, stored->n_info, PB_LIMITS_DEFAULT, &m, &why);
        if (r < 0)
                return r;
        if (r != PB_OK)
                return skip_damaged(l, "executor of container", stored->container_id, why);

        r = restore_executor(f, stored, (Mesos__V1__ExecutorInfo *) TAKE_PTR(m), &e);
        return r < 0 ? r : remember_executor(l->agent, f, e);
}

static int by_container(const void *x, const void *y) {
        const Executor *const *a = x, *const *b = y;

        return strcmp((*a)->container_id, (*b)->container_id);
}

static size_t count_executors(const Framework *f) {
        return HASH_COUNT(f->executors) + f->n_completed;
}

static void list_executors(Load *l, const Framework *f) {
        const CompletedExecutor *c;

        for (Executor *e = f->executors; e; e = e->hh.next)
                l->executors[l->n_executors++] = e;
        DL_FOREACH (f->completed, c)
                l->executors[l->n_executors++] = c->executor;
}

static int index_executors(Load *l) {
        const CompletedFramework *c;
        size_t n = 0;

        for (const Framework *f = l->agent->frameworks; f; f = f->hh.next)
                n += count_executors(f);
        DL_FOREACH (l->agent->completed, c)
                n += count_executors(c->framework);

        l->executors = calloc(n + 1, sizeof(*l->executors));
        if (!l->executors)
                return -ENOMEM;

        for (const Framework *f = l->agent->frameworks; f; f = f->hh.next)
                list_executors(l, f);
        DL_FOREACH (l->agent->completed, c)
                list_executors(l, c->framework);
        qsort(l->executors, l->n_executors, sizeof(*l->executors), by_container);
        return 0;
}

static Executor *find_executor(const Load *l, const char *container_id) {
        Executor wanted, *key = &wanted, **found;

        memcpy(wanted.container_id, container_id, strlen(container_id) + 1);
        found = bsearch(&key, l->executors, l->n_executors, sizeof(*l->executors), by_container);
        return found ? *found : NULL;
}

static int load_task(const StoredCompletedTask *stored, void *userdata) {
        Load *l = userdata;
        Executor *e = find_executor(l, stored->container_id);
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        CompletedTask *t;
        int r;

        if (!e)
                return history_store_drop_task(l->agent->history, stored->record);

        /* Only to see that it can be: views show the bytes. */
        r = pb_unpack(&mesos__v1__task__descriptor, stored->task, stored->n_task, PB_LIMITS_DEFAULT, &m, &why);
        if (r < 0)
                return r;
        if (r != PB_OK)
                return skip_damaged(l, "task of container", stored->container_id, why);

        r = completed_task_new(stored->task, stored->n_task, &t);
        if (r < 0)
                return r;

        t->record = stored->record;
        remember_task(l->agent, e, t);
        return 0;
}

/* Damage in one table does not keep us from reading the next. */
static int note_damage(Load *l, int r) {
        if (r != -EBADMSG)
                return r;

        l->damaged = true;
        return 0;
}

int history_load(Agent *a) {
        _cleanup_(load_deinit) Load l = { .agent = a };
        int r;

        r = note_damage(&l, history_store_foreach_framework(a->history, load_framework, &l));
        if (r == 0)
                r = note_damage(&l, history_store_foreach_executor(a->history, load_executor, &l));
        if (r == 0)
                r = index_executors(&l);
        if (r == 0)
                r = note_damage(&l, history_store_foreach_task(a->history, load_task, &l));
        return r == 0 && l.damaged ? -EBADMSG : r;
}
