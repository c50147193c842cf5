/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /state
 *
 * Everything the agent knows, as tools of a decade read it: names, order and shape of the fields
 * are Mesos's. The text is streamed from the objects; nothing is collected first except one message
 * per task, which is what the master is told as well.
 *
 *     agent ── frameworks ── executors ── tasks            launched
 *           │             │            ├─ queued_tasks     waiting for the executor
 *           │             │            └─ completed_tasks  over, acknowledged or not
 *           │             └─ completed_executors
 *           └─ completed_frameworks
 */

#include "agent/agent_resources.h"
#include "agent/capability.h"
#include "agent/census.h"
#include "agent/drain.h"
#include "agent/master_link.h"
#include "agent/resource_json.h"
#include "agent/state_json.h"
#include "common/model/convert.h"
#include "common/model/version.h"

/* A flag's value is rarely longer than a path; --resources as JSON may be. */
#define FLAG_TEXT_MAX ((size_t) 1 << 20)

static int compare_flags(const void *a, const void *b) {
        return strcmp((*(const Flag *const *) a)->name, (*(const Flag *const *) b)->name);
}

int flags_foreach_sorted(const FlagTable *flags, FlagVisit visit, void *userdata) {
        /* Every program has these, and none that answers was given them. */
        static const Flag common[] = {
                { .name = "help", .kind = FLAG_BOOL, .default_text = "false" },
                { .name = "version", .kind = FLAG_BOOL, .default_text = "false" },
        };
        size_t n = flags->n_flags + ELEMENTSOF(common);
        _cleanup_free_ const Flag **sorted = calloc(n, sizeof(*sorted));
        int r = 0;

        if (!sorted)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++)
                sorted[i] = i < flags->n_flags ? &flags->flags[i] : &common[i - flags->n_flags];
        qsort(sorted, n, sizeof(*sorted), compare_flags);

        for (size_t i = 0; r == 0 && i < n; i++) {
                _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(FLAG_TEXT_MAX);

                r = flag_format(sorted[i], &b);
                if (r == FLAG_UNSET) {
                        r = 0;
                        continue;
                }
                if (r >= 0)
                        r = buffer_append_char(&b, '\0');
                if (r >= 0)
                        r = visit(sorted[i]->name, buffer_data(&b), userdata);
        }

        return r;
}

static int print_flag(const char *name, const char *value, void *userdata) {
        json_put_string(userdata, name, value);
        return 0;
}

int json_put_flags(JsonWriter *w, const char *key, const FlagTable *flags) {
        int r;

        json_object_begin(w, key);
        r = flags_foreach_sorted(flags, print_flag, w);
        json_object_end(w);
        return r;
}

static void print_labels(JsonWriter *w, const Mesos__V1__Labels *labels) {
        json_array_begin(w, "labels");
        for (size_t i = 0; i < labels->n_labels; i++)
                json_put_message(w, NULL, &labels->labels[i]->base);
        json_array_end(w);
}

/* Tasks and executors never mix two. */
static void print_role(JsonWriter *w, const Resources *resources) {
        const char *role = resources_allocation_role(resources);

        if (role)
                json_put_string(w, "role", role);
}

/* Without the pid, which is for those who ask for containers. */
static void print_container_status(JsonWriter *w, const Mesos__V1__ContainerStatus *s) {
        json_object_begin(w, "container_status");
        if (s->container_id)
                json_put_message(w, "container_id", &s->container_id->base);
        if (s->n_network_infos > 0) {
                json_array_begin(w, "network_infos");
                for (size_t i = 0; i < s->n_network_infos; i++)
                        json_put_message(w, NULL, &s->network_infos[i]->base);
                json_array_end(w);
        }
        if (s->cgroup_info)
                json_put_message(w, "cgroup_info", &s->cgroup_info->base);
        json_object_end(w);
}

static void print_status(JsonWriter *w, const Mesos__V1__TaskStatus *s) {
        json_object_begin(w, NULL);
        json_put_string(w, "state", task_state_name(s->state));
        json_put_double(w, "timestamp", s->timestamp);
        if (s->labels)
                print_labels(w, s->labels);
        if (s->container_status)
                print_container_status(w, s->container_status);
        if (s->has_healthy)
                json_put_bool(w, "healthy", s->healthy);
        if (s->check_status)
                json_put_message(w, "check_status", &s->check_status->base);
        json_object_end(w);
}

static void print_statuses(JsonWriter *w, const Mesos__V1__Task *t) {
        json_array_begin(w, "statuses");
        for (size_t i = 0; i < t->n_statuses; i++)
                print_status(w, t->statuses[i]);
        json_array_end(w);
}

static int print_task_body(JsonWriter *w, const Resources *resources, const Mesos__V1__Task *t) {
        int r;

        json_put_string(w, "id", t->task_id->value);
        json_put_string(w, "name", t->name);
        json_put_string(w, "framework_id", t->framework_id->value);
        json_put_string(w, "executor_id", t->executor_id ? t->executor_id->value : "");
        json_put_string(w, "slave_id", t->agent_id->value);
        json_put_string(w, "state", task_state_name(t->state));
        r = json_put_resources(w, "resources", resources);
        if (r < 0)
                return r;

        print_role(w, resources);
        print_statuses(w, t);
        if (t->user)
                json_put_string(w, "user", t->user);
        if (t->labels)
                print_labels(w, t->labels);
        if (t->discovery)
                json_put_message(w, "discovery", &t->discovery->base);
        if (t->container)
                json_put_message(w, "container", &t->container->base);
        if (t->health_check)
                json_put_message(w, "health_check", &t->health_check->base);
        return 0;
}

