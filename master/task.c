/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tasks
 *
 * There are many of them, so a Task is small: the few facts the master decides by are parsed, the
 * rest (labels, discovery, container, limits…), which only people and other programs ask for, stays
 * packed as the mesos.v1.Task message it will be shown as. The statuses are kept packed as well.
 *
 * A task lives in exactly one of its framework's collections:
 *
 *     launched ──▶ tasks ──▶ completed_tasks        terminal update acknowledged, or given up
 *                    │ ▲
 *                    ▼ │
 *              unreachable_tasks                    its agent is cut off, and comes back
 *
 * Its resources are counted at its agent as long as `resources` is set. Moving a task and giving
 * back what it held are decisions of status_router.c; here is only the record.
 */

#include "common/net/pbwire.h"
#include "master/task.h"

/* A task has four or five states in its life; an executor that flips between two for ever must not
 * grow us. Past this the second oldest status goes: the first says when the task began. */
#define TASK_MAX_STATUSES 32U

static int task_pack_description(Task *t, const Mesos__V1__Task *description) {
        size_t n = mesos__v1__task__get_packed_size(description);

        t->packed = malloc(MAX(n, (size_t) 1));
        if (!t->packed)
                return -ENOMEM;

        t->n_packed = mesos__v1__task__pack(description, t->packed);
        return 0;
}

static int task_new(const Mesos__V1__Task *description, Resources *resources, Task **ret) {
        _cleanup_(task_freep) Task *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;

        t->state = description->state;
        t->id = strdup(description->task_id->value);
        t->agent_id = strdup(description->agent_id->value);
        if (!t->id || !t->agent_id)
                return -ENOMEM;

        if (description->executor_id && *description->executor_id->value) {
                t->executor_id = strdup(description->executor_id->value);
                if (!t->executor_id)
                        return -ENOMEM;
        }

        r = task_pack_description(t, description);
        if (r < 0)
                return r;

        t->resources = resources;
        *ret = TAKE_PTR(t);
        return 0;
}

/* Whose user a task runs as: its own command's, else
 * its executor's. Unset means the framework's. */
static char *task_info_user(const Mesos__V1__TaskInfo *info) {
        if (info->command && info->command->user)
                return info->command->user;
        if (info->executor && info->executor->command)
                return info->executor->command->user;

        return NULL;
}

/*
 * Takes `resources` over on success only. The limits are shared with `info` for the moment of
 * packing: TaskInfo and Task have map entries of the same shape but of different C types.
 */
int task_new_from_info(const Mesos__V1__TaskInfo *info, const char *framework_id,
                       Resources *resources, Task **ret) {
        Mesos__V1__Task d = MESOS__V1__TASK__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        _cleanup_free_ Mesos__V1__Task__LimitsEntry *limits = NULL;
        _cleanup_free_ Mesos__V1__Task__LimitsEntry **limit_pointers = NULL;

        assert(info);
        assert(framework_id);
        assert(ret);

        if (info->n_limits > 0) {
                limits = calloc(info->n_limits, sizeof(*limits));
                limit_pointers = calloc(info->n_limits, sizeof(*limit_pointers));
                if (!limits || !limit_pointers)
                        return -ENOMEM;

                for (size_t i = 0; i < info->n_limits; i++) {
                        mesos__v1__task__limits_entry__init(&limits[i]);
                        limits[i].key = info->limits[i]->key;
                        limits[i].value = info->limits[i]->value;
                        limit_pointers[i] = &limits[i];
                }
        }

        fid.value = (char *) framework_id;
        d.name = info->name;
        d.task_id = info->task_id;
        d.framework_id = &fid;
        d.agent_id = info->agent_id;
        d.executor_id = info->executor ? info->executor->executor_id : NULL;
        d.state = MESOS__V1__TASK_STATE__TASK_STAGING;
        d.resources = info->resources;
        d.n_resources = info->n_resources;
        d.labels = info->labels;
        d.discovery = info->discovery;
        d.container = info->container;
        d.health_check = info->health_check;
        d.kill_policy = info->kill_policy;
        d.user = task_info_user(info);
        d.limits = limit_pointers;
        d.n_limits = info->n_limits;

        return task_new(&d, resources, ret);
}

