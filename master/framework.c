/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frameworks
 *
 *     (agent tells of it) ─▶ RECOVERED ─┐
 *     SUBSCRIBE ────────────────────────┴▶ CONNECTED ◀──────────┐
 *                                            │ stream broke     │ SUBSCRIBE with the id
 *                                            ▼                  │
 *                                       DISCONNECTED ───────────┘
 *                                            │ failover timeout, TEARDOWN (from any state)
 *                                            ▼
 *                                        COMPLETED              refused from now on
 *
 *     (agent remembers it) ─▶ ARCHIVED ──SUBSCRIBE, or a live task──▶ its tasks go to the new one
 *
 * A framework owns its tasks in three collections (task.c), each with a bound except the live ones,
 * which are bounded by the resources of the cluster. Who may do what in which state is decided in
 * scheduler_api.c and master.c; here is the record, and that its parts stay consistent.
 */

#include <utlist.h>

#include "common/net/pbwire.h"
#include "master/framework.h"
#include "master/node.h"
#include "master/task.h"

void framework_table_deinit(FrameworkTable *t) {
        Framework *f, *next;

        assert(!t->by_id);

        DL_FOREACH_SAFE(t->completed, f, next)
                framework_free(f);
        assert(!t->completed);
        unreachable_index_deinit(&t->unreachable);
}

/* Looks at f->info: what is asked at every turn is worked out once. */
static int framework_index_info(Framework *f) {
        f->capabilities = 0;
        for (size_t i = 0; i < f->info->n_capabilities; i++)
                if (f->info->capabilities[i]->has_type &&
                    (unsigned) f->info->capabilities[i]->type < 32)
                        f->capabilities |= UINT32_C(1) << f->info->capabilities[i]->type;

        free(f->own_role);
        f->own_role = NULL;

        if (framework_has_capability(f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE)) {
                f->roles = f->info->roles;
                f->n_roles = f->info->n_roles;
                return 0;
        }

        f->own_role = strdup(f->info->role ?: "*");
        if (!f->own_role)
                return -ENOMEM;

        f->roles = &f->own_role;
        f->n_roles = 1;
        return 0;
}

static int framework_info_copy(const Mesos__V1__FrameworkInfo *info, const char *id,
                               Mesos__V1__FrameworkInfo **ret) {
        Mesos__V1__FrameworkInfo with_id = *info;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__FrameworkInfo *copy;

        fid.value = (char *) id;
        with_id.id = &fid;

        copy = (Mesos__V1__FrameworkInfo *) pb_copy(&with_id.base);
        if (!copy)
                return -ENOMEM;

        *ret = copy;
        return 0;
}

/* In no table yet. */
static int framework_make(const char *id, const Mesos__V1__FrameworkInfo *info, Framework **ret) {
        _cleanup_(framework_freep) Framework *f = NULL;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;

        f->id = strdup(id);
        if (!f->id)
                return -ENOMEM;

        r = framework_info_copy(info, id, &f->info);
        if (r < 0)
                return r;

        r = framework_index_info(f);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(f);
        return 0;
}

static void take_archive(Framework *f) {
        Framework *old = framework_find_over(f->table, f->id);
        Task *t;

        if (!old || old->state != FRAMEWORK_ARCHIVED)
                return;

        DL_FOREACH(old->completed_tasks, t)
                t->framework = f;
        f->completed_tasks = TAKE_PTR(old->completed_tasks);
        f->n_completed_tasks = old->n_completed_tasks;
        framework_free(old);
}

int framework_new(FrameworkTable *t, const char *id, const Mesos__V1__FrameworkInfo *info,
                  Framework **ret) {
        Framework *f;
        int r;

        assert(t);
        assert(id);
        assert(info);
        assert(ret);

        r = framework_make(id, info, &f);
        if (r < 0)
                return r;

        f->state = FRAMEWORK_RECOVERED;
        f->table = t;
        HASH_ADD_KEYPTR(hh, t->by_id, f->id, strlen(f->id), f);
        take_archive(f);

        *ret = f;
        return 0;
}

