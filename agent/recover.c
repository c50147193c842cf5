/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Recovery
 *
 *     checkpoint ─▶ frameworks, executors, tasks, updates ─▶ launchers taken up by their sockets
 *                                                          └▶ strangers (not in the checkpoint) ended
 *     each executor subscribes, or turns out to have ended ─▶ complete ─▶ registration with the master
 *
 * There is no fixed wait: recovery is complete when the last executor has been heard of. Those that
 * live but do not come back in time are ended, and their tasks reported gone.
 *
 * After a reboot nothing of the former boot can live: executors end as their exit records say, or
 * unknown. Updates that were not acknowledged before it are still delivered.
 *
 * Executors of frameworks that do not checkpoint are not in the checkpoint: what is found of them
 * in the runtime directory is ended.
 */

#include <stdio.h>

#include "agent/agent_resources.h"
#include "agent/checkpoint.h"
#include "agent/disk_watch.h"
#include "agent/drain.h"
#include "agent/executors.h"
#include "agent/gc.h"
#include "agent/history.h"
#include "agent/master_link.h"
#include "agent/operations.h"
#include "agent/ports_watch.h"
#include "agent/recover.h"
#include "agent/strays.h"
#include "agent/tasks.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/model/convert.h"
#include "common/model/id.h"
#include "common/net/pbwire.h"

/*
 * Executors wait a random time up to --executor_reregistration_timeout before they try; without this
 * allowance one that drew the longest wait would be ended while it knocks.
 */
#define REREGISTRATION_ALLOWANCE_USEC (500 * USEC_PER_MSEC)

struct Recovery {
        Agent *agent;
        sd_event_source *timeout_source;
        sd_event_source *complete_source;
        usec_t started_usec;
        Strays *strays;
        bool complete;
};

static int damaged(const Agent *a, const char *what, const char *id, const char *why) {
        log_error("The stored %s '%s' cannot be read: %s", what, id, why ?: "damaged");
        return a->config->strict ? -EBADMSG : 0;
}

/* It has an id, and one that is not here already. */
static bool framework_info_is_ours(const Agent *a, const Mesos__V1__FrameworkInfo *info) {
        Framework *f = NULL;

        if (!info->id || !id_is_valid(info->id->value))
                return false;

        HASH_FIND_STR(a->frameworks, info->id->value, f);
        return !f;
}

static int load_framework(const char *pid, const void *info, size_t n, void *userdata) {
        Recovery *rec = userdata;
        Agent *a = rec->agent;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        Framework *f;
        int r;

        r = pb_unpack(&mesos__v1__framework_info__descriptor, info, n, PB_LIMITS_DEFAULT, &m, &why);
        if (r < 0)
                return r;
        if (r != PB_OK || !framework_info_is_ours(a, (const Mesos__V1__FrameworkInfo *) m)) {
                a->counters.recovery_errors++;
                return damaged(a, "framework", pid, why);
        }

        r = framework_new((Mesos__V1__FrameworkInfo *) m, pid, &f);
        if (r < 0)
                return r;

        TAKE_PTR(m);
        HASH_ADD_KEYPTR(hh, a->frameworks, f->id, strlen(f->id), f);
        return 0;
}

static int restore_executor(Framework *f, const StoredExecutor *stored, Mesos__V1__ExecutorInfo *info, Executor **ret) {
        _cleanup_(executor_freep) Executor *e = NULL;
        int r;

        r = executor_new(f, info, stored->generated, stored->container_id, &e);
        if (r < 0) {
                pb_free(&info->base);
                return r;
        }

        e->ever_subscribed = stored->subscribed;
        e->directory = strdup(stored->directory);
        e->user = stored->user ? strdup(stored->user) : NULL;
        if (!e->directory || (stored->user && !e->user))
                return -ENOMEM;

        *ret = TAKE_PTR(e);
        return 0;
}