int task_new_from_report(const Mesos__V1__Task *report, Task **ret) {
        _cleanup_(resources_freep) Resources *resources = NULL;
        _cleanup_(task_freep) Task *t = NULL;
        _cleanup_free_ char *error = NULL;
        Mesos__V1__Task d = *report;
        int r;

        assert(report);
        assert(ret);

        r = resources_from_pb(report->resources, report->n_resources, &resources, &error);
        if (r != RESOURCES_OK)
                return r;

        d.n_statuses = 0;
        d.statuses = NULL;
        d.has_status_update_state = false;
        d.has_status_update_uuid = false;
        d.status_update_uuid = (ProtobufCBinaryData) {};

        r = task_new(&d, NULL, &t);
        if (r < 0)
                return r;

        for (size_t i = 0; i < report->n_statuses; i++) {
                r = task_add_status(t, report->statuses[i]);
                if (r < 0)
                        return r;
        }

        t->update_state = report->has_status_update_state ? report->status_update_state
                                                          : report->state;
        if (report->has_status_update_uuid &&
            report->status_update_uuid.len == sizeof(t->update_uuid)) {
                memcpy(t->update_uuid, report->status_update_uuid.data, sizeof(t->update_uuid));
                t->has_update_uuid = true;
        }
        t->has_update = report->has_status_update_state;

        if (!task_is_terminal(t))
                t->resources = TAKE_PTR(resources);

        *ret = TAKE_PTR(t);
        return 0;
}

Task *task_free(Task *t) {
        if (!t)
                return NULL;

        for (size_t i = 0; i < t->n_statuses; i++)
                free(t->statuses[i].packed);
        free(t->statuses);
        resources_free(t->resources);
        free(t->packed);
        free(t->executor_id);
        free(t->agent_id);
        free(t->id);
        free(t);
        return NULL;
}

bool task_is_terminal(const Task *t) {
        return task_state_is_terminal(t->state);
}

bool task_is_active(const Task *t) {
        return !task_is_terminal(t) && t->state != MESOS__V1__TASK_STATE__TASK_UNREACHABLE;
}

static void task_forget_status(Task *t, size_t i) {
        free(t->statuses[i].packed);
        memmove(&t->statuses[i], &t->statuses[i + 1],
                (t->n_statuses - i - 1) * sizeof(*t->statuses));
        t->n_statuses--;
}

/* Appends, or replaces the last one when the state did not change. `data` is not kept: it is the
 * framework's. */
int task_add_status(Task *t, const Mesos__V1__TaskStatus *status) {
        Mesos__V1__TaskStatus copy = *status;
        TaskStatusRecord record, *grown;
        size_t n;

        copy.has_data = false;
        copy.data = (ProtobufCBinaryData) {};

        n = mesos__v1__task_status__get_packed_size(&copy);
        record = (TaskStatusRecord) {
                .packed = malloc(MAX(n, (size_t) 1)),
                .n_packed = n,
                .state = status->state,
                .timestamp_secs = status->timestamp,
        };
        if (!record.packed)
                return -ENOMEM;
        mesos__v1__task_status__pack(&copy, record.packed);

        if (t->n_statuses > 0 && t->statuses[t->n_statuses - 1].state == status->state) {
                free(t->statuses[t->n_statuses - 1].packed);
                t->statuses[t->n_statuses - 1] = record;
                return 0;
        }

        if (t->n_statuses >= TASK_MAX_STATUSES)
                task_forget_status(t, 1);

        grown = realloc(t->statuses, (t->n_statuses + 1) * sizeof(*grown));
        if (!grown) {
                free(record.packed);
                return -ENOMEM;
        }

        t->statuses = grown;
        t->statuses[t->n_statuses++] = record;
        return 0;
}

Mesos__V1__TaskStatus *task_last_status(const Task *t) {
        const TaskStatusRecord *last;

        if (t->n_statuses == 0)
                return NULL;

        last = &t->statuses[t->n_statuses - 1];
        return mesos__v1__task_status__unpack(NULL, last->n_packed, last->packed);
}

double task_first_timestamp(const Task *t) {
        return t->n_statuses > 0 ? t->statuses[0].timestamp_secs : 0;
}

int task_to_pb(const Task *t, Mesos__V1__Task **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *owner = NULL;
        Mesos__V1__Task *m;

        m = mesos__v1__task__unpack(NULL, t->n_packed, t->packed);
        if (!m)
                return -ENOMEM;
        owner = &m->base;

        m->state = t->state;

        if (t->n_statuses > 0) {
                m->statuses = calloc(t->n_statuses, sizeof(*m->statuses));
                if (!m->statuses)
                        return -ENOMEM;

                for (size_t i = 0; i < t->n_statuses; i++) {
                        m->statuses[i] = mesos__v1__task_status__unpack(
                                        NULL, t->statuses[i].n_packed, t->statuses[i].packed);
                        if (!m->statuses[i])
                                return -ENOMEM;
                        m->n_statuses++;
                }
        }

        if (t->has_update) {
                m->has_status_update_state = true;
                m->status_update_state = t->update_state;
        }

        if (t->has_update_uuid) {
                m->status_update_uuid.data = malloc(sizeof(t->update_uuid));
                if (!m->status_update_uuid.data)
                        return -ENOMEM;
                memcpy(m->status_update_uuid.data, t->update_uuid, sizeof(t->update_uuid));
                m->status_update_uuid.len = sizeof(t->update_uuid);
                m->has_status_update_uuid = true;
        }

        owner = NULL;
        *ret = m;
        return 0;
}