int framework_archive(FrameworkTable *t, const Mesos__V1__FrameworkInfo *info, unsigned max_completed,
                      Framework **ret) {
        Framework *f;
        int r;

        if (t->n_completed >= max_completed)
                return FRAMEWORK_E_FULL;

        r = framework_make(info->id->value, info, &f);
        if (r < 0)
                return r;

        f->state = FRAMEWORK_ARCHIVED;
        f->table = t;
        DL_APPEND(t->completed, f);
        t->n_completed++;

        *ret = f;
        return FRAMEWORK_OK;
}

static void framework_clear_suppressed(Framework *f) {
        for (size_t i = 0; i < f->n_suppressed_roles; i++)
                free(f->suppressed_roles[i]);
        free(f->suppressed_roles);
        f->suppressed_roles = NULL;
        f->n_suppressed_roles = 0;
}

static bool framework_is_over(const Framework *f) {
        return f->state == FRAMEWORK_COMPLETED || f->state == FRAMEWORK_ARCHIVED;
}

Framework *framework_free(Framework *f) {
        Task *t, *next;

        if (!f)
                return NULL;

        assert(!f->offers);
        assert(!f->inverse_offers);
        assert(!f->executors);
        assert(!f->stream);

        HASH_ITER(hh, f->tasks, t, next) {
                framework_remove_task(f, t);
                task_free(t);
        }
        HASH_ITER(hh, f->unreachable_tasks, t, next) {
                framework_remove_unreachable(f, t);
                task_free(t);
        }
        DL_FOREACH_SAFE(f->completed_tasks, t, next) {
                DL_DELETE(f->completed_tasks, t);
                task_free(t);
        }

        if (f->table && framework_is_over(f)) {
                DL_DELETE(f->table->completed, f);
                f->table->n_completed--;
        } else if (f->table)
                HASH_DELETE(hh, f->table->by_id, f);

        sd_event_source_disable_unref(f->heartbeat_source);
        sd_event_source_disable_unref(f->failover_source);
        sd_event_source_disable_unref(f->reconcile_source);
        framework_clear_suppressed(f);
        if (f->offer_constraints)
                pb_free(&f->offer_constraints->base);
        if (f->info)
                pb_free(&f->info->base);
        free(f->own_role);
        free(f->id);
        free(f);
        return NULL;
}

Framework *framework_find(const FrameworkTable *t, const char *id) {
        Framework *f;

        HASH_FIND_STR(t->by_id, id, f);
        return f;
}

Framework *framework_find_over(const FrameworkTable *t, const char *id) {
        Framework *f;

        DL_FOREACH(t->completed, f)
                if (streq(f->id, id))
                        return f;

        return NULL;
}

Framework *framework_find_completed(const FrameworkTable *t, const char *id) {
        Framework *f = framework_find_over(t, id);

        return f && f->state == FRAMEWORK_COMPLETED ? f : NULL;
}

size_t framework_count(const FrameworkTable *t) {
        return HASH_COUNT(t->by_id);
}

/* The id of a removed one is refused, so it is kept as long as anything can go in its place. */
static Framework *framework_least_wanted(const FrameworkTable *t) {
        Framework *f;

        DL_FOREACH(t->completed, f)
                if (f->state == FRAMEWORK_ARCHIVED)
                        return f;

        return t->completed;
}

void framework_complete(Framework *f, unsigned max_completed) {
        FrameworkTable *t = f->table;

        assert(!f->tasks);
        assert(f->state != FRAMEWORK_COMPLETED);

        f->heartbeat_source = sd_event_source_disable_unref(f->heartbeat_source);
        f->failover_source = sd_event_source_disable_unref(f->failover_source);

        HASH_DELETE(hh, t->by_id, f);
        f->state = FRAMEWORK_COMPLETED;
        f->active = false;
        DL_APPEND(t->completed, f);
        t->n_completed++;

        while (t->n_completed > max_completed)
                framework_free(framework_least_wanted(t));
}

int framework_set_info(Framework *f, const Mesos__V1__FrameworkInfo *info) {
        Mesos__V1__FrameworkInfo *copy;
        int r;

        r = framework_info_copy(info, f->id, &copy);
        if (r < 0)
                return r;

        pb_free(&f->info->base);
        f->info = copy;
        return framework_index_info(f);
}

