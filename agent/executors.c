/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What happens to executors
 *
 * Records come first: the executor's row is written before its container is made, its launcher's
 * identity before the launcher is told to go, so that a restarted agent can find whatever may be
 * running. A container is told to go only by a commit callback.
 *
 * However an executor ends, each of its unfinished tasks gets a terminal status that says what is
 * known: the reason we had for ending it, the failed step of its launch, or that it terminated.
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/checkpoint.h"
#include "agent/container.h"
#include "agent/executor_api.h"
#include "agent/executors.h"
#include "agent/gc.h"
#include "agent/history.h"
#include "agent/launch.h"
#include "agent/master_link.h"
#include "agent/operator_api.h"
#include "agent/recover.h"
#include "agent/sandbox.h"
#include "agent/tasks.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/model/id.h"
#include "common/net/pbwire.h"

/* A container whose identity is on its way to the disk; the executor may be gone when it is there. */
typedef struct Departure {
        Agent *agent;
        char *framework_id, *executor_id;
        char container_id[37];
} Departure;

static Departure *departure_free(Departure *d) {
        if (!d)
                return NULL;

        free(d->framework_id);
        free(d->executor_id);
        free(d);
        return NULL;
}

DEFINE_CLEANUP(Departure *, departure_free)

static Agent *agent_of(void *userdata) {
        return userdata;
}

static LogContext context_of(const Executor *e) {
        return (LogContext) { .framework_id = e->framework->id, .container_id = e->container_id };
}

bool executors_tidy(Agent *a, Executor *e) {
        Framework *f = e->framework;

        if (e->state != EXECUTOR_TERMINATED || executor_has_tasks(e))
                return false;

        /* The row goes with the next commit; should we die before it, recovery finds an executor
         * without tasks whose container is gone, and forgets it then. */
        launch_remove_exit_record(a->config, e->container_id);
        CRASH_POINT("exit-record-removed");
        launch_remove_runtime_directory(a->config, e->container_id);
        gc_sandbox(a->gc, e->directory);
        executor_stream_close(e);
        history_add_executor(a, e);
        agent_tidy_framework(a, f);
        return true;
}

/* The container is gone, or never came to be: say so to everybody, in the words given. */
static void terminated(Agent *a, Executor *e, TaskState state, int reason, const char *message,
                       const Mesos__V1__TaskResourceLimitation *limitation) {
        e->container = container_free(e->container);
        e->state = EXECUTOR_TERMINATED;
        if (a->addresses)
                address_pool_release(a->addresses, e->address);
        e->address[0] = '\0';
        e->timeout_source = sd_event_source_disable_unref(e->timeout_source);
        executor_stream_close(e);
        a->counters.executors_terminated++;
        if (a->operator_api)
                operator_api_container_ended(a->operator_api, e->container_id, e->exit_status);

        CRASH_POINT("executor-terminated");
        tasks_end_all(a, e, state, reason, message, limitation);

        /* Nobody acknowledges for a framework that is being shut down. */
        if (e->framework->terminating)
                for (Task *t = e->tasks, *next; t; t = next) {
                        next = t->hh.next;
                        history_add_task(a, e, t);
                }

        if (!e->generated)
                master_link_send_exited_executor(a->master, e);

        recovery_executor_settled(a);
        (void) executors_tidy(a, e);
}

static void on_refused(Container *c, const char *message, void *userdata) {
        Agent *a = agent_of(userdata);
        Executor *e = container_executor(c);
        LogContext context = context_of(e);

        (void) log_error_ctx(&context, 0, "Cannot launch executor '%s': %s", e->id, message);
        a->counters.container_launch_errors++;
        terminated(a, e, MESOS__V1__TASK_STATE__TASK_DROPPED,
                   MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED, message, NULL);
}

static void on_identity_durable(int error, void *userdata) {
        _cleanup_(departure_freep) Departure *d = userdata;
        Framework *f = NULL;
        Executor *e;

        HASH_FIND_STR(d->agent->frameworks, d->framework_id, f);
        e = f ? framework_find_executor(f, d->executor_id) : NULL;
        if (!e || !e->container || !streq(e->container_id, d->container_id))
                return;

        if (error < 0)
                executors_destroy(d->agent, e, MESOS__V1__TASK_STATE__TASK_FAILED,
                                  MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED,
                                  "Failed to launch container: the agent cannot record it");
        else
                container_go(e->container);
}

static int go_when_durable(Agent *a, const Executor *e) {
        _cleanup_(departure_freep) Departure *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;

        d->agent = a;
        memcpy(d->container_id, e->container_id, sizeof(d->container_id));
        d->framework_id = strdup(e->framework->id);
        d->executor_id = strdup(e->id);
        if (!d->framework_id || !d->executor_id)
                return -ENOMEM;

        r = store_after_commit(a->store, on_identity_durable, d);
        if (r < 0)
                return r;

        TAKE_PTR(d);
        return 0;
}

