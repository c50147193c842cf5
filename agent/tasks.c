/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What happens to tasks
 *
 *     RunTask ─▶ framework, executor, task made known ─▶ records ─commit─▶ delivered, or queued until
 *                                                                          the executor subscribes
 *     UPDATE  ─▶ completed with what we know ─▶ status manager ─commit─▶ executor acknowledged, master told
 *     ack     ─▶ status manager ─commit─▶ after the terminal one: task forgotten, executor tidied
 *
 * Statuses of our own making (a launch that failed, an executor that died) take the same way as those
 * of executors: with a uuid, recorded, repeated until acknowledged. Master and framework learn the
 * truth even if we die in between.
 */

#include <stdio.h>

#include "agent/agent_resources.h"
#include "agent/checkpoint.h"
#include "agent/command_executor.h"
#include "agent/container.h"
#include "agent/drain.h"
#include "agent/executor_api.h"
#include "agent/executors.h"
#include "agent/history.h"
#include "agent/isolation.h"
#include "agent/master_link.h"
#include "agent/tasks.h"
#include "agent/volume_links.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/id.h"
#include "common/net/pbwire.h"

/* A task waiting for its record, or for its executor's; objects may be gone when the commit is done. */
typedef struct Arrival {
        Agent *agent;
        char *framework_id, *task_id;
} Arrival;

static Arrival *arrival_free(Arrival *w) {
        if (!w)
                return NULL;

        free(w->framework_id);
        free(w->task_id);
        free(w);
        return NULL;
}

DEFINE_CLEANUP(Arrival *, arrival_free)

static Framework *find_framework(Agent *a, const char *id) {
        Framework *f;

        HASH_FIND_STR(a->frameworks, id, f);
        return f;
}

static void count_terminal(Agent *a, TaskState state) {
        switch ((int) state) {
        case MESOS__V1__TASK_STATE__TASK_FINISHED:
                a->counters.tasks_finished++;
                break;
        case MESOS__V1__TASK_STATE__TASK_FAILED:
                a->counters.tasks_failed++;
                break;
        case MESOS__V1__TASK_STATE__TASK_KILLED:
                a->counters.tasks_killed++;
                break;
        case MESOS__V1__TASK_STATE__TASK_LOST:
                a->counters.tasks_lost++;
                break;
        case MESOS__V1__TASK_STATE__TASK_GONE:
                a->counters.tasks_gone++;
                break;
        default:
                break;
        }
}

/* Wraps a complete status into the update that travels; ids are borrowed from the arguments. */
static int hand_over(Agent *a, const char *framework_id, const char *executor_id,
                     const Mesos__V1__TaskStatus *status, bool durable) {
        Mesos__Internal__StatusUpdate update = MESOS__INTERNAL__STATUS_UPDATE__INIT;
        Mesos__V1__FrameworkID framework = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__ExecutorID executor = MESOS__V1__EXECUTOR_ID__INIT;

        framework.value = (char *) framework_id;
        executor.value = (char *) executor_id;

        update.framework_id = &framework;
        update.executor_id = executor_id ? &executor : NULL;
        update.slave_id = a->info->id;
        update.status = (Mesos__V1__TaskStatus *) status;
        update.timestamp = status->timestamp;
        update.has_uuid = true;
        update.uuid = status->uuid;

        return status_manager_update(a->statuses, &update, durable);
}

static void note(Agent *a, Task *t, const Mesos__V1__TaskStatus *status) {
        if (task_state_is_terminal(status->state) && t->stage != TASK_TERMINATED) {
                t->stage = TASK_TERMINATED;
                count_terminal(a, status->state);
        }

        if (task_note_status(t, status) < 0)
                (void) log_oom();
}