static int print_task(JsonWriter *w, const Agent *a, const Executor *e, const Task *task) {
        Mesos__V1__Task *t;
        int r;

        t = task_to_pb(task, e->framework->id, a->id ?: "", e->generated ? NULL : e->id);
        if (!t)
                return -ENOMEM;

        json_object_begin(w, NULL);
        r = print_task_body(w, task->resources, t);
        json_object_end(w);
        (void) pb_free(&t->base);
        return r;
}

static int print_completed_task(JsonWriter *w, const CompletedTask *task) {
        Mesos__V1__Task *t = mesos__v1__task__unpack(NULL, task->n_packed, task->packed);
        _cleanup_(resources_freep) Resources *resources = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        if (!t)
                return -ENOMEM;

        r = resources_from_pb(t->resources, t->n_resources, &resources, &message);
        if (r == RESOURCES_OK) {
                json_object_begin(w, NULL);
                r = print_task_body(w, resources, t);
                json_object_end(w);
        }

        (void) pb_free(&t->base);
        return r < 0 ? r : 0;
}

static int print_queued_task(JsonWriter *w, const Task *task) {
        const Mesos__V1__TaskInfo *info = task->info;
        int r;

        json_object_begin(w, NULL);
        json_put_string(w, "id", task->id);
        json_put_string(w, "name", info->name);
        json_put_string(w, "slave_id", info->agent_id->value);
        r = json_put_resources(w, "resources", task->resources);
        print_role(w, task->resources);
        if (info->command)
                json_put_message(w, "command", &info->command->base);
        if (info->executor)
                json_put_string(w, "executor_id", info->executor->executor_id->value);
        if (info->discovery)
                json_put_message(w, "discovery", &info->discovery->base);
        json_object_end(w);
        return r;
}

static int print_tasks_in_stage(JsonWriter *w, const Agent *a, const Executor *e, TaskStage stage) {
        const Task *t;
        int r = 0;

        for (t = e->tasks; r == 0 && t; t = t->hh.next)
                if (t->stage == stage)
                        r = stage == TASK_QUEUED ? print_queued_task(w, t) : print_task(w, a, e, t);

        return r;
}

static int print_task_lists(JsonWriter *w, const Agent *a, const Executor *e) {
        const CompletedTask *c;
        int r;

        json_array_begin(w, "tasks");
        r = print_tasks_in_stage(w, a, e, TASK_LAUNCHED);
        json_array_end(w);
        if (r < 0)
                return r;

        json_array_begin(w, "queued_tasks");
        r = print_tasks_in_stage(w, a, e, TASK_QUEUED);
        json_array_end(w);
        if (r < 0)
                return r;

        json_array_begin(w, "completed_tasks");
        for (c = e->completed; r == 0 && c; c = c->next)
                r = print_completed_task(w, c);
        if (r == 0)
                r = print_tasks_in_stage(w, a, e, TASK_TERMINATED);
        json_array_end(w);
        return r;
}

/* Its own and its tasks'. */
static int print_executor_resources(JsonWriter *w, const Executor *e) {
        _cleanup_(resources_freep) Resources *used = executor_used_resources(e);
        int r;

        if (!used)
                return -ENOMEM;

        r = json_put_resources(w, "resources", used);
        print_role(w, used);
        return r;
}

static int print_executor(JsonWriter *w, const Agent *a, const Executor *e) {
        const Mesos__V1__ExecutorInfo *info = e->info;
        int r;

        json_object_begin(w, NULL);
        json_put_string(w, "id", e->id);
        json_put_string(w, "name", info->name ?: "");
        json_put_string(w, "source", info->source ?: "");
        json_put_string(w, "container", e->container_id);
        json_put_string(w, "directory", e->directory ?: "");
        r = print_executor_resources(w, e);
        if (r < 0)
                return r;

        if (info->labels)
                print_labels(w, info->labels);
        if (info->has_type)
                json_put_string(w, "type",
                                info->type == MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT ? "DEFAULT"
                                                                                      : "CUSTOM");

        r = print_task_lists(w, a, e);
        json_object_end(w);
        return r;
}

static void print_framework_roles(JsonWriter *w, const Framework *f) {
        if (!framework_has_capability(f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE)) {
                json_put_string(w, "role", f->info->role ?: "*");
                return;
        }

        json_array_begin(w, "roles");
        for (size_t i = 0; i < f->info->n_roles; i++)
                json_put_string(w, NULL, f->info->roles[i]);
        json_array_end(w);
}

