/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tasks
 *
 * What the agent knows of one task: the TaskInfo as the master sent it, and how far it has come.
 *
 *     QUEUED ──executor has subscribed──▶ LAUNCHED ──terminal status──▶ TERMINATED ──acknowledged──▶ history.c
 *        └──────────killed before delivery, executor gone──────────────────▲
 *
 * The state follows the statuses of the executor, but never leaves a terminal one: a second terminal
 * status is acknowledged to its sender and goes no further. Delivery of updates is the status
 * manager's business; a Task only remembers what /state and re-registration tell.
 */

#include "agent/task.h"
#include "common/net/pbwire.h"

/* More different states in a row than any real task has; the oldest give way. */
#define N_STATUSES_MAX 32

/* Of a status that is kept, and of its message. A task with all its statuses must fit into a message to the master, and
 * into what is read back from the history. */
#define STATUS_MAX_BYTES ((size_t) 64 << 10)
#define MESSAGE_MAX_BYTES ((size_t) 16 << 10)

int task_new(Mesos__V1__TaskInfo *info, Task **ret) {
        _cleanup_(task_freep) Task *t = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;

        t->state = MESOS__V1__TASK_STATE__TASK_STAGING;
        t->forwarded_state = MESOS__V1__TASK_STATE__TASK_STAGING;

        t->id = strdup(info->task_id->value);
        if (!t->id)
                return -ENOMEM;

        r = resources_from_pb(info->resources, info->n_resources, &t->resources, &message);
        if (r == RESOURCES_E_INVALID)
                return TASK_E_INVALID;
        if (r < 0)
                return r;

        /* Last: on failure the message stays the caller's. */
        t->info = info;
        *ret = TAKE_PTR(t);
        return TASK_OK;
}

Task *task_free(Task *t) {
        if (!t)
                return NULL;

        for (size_t i = 0; i < t->n_statuses; i++)
                pb_free(&t->statuses[i]->base);
        free(t->statuses);
        if (t->kill_policy)
                pb_free(&t->kill_policy->base);
        resources_free(t->resources);
        if (t->info)
                pb_free(&t->info->base);
        free(t->id);
        free(t);
        return NULL;
}