static int load_executor(const StoredExecutor *stored, void *userdata) {
        Recovery *rec = userdata;
        Agent *a = rec->agent;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        Framework *f = NULL;
        Executor *e;
        int r;

        HASH_FIND_STR(a->frameworks, stored->framework_id, f);
        r = pb_unpack(&mesos__v1__executor_info__descriptor, stored->info, stored->n_info, PB_LIMITS_DEFAULT, &m, &why);
        if (r < 0)
                return r;
        if (r != PB_OK || !f || !streq(((Mesos__V1__ExecutorInfo *) m)->executor_id->value, stored->id)) {
                a->counters.recovery_errors++;
                return damaged(a, "executor", stored->id, why ?: f ? NULL : "its framework is missing");
        }

        r = restore_executor(f, stored, (Mesos__V1__ExecutorInfo *) TAKE_PTR(m), &e);
        if (r < 0)
                return r;

        HASH_ADD_KEYPTR(hh, f->executors, e->id, strlen(e->id), e);
        CRASH_POINT("adopt");
        return executors_adopt(a, e, &stored->identity);
}

static int load_task(const StoredTask *stored, void *userdata) {
        Recovery *rec = userdata;
        Agent *a = rec->agent;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        Framework *f = NULL;
        Executor *e;
        Task *t;
        int r;

        HASH_FIND_STR(a->frameworks, stored->framework_id, f);
        e = f ? framework_find_executor(f, stored->executor_id) : NULL;
        r = pb_unpack(&mesos__v1__task_info__descriptor, stored->info, stored->n_info, PB_LIMITS_DEFAULT, &m, &why);
        if (r < 0)
                return r;
        if (r != PB_OK || !e || !streq(((Mesos__V1__TaskInfo *) m)->task_id->value, stored->id)) {
                a->counters.recovery_errors++;
                return damaged(a, "task", stored->id, why ?: e ? NULL : "its executor is missing");
        }

        r = task_new((Mesos__V1__TaskInfo *) m, &t);
        if (r != TASK_OK)
                return r < 0 ? r : damaged(a, "task", stored->id, "its resources");
        TAKE_PTR(m);

        /* Whether the executor was handed it is its own to say when it subscribes. */
        t->stage = e->ever_subscribed ? TASK_LAUNCHED : TASK_QUEUED;
        t->recorded = true;
        t->order = a->n_tasks_arrived++;
        executor_add_task(e, t);
        return 0;
}

static int load_update(const StoredUpdate *stored, void *userdata) {
        Recovery *rec = userdata;
        Agent *a = rec->agent;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        Framework *f = NULL;
        Task *t = NULL;
        int r;

        r = status_manager_replay(a->statuses, stored);
        if (r == -EBADMSG) {
                a->counters.recovery_errors++;
                return damaged(a, "update of task", stored->task_id, NULL);
        }
        if (r < 0)
                return r;

        HASH_FIND_STR(a->frameworks, stored->framework_id, f);
        if (!f || !framework_find_task(f, stored->task_id, &t))
                return 0;

        r = pb_unpack(&mesos__internal__status_update__descriptor, stored->update, stored->n_update,
                      PB_LIMITS_DEFAULT, &m, &why);
        if (r != PB_OK)
                return r < 0 ? r : 0;

        if (task_note_status(t, ((Mesos__Internal__StatusUpdate *) m)->status) < 0)
                return -ENOMEM;
        /* What is to be acknowledged next may have been told before we died; it is, in a moment. */
        if (stored->acknowledged ||
            status_manager_is_next(a->statuses, f->id, t->id, stored->uuid))
                task_note_forwarded(t, ((Mesos__Internal__StatusUpdate *) m)->status->state, stored->uuid);
        if (task_state_is_terminal(t->state))
                t->stage = TASK_TERMINATED;
        else if (t->stage == TASK_QUEUED)
                t->stage = TASK_LAUNCHED;
        return 0;
}

/* Tasks whose terminal update was acknowledged just before we died. */
static void complete_acknowledged(Agent *a) {
        for (Framework *f = a->frameworks; f; f = f->hh.next)
                for (Executor *e = f->executors; e; e = e->hh.next)
                        for (Task *t = e->tasks, *next; t; t = next) {
                                next = t->hh.next;
                                if (t->stage == TASK_TERMINATED && status_manager_is_done(a->statuses, f->id, t->id))
                                        history_add_task(a, e, t);
                        }
}

/* Those that ended with a commit that failed. */
static void tidy_frameworks(Agent *a) {
        Framework *f, *tmp;

        HASH_ITER (hh, a->frameworks, f, tmp)
                agent_tidy_framework(a, f);
}