static int make_status(Agent *a, const char *task_id, const char *executor_id, TaskState state, int reason,
                       const char *message, const Mesos__V1__TaskResourceLimitation *limitation, bool durable,
                       const char *framework_id, Task *t) {
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;
        Mesos__V1__TaskID task = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__ExecutorID executor = MESOS__V1__EXECUTOR_ID__INIT;
        uint8_t uuid[16];
        int r;

        r = uuid_new(uuid);
        if (r < 0)
                return r;

        task.value = (char *) task_id;
        executor.value = (char *) executor_id;

        status.task_id = &task;
        status.executor_id = executor_id ? &executor : NULL;
        status.agent_id = a->info->id;
        status.state = state;
        status.has_source = true;
        status.source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_AGENT;
        status.has_reason = true;
        status.reason = (Mesos__V1__TaskStatus__Reason) reason;
        status.message = (char *) message;
        status.limitation = (Mesos__V1__TaskResourceLimitation *) limitation;
        status.has_timestamp = true;
        status.timestamp = usec_to_secs(usec_now(CLOCK_REALTIME));
        status.has_uuid = true;
        status.uuid = (ProtobufCBinaryData) { sizeof(uuid), uuid };

        if (t) {
                drain_explain(a->drain, find_framework(a, framework_id), &status);
                note(a, t, &status);
        }

        return hand_over(a, framework_id, executor_id, &status, durable);
}

static void tell(Agent *a, Framework *f, const char *executor_id, Task *t, TaskState state, int reason,
                 const char *message, const Mesos__V1__TaskResourceLimitation *limitation) {
        LogContext context = { .framework_id = f->id, .task_id = t->id };
        int r;

        if (f->terminating || t->stage == TASK_TERMINATED)
                return;

        state = task_state_for(state, framework_is_partition_aware(f));
        log_info_ctx(&context, "Task '%s' is %s: %s", t->id, task_state_name(state), message);

        r = make_status(a, t->id, executor_id, state, reason, message, limitation,
                        framework_checkpoints(f) && !t->unrecordable, f->id, t);
        if (r < 0)
                (void) log_error_ctx(&context, r, "Cannot report that task '%s' is %s: %m", t->id, task_state_name(state));
}

void tasks_tell(Agent *a, Framework *f, const char *executor_id, Task *t, TaskState state, int reason,
                const char *message) {
        tell(a, f, executor_id, t, state, reason, message, NULL);
}

void tasks_tell_unknown(Agent *a, const Mesos__V1__FrameworkInfo *framework, const char *task_id,
                        const char *executor_id, TaskState state, int reason, const char *message) {
        bool aware = false;
        int r;

        for (size_t i = 0; i < framework->n_capabilities; i++)
                aware = aware || (framework->capabilities[i]->has_type &&
                                  framework->capabilities[i]->type ==
                                                  MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE);

        r = make_status(a, task_id, executor_id, task_state_for(state, aware), reason, message, NULL, false,
                        framework->id->value, NULL);
        if (r < 0)
                (void) log_error_errno(r, "Cannot report the state of task '%s': %m", task_id);
}

void tasks_end_all(Agent *a, Executor *e, TaskState state, int reason, const char *message,
                   const Mesos__V1__TaskResourceLimitation *limitation) {
        for (Task *t = e->tasks, *next; t; t = next) {
                next = t->hh.next;
                tell(a, e->framework, e->id, t, state, reason, message, limitation);
        }
}

static int get_framework(Agent *a, const Mesos__Internal__RunTaskMessage *m, Framework **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *info = NULL;
        _cleanup_(framework_freep) Framework *f = NULL;
        int r;

        *ret = find_framework(a, m->framework->id->value);
        if (*ret)
                return 0;

        info = pb_copy(&m->framework->base);
        if (!info)
                return -ENOMEM;

        r = framework_new((Mesos__V1__FrameworkInfo *) info, m->pid ?: "@0.0.0.0:0", &f);
        if (r < 0)
                return r;
        TAKE_PTR(info);

        if (framework_checkpoints(f))
                (void) checkpoint_framework(a->checkpoint, f);

        HASH_ADD_KEYPTR(hh, a->frameworks, f->id, strlen(f->id), f);
        history_revive_framework(a, f);
        *ret = TAKE_PTR(f);
        return 0;
}