static int print_framework(JsonWriter *w, const Agent *a, const Framework *f) {
        const CompletedExecutor *completed;
        const Executor *e;
        int r = 0;

        json_object_begin(w, NULL);
        json_put_string(w, "id", f->id);
        json_put_string(w, "name", f->info->name);
        json_put_string(w, "user", f->info->user);
        json_put_double(w, "failover_timeout", f->info->failover_timeout);
        json_put_bool(w, "checkpoint", f->info->checkpoint);
        json_put_string(w, "hostname", f->info->hostname ?: "");
        if (f->info->principal)
                json_put_string(w, "principal", f->info->principal);
        print_framework_roles(w, f);

        json_array_begin(w, "executors");
        for (e = f->executors; r == 0 && e; e = e->hh.next)
                r = print_executor(w, a, e);
        json_array_end(w);

        json_array_begin(w, "completed_executors");
        for (completed = f->completed; r == 0 && completed; completed = completed->next)
                r = print_executor(w, a, completed->executor);
        json_array_end(w);
        json_object_end(w);
        return r;
}

static int print_frameworks(JsonWriter *w, const Agent *a) {
        const CompletedFramework *completed;
        const Framework *f;
        int r = 0;

        json_array_begin(w, "frameworks");
        for (f = a->frameworks; r == 0 && f; f = f->hh.next)
                r = print_framework(w, a, f);
        json_array_end(w);

        json_array_begin(w, "completed_frameworks");
        for (completed = a->completed; r == 0 && completed; completed = completed->next)
                r = print_framework(w, a, completed->framework);
        json_array_end(w);
        return r;
}

static int print_attribute(JsonWriter *w, const Mesos__V1__Attribute *attribute) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(FLAG_TEXT_MAX);
        int r;

        if (attribute->scalar) {
                json_put_double(w, attribute->name, attribute->scalar->value);
                return 0;
        }

        r = attribute_format(attribute, &b);
        if (r >= 0)
                json_put_string_n(w, attribute->name, buffer_data(&b), buffer_size(&b));
        return r;
}

static int print_attributes(JsonWriter *w, const Agent *a) {
        int r = 0;

        json_object_begin(w, "attributes");
        for (size_t i = 0; r >= 0 && i < a->config->n_attributes; i++)
                r = print_attribute(w, a->config->attributes[i]);
        json_object_end(w);
        return r;
}

static int print_allocated(JsonWriter *w, const Agent *a) {
        _cleanup_(census_deinit) Census c = {};
        int r;

        r = census_take(a, &c);
        if (r < 0)
                return r;

        r = json_put_reserved_resources(w, "reserved_resources_allocated", c.used);
        if (r < 0)
                return r;

        return json_put_unreserved_resources(w, "unreserved_resources_allocated", c.used);
}

static int print_resources(JsonWriter *w, const Agent *a) {
        static const struct {
                const char *key;
                int (*print)(JsonWriter *w, const char *key, const Resources *resources);
        } forms[] = {
                { "resources", json_put_resources },
                { "reserved_resources", json_put_reserved_resources },
                { "unreserved_resources", json_put_unreserved_resources },
                { "reserved_resources_full", json_put_reserved_resources_full },
                { "unreserved_resources_full", json_put_unreserved_resources_full },
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                int r = forms[i].print(w, forms[i].key, agent_resources_total(a->resources));

                if (r < 0)
                        return r;
        }

        return print_allocated(w, a);
}

static void print_identity(JsonWriter *w, const Agent *a) {
        json_put_string(w, "version", MESOS_VERSION);
        json_put_string(w, "build_date", BUILD_DATE);
        json_put_double(w, "build_time", BUILD_TIME_SECS);
        json_put_string(w, "build_user", BUILD_USER);
        json_put_double(w, "start_time", usec_to_secs(a->start_time_usec));
        json_put_string(w, "id", a->id ?: "");
        json_put_string(w, "pid", a->config->self.text);
        json_put_string(w, "hostname", a->config->hostname);

        json_array_begin(w, "capabilities");
        for (size_t i = 0; i < n_agent_capabilities; i++)
                json_put_string(w, NULL, agent_capability_name(agent_capabilities[i]));
        json_array_end(w);

        if (a->config->domain)
                json_put_message(w, "domain", &a->config->domain->base);

        if (drain_config(a->drain)) {
                json_put_message(w, "drain_config", &drain_config(a->drain)->base);
                json_put_uint(w, "estimated_drain_start_time_seconds", drain_started_usec(a->drain) / USEC_PER_SEC);
        }
}

static int print_state(JsonWriter *w, const Agent *a) {
        const char *master = a->master ? master_link_hostname(a->master) : NULL;
        int r;

        print_identity(w, a);
        r = print_resources(w, a);
        if (r < 0)
                return r;

        json_array_begin(w, "resource_providers");
        json_array_end(w);
        r = print_attributes(w, a);
        if (r < 0)
                return r;

        if (master)
                json_put_string(w, "master_hostname", master);
        r = json_put_flags(w, "flags", a->config->flags);
        if (r < 0)
                return r;

        return print_frameworks(w, a);
}

int state_json_print(const Agent *a, JsonWriter *w) {
        int r;

        json_object_begin(w, NULL);
        r = print_state(w, a);
        json_object_end(w);
        return r;
}