static void on_placed(Container *c, const ContainerIdentity *identity, void *userdata) {
        Agent *a = agent_of(userdata);
        Executor *e = container_executor(c);

        if (framework_checkpoints(e->framework))
                (void) checkpoint_container(a->checkpoint, e, identity);

        if (go_when_durable(a, e) < 0)
                executors_destroy(a, e, MESOS__V1__TASK_STATE__TASK_FAILED,
                                  MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED,
                                  "Failed to launch container: the agent is out of memory");
}

static void on_started(Container *c, void *userdata) {
        Executor *e = container_executor(c);
        LogContext context = context_of(e);

        if (e->info->command && e->info->command->n_uris > 0)
                agent_of(userdata)->counters.task_fetches_succeeded++;
        log_full(LOG_DEBUG, 0, &context, "Executor '%s' runs as process %d.", e->id, container_executor_pid(c));
}

static void launch_failed(Agent *a, Executor *e, const char *message) {
        _cleanup_free_ char *text = NULL;

        a->counters.container_launch_errors++;
        if (message && strstr(message, "fetch"))
                a->counters.task_fetches_failed++;

        if (asprintf(&text, "Failed to launch container: %s", message ?: "it was ended before it began") < 0)
                text = NULL;

        terminated(a, e, MESOS__V1__TASK_STATE__TASK_FAILED,
                   MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED,
                   text ?: "Failed to launch container", NULL);
}

/* Mesos tells the limit that was met as a resource, in megabytes. */
static void exceeded_memory(Agent *a, Executor *e, const ContainerEnd *end) {
        _cleanup_free_ char *message = strdup(end->limitation);    /* the container's, which is freed first */
        Mesos__V1__TaskResourceLimitation limitation = MESOS__V1__TASK_RESOURCE_LIMITATION__INIT;
        Mesos__V1__Value__Scalar scalar = MESOS__V1__VALUE__SCALAR__INIT;
        Mesos__V1__Resource mem = MESOS__V1__RESOURCE__INIT, *list = &mem;

        scalar.value = (double) end->memory_max_bytes / (1 << 20);
        mem.name = (char *) "mem";
        mem.type = MESOS__V1__VALUE__TYPE__SCALAR;
        mem.scalar = &scalar;
        limitation.resources = &list;
        limitation.n_resources = 1;

        terminated(a, e, MESOS__V1__TASK_STATE__TASK_FAILED,
                   MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LIMITATION_MEMORY,
                   message ?: "Memory limit exceeded", &limitation);
}

/*
 * Nothing of it has run. Before it is placed a launcher is in the agent's own cgroup, so whoever stops the
 * agent's service stops it too; which of the two notices first is no difference to the framework.
 */
static void call_off(Agent *a, Executor *e) {
        if (e->recovered || agent_is_leaving(a))
                terminated(a, e, MESOS__V1__TASK_STATE__TASK_DROPPED,
                           MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_RESTARTED,
                           "Task launched during agent restart", NULL);
        else
                terminated(a, e, MESOS__V1__TASK_STATE__TASK_DROPPED,
                           MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED,
                           "Its container was stopped before it was started", NULL);
}

static void on_ended(Container *c, const ContainerEnd *end, void *userdata) {
        Agent *a = agent_of(userdata);
        Executor *e = container_executor(c);
        _cleanup_free_ char *description = exit_status_describe(end->status), *message = NULL;
        LogContext context = context_of(e);

        e->exit_status = end->status;
        log_info_ctx(&context, "Executor '%s' of framework %s ended: %s.", e->id, e->framework->id,
                     end->message ?: description ?: "?");

        if (e->pending_state != MESOS__V1__TASK_STATE__TASK_STAGING) {
                terminated(a, e, e->pending_state, e->pending_reason, e->pending_message, e->pending_limitation);
                return;
        }

        if (end->limitation) {
                exceeded_memory(a, e, end);
                return;
        }

        if (!end->launched && !end->message && (e->recovered || end->called_off)) {
                call_off(a, e);
                return;
        }

        if (!end->launched) {
                message = end->message ? strdup(end->message) : NULL;
                launch_failed(a, e, message);
                return;
        }

        if (!end->status.known && asprintf(&message, "Abnormal executor termination: %s", end->message ?: "unknown container") < 0)
                message = NULL;

        terminated(a, e, MESOS__V1__TASK_STATE__TASK_FAILED, MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED,
                   message ?: "Executor terminated", NULL);
}

static void on_update_failed(Container *c, int error, void *userdata) {
        char message[256];

        snprintf(message, sizeof(message), "Failed to update resources for container: %s", strerror(-error));
        executors_destroy(agent_of(userdata), container_executor(c), MESOS__V1__TASK_STATE__TASK_GONE,
                          MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_UPDATE_FAILED, message);
}