/* Offered before our resources last turned out to be others than the master believed. */
static bool is_outdated(const Agent *a, const Mesos__Internal__RunTaskMessage *m) {
        for (size_t i = 0; i < m->n_resource_version_uuids; i++) {
                const Mesos__Internal__ResourceVersionUUID *version = m->resource_version_uuids[i];

                if (!version->resource_provider_id &&
                    (version->uuid->value.len != 16 ||
                     memcmp(version->uuid->value.data, a->resource_version_uuid, 16) != 0))
                        return true;
        }

        return false;
}

/* Whether all reservations and volumes that are meant are here. What is no resource at all is judged elsewhere. */
static bool knows_resources(const Agent *a, Mesos__V1__Resource *const *list, size_t n) {
        _cleanup_(resources_freep) Resources *asked = NULL, *reserved = NULL;
        _cleanup_free_ char *message = NULL;

        if (resources_from_pb(list, n, &asked, &message) != RESOURCES_OK || resources_unallocate(asked) < 0)
                return true;

        reserved = resources_to_checkpoint(asked);
        return !reserved || resources_contains(agent_resources_total(a->resources), reserved);
}

typedef struct Refusal {
        int reason;
        const char *message;
} Refusal;

/* What speaks against running the task here; the message is NULL when nothing does. */
static Refusal refuse_task(const Agent *a, const Mesos__Internal__RunTaskMessage *m) {
        const Mesos__V1__ExecutorInfo *executor = m->task->executor;

        if (drain_has_begun(a->drain))
                return (Refusal) { MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_DRAINING, "Agent is draining" };
        if (is_outdated(a, m))
                return (Refusal) { MESOS__V1__TASK_STATUS__REASON__REASON_INVALID_OFFERS,
                                   "The resources were offered before the agent's resources changed" };
        if (!knows_resources(a, m->task->resources, m->task->n_resources))
                return (Refusal) { MESOS__V1__TASK_STATUS__REASON__REASON_RESOURCES_UNKNOWN,
                                   "The checkpointed resources being used by the task are unknown to the agent" };
        if (executor && !knows_resources(a, executor->resources, executor->n_resources))
                return (Refusal) { MESOS__V1__TASK_STATUS__REASON__REASON_RESOURCES_UNKNOWN,
                                   "The checkpointed resources being used by the executor are unknown to the agent" };

        /* The reason is Mesos's own, for want of a better one. */
        return (Refusal) { MESOS__V1__TASK_STATUS__REASON__REASON_GC_ERROR,
                           isolation_refuse_limits(a->config->isolators, m->task) };
}

/* What speaks against giving the task to this executor; NULL when nothing does. */
static const char *refuse_executor(const Executor *e, const Mesos__Internal__RunTaskMessage *m) {
        bool launch = m->has_launch_executor && m->launch_executor;

        if (!e)
                return m->has_launch_executor && !launch && !m->task->command ? "No executor is expected to launch "
                                                                                "and there is no executor running"
                                                                              : NULL;
        /* One of ours serves one task: the one it had is over, and it is about to leave. */
        if (e->generated || e->state == EXECUTOR_TERMINATING || e->state == EXECUTOR_TERMINATED)
                return "Executor terminating";
        if (launch)
                return "Master wants to launch executor, but one already exists";

        return NULL;
}

/*
 * Not durable, so it must not begin, and can be refused at once: should we forget that we did, the master asks for a
 * task that nobody has, and hears the same. An executor that was made for it may be missing from the records as well,
 * so it must not stay for others.
 */
static void refuse_unrecorded(Agent *a, Framework *f, Executor *e, Task *t) {
        static const char message[] = "Failed to launch container: the agent cannot record the task";

        t->unrecordable = true;
        tasks_tell(a, f, e->id, t, MESOS__V1__TASK_STATE__TASK_FAILED,
                   MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED, message);

        if (!e->ever_subscribed)
                executors_destroy(a, e, MESOS__V1__TASK_STATE__TASK_FAILED,
                                  MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED, message);
}