static void complete(Recovery *rec) {
        Agent *a = rec->agent;

        rec->complete = true;
        rec->timeout_source = sd_event_source_disable_unref(rec->timeout_source);
        a->counters.recovery_time_usec = usec_sub(usec_now(CLOCK_MONOTONIC), rec->started_usec);

        CRASH_POINT("recovered");
        (void) checkpoint_boot_id(a->checkpoint, a->boot_id);
        log_info("Recovery is complete after %.3f s.", usec_to_secs(a->counters.recovery_time_usec));

        /* SIGUSR1 may have come first. */
        if (a->state != AGENT_RECOVERING)
                return;

        a->state = AGENT_DISCONNECTED;
        gc_start(a->gc);
        drain_resume(a->drain);
        disk_watch_start(a->disk_watch);
        ports_watch_start(a->ports_watch);
        if (a->config->reconnect)
                master_link_start(a->master);
        else
                agent_terminate(a, AGENT_END_CLEANUP, "--recover=cleanup");
}

static bool is_waiting_for(const Executor *e) {
        return e->recovered && (e->state == EXECUTOR_REGISTERING || (e->state == EXECUTOR_TERMINATING && e->container));
}

static int on_complete(sd_event_source *source, void *userdata) {
        Recovery *rec = userdata;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (rec->complete || !agent_resources_are_settled(rec->agent->resources))
                return 0;

        for (const Framework *f = rec->agent->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next)
                        if (is_waiting_for(e))
                                return 0;

        complete(rec);
        return 0;
}

void recovery_executor_settled(Agent *a) {
        /* Looked at in a turn of its own: the caller is in the midst of changing executors. */
        if (a->recovery && !a->recovery->complete)
                (void) sd_event_source_set_enabled(a->recovery->complete_source, SD_EVENT_ONESHOT);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Recovery *rec = userdata;
        Agent *a = rec->agent;
        char text[USEC_TEXT_MAX], message[128];

        (void) source;
        (void) usec;
        snprintf(message, sizeof(message), "Executor did not reregister within %s",
                 usec_format(a->config->executor_reregistration_timeout_usec, text));

        for (Framework *f = a->frameworks; f; f = f->hh.next)
                for (Executor *e = f->executors; e; e = e->hh.next)
                        if (e->state == EXECUTOR_REGISTERING)
                                executors_destroy(a, e, MESOS__V1__TASK_STATE__TASK_GONE,
                                                  MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
                                                  message);

        complete(rec);
        return 0;
}

/* A table with records that cannot be ours. */
static int judge(Agent *a, const char *table, int r) {
        if (r != -EBADMSG || a->config->strict)
                return r;

        a->counters.recovery_errors++;
        log_error("Some of the stored %s cannot be read, ignoring.", table);
        return 0;
}

static int load_objects(Recovery *rec) {
        Agent *a = rec->agent;
        Checkpoint *c = a->checkpoint;
        int r;

        r = judge(a, "frameworks", checkpoint_foreach_framework(c, load_framework, rec));
        if (r == 0)
                r = judge(a, "executors", checkpoint_foreach_executor(c, load_executor, rec));
        if (r == 0)
                r = judge(a, "tasks", checkpoint_foreach_task(c, load_task, rec));
        if (r == 0)
                r = judge(a, "updates", checkpoint_foreach_update(c, load_update, rec));
        if (r == 0)
                r = judge(a, "records of what is over", history_load(a));
        if (r == 0)
                r = judge(a, "command to drain", drain_recover(a->drain));
        return r;
}

static bool attributes_equal(const Mesos__V1__AgentInfo *x, const Mesos__V1__AgentInfo *y) {
        if (x->n_attributes != y->n_attributes)
                return false;

        for (size_t i = 0; i < x->n_attributes; i++)
                if (!pb_equal(&x->attributes[i]->base, &y->attributes[i]->base))
                        return false;

        return true;
}

/* --reconfiguration_policy=equal: what the master was told must still hold. */
static bool info_is_compatible(const Agent *a, const Mesos__V1__AgentInfo *stored) {
        _cleanup_(resources_freep) Resources *old = NULL, *new = NULL;
        _cleanup_free_ char *why = NULL;
        bool same_resources, additive = a->config->reconfiguration_additive;

        if (resources_from_pb(stored->resources, stored->n_resources, &old, &why) != RESOURCES_OK ||
            resources_from_pb(a->info->resources, a->info->n_resources, &new, &why) != RESOURCES_OK)
                return false;

        same_resources = additive ? resources_contains(new, old) : resources_equal(new, old);
        return same_resources && streq(stored->hostname, a->info->hostname) && stored->port == a->info->port &&
               (additive || attributes_equal(stored, a->info)) &&
               (stored->domain ? a->info->domain && pb_equal(&stored->domain->base, &a->info->domain->base)
                               : additive || !a->info->domain);
}

