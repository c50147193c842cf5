/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Draining
 *
 *     DrainSlave ─commit─▶ every task is killed ─▶ updates acknowledged, operations too ─commit─▶ over
 *
 * An operator wants the host for himself. The agent ends its tasks, with the grace they asked for but
 * no more than the operator allows, and takes no new ones meanwhile. Which command comes when is the
 * master's affair: it keeps offers away until the operator reactivates the agent, also after the agent
 * has found itself empty and goes on as before.
 *
 * The command is stored before anything is killed, and a restarted agent kills again: a kill may have
 * been lost with its executor's connection. Executors take a second one for what it is.
 */

#include <inttypes.h>
#include <stdio.h>

#include "agent/checkpoint.h"
#include "agent/drain.h"
#include "agent/operations.h"
#include "agent/tasks.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/net/pbwire.h"

#define RECORD_RETRY_USEC USEC_PER_SEC

struct Drain {
        Agent *agent;                      /* borrowed */
        Mesos__V1__DrainConfig *config;    /* owned; NULL: not draining */
        bool durable;
        bool over;                         /* its end is on the way to the disk */
        bool reported;                     /* the log says that it cannot be recorded; once is enough */
        usec_t started_usec;
        sd_event_source *retry_source;
};

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata);

int drain_new(Agent *a, Drain **ret) {
        _cleanup_(drain_freep) Drain *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;

        d->agent = a;
        r = sd_event_add_time(a->event, &d->retry_source, CLOCK_MONOTONIC, USEC_INFINITY, 0, on_retry, d);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(d->retry_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(d->retry_source, "drain-record-retry");

        *ret = TAKE_PTR(d);
        return 0;
}

static void clear(Drain *d) {
        if (d->config)
                pb_free(&d->config->base);
        d->config = NULL;
        d->durable = false;
        d->over = false;
}

Drain *drain_free(Drain *d) {
        if (!d)
                return NULL;

        sd_event_source_disable_unref(d->retry_source);
        clear(d);
        free(d);
        return NULL;
}

bool drain_has_begun(const Drain *d) {
        return d->config;
}

const Mesos__V1__DrainConfig *drain_config(const Drain *d) {
        return d->durable ? d->config : NULL;
}

usec_t drain_started_usec(const Drain *d) {
        return d->started_usec;
}

/* A name for a task: the object may go while others are killed. */
typedef struct Victim {
        char *framework_id, *task_id; /* owned */
        Mesos__V1__KillPolicy *policy; /* owned; NULL: the task's own */
} Victim;

static void victim_deinit(Victim *v) {
        free(v->framework_id);
        free(v->task_id);
        if (v->policy)
                pb_free(&v->policy->base);
        *v = (Victim) {};
}

/* The task's own grace, or the operator's where that is shorter, or where the task says nothing. */
static int shorten_grace(const Drain *d, const Task *t, Mesos__V1__KillPolicy **ret) {
        const Mesos__V1__KillPolicy *own = t->info->kill_policy;
        Mesos__V1__KillPolicy policy = MESOS__V1__KILL_POLICY__INIT;

        *ret = NULL;
        if (!d->config->max_grace_period ||
            (own && own->grace_period && own->grace_period->nanoseconds <= d->config->max_grace_period->nanoseconds))
                return 0;

        policy.grace_period = d->config->max_grace_period;
        *ret = (Mesos__V1__KillPolicy *) pb_copy(&policy.base);
        return *ret ? 0 : -ENOMEM;
}

static int name_victim(const Drain *d, const Framework *f, const Task *t, Victim *ret) {
        Victim v = { .framework_id = strdup(f->id), .task_id = strdup(t->id) };

        if (!v.framework_id || !v.task_id || shorten_grace(d, t, &v.policy) < 0) {
                victim_deinit(&v);
                return -ENOMEM;
        }

        *ret = v;
        return 0;
}

static size_t count_tasks(const Agent *a) {
        size_t n = 0;

        for (const Framework *f = a->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next)
                        n += HASH_COUNT(e->tasks);

        return n;
}

static int name_all(const Drain *d, Victim *victims, size_t *n) {
        for (const Framework *f = d->agent->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next)
                        for (const Task *t = e->tasks; t; t = t->hh.next) {
                                int r;

                                if (t->stage == TASK_TERMINATED)
                                        continue;

                                r = name_victim(d, f, t, &victims[*n]);
                                if (r < 0)
                                        return r;
                                ++*n;
                        }

        return 0;
}

static void kill_all(Drain *d) {
        size_t n = 0;
        Victim *victims = calloc(count_tasks(d->agent) + 1, sizeof(*victims));

        if (!victims || name_all(d, victims, &n) < 0)
                (void) log_oom();

        log_notice("Draining: %zu tasks are to be killed.", n);
        for (size_t i = 0; i < n; i++) {
                tasks_kill(d->agent, victims[i].framework_id, victims[i].task_id, victims[i].policy);
                CRASH_POINT("drain-killed");
                victim_deinit(&victims[i]);
        }

        free(victims);
}

static void retry_soon(Drain *d, int error, const char *what) {
        if (!d->reported)
                (void) log_error_errno(error, "Cannot record that the agent %s, it waits until that works: %m", what);
        d->reported = true;
        (void) sd_event_source_set_time_relative(d->retry_source, RECORD_RETRY_USEC);
        (void) sd_event_source_set_enabled(d->retry_source, SD_EVENT_ONESHOT);
}

static void on_durable(int error, void *userdata) {
        Drain *d = userdata;

        if (!d->config)
                return;

        /* No task is taken meanwhile, but none killed either. */
        if (error < 0) {
                retry_soon(d, error, "is to be drained");
                return;
        }

        CRASH_POINT("drain-durable");
        d->durable = true;
        kill_all(d);
        drain_check(d);
}

/* What fails before the commit fails the commit. */
static void store(Drain *d) {
        char started[32];

        snprintf(started, sizeof(started), "%" PRIu64, d->started_usec);
        (void) checkpoint_drain(d->agent->checkpoint, d->config, started);
        if (store_after_commit(d->agent->store, on_durable, d) < 0)
                (void) log_oom();
}

/* A command that came meanwhile is not over. */
static void on_forgotten(int error, void *userdata) {
        Drain *d = userdata;

        if (!d->over)
                return;

        if (error < 0) {
                retry_soon(d, error, "is drained");
                return;
        }

        log_notice("The agent is drained.");
        CRASH_POINT("drained");
        clear(d);
}

/* Were the command left behind, a later life would kill the tasks that come after it. */
static void forget(Drain *d) {
        (void) checkpoint_forget_drain(d->agent->checkpoint);
        if (store_after_commit(d->agent->store, on_forgotten, d) < 0)
                (void) log_oom();
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Drain *d = userdata;

        (void) source;
        (void) usec;
        if (d->over)
                forget(d);
        else if (d->config)
                store(d);
        return 0;
}

void drain_begin(Drain *d, const Mesos__V1__DrainConfig *config) {
        ProtobufCMessage *copy = pb_copy(&config->base);

        if (!copy) {
                (void) log_oom();
                return;
        }

        if (!d->config)
                d->started_usec = usec_now(CLOCK_REALTIME);
        clear(d);
        d->config = (Mesos__V1__DrainConfig *) copy;
        d->reported = false;
        store(d);
}

void drain_explain(const Drain *d, const Framework *f, Mesos__V1__TaskStatus *status) {
        if (!d->config || (status->state != MESOS__V1__TASK_STATE__TASK_KILLING &&
                           status->state != MESOS__V1__TASK_STATE__TASK_KILLED))
                return;

        status->has_reason = true;
        status->reason = MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_DRAINING;
        if (status->state == MESOS__V1__TASK_STATE__TASK_KILLED && d->config->mark_gone &&
            framework_is_partition_aware(f))
                status->state = MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR;
}

void drain_check(Drain *d) {
        const Agent *a = d->agent;

        if (!d->durable || d->over || a->state == AGENT_RECOVERING || a->frameworks ||
            !operations_are_done(a->operations))
                return;

        d->over = true;
        d->reported = false;
        forget(d);
}

int drain_recover(Drain *d) {
        _cleanup_free_ char *bytes = NULL, *started = NULL, *why = NULL;
        ProtobufCMessage *m = NULL;
        size_t n, n_started;
        int r;

        r = checkpoint_load_meta(d->agent->checkpoint, "drain_config", &bytes, &n);
        if (r == 0)
                r = checkpoint_load_meta(d->agent->checkpoint, "drain_started", &started, &n_started);
        if (r < 0 || !bytes)
                return r;

        r = pb_unpack(&mesos__v1__drain_config__descriptor, bytes, n, PB_LIMITS_DEFAULT, &m, &why);
        if (r != PB_OK) {
                log_error("The stored command to drain cannot be read: %s", why ?: "out of memory");
                return r < 0 ? r : -EBADMSG;
        }

        d->config = (Mesos__V1__DrainConfig *) m;
        d->durable = true;
        if (!started || parse_u64(started, &d->started_usec) < 0)
                d->started_usec = usec_now(CLOCK_REALTIME);
        return 0;
}

void drain_resume(Drain *d) {
        if (!d->config)
                return;

        kill_all(d);
        drain_check(d);
}