static void on_recorded(int error, void *userdata) {
        _cleanup_(arrival_freep) Arrival *w = userdata;
        Framework *f = find_framework(w->agent, w->framework_id);
        Executor *e;
        Task *t = NULL;

        e = f ? framework_find_task(f, w->task_id, &t) : NULL;
        if (!e || t->stage != TASK_QUEUED)
                return;

        if (error < 0) {
                refuse_unrecorded(w->agent, f, e, t);
                return;
        }

        t->recorded = true;
        if (e->state == EXECUTOR_RUNNING && e->stream)
                tasks_deliver(w->agent, e, t);
}

static int wait_for_record(Agent *a, const Framework *f, const Task *t) {
        _cleanup_(arrival_freep) Arrival *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;

        w->agent = a;
        w->framework_id = strdup(f->id);
        w->task_id = strdup(t->id);
        if (!w->framework_id || !w->task_id)
                return -ENOMEM;

        r = store_after_commit(a->store, on_recorded, w);
        if (r < 0)
                return r;

        TAKE_PTR(w);
        return 0;
}

static int get_executor(Agent *a, Framework *f, const Mesos__V1__TaskInfo *task, Executor *existing, Executor **ret) {
        ProtobufCMessage *info;

        if (existing) {
                *ret = existing;
                return 0;
        }

        info = task->executor ? pb_copy(&task->executor->base)
                              : (ProtobufCMessage *) command_executor_info(task, f->id, a->config->launcher_dir);
        if (!info)
                return -ENOMEM;

        return executors_launch(a, f, (Mesos__V1__ExecutorInfo *) info, !task->executor, ret);
}

static int enqueue(Agent *a, Framework *f, const Mesos__V1__TaskInfo *task, Executor *existing) {
        _cleanup_(pb_freep) ProtobufCMessage *info = NULL;
        _cleanup_(task_freep) Task *t = NULL;
        Executor *e;
        int r;

        info = pb_copy(&task->base);
        if (!info)
                return -ENOMEM;

        r = task_new((Mesos__V1__TaskInfo *) info, &t);
        if (r != TASK_OK)
                return r < 0 ? r : -EINVAL;
        TAKE_PTR(info);
        t->order = a->n_tasks_arrived++;

        r = get_executor(a, f, task, existing, &e);
        if (r < 0)
                return r;

        if (framework_checkpoints(f))
                (void) checkpoint_task(a->checkpoint, e, t);

        executor_add_task(e, t);
        return wait_for_record(a, f, TAKE_PTR(t));
}

/*
 * An id is given again once its framework has acknowledged how the last task of that id ended. The acknowledgement came
 * before, but may wait for the disk, and what is left of the old task with it: that is brought to its end first.
 */
static void settle_former_task(Agent *a, const char *framework_id, const char *task_id) {
        if (status_manager_knows(a->statuses, framework_id, task_id))
                (void) store_commit(a->store);
}