static const ContainerOps container_ops = {
        .refused = on_refused,
        .placed = on_placed,
        .started = on_started,
        .update_failed = on_update_failed,
        .ended = on_ended,
};

static int on_registration_timeout(sd_event_source *source, uint64_t usec, void *userdata);

/* One timer serves an executor all its life: until it registers, then until it has shut down. */
typedef struct Timeout {
        Agent *agent;
        Executor *executor;
} Timeout;

static void timeout_destroy(void *userdata) {
        free(userdata);
}

static int arm_timeout(Agent *a, Executor *e, usec_t usec, sd_event_time_handler_t handler) {
        Timeout *t = malloc(sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;

        *t = (Timeout) { a, e };
        e->timeout_source = sd_event_source_disable_unref(e->timeout_source);
        r = sd_event_add_time_relative(a->event, &e->timeout_source, CLOCK_MONOTONIC, usec, USEC_EXACT, handler, t);
        if (r < 0) {
                free(t);
                return r;
        }

        return sd_event_source_set_destroy_callback(e->timeout_source, timeout_destroy);
}

static int on_registration_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Timeout *t = userdata;
        char text[USEC_TEXT_MAX], message[128];

        (void) source;
        (void) usec;
        snprintf(message, sizeof(message), "Executor did not register within %s",
                 usec_format(t->agent->config->executor_registration_timeout_usec, text));
        executors_destroy(t->agent, t->executor, MESOS__V1__TASK_STATE__TASK_FAILED,
                          MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_REGISTRATION_TIMEOUT, message);
        return 0;
}

static int on_shutdown_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Timeout *t = userdata;

        (void) source;
        (void) usec;
        log_info("Executor '%s' did not shut down in time, killing it.", t->executor->id);
        if (t->executor->container)
                container_destroy(t->executor->container);
        return 0;
}

int executors_launch(Agent *a, Framework *f, Mesos__V1__ExecutorInfo *info, bool generated, Executor **ret) {
        _cleanup_(executor_freep) Executor *e = NULL;
        char container_id[37];
        const char *user;
        int r;

        r = id_random(container_id);
        if (r == 0)
                r = executor_new(f, info, generated, container_id, &e);
        if (r < 0) {
                pb_free(&info->base);
                return r;
        }

        user = info->command && info->command->user ? info->command->user : f->info->user;
        if (a->config->switch_user) {
                e->user = strdup(user);
                if (!e->user)
                        return -ENOMEM;
        }

        e->directory = sandbox_path(a->config->work_dir, a->id, f->id, e->id, container_id);
        if (!e->directory)
                return -ENOMEM;

        /* With its framework: the commit that had that one in it may have failed. */
        if (framework_checkpoints(f)) {
                (void) checkpoint_framework(a->checkpoint, f);
                (void) checkpoint_executor(a->checkpoint, e);
        }

        r = container_new(a, e, &container_ops, a, &e->container);
        if (r < 0)
                return r;

        /* Fetching counts: a framework that wants more time raises the flag. */
        r = arm_timeout(a, e, a->config->executor_registration_timeout_usec, on_registration_timeout);
        if (r < 0)
                return r;

        HASH_ADD_KEYPTR(hh, f->executors, e->id, strlen(e->id), e);
        *ret = TAKE_PTR(e);
        return 0;
}

/* The one task of a command executor was in its container's plan; it ends with it. */
void executors_update_limits(Executor *e) {
        int r;

        if (e->generated || !e->container)
                return;

        r = container_update(e->container);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot change the limits of container '%s': %m", e->container_id);
}

int executors_adopt(Agent *a, Executor *e, const ContainerIdentity *identity) {
        e->recovered = true;
        return container_adopt(a, e, identity, &container_ops, a, &e->container);
}

static void send_subscribed(Agent *a, Executor *e) {
        Mesos__V1__Executor__Event__Subscribed subscribed = MESOS__V1__EXECUTOR__EVENT__SUBSCRIBED__INIT;
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;
        Mesos__V1__ContainerID container_id = MESOS__V1__CONTAINER_ID__INIT;

        container_id.value = e->container_id;
        subscribed.executor_info = e->info;
        subscribed.framework_info = e->framework->info;
        subscribed.agent_info = a->info;
        subscribed.container_id = &container_id;
        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED;
        event.subscribed = &subscribed;
        executor_stream_send(e, &event);
}

static int by_arrival(const Task *x, const Task *y) {
        return x->order < y->order ? -1 : x->order > y->order;
}

