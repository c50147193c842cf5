/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Status updates
 *
 * An agent repeats each update until the framework's acknowledgement comes back through us, so the
 * master need not keep any: it passes on, notes the state, and lets acknowledgements through.
 *
 *     agent ── StatusUpdate{status, uuid, latest_state} ──▶ master ── UPDATE ──▶ framework
 *     agent ◀── StatusUpdateAcknowledgement{uuid} ──────── master ◀── ACKNOWLEDGE ──┘
 *
 * Two states of a task are kept apart: the one last passed on, which reconciliation answers with,
 * and the latest one the agent knows (latest_state), which decides about resources: they are free
 * the moment we learn that the task is at its end. The task itself stays until the framework has
 * acknowledged that end.
 *
 * Updates the master makes itself (a lost agent, an invalid task) have no uuid, are sent once and
 * need no acknowledgement; reconciliation is how a framework learns of one it missed.
 */

#include "common/base/log.h"
#include "common/base/usec.h"
#include "common/net/pbwire.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/drain.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/operator_stream.h"
#include "master/readmission.h"
#include "master/scheduler_event.h"
#include "master/status_router.h"
#include "master/task.h"

#define UUID_BYTES 16

/* The message of a MasterStatus, with the parts it points to. */
typedef struct StatusMessage {
        Mesos__V1__TaskStatus status;
        Mesos__V1__TaskID task_id;
        Mesos__V1__AgentID agent_id;
        Mesos__V1__ExecutorID executor_id;
        Mesos__V1__TimeInfo unreachable_time;
} StatusMessage;

static void status_message_init(StatusMessage *m, const MasterStatus *s, usec_t wall_clock_usec) {
        mesos__v1__task_status__init(&m->status);
        mesos__v1__task_id__init(&m->task_id);
        mesos__v1__agent_id__init(&m->agent_id);
        mesos__v1__executor_id__init(&m->executor_id);
        mesos__v1__time_info__init(&m->unreachable_time);

        m->task_id.value = (char *) s->task_id;
        m->status.task_id = &m->task_id;
        m->status.state = s->state;
        m->status.has_source = true;
        m->status.source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER;
        m->status.has_reason = true;
        m->status.reason = s->reason;
        m->status.message = (char *) s->message;
        m->status.has_timestamp = true;
        m->status.timestamp = usec_to_secs(wall_clock_usec);

        if (s->agent_id) {
                m->agent_id.value = (char *) s->agent_id;
                m->status.agent_id = &m->agent_id;
        }
        if (s->executor_id) {
                m->executor_id.value = (char *) s->executor_id;
                m->status.executor_id = &m->executor_id;
        }
        if (s->unreachable_usec > 0) {
                m->unreachable_time.nanoseconds = (int64_t) s->unreachable_usec * 1000;
                m->status.unreachable_time = &m->unreachable_time;
        }
        if (s->container_status)
                m->status.container_status = (Mesos__V1__ContainerStatus *) s->container_status;
        if (s->healthy) {
                m->status.has_healthy = true;
                m->status.healthy = *s->healthy;
        }
}

void status_router_tell(Framework *f, const MasterStatus *s) {
        StatusMessage m;

        status_message_init(&m, s, master_wall_clock(f->master));
        scheduler_send_update(f, &m.status);
}

void status_router_tell_latest(Task *t, TaskState state, TaskReason reason, const char *message) {
        Mesos__V1__TaskStatus *last = task_last_status(t);
        MasterStatus s = {
                .task_id = t->id,
                .agent_id = t->agent_id,
                .executor_id = t->executor_id,
                .state = state,
                .reason = reason,
                .message = message,
        };

        if (last) {
                s.container_status = last->container_status;
                if (last->has_healthy)
                        s.healthy = &last->healthy;
        }

        status_router_tell(t->framework, &s);

        if (last)
                pb_free(&last->base);
}

/* The task holds nothing any more. */
static void release_resources(Task *t) {
        Resources *held = TAKE_PTR(t->resources);

        if (!held)
                return;

        if (t->node) {
                (void) resources_subtract(t->node->used, held);
                allocation_free(t->framework, t->node, held);
        }

        resources_free(held);
}

/* Takes a state in, from whoever said it; `latest` is what the task has come to, `status` what is
 * told of it. */
static void task_step(Task *t, const Mesos__V1__TaskStatus *status, TaskState latest) {
        Framework *f = t->framework;
        bool was_over = !task_is_active(t);
        bool news = t->n_statuses == 0 || t->statuses[t->n_statuses - 1].state != status->state;
        int r;

        /* An end is final: what comes after it repeats or contradicts. */
        if (!task_is_terminal(t))
                t->state = latest;

        r = task_add_status(t, status);
        if (r < 0)
                log_error_errno(r, "Cannot keep a status of task '%s', ignoring: %m", t->id);

        if (news ||
            status->reason == MESOS__V1__TASK_STATUS__REASON__REASON_TASK_CHECK_STATUS_UPDATED ||
            status->reason ==
                            MESOS__V1__TASK_STATUS__REASON__REASON_TASK_HEALTH_CHECK_STATUS_UPDATED)
                operator_stream_task_updated(t, status);

        if (was_over || task_is_active(t))
                return;

        if (task_is_terminal(t))
                metrics_count_terminal(f->master, f, t->state,
                                       status->has_source ? (int) status->source : -1,
                                       status->has_reason ? (int) status->reason : -1);
        release_resources(t);
}

void status_router_transition(Task *t, const MasterStatus *s, bool silent) {
        StatusMessage m;

        status_message_init(&m, s, master_wall_clock(t->framework->master));
        task_step(t, &m.status, s->state);

        if (!silent)
                scheduler_send_update(t->framework, &m.status);
}