void tasks_run(Agent *a, const Mesos__Internal__RunTaskMessage *m) {
        const Mesos__V1__TaskInfo *task = m->task;
        LogContext context = { .framework_id = m->framework->id ? m->framework->id->value : NULL,
                               .task_id = task->task_id->value };
        const char *executor_id = task->executor ? task->executor->executor_id->value : task->task_id->value;
        const char *refusal;
        Refusal misfit;
        Framework *f;
        Executor *e;
        Task *known;
        int r;

        if (a->state != AGENT_RUNNING || !m->framework->id || !id_is_valid(m->framework->id->value) ||
            !id_is_valid(task->task_id->value) || !id_is_valid(executor_id)) {
                (void) log_warning_ctx(&context, 0, "Ignoring a task to run: the agent is not registered, or an id is not valid.");
                return;
        }

        settle_former_task(a, m->framework->id->value, task->task_id->value);
        f = find_framework(a, m->framework->id->value);
        if (f && (f->terminating || framework_find_task(f, task->task_id->value, &known))) {
                log_info_ctx(&context, "Ignoring task '%s': its framework is shutting down, or it is here already.",
                             task->task_id->value);
                return;
        }

        misfit = refuse_task(a, m);
        if (misfit.message) {
                tasks_tell_unknown(a, m->framework, task->task_id->value, executor_id,
                                   MESOS__V1__TASK_STATE__TASK_DROPPED, misfit.reason, misfit.message);
                return;
        }

        r = get_framework(a, m, &f);
        if (r < 0) {
                (void) log_oom();
                return;
        }

        e = framework_find_executor(f, executor_id);
        refusal = refuse_executor(e, m);
        if (refusal) {
                tasks_tell_unknown(a, f->info, task->task_id->value, executor_id, MESOS__V1__TASK_STATE__TASK_DROPPED,
                                   MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED, refusal);
                agent_tidy_framework(a, f);
                return;
        }

        r = enqueue(a, f, task, e);
        if (r < 0) {
                (void) log_error_ctx(&context, r, "Cannot take task '%s': %m", task->task_id->value);
                tasks_tell_unknown(a, f->info, task->task_id->value, executor_id, MESOS__V1__TASK_STATE__TASK_DROPPED,
                                   MESOS__V1__TASK_STATUS__REASON__REASON_RESOURCES_UNKNOWN,
                                   "The agent could not take the task");
                agent_tidy_framework(a, f);
        }
}

/* Its volumes are not where it looks for them: it must not begin. */
static void refuse_without_volumes(Agent *a, Executor *e, Task *t, const char *why) {
        _cleanup_free_ char *text = NULL;
        const char *message;

        if (asprintf(&text, "Failed to launch container: %s", why) < 0)
                text = NULL;
        message = text ?: "Failed to launch container";

        tasks_tell(a, e->framework, e->id, t, MESOS__V1__TASK_STATE__TASK_FAILED,
                   MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED, message);
        if (e->generated)
                executors_destroy(a, e, MESOS__V1__TASK_STATE__TASK_FAILED,
                                  MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED, message);
}

void tasks_deliver(Agent *a, Executor *e, Task *t) {
        Mesos__V1__Executor__Event__Launch launch = MESOS__V1__EXECUTOR__EVENT__LAUNCH__INIT;
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;
        _cleanup_free_ char *why = NULL;

        /* Volumes that are being made: executors_volumes_settled() comes back to it. */
        if (volume_links_are_needed(t->info->resources, t->info->n_resources) &&
            !agent_resources_are_settled(a->resources))
                return;

        if (volume_links_make(a, e, t->info->resources, t->info->n_resources, &why) != VOLUME_LINKS_OK) {
                refuse_without_volumes(a, e, t, why ?: "the agent is out of memory");
                return;
        }

        t->stage = TASK_LAUNCHED;
        executors_update_limits(e);
        launch.task = t->info;
        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH;
        event.launch = &launch;
        executor_stream_send(e, &event);
}

static void kill_queued(Agent *a, Framework *f, Executor *e, Task *t) {
        bool others = false;

        tasks_tell(a, f, e->id, t, MESOS__V1__TASK_STATE__TASK_KILLED,
                   MESOS__V1__TASK_STATUS__REASON__REASON_TASK_KILLED_DURING_LAUNCH,
                   "Killed before delivery to the executor");

        for (const Task *other = e->tasks; other; other = other->hh.next)
                others = others || other->stage == TASK_QUEUED || other->stage == TASK_LAUNCHED;

        /* It never had anything to do, and there is nothing it could do: one of ours is for one task only. */
        if (!others && (e->generated || !e->ever_subscribed))
                executors_shutdown(a, e);
}