int framework_set_suppressed(Framework *f, char *const *roles, size_t n) {
        char **copy;

        framework_clear_suppressed(f);
        if (n == 0)
                return 0;

        copy = calloc(n, sizeof(*copy));
        if (!copy)
                return -ENOMEM;

        f->suppressed_roles = copy;
        for (; f->n_suppressed_roles < n; f->n_suppressed_roles++) {
                copy[f->n_suppressed_roles] = strdup(roles[f->n_suppressed_roles]);
                if (!copy[f->n_suppressed_roles])
                        return -ENOMEM;
        }

        return 0;
}

int framework_set_constraints(Framework *f,
                              const Mesos__V1__Scheduler__OfferConstraints *constraints) {
        Mesos__V1__Scheduler__OfferConstraints *copy = NULL;

        if (constraints) {
                copy = (Mesos__V1__Scheduler__OfferConstraints *) pb_copy(&constraints->base);
                if (!copy)
                        return -ENOMEM;
        }

        if (f->offer_constraints)
                pb_free(&f->offer_constraints->base);
        f->offer_constraints = copy;
        return 0;
}

bool framework_has_capability(const Framework *f, Mesos__V1__FrameworkInfo__Capability__Type type) {
        return f->capabilities & (UINT32_C(1) << type);
}

bool framework_is_partition_aware(const Framework *f) {
        return framework_has_capability(
                        f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE);
}

bool framework_has_role(const Framework *f, const char *role) {
        for (size_t i = 0; i < f->n_roles; i++)
                if (streq(f->roles[i], role))
                        return true;

        return false;
}

bool framework_is_suppressed(const Framework *f, const char *role) {
        for (size_t i = 0; i < f->n_suppressed_roles; i++)
                if (streq(f->suppressed_roles[i], role))
                        return true;

        return false;
}

Task *framework_find_task(const Framework *f, const char *task_id) {
        Task *t;

        HASH_FIND_STR(f->tasks, task_id, t);
        return t;
}

Task *framework_find_unreachable(const Framework *f, const char *task_id) {
        Task *t;

        HASH_FIND_STR(f->unreachable_tasks, task_id, t);
        return t;
}

unsigned framework_count_unreachable(const Framework *f) {
        return HASH_COUNT(f->unreachable_tasks);
}

void framework_add_task(Framework *f, Task *t) {
        t->framework = f;
        f->unheard_of = false;
        HASH_ADD_KEYPTR(hh, f->tasks, t->id, strlen(t->id), t);
        if (t->node)
                DL_APPEND2(t->node->tasks, t, node_prev, node_next);
}

void framework_add_unreachable(Framework *f, Task *t, unsigned max) {
        Task *same = framework_find_unreachable(f, t->id);

        assert(!t->node);

        /* Two agents may have claimed it, one after the other. */
        if (same) {
                framework_remove_unreachable(f, same);
                task_free(same);
        }

        t->framework = f;
        if (unreachable_index_add(&f->table->unreachable, t) < 0) {
                task_free(t);
                return;
        }
        HASH_ADD_KEYPTR(hh, f->unreachable_tasks, t->id, strlen(t->id), t);

        while (framework_count_unreachable(f) > max) {
                Task *oldest = f->unreachable_tasks;

                framework_remove_unreachable(f, oldest);
                task_free(oldest);
        }
}

void framework_add_completed(Framework *f, Task *t, unsigned max) {
        assert(!t->node);

        t->framework = f;
        DL_APPEND(f->completed_tasks, t);
        f->n_completed_tasks++;

        while (f->n_completed_tasks > max) {
                Task *oldest = f->completed_tasks;

                DL_DELETE(f->completed_tasks, oldest);
                f->n_completed_tasks--;
                task_free(oldest);
        }
}

void framework_remove_task(Framework *f, Task *t) {
        if (f->reconcile_next == t)
                f->reconcile_next = t->hh.next;
        HASH_DELETE(hh, f->tasks, t);
        if (t->node)
                DL_DELETE2(t->node->tasks, t, node_prev, node_next);
        t->node = NULL;
}

void framework_remove_unreachable(Framework *f, Task *t) {
        HASH_DELETE(hh, f->unreachable_tasks, t);
        unreachable_index_remove(&f->table->unreachable, t);
}