void status_router_retire(Task *t) {
        Framework *f = t->framework;
        Node *n = t->node;

        release_resources(t);
        framework_remove_task(f, t);
        framework_add_completed(f, t, f->master->config->max_completed_tasks_per_framework);
        if (n)
                drain_check(n);
}

/* Forwards, whether we know the task or not: the agent waits for the framework's word. */
static void forward(Framework *f, const Mesos__Internal__StatusUpdate *update) {
        Mesos__V1__TaskStatus status = *update->status;

        /* Old executors put it into the update only; without it, it must not be acknowledged. */
        status.has_uuid = update->has_uuid && update->uuid.len == UUID_BYTES;
        status.uuid = status.has_uuid ? update->uuid : (ProtobufCBinaryData) {};

        scheduler_send_update(f, &status);
}

/* A second run of a task (readmission.c) is none of its framework's business: it would take its end
 * for the end of the task it knows. The agent is told that all is well. */
static bool is_of_second_run(Framework *f, Node *n, const Mesos__Internal__StatusUpdate *update) {
        const char *task_id = update->status->task_id->value;
        const Task *t = framework_find_task(f, task_id);

        if (!t || t->node == n)
                return false;

        log_info("Keeping an update of task '%s' of framework '%s' on agent '%s' to ourselves: it "
                 "runs on agent '%s'",
                 task_id, f->id, n->id, t->agent_id);
        if (update->has_uuid && update->uuid.len == UUID_BYTES)
                agent_message_acknowledge(n, f->id, task_id, update->uuid);
        return true;
}

static Task *find_task_at(Framework *f, const char *task_id, const Node *n) {
        Task *t = framework_find_task(f, task_id);

        return t && t->node == n ? t : NULL;
}

void status_router_update(Master *m, const Upid *from,
                          const Mesos__Internal__StatusUpdate *update) {
        const char *task_id = update->status->task_id->value;
        TaskState latest = update->has_latest_state ? update->latest_state : update->status->state;
        Framework *f;
        Task *t;
        Node *n;

        metrics_count(m, COUNTER_MESSAGES_STATUS_UPDATE);

        n = update->slave_id ? node_find(&m->nodes, update->slave_id->value) : NULL;
        if (!n || !upid_eq(&n->pid, from)) {
                log_warning("Ignoring status update of task '%s' from unknown agent at %s", task_id,
                            from->text);
                metrics_count(m, COUNTER_INVALID_STATUS_UPDATES);
                return;
        }

        f = framework_find(&m->frameworks, update->framework_id->value);
        if (!f) {
                log_warning("Ignoring status update of task '%s' of unknown framework '%s'",
                            task_id, update->framework_id->value);
                metrics_count(m, COUNTER_INVALID_STATUS_UPDATES);
                return;
        }

        if (is_of_second_run(f, n, update)) {
                metrics_count(m, COUNTER_INVALID_STATUS_UPDATES);
                return;
        }

        forward(f, update);

        t = find_task_at(f, task_id, n);
        if (!t) {
                f->has_strays = true;
                log_warning("Agent '%s' has an update of task '%s', which we do not know", n->id,
                            task_id);
                metrics_count(m, COUNTER_INVALID_STATUS_UPDATES);
                return;
        }

        metrics_count(m, COUNTER_VALID_STATUS_UPDATES);

        t->update_state = update->status->state;
        t->has_update = true;
        t->has_update_uuid = update->has_uuid && update->uuid.len == UUID_BYTES;
        if (t->has_update_uuid)
                memcpy(t->update_uuid, update->uuid.data, UUID_BYTES);

        task_step(t, update->status, latest);
        readmission_settle_executor(t);
}

/*
 * The task is through when the framework has seen the update we passed on last and that was the
 * end. An acknowledgement for an update we never passed on is not let through: the agent will send
 * that update to us, and only then do we know what was acknowledged.
 */
static bool acknowledge_task(Framework *f, Node *n,
                             const Mesos__V1__Scheduler__Call__Acknowledge *ack) {
        Task *t = find_task_at(f, ack->task_id->value, n);

        if (!t)
                return true;

        if (!t->has_update_uuid)
                return false;

        if (memcmp(t->update_uuid, ack->uuid.data, UUID_BYTES) == 0 &&
            task_state_is_terminal(t->update_state))
                status_router_retire(t);

        return true;
}

void status_router_acknowledge(Master *m, Framework *f,
                               const Mesos__V1__Scheduler__Call__Acknowledge *ack) {
        Node *n;

        metrics_count(m, COUNTER_MESSAGES_STATUS_UPDATE_ACKNOWLEDGEMENT);

        n = node_find(&m->nodes, ack->agent_id->value);
        if (!n || !n->connected) {
                log_debug("Dropping acknowledgement of task '%s': agent '%s' is not here",
                          ack->task_id->value, ack->agent_id->value);
                metrics_count(m, COUNTER_INVALID_STATUS_UPDATE_ACKNOWLEDGEMENTS);
                return;
        }

        if (!acknowledge_task(f, n, ack)) {
                log_debug("Dropping acknowledgement of task '%s': no update of it was sent",
                          ack->task_id->value);
                metrics_count(m, COUNTER_INVALID_STATUS_UPDATE_ACKNOWLEDGEMENTS);
                return;
        }

        metrics_count(m, COUNTER_VALID_STATUS_UPDATE_ACKNOWLEDGEMENTS);
        agent_message_acknowledge(n, f->id, ack->task_id->value, ack->uuid);
}