static void send_kill(Executor *e, const Task *t, const Mesos__V1__KillPolicy *policy) {
        Mesos__V1__Executor__Event__Kill kill_event = MESOS__V1__EXECUTOR__EVENT__KILL__INIT;
        Mesos__V1__Executor__Event event = MESOS__V1__EXECUTOR__EVENT__INIT;

        kill_event.task_id = t->info->task_id;
        kill_event.kill_policy = (Mesos__V1__KillPolicy *) policy;
        event.has_type = true;
        event.type = MESOS__V1__EXECUTOR__EVENT__TYPE__KILL;
        event.kill = &kill_event;
        executor_stream_send(e, &event);
}

static void remember_kill(Task *t, const Mesos__V1__KillPolicy *policy) {
        t->kill_pending = true;
        if (t->kill_policy)
                pb_free(&t->kill_policy->base);
        t->kill_policy = policy ? (Mesos__V1__KillPolicy *) pb_copy(&policy->base) : NULL;
}

void tasks_kill(Agent *a, const char *framework_id, const char *task_id, const Mesos__V1__KillPolicy *policy) {
        Framework *f = find_framework(a, framework_id);
        Executor *e;
        Task *t = NULL;

        e = f ? framework_find_task(f, task_id, &t) : NULL;
        if (!e) {
                Mesos__V1__FrameworkInfo nobody = MESOS__V1__FRAMEWORK_INFO__INIT;
                Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;

                id.value = (char *) framework_id;
                nobody.id = &id;
                tasks_tell_unknown(a, f ? f->info : &nobody, task_id, NULL, MESOS__V1__TASK_STATE__TASK_DROPPED,
                                   MESOS__V1__TASK_STATUS__REASON__REASON_EXECUTOR_TERMINATED,
                                   "Cannot find executor");
                return;
        }

        if (t->stage == TASK_TERMINATED || e->state == EXECUTOR_TERMINATING || e->state == EXECUTOR_TERMINATED)
                return;

        if (t->stage == TASK_QUEUED)
                kill_queued(a, f, e, t);
        else if (e->stream)
                send_kill(e, t, policy);
        else
                remember_kill(t, policy);
}

/* The executor's process; once that has ended, what the task's updates said before. */
static pid_t pid_to_tell(const Executor *e, const Task *t) {
        pid_t pid = e->container ? container_executor_pid(e->container) : 0;
        const Mesos__V1__ContainerStatus *last;

        if (pid > 0 || !t || t->n_statuses == 0)
                return pid;

        last = t->statuses[t->n_statuses - 1]->container_status;
        return last && last->has_executor_pid ? (pid_t) last->executor_pid : 0;
}

