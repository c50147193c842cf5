/* SPDX-License-Identifier: Apache-2.0 */

/*
 * State as messages
 *
 * GET_STATE, GET_TASKS, GET_EXECUTORS and GET_FRAMEWORKS are four cuts of one view. Infos are
 * borrowed from the objects; tasks are made for the occasion, as they are for the master.
 */

#include "agent/pb_list.h"
#include "agent/state_view.h"

static int add_task(StateView *v, const Agent *a, const Executor *e, const Task *task) {
        Mesos__V1__Agent__Response__GetTasks *tasks = &v->tasks;
        Mesos__V1__Task *t;
        int r;

        t = task_to_pb(task, e->framework->id, a->id ?: "", e->generated ? NULL : e->id);
        if (!t)
                return -ENOMEM;

        switch (task->stage) {
        case TASK_QUEUED:
                r = pb_list_add(&tasks->queued_tasks, &tasks->n_queued_tasks, t);
                break;
        case TASK_LAUNCHED:
                r = pb_list_add(&tasks->launched_tasks, &tasks->n_launched_tasks, t);
                break;
        case TASK_TERMINATED:
        default:
                r = pb_list_add(&tasks->terminated_tasks, &tasks->n_terminated_tasks, t);
        }

        if (r < 0)
                (void) pb_free(&t->base);
        return r;
}

static int add_completed_task(StateView *v, const CompletedTask *task) {
        Mesos__V1__Agent__Response__GetTasks *tasks = &v->tasks;
        Mesos__V1__Task *t = mesos__v1__task__unpack(NULL, task->n_packed, task->packed);
        int r;

        if (!t)
                return -ENOMEM;

        r = pb_list_add(&tasks->completed_tasks, &tasks->n_completed_tasks, t);
        if (r < 0)
                (void) pb_free(&t->base);
        return r;
}

static int add_tasks(StateView *v, const Agent *a, const Executor *e) {
        const CompletedTask *c;
        const Task *t;
        int r = 0;

        for (t = e->tasks; r == 0 && t; t = t->hh.next)
                r = add_task(v, a, e, t);
        for (c = e->completed; r == 0 && c; c = c->next)
                r = add_completed_task(v, c);

        return r;
}

static int add_executor(StateView *v, const Agent *a, const Executor *e, bool completed) {
        Mesos__V1__Agent__Response__GetExecutors__Executor *item = malloc(sizeof(*item));
        int r;

        if (!item)
                return -ENOMEM;

        mesos__v1__agent__response__get_executors__executor__init(item);
        item->executor_info = e->info;
        if (completed)
                r = pb_list_add(&v->executors.completed_executors,
                                &v->executors.n_completed_executors, item);
        else
                r = pb_list_add(&v->executors.executors, &v->executors.n_executors, item);
        if (r < 0) {
                free(item);
                return r;
        }

        return add_tasks(v, a, e);
}

static int add_framework_info(StateView *v, const Framework *f, bool completed) {
        Mesos__V1__Agent__Response__GetFrameworks__Framework *item = malloc(sizeof(*item));
        int r;

        if (!item)
                return -ENOMEM;

        mesos__v1__agent__response__get_frameworks__framework__init(item);
        item->framework_info = f->info;
        if (completed)
                r = pb_list_add(&v->frameworks.completed_frameworks,
                                &v->frameworks.n_completed_frameworks, item);
        else
                r = pb_list_add(&v->frameworks.frameworks, &v->frameworks.n_frameworks, item);
        if (r < 0)
                free(item);
        return r;
}

static int add_framework(StateView *v, const Agent *a, const Framework *f, bool completed) {
        const CompletedExecutor *old;
        const Executor *e;
        int r;

        r = add_framework_info(v, f, completed);
        for (e = f->executors; r == 0 && e; e = e->hh.next)
                r = add_executor(v, a, e, false);
        for (old = f->completed; r == 0 && old; old = old->next)
                r = add_executor(v, a, old->executor, true);
        return r;
}

int state_view_take(const Agent *a, StateView *ret) {
        _cleanup_(state_view_deinit) StateView v = {
                .tasks = MESOS__V1__AGENT__RESPONSE__GET_TASKS__INIT,
                .executors = MESOS__V1__AGENT__RESPONSE__GET_EXECUTORS__INIT,
                .frameworks = MESOS__V1__AGENT__RESPONSE__GET_FRAMEWORKS__INIT,
        };
        const CompletedFramework *old;
        const Framework *f;
        int r = 0;

        for (f = a->frameworks; r == 0 && f; f = f->hh.next)
                r = add_framework(&v, a, f, false);
        for (old = a->completed; r == 0 && old; old = old->next)
                r = add_framework(&v, a, old->framework, true);
        if (r < 0)
                return r;

        *ret = v;
        v = (StateView) {};
        return 0;
}

static void free_tasks(Mesos__V1__Task **list, size_t n) {
        for (size_t i = 0; i < n; i++)
                (void) pb_free(&list[i]->base);
        free(list);
}

/* The items are ours, what they point at isn't. */
static void free_items(void *list, size_t n) {
        void **items = list;

        for (size_t i = 0; i < n; i++)
                free(items[i]);
        free(items);
}

void state_view_deinit(StateView *v) {
        free_tasks(v->tasks.queued_tasks, v->tasks.n_queued_tasks);
        free_tasks(v->tasks.launched_tasks, v->tasks.n_launched_tasks);
        free_tasks(v->tasks.terminated_tasks, v->tasks.n_terminated_tasks);
        free_tasks(v->tasks.completed_tasks, v->tasks.n_completed_tasks);
        free_items(v->executors.executors, v->executors.n_executors);
        free_items(v->executors.completed_executors, v->executors.n_completed_executors);
        free_items(v->frameworks.frameworks, v->frameworks.n_frameworks);
        free_items(v->frameworks.completed_frameworks, v->frameworks.n_completed_frameworks);
        *v = (StateView) {};
}

static const void *member(const ProtobufCMessage *m, unsigned offset) {
        return (const char *) m + offset;
}

void json_put_message_with_lists(JsonWriter *w, const char *key, const ProtobufCMessage *m) {
        json_object_begin(w, key);
        for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
                const ProtobufCMessage *const *pointer = member(m, f->offset);

                assert(f->type == PROTOBUF_C_TYPE_MESSAGE);

                if (f->label == PROTOBUF_C_LABEL_REPEATED) {
                        const ProtobufCMessage *const *const *list = member(m, f->offset);
                        const size_t *n = member(m, f->quantifier_offset);

                        json_array_begin(w, f->name);
                        for (size_t k = 0; k < *n; k++)
                                json_put_message(w, NULL, (*list)[k]);
                        json_array_end(w);
                } else if (*pointer)
                        json_put_message_with_lists(w, f->name, *pointer);
        }
        json_object_end(w);
}
