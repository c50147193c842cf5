/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Inventory
 *
 * What lives here, and what lived here, for a master that may never have heard of it:
 *
 *     frameworks    that have an executor here
 *     executors     not ended, and not of our own making: masters do not know of those
 *     tasks         queued, running, ended but not acknowledged; those of our own executors without one
 *     completed     frameworks with tasks that are acknowledged to the end
 *
 * Mesos's agents tell of the completed tasks only when nothing of their framework is left here. Ours
 * tell of all: a new master can then show what became of yesterday's tasks of a framework that is at
 * work. How much is bounded, since ten thousand agents may tell a new master at once; the newest
 * tasks are told, in the order in which they ended as far as we know it.
 */

#include "agent/inventory.h"
#include "common/net/pbwire.h"

/* A master keeps 1,000 of a framework, from all its agents. */
#define N_COMPLETED_TASKS_MAX 150

/* Of packed tasks, in all. */
#define COMPLETED_MAX_BYTES ((size_t) 512 << 10)

static void count_live(const Agent *a, size_t *ret_frameworks, size_t *ret_executors, size_t *ret_tasks) {
        size_t n_frameworks = 0, n_executors = 0, n_tasks = 0;

        for (const Framework *f = a->frameworks; f; f = f->hh.next) {
                n_frameworks++;
                for (const Executor *e = f->executors; e; e = e->hh.next) {
                        n_executors++;
                        n_tasks += HASH_COUNT(e->tasks);
                }
        }

        *ret_frameworks = n_frameworks;
        *ret_executors = n_executors;
        *ret_tasks = n_tasks;
}

static int add_tasks(const Agent *a, const Framework *f, const Executor *e, Inventory *v) {
        for (const Task *t = e->tasks; t; t = t->hh.next) {
                Mesos__V1__Task *pb = task_to_pb(t, f->id, a->id, e->generated ? NULL : e->id);

                if (!pb)
                        return -ENOMEM;
                v->tasks[v->n_tasks++] = pb;
        }

        return 0;
}

static int take_live(const Agent *a, Inventory *v) {
        size_t n_frameworks, n_executors, n_tasks;

        count_live(a, &n_frameworks, &n_executors, &n_tasks);
        v->frameworks = calloc(n_frameworks + 1, sizeof(*v->frameworks));
        v->executors = calloc(n_executors + 1, sizeof(*v->executors));
        v->tasks = calloc(n_tasks + 1, sizeof(*v->tasks));
        if (!v->frameworks || !v->executors || !v->tasks)
                return -ENOMEM;

        for (const Framework *f = a->frameworks; f; f = f->hh.next) {
                v->frameworks[v->n_frameworks++] = f->info;

                for (const Executor *e = f->executors; e; e = e->hh.next) {
                        int r;

                        if (!e->generated && e->state != EXECUTOR_TERMINATED)
                                v->executors[v->n_executors++] = e->info;
                        r = add_tasks(a, f, e, v);
                        if (r < 0)
                                return r;
                }
        }

        return 0;
}

/* The newest of a framework's completed tasks, newest first. */
typedef struct Newest {
        const CompletedTask *tasks[N_COMPLETED_TASKS_MAX];
        size_t n;
        size_t left_bytes; /* of what all frameworks may say */
} Newest;

static void add_newest(Newest *newest, const Executor *e) {
        for (const CompletedTask *t = e->completed; t; t = t->next) {
                if (newest->n == ELEMENTSOF(newest->tasks) || newest->left_bytes < t->n_packed)
                        return;

                newest->tasks[newest->n++] = t;
                newest->left_bytes -= t->n_packed;
        }
}

static void find_newest(Newest *newest, const Framework *f) {
        newest->n = 0;
        for (const Executor *e = f->executors; e; e = e->hh.next)
                add_newest(newest, e);
        for (const CompletedExecutor *c = f->completed; c; c = c->next)
                add_newest(newest, c->executor);
}

static void archive_free(Mesos__Internal__Archive__Framework *archive) {
        for (size_t i = 0; i < archive->n_tasks; i++)
                pb_free(&archive->tasks[i]->base);
        free(archive->tasks);
        free(archive);
}

/* Masters keep them in the order in which they are told: the oldest comes first. */
static int fill_archive(Mesos__Internal__Archive__Framework *archive, const Newest *newest) {
        archive->tasks = calloc(newest->n, sizeof(*archive->tasks));
        if (!archive->tasks)
                return -ENOMEM;

        for (size_t i = newest->n; i > 0; i--) {
                const CompletedTask *t = newest->tasks[i - 1];
                Mesos__V1__Task *pb = mesos__v1__task__unpack(NULL, t->n_packed, t->packed);

                if (!pb)
                        return -ENOMEM;
                archive->tasks[archive->n_tasks++] = pb;
        }

        return 0;
}

static int add_completed(Inventory *v, const Framework *f, Newest *newest) {
        Mesos__Internal__Archive__Framework *archive;

        find_newest(newest, f);
        if (newest->n == 0)
                return 0;

        archive = malloc(sizeof(*archive));
        if (!archive)
                return -ENOMEM;

        mesos__internal__archive__framework__init(archive);
        archive->framework_info = f->info;
        archive->pid = f->pid;
        v->completed[v->n_completed++] = archive;
        return fill_archive(archive, newest);
}

/* Those at work first: they are the more likely to be asked about. */
static int take_completed(const Agent *a, Inventory *v) {
        Newest newest = { .left_bytes = COMPLETED_MAX_BYTES };
        int r = 0;

        v->completed = calloc(HASH_COUNT(a->frameworks) + a->n_completed + 1, sizeof(*v->completed));
        if (!v->completed)
                return -ENOMEM;

        for (const Framework *f = a->frameworks; r >= 0 && f; f = f->hh.next)
                r = add_completed(v, f, &newest);
        for (const CompletedFramework *c = a->completed; r >= 0 && c; c = c->next)
                r = add_completed(v, c->framework, &newest);
        return r;
}

int inventory_take(const Agent *a, Inventory *v) {
        int r;

        *v = (Inventory) {};
        r = take_live(a, v);
        return r < 0 ? r : take_completed(a, v);
}

void inventory_deinit(Inventory *v) {
        for (size_t i = 0; i < v->n_completed; i++)
                archive_free(v->completed[i]);
        for (size_t i = 0; i < v->n_tasks; i++)
                pb_free(&v->tasks[i]->base);
        free(v->completed);
        free(v->tasks);
        free(v->executors);
        free(v->frameworks);
        *v = (Inventory) {};
}