/* Who and where the task is, for tools that want to reach it: our own address where no network isolation has another. */
int tasks_update(Agent *a, Executor *e, const Mesos__V1__TaskStatus *given) {
        Mesos__V1__NetworkInfo__IPAddress address = MESOS__V1__NETWORK_INFO__IPADDRESS__INIT, *addresses = &address;
        Mesos__V1__NetworkInfo network = MESOS__V1__NETWORK_INFO__INIT, *networks = &network;
        Mesos__V1__ContainerStatus container = MESOS__V1__CONTAINER_STATUS__INIT;
        Mesos__V1__ContainerID container_id = MESOS__V1__CONTAINER_ID__INIT;
        Mesos__V1__ExecutorID executor_id = MESOS__V1__EXECUTOR_ID__INIT;
        Mesos__V1__TaskStatus status = *given;
        Framework *f = e->framework;
        Task *t = executor_find_task(e, status.task_id->value);
        char own_address[ADDRESS_POOL_TEXT_MAX];
        pid_t pid = pid_to_tell(e, t);
        int r;

        if (f->terminating) {
                a->counters.invalid_status_updates++;
                return STATUS_MANAGER_OK;
        }

        snprintf(own_address, sizeof(own_address), "%.*s", (int) strcspn(e->address, "/"), e->address);
        address.ip_address = *own_address ? own_address : (char *) a->config->self.ip;
        network.n_ip_addresses = 1;
        network.ip_addresses = &addresses;
        container_id.value = e->container_id;
        container.container_id = &container_id;
        container.n_network_infos = 1;
        container.network_infos = &networks;
        container.has_executor_pid = pid > 0;
        container.executor_pid = (uint32_t) pid;
        executor_id.value = e->id;

        status.agent_id = a->info->id;
        status.executor_id = &executor_id;
        if (!status.container_status)
                status.container_status = &container;
        if (!status.has_timestamp) {
                status.has_timestamp = true;
                status.timestamp = usec_to_secs(usec_now(CLOCK_REALTIME));
        }

        drain_explain(a->drain, f, &status);

        a->counters.valid_status_updates++;
        r = hand_over(a, f->id, e->id, &status, framework_checkpoints(f));
        if (r == STATUS_MANAGER_OK && t) {
                note(a, t, &status);
                if (t->stage == TASK_TERMINATED)
                        executors_update_limits(e);
        } else if (r == STATUS_MANAGER_E_KNOWN || r == STATUS_MANAGER_E_TERMINATED)
                executor_stream_acknowledge(e, status.task_id->value, status.uuid.data);
        else if (r < 0)
                (void) log_error_errno(r, "Cannot take a status of task '%s': %m", status.task_id->value);
        else if (r == STATUS_MANAGER_E_FULL)
                log_warning("Not taking a status of task '%s': too many of it are not acknowledged by its framework.",
                            status.task_id->value);
        return r;
}

static void status_recorded(const Mesos__Internal__StatusUpdate *update, void *userdata) {
        Agent *a = userdata;
        Framework *f = find_framework(a, update->framework_id->value);
        Executor *e = f && update->executor_id ? framework_find_executor(f, update->executor_id->value) : NULL;

        /* A task we do not know was not ours to acknowledge: its executor may be told by the framework. */
        if (e && update->status->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR &&
            executor_find_task(e, update->status->task_id->value))
                executor_stream_acknowledge(e, update->status->task_id->value, update->status->uuid.data);
}

static void status_forward(Mesos__Internal__StatusUpdate *update, void *userdata) {
        Agent *a = userdata;
        Mesos__Internal__StatusUpdateMessage message = MESOS__INTERNAL__STATUS_UPDATE_MESSAGE__INIT;
        Framework *f = find_framework(a, update->framework_id->value);
        Task *t = NULL;

        if (f)
                (void) framework_find_task(f, update->status->task_id->value, &t);

        update->has_latest_state = true;
        update->latest_state = t ? t->state : update->status->state;
        if (t)
                task_note_forwarded(t, update->status->state, update->status->uuid.data);

        CRASH_POINT("update-forward");
        message.update = update;
        message.pid = (char *) a->config->self.text;
        master_link_send(a->master, "mesos.internal.StatusUpdateMessage", &message.base);
}

static void status_acknowledged(const char *framework_id, const char *task_id, bool terminal, void *userdata) {
        Agent *a = userdata;
        Framework *f = find_framework(a, framework_id);
        Executor *e;
        Task *t;

        if (!terminal)
                return;

        e = f ? framework_find_task(f, task_id, &t) : NULL;
        if (!e) {
                (void) checkpoint_forget_task(a->checkpoint, framework_id, task_id);
                return;
        }

        history_add_task(a, e, t);
        CRASH_POINT("task-completed");
        (void) executors_tidy(a, e);
}

const StatusManagerOps tasks_status_ops = {
        .recorded = status_recorded,
        .forward = status_forward,
        .acknowledged = status_acknowledged,
};

void tasks_kill_pending(Agent *a, Executor *e) {
        (void) a;
        for (Task *t = e->tasks; t; t = t->hh.next)
                if (t->kill_pending) {
                        t->kill_pending = false;
                        send_kill(e, t, t->kill_policy);
                }
}