static int append_status(Task *t, Mesos__V1__TaskStatus *status) {
        Mesos__V1__TaskStatus **p;

        if (t->n_statuses == N_STATUSES_MAX) {
                pb_free(&t->statuses[0]->base);
                memmove(t->statuses, t->statuses + 1, --t->n_statuses * sizeof(*t->statuses));
        }

        p = reallocarray(t->statuses, t->n_statuses + 1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        t->statuses = p;
        t->statuses[t->n_statuses++] = status;
        return 0;
}

/* As much of it as is kept, up to the end of a character. */
static char *shorten(const char *message) {
        size_t n = MESSAGE_MAX_BYTES;

        while (n > 0 && ((unsigned char) message[n] & 0xc0) == 0x80)
                n--;

        return strndup(message, n);
}

/* What an executor says at length is the scheduler's own affair, who is told it in full. */
static ProtobufCMessage *slim_copy(const Mesos__V1__TaskStatus *status) {
        Mesos__V1__TaskStatus slim = *status;
        _cleanup_free_ char *message = NULL;

        slim.has_data = false;
        if (slim.message && strlen(slim.message) > MESSAGE_MAX_BYTES) {
                message = shorten(slim.message);
                if (!message)
                        return NULL;
                slim.message = message;
        }

        if (protobuf_c_message_get_packed_size(&slim.base) > STATUS_MAX_BYTES) {
                slim.labels = NULL;
                slim.check_status = NULL;
                slim.container_status = NULL;
                slim.limitation = NULL;
        }

        return pb_copy(&slim.base);
}

int task_note_status(Task *t, const Mesos__V1__TaskStatus *status) {
        _cleanup_(pb_freep) ProtobufCMessage *copy = slim_copy(status);
        int r;

        if (!task_state_is_terminal(t->state))
                t->state = status->state;

        if (!copy)
                return -ENOMEM;

        if (t->n_statuses > 0 && t->statuses[t->n_statuses - 1]->state == status->state) {
                pb_free(&t->statuses[t->n_statuses - 1]->base);
                t->statuses[t->n_statuses - 1] = (Mesos__V1__TaskStatus *) TAKE_PTR(copy);
                return 0;
        }

        r = append_status(t, (Mesos__V1__TaskStatus *) copy);
        if (r < 0)
                return r;

        copy = NULL;
        return 0;
}

void task_note_forwarded(Task *t, TaskState state, const uint8_t uuid[static 16]) {
        t->has_forwarded = true;
        t->forwarded_state = state;
        memcpy(t->forwarded_uuid, uuid, sizeof(t->forwarded_uuid));
}

/* Limits have an entry type of their own in each message that carries them. */
static int borrow_limits(const Mesos__V1__TaskInfo *info, Mesos__V1__Task *task) {
        if (info->n_limits == 0)
                return 0;

        task->limits = calloc(info->n_limits, sizeof(*task->limits));
        if (!task->limits)
                return -ENOMEM;

        for (size_t i = 0; i < info->n_limits; i++) {
                Mesos__V1__Task__LimitsEntry *entry = malloc(sizeof(*entry));

                if (!entry)
                        return -ENOMEM;

                mesos__v1__task__limits_entry__init(entry);
                entry->key = info->limits[i]->key;
                entry->value = info->limits[i]->value;
                task->limits[task->n_limits++] = entry;
        }

        return 0;
}

static void return_limits(Mesos__V1__Task *task) {
        for (size_t i = 0; i < task->n_limits; i++)
                free(task->limits[i]);
        free(task->limits);
}

/* What is told of it, for the moment: all but the limits is borrowed. */
static int borrow_all(const Task *t, Mesos__V1__FrameworkID *framework, Mesos__V1__AgentID *agent,
                      Mesos__V1__ExecutorID *executor, Mesos__V1__Task *task) {
        const Mesos__V1__TaskInfo *info = t->info;
        const Mesos__V1__CommandInfo *command = info->command ?: info->executor ? info->executor->command : NULL;

        task->name = info->name;
        task->task_id = info->task_id;
        task->framework_id = framework;
        task->executor_id = executor->value ? executor : NULL;
        task->agent_id = agent;
        task->state = t->state;
        task->n_resources = info->n_resources;
        task->resources = info->resources;
        task->n_statuses = t->n_statuses;
        task->statuses = t->statuses;
        task->has_status_update_state = t->has_forwarded;
        task->status_update_state = t->forwarded_state;
        task->has_status_update_uuid = t->has_forwarded;
        task->status_update_uuid = (ProtobufCBinaryData) { 16, (uint8_t *) t->forwarded_uuid };
        task->labels = info->labels;
        task->discovery = info->discovery;
        task->container = info->container;
        task->health_check = info->health_check;
        task->kill_policy = info->kill_policy;
        task->user = command ? command->user : NULL;
        return borrow_limits(info, task);
}

int task_pack(const Task *t, const char *framework_id, const char *agent_id, const char *executor_id,
              uint8_t **ret, size_t *ret_n) {
        Mesos__V1__FrameworkID framework = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__AgentID agent = MESOS__V1__AGENT_ID__INIT;
        Mesos__V1__ExecutorID executor = MESOS__V1__EXECUTOR_ID__INIT;
        Mesos__V1__Task task = MESOS__V1__TASK__INIT;
        uint8_t *packed = NULL;
        size_t n = 0;

        framework.value = (char *) framework_id;
        agent.value = (char *) agent_id;
        executor.value = (char *) executor_id;

        if (borrow_all(t, &framework, &agent, &executor, &task) == 0) {
                n = mesos__v1__task__get_packed_size(&task);
                packed = malloc(n);
        }
        if (packed)
                (void) mesos__v1__task__pack(&task, packed);
        return_limits(&task);
        if (!packed)
                return -ENOMEM;

        *ret = packed;
        *ret_n = n;
        return 0;
}

Mesos__V1__Task *task_to_pb(const Task *t, const char *framework_id, const char *agent_id,
                            const char *executor_id) {
        _cleanup_free_ uint8_t *packed = NULL;
        size_t n;

        if (task_pack(t, framework_id, agent_id, executor_id, &packed, &n) < 0)
                return NULL;

        return mesos__v1__task__unpack(NULL, n, packed);
}