void executors_subscribed(Agent *a, Executor *e) {
        bool useful = e->ever_subscribed || e->recovered;

        for (const Task *t = e->tasks; t; t = t->hh.next)
                useful = useful || t->stage == TASK_QUEUED || t->stage == TASK_LAUNCHED;

        /* Everything it was meant for was killed while it started. */
        if (!useful) {
                executors_shutdown(a, e);
                return;
        }

        e->state = EXECUTOR_RUNNING;
        e->timeout_source = sd_event_source_disable_unref(e->timeout_source);
        /* Each time: the disk may have refused an earlier one. */
        if (framework_checkpoints(e->framework))
                (void) checkpoint_executor_subscribed(a->checkpoint, e);
        e->ever_subscribed = true;

        executors_update_limits(e);
        send_subscribed(a, e);

        HASH_SORT(e->tasks, by_arrival);
        for (Task *t = e->tasks; t; t = t->hh.next)
                if (t->stage == TASK_QUEUED && t->recorded)
                        tasks_deliver(a, e, t);
        tasks_kill_pending(a, e);

        recovery_executor_settled(a);
}

void executors_volumes_settled(Agent *a) {
        for (Framework *f = a->frameworks; f; f = f->hh.next)
                for (Executor *e = f->executors; e; e = e->hh.next) {
                        if (e->container)
                                container_volumes_settled(e->container);

                        for (Task *t = e->tasks; t; t = t->hh.next)
                                if (t->stage == TASK_QUEUED && t->recorded && e->state == EXECUTOR_RUNNING && e->stream)
                                        tasks_deliver(a, e, t);
                }
}

static void send_shutdown(Executor *e) {
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;

        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN;
        executor_stream_send(e, &event);
}

void executors_shutdown(Agent *a, Executor *e) {
        if (e->state == EXECUTOR_TERMINATING || e->state == EXECUTOR_TERMINATED)
                return;

        e->state = EXECUTOR_TERMINATING;
        if (!e->ever_subscribed) {
                if (e->container)
                        container_destroy(e->container);
                return;
        }

        /* One that is between two connections hears of it when it subscribes. */
        send_shutdown(e);
        if (arm_timeout(a, e, executor_shutdown_grace_usec(e, a->config->executor_shutdown_grace_period_usec),
                        on_shutdown_timeout) < 0 && e->container)
                container_destroy(e->container);
}

Executor *executors_find_live(const Agent *a, const char *container_id) {
        for (Framework *f = a->frameworks; f; f = f->hh.next)
                for (Executor *e = f->executors; e; e = e->hh.next)
                        if (e->container && streq(e->container_id, container_id))
                                return e;

        return NULL;
}

void executors_destroy(Agent *a, Executor *e, TaskState state, int reason, const char *message) {
        LogContext context = context_of(e);

        (void) a;
        if (e->state == EXECUTOR_TERMINATED)
                return;

        log_info_ctx(&context, "Ending executor '%s': %s", e->id, message);
        e->state = EXECUTOR_TERMINATING;
        if (e->pending_state == MESOS__V1__TASK_STATE__TASK_STAGING) {
                e->pending_message = strdup(message);
                if (e->pending_message) {
                        e->pending_state = state;
                        e->pending_reason = reason;
                }
        }

        if (e->container)
                container_destroy(e->container);
}

static Mesos__V1__TaskResourceLimitation *make_limitation(const Resources *met) {
        Mesos__V1__TaskResourceLimitation limitation = MESOS__V1__TASK_RESOURCE_LIMITATION__INIT, *copy;

        if (resources_to_pb(met, RESOURCE_FORMAT_NEW, &limitation.resources, &limitation.n_resources) < 0)
                return NULL;

        copy = (Mesos__V1__TaskResourceLimitation *) pb_copy(&limitation.base);
        resources_free_pb(limitation.resources, limitation.n_resources);
        return copy;
}

void executors_exceeded(Agent *a, Executor *e, int reason, const char *message, const Resources *met) {
        /* The first reason stands. */
        if (e->state == EXECUTOR_TERMINATED || e->pending_state != MESOS__V1__TASK_STATE__TASK_STAGING)
                return;

        e->pending_limitation = make_limitation(met);
        executors_destroy(a, e, MESOS__V1__TASK_STATE__TASK_FAILED, reason, message);
}

void executors_shutdown_framework(Agent *a, Framework *f) {
        if (f->terminating)
                return;

        log_info("Shutting down framework %s.", f->id);
        f->terminating = true;
        status_manager_forget_framework(a->statuses, f->id);

        for (Executor *e = f->executors, *next; e; e = next) {
                next = e->hh.next;

                for (Task *t = e->tasks, *t_next; t; t = t_next) {
                        t_next = t->hh.next;
                        history_add_task(a, e, t);
                }

                if (e->state == EXECUTOR_TERMINATED)
                        (void) executors_tidy(a, e);
                else
                        executors_shutdown(a, e);
        }
}