static int refuse_incompatible(const Agent *a) {
        log_error("Incompatible agent info detected: the hostname, port, resources, attributes or domain differ from "
                  "those this agent registered with. To keep its id, undo the change or give "
                  "--reconfiguration_policy=additive if something was only added. To begin anew with a new id, end its "
                  "tasks and move '%s/meta/agent.db' away.",
                  a->config->work_dir);
        return -EINVAL;
}

/* Who we are for the master, if it ever told us. */
static int load_agent_info(Recovery *rec, bool rebooted) {
        Agent *a = rec->agent;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *bytes = NULL, *why = NULL;
        Mesos__V1__AgentInfo *stored;
        size_t n;
        int r;

        r = checkpoint_load_meta(a->checkpoint, "agent_info", &bytes, &n);
        if (r < 0 || !bytes)
                return r;

        r = pb_unpack(&mesos__v1__agent_info__descriptor, bytes, n, PB_LIMITS_DEFAULT, &m, &why);
        stored = (Mesos__V1__AgentInfo *) m;
        if (r < 0)
                return r;
        if (r != PB_OK || !stored->id) {
                a->counters.recovery_errors++;
                return damaged(a, "agent info", "agent_info", why);
        }

        if (!info_is_compatible(a, stored)) {
                if (!rebooted)
                        return refuse_incompatible(a);
                log_notice("The agent's configuration changed across a reboot: registering as a new agent.");
                return checkpoint_forget_agent(a->checkpoint);
        }

        return agent_set_id(a, stored->id->value);
}

static int was_rebooted(Recovery *rec, bool *ret) {
        _cleanup_free_ char *boot_id = NULL;
        size_t n;
        int r;

        r = checkpoint_load_meta(rec->agent->checkpoint, "boot_id", &boot_id, &n);
        if (r < 0)
                return r;

        *ret = boot_id && !streq(boot_id, rec->agent->boot_id);
        if (*ret)
                log_notice("The host was rebooted: containers of the former boot have ended.");
        return 0;
}

int recovery_start(Agent *a) {
        Recovery *rec = calloc(1, sizeof(*rec));
        bool rebooted;
        int r;

        if (!rec)
                return -ENOMEM;

        rec->agent = a;
        rec->started_usec = usec_now(CLOCK_MONOTONIC);
        a->recovery = rec;

        r = was_rebooted(rec, &rebooted);
        if (r == 0)
                r = judge(a, "resources", agent_resources_recover(a->resources));
        if (r == 0)
                r = load_agent_info(rec, rebooted);

        /* Without an id we are a new agent: what is stored was another's, and what of it runs is a stranger. */
        if (r == 0)
                r = a->id ? load_objects(rec) : checkpoint_clear(a->checkpoint);
        if (r == 0)
                r = judge(a, "operations", operations_recover(a->operations));
        if (r == -EBADMSG)
                log_error("The stored state in '%s/meta/agent.db' is damaged. To go on without what cannot be read, start "
                          "with --no-strict; to begin anew, move that file away (running tasks are then ended).",
                          a->config->work_dir);
        if (r < 0)
                return log_error_errno(r, "Cannot recover the agent's state: %m");

        CRASH_POINT("state-loaded");
        complete_acknowledged(a);
        tidy_frameworks(a);
        r = strays_new(a, &rec->strays);
        if (r < 0)
                return r;
        strays_search(rec->strays);
        CRASH_POINT("strays-searched");

        r = sd_event_add_time_relative(a->event, &rec->timeout_source, CLOCK_MONOTONIC,
                                       a->config->executor_reregistration_timeout_usec + REREGISTRATION_ALLOWANCE_USEC, USEC_EXACT,
                                       on_timeout, rec);
        if (r < 0)
                return r;

        return sd_event_add_defer(a->event, &rec->complete_source, on_complete, rec);
}

Recovery *recovery_free(Recovery *r) {
        if (!r)
                return NULL;

        strays_free(r->strays);
        sd_event_source_disable_unref(r->timeout_source);
        sd_event_source_disable_unref(r->complete_source);
        free(r);
        return NULL;
}
