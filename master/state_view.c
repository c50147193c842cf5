/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The classic views
 *
 * What /state and its siblings show is read by web pages, service discovery and scripts that are
 * ten years old. Names, nesting and which keys are there at all are theirs, not ours to tidy:
 * `slave` for agent, counts as doubles, ranges as text, roles or role by capability.
 *
 * Everything is written straight from the objects into the buffer; no tree is built.
 */

#include "common/base/flags.h"
#include "common/model/convert.h"
#include "common/model/version.h"
#include "common/net/pbjson.h"
#include "common/net/pbwire.h"
#include "master/drain.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/state_view.h"
#include "master/task.h"
#include "master/task_tally.h"

/* Longest text of a flag or an attribute. */
#define TEXT_MAX_BYTES (1U << 20)

void state_view_version(JsonWriter *w, const char *key) {
        if (key)
                json_object_begin(w, key);

        json_put_string(w, "build_date", BUILD_DATE);
        json_put_double(w, "build_time", BUILD_TIME_SECS);
        json_put_string(w, "build_user", BUILD_USER);
        json_put_string(w, "version", MESOS_VERSION);

        if (key)
                json_object_end(w);
}

void state_view_flags(JsonWriter *w, const char *key, Master *m) {
        const FlagTable *t = m->config->flags;

        json_object_begin(w, key);
        for (size_t i = 0; i < t->n_flags; i++) {
                Buffer b = BUFFER_INIT(TEXT_MAX_BYTES);

                if (flag_format(&t->flags[i], &b) == 0)
                        json_put_string_n(w, t->flags[i].name, buffer_data(&b), buffer_size(&b));
                buffer_deinit(&b);
        }

        /* Flags like any other in Mesos, and so in its list. Who is told of them is running. */
        json_put_string(w, "help", "false");
        json_put_string(w, "version", "false");
        json_object_end(w);
}

static void put_total(const char *name, int64_t milli, const char *text, void *userdata) {
        JsonWriter *w = userdata;

        if (text)
                json_put_string(w, name, text);
        else
                json_put_milli(w, name, milli);
}

static void put_resources(JsonWriter *w, const char *key, const Resources *r) {
        int k;

        json_object_begin(w, key);
        k = resources_foreach_total(r, put_total, w);
        if (k < 0)
                w->error = k;
        json_object_end(w);
}

static void put_resources_full(JsonWriter *w, const char *key, const Resources *r) {
        Mesos__V1__Resource **list = NULL;
        size_t n = 0;
        int k;

        k = resources_to_pb(r, RESOURCE_FORMAT_ENDPOINT, &list, &n);
        if (k < 0)
                w->error = k;

        json_array_begin(w, key);
        for (size_t i = 0; i < n; i++)
                json_put_message(w, NULL, &list[i]->base);
        json_array_end(w);

        resources_free_pb(list, n);
}

static int put_reservation(const char *role, const Resources *reserved, void *userdata) {
        put_resources(userdata, role, reserved);
        return 0;
}

static int put_reservation_full(const char *role, const Resources *reserved, void *userdata) {
        put_resources_full(userdata, role, reserved);
        return 0;
}

static void put_reservations(JsonWriter *w, const char *key, const Resources *r,
                             ResourceReservationVisitor put) {
        int k;

        json_object_begin(w, key);
        k = resources_foreach_reservation(r, put, w);
        if (k < 0)
                w->error = k;
        json_object_end(w);
}

static void put_attributes(JsonWriter *w, const Mesos__V1__AgentInfo *info) {
        json_object_begin(w, "attributes");

        for (size_t i = 0; i < info->n_attributes; i++) {
                const Mesos__V1__Attribute *a = info->attributes[i];
                Buffer b = BUFFER_INIT(TEXT_MAX_BYTES);

                if (a->type == MESOS__V1__VALUE__TYPE__SCALAR && a->scalar)
                        json_put_double(w, a->name, a->scalar->value);
                else if (attribute_format(a, &b) >= 0)
                        json_put_string_n(w, a->name, buffer_data(&b), buffer_size(&b));
                buffer_deinit(&b);
        }

        json_object_end(w);
}

static void put_enum_names(JsonWriter *w, const char *key,
                           const ProtobufCEnumDescriptor *descriptor, uint32_t mask) {
        json_array_begin(w, key);
        for (unsigned i = 0; i < descriptor->n_values; i++)
                if (descriptor->values[i].value > 0 &&
                    mask & (UINT32_C(1) << descriptor->values[i].value))
                        json_put_string(w, NULL, descriptor->values[i].name);
        json_array_end(w);
}

static void put_drain_info(JsonWriter *w, const Master *m, const char *agent_id) {
        const Mesos__V1__DrainInfo *info = drain_find(m, agent_id);

        if (info)
                json_put_message(w, "drain_info", &info->base);
}

static void put_offered(JsonWriter *w, const char *key, const Node *n,
                        void (*put)(JsonWriter *w, const char *key, const Resources *r)) {
        _cleanup_(resources_freep) Resources *offered = NULL;
        int r;

        r = offers_sum(n, &offered);
        if (r < 0)
                w->error = r;
        else
                put(w, key, offered);
}

static void put_node_fields(JsonWriter *w, Node *n) {
        Resources *unreserved = resources_unreserved(n->total);

        json_put_string(w, "id", n->id);
        json_put_string(w, "hostname", n->info->hostname);
        json_put_int(w, "port", n->info->port);
        put_attributes(w, n->info);
        if (n->info->domain)
                json_put_message(w, "domain", &n->info->domain->base);
        json_put_string(w, "pid", n->pid.text);
        json_put_double(w, "registered_time", usec_to_secs(n->registered_usec));
        if (n->reregistered_usec > 0)
                json_put_double(w, "reregistered_time", usec_to_secs(n->reregistered_usec));
        put_resources(w, "resources", n->total);
        put_resources(w, "used_resources", n->used);
        put_offered(w, "offered_resources", n, put_resources);
        put_reservations(w, "reserved_resources", n->total, put_reservation);
        if (unreserved)
                put_resources(w, "unreserved_resources", unreserved);
        json_put_bool(w, "active", n->active);
        json_put_bool(w, "deactivated", n->deactivated);
        json_put_string(w, "version", n->version);
        put_enum_names(w, "capabilities", &mesos__v1__agent_info__capability__type__descriptor,
                       n->capabilities);
        put_drain_info(w, n->master, n->id);
        if (n->drain_started_usec > 0)
                json_put_double(w, "estimated_drain_start_time_seconds",
                                usec_to_secs(n->drain_started_usec));

        resources_free(unreserved);
}

void state_view_node(JsonWriter *w, Node *n, bool full) {
        json_object_begin(w, NULL);
        put_node_fields(w, n);

        if (full) {
                Resources *unreserved = resources_unreserved(n->total);

                put_reservations(w, "reserved_resources_full", n->total, put_reservation_full);
                if (unreserved)
                        put_resources_full(w, "unreserved_resources_full", unreserved);
                put_resources_full(w, "used_resources_full", n->used);
                put_offered(w, "offered_resources_full", n, put_resources_full);
                resources_free(unreserved);
        }

        json_object_end(w);
}

static void put_labels(JsonWriter *w, const Mesos__V1__Labels *labels) {
        if (!labels)
                return;

        json_array_begin(w, "labels");
        for (size_t i = 0; i < labels->n_labels; i++)
                json_put_message(w, NULL, &labels->labels[i]->base);
        json_array_end(w);
}

static void put_status(JsonWriter *w, const Mesos__V1__TaskStatus *s) {
        json_object_begin(w, NULL);
        json_put_string(w, "state", task_state_name(s->state));
        json_put_double(w, "timestamp", s->timestamp);
        put_labels(w, s->labels);

        if (s->container_status) {
                /* The executor's pid is for v1 only. */
                Mesos__V1__ContainerStatus shown = *s->container_status;

                shown.has_executor_pid = false;
                json_put_message(w, "container_status", &shown.base);
        }

        if (s->has_healthy)
                json_put_bool(w, "healthy", s->healthy);
        json_object_end(w);
}

static void put_task_resources(JsonWriter *w, const Mesos__V1__Task *m) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *error = NULL;
        const char *role;

        if (resources_from_pb(m->resources, m->n_resources, &r, &error) != RESOURCES_OK)
                return;

        put_resources(w, "resources", r);

        if (m->n_limits > 0) {
                json_object_begin(w, "limits");
                for (size_t i = 0; i < m->n_limits; i++)
                        json_put_double(w, m->limits[i]->key,
                                        m->limits[i]->value ? m->limits[i]->value->value : 0);
                json_object_end(w);
        }

        role = resources_allocation_role(r);
        if (role)
                json_put_string(w, "role", role);
}

static void put_task(JsonWriter *w, const Mesos__V1__Task *m) {
        json_object_begin(w, NULL);
        json_put_string(w, "id", m->task_id->value);
        json_put_string(w, "name", m->name);
        json_put_string(w, "framework_id", m->framework_id->value);
        json_put_string(w, "executor_id", m->executor_id ? m->executor_id->value : "");
        json_put_string(w, "slave_id", m->agent_id->value);
        json_put_string(w, "state", task_state_name(m->state));
        put_task_resources(w, m);

        json_array_begin(w, "statuses");
        for (size_t i = 0; i < m->n_statuses; i++)
                put_status(w, m->statuses[i]);
        json_array_end(w);

        if (m->user)
                json_put_string(w, "user", m->user);
        put_labels(w, m->labels);
        if (m->discovery)
                json_put_message(w, "discovery", &m->discovery->base);
        if (m->container)
                json_put_message(w, "container", &m->container->base);
        if (m->health_check)
                json_put_message(w, "health_check", &m->health_check->base);
        json_object_end(w);
}

void state_view_task(JsonWriter *w, const Task *t) {
        Mesos__V1__Task *m;
        int r;

        r = task_to_pb(t, &m);
        if (r < 0) {
                w->error = r;
                return;
        }

        put_task(w, m);
        pb_free(&m->base);
}

static void put_executor(JsonWriter *w, const Executor *e) {
        const Mesos__V1__ExecutorInfo *info = e->info;
        const char *role = resources_allocation_role(e->resources);

        json_object_begin(w, NULL);
        json_put_string(w, "executor_id", executor_id(e));
        json_put_string(w, "name", info->name ?: "");
        json_put_string(w, "framework_id", e->framework->id);
        if (info->command)
                json_put_message(w, "command", &info->command->base);
        put_resources(w, "resources", e->resources);
        if (role)
                json_put_string(w, "role", role);
        put_labels(w, info->labels);
        if (info->has_type)
                json_put_string(w, "type",
                                info->type == MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT ? "DEFAULT"
                                                                                      : "CUSTOM");
        json_put_string(w, "slave_id", e->node->id);
        json_object_end(w);
}

static void put_offer(JsonWriter *w, const Offer *o) {
        json_object_begin(w, NULL);
        json_put_string(w, "id", o->id);
        json_put_string(w, "framework_id", o->framework->id);
        json_object_begin(w, "allocation_info");
        json_put_string(w, "role", o->role);
        json_object_end(w);
        json_put_string(w, "slave_id", o->node->id);
        put_resources(w, "resources", o->resources);
        json_object_end(w);
}

/* What the framework has: `used` and `offered` are the caller's. */
static int sum_framework(const Framework *f, Resources **ret_used, Resources **ret_offered) {
        _cleanup_(resources_freep) Resources *used = resources_new(), *offered = resources_new();
        int r = used && offered ? 0 : -ENOMEM;

        for (const Task *t = f->tasks; r >= 0 && t; t = t->hh.next)
                if (t->resources)
                        r = resources_add(used, t->resources);
        for (const Executor *e = f->executors; r >= 0 && e; e = e->next)
                r = resources_add(used, e->resources);
        for (const Offer *o = f->offers; r >= 0 && o; o = o->framework_next)
                r = resources_add(offered, o->resources);
        if (r < 0)
                return r;

        *ret_used = TAKE_PTR(used);
        *ret_offered = TAKE_PTR(offered);
        return 0;
}

/* What a summary shows of a framework as well; *used becomes all it has. */
static void put_framework_head(JsonWriter *w, const Framework *f, const Resources *used,
                               const Resources *offered) {
        json_put_string(w, "id", f->id);
        json_put_string(w, "name", f->info->name);
        put_resources(w, "used_resources", used);
        put_resources(w, "offered_resources", offered);
        put_enum_names(w, "capabilities", &mesos__v1__framework_info__capability__type__descriptor,
                       f->capabilities);
        json_put_string(w, "hostname", f->info->hostname ?: "");
        json_put_string(w, "webui_url", f->info->webui_url ?: "");
        json_put_bool(w, "active", f->active);
        json_put_bool(w, "connected", f->state == FRAMEWORK_CONNECTED);
        json_put_bool(w, "recovered", f->state == FRAMEWORK_RECOVERED);
}

static void put_framework_info(JsonWriter *w, const Framework *f) {
        json_put_string(w, "user", f->info->user);
        json_put_double(w, "failover_timeout", f->info->failover_timeout);
        json_put_bool(w, "checkpoint", f->info->checkpoint);
        json_put_double(w, "registered_time", usec_to_secs(f->registered_usec));
        json_put_double(w, "unregistered_time", usec_to_secs(f->unregistered_usec));
        if (f->info->principal)
                json_put_string(w, "principal", f->info->principal);
}

static void put_framework_roles(JsonWriter *w, const Framework *f) {
        if (f->reregistered_usec != f->registered_usec)
                json_put_double(w, "reregistered_time", usec_to_secs(f->reregistered_usec));

        if (!framework_has_capability(f, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE)) {
                json_put_string(w, "role", f->own_role);
                return;
        }

        json_array_begin(w, "roles");
        for (size_t i = 0; i < f->n_roles; i++)
                json_put_string(w, NULL, f->roles[i]);
        json_array_end(w);
}

static void put_framework_lists(JsonWriter *w, Framework *f) {
        json_array_begin(w, "tasks");
        for (const Task *t = f->tasks; t; t = t->hh.next)
                state_view_task(w, t);
        json_array_end(w);

        json_array_begin(w, "unreachable_tasks");
        for (const Task *t = f->unreachable_tasks; t; t = t->hh.next)
                state_view_task(w, t);
        json_array_end(w);

        json_array_begin(w, "completed_tasks");
        for (const Task *t = f->completed_tasks; t; t = t->next)
                state_view_task(w, t);
        json_array_end(w);

        json_array_begin(w, "offers");
        for (const Offer *o = f->offers; o; o = o->framework_next)
                put_offer(w, o);
        json_array_end(w);

        json_array_begin(w, "executors");
        for (const Executor *e = f->executors; e; e = e->next)
                put_executor(w, e);
        json_array_end(w);
}

void state_view_framework(JsonWriter *w, Framework *f) {
        _cleanup_(resources_freep) Resources *used = NULL, *offered = NULL;
        int r;

        r = sum_framework(f, &used, &offered);
        if (r < 0) {
                w->error = r;
                return;
        }

        json_object_begin(w, NULL);
        put_framework_head(w, f, used, offered);
        put_framework_info(w, f);

        r = resources_add(used, offered);
        if (r < 0)
                w->error = r;
        put_resources(w, "resources", used);

        put_framework_roles(w, f);
        put_framework_lists(w, f);
        put_labels(w, f->info->labels);
        json_object_begin(w, "offer_constraints");
        json_object_end(w);
        json_object_end(w);
}

static void put_recovered(JsonWriter *w, Master *m, const char *only_id) {
        json_array_begin(w, "recovered_slaves");
        for (const RecoveredAgent *a = m->recovered.by_id; a; a = a->hh.next) {
                const Mesos__V1__AgentInfo *info = a->info;

                if (only_id && !streq(info->id->value, only_id))
                        continue;

                json_object_begin(w, NULL);
                json_put_string(w, "id", info->id->value);
                json_put_string(w, "hostname", info->hostname);
                json_put_int(w, "port", info->port);
                put_attributes(w, info);
                json_put_bool(w, "deactivated", drain_is_deactivated(m, info->id->value));
                put_drain_info(w, m, info->id->value);
                json_object_end(w);
        }
        json_array_end(w);
}

static void put_nodes(JsonWriter *w, Master *m, const char *only_id, bool full) {
        json_array_begin(w, "slaves");
        for (Node *n = m->nodes.by_id; n; n = n->hh.next)
                if (!only_id || streq(n->id, only_id))
                        state_view_node(w, n, full);
        json_array_end(w);
        put_recovered(w, m, only_id);
}

static void put_frameworks(JsonWriter *w, Master *m, const char *only_id) {
        json_array_begin(w, "frameworks");
        for (Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                if (!only_id || streq(f->id, only_id))
                        state_view_framework(w, f);
        json_array_end(w);

        json_array_begin(w, "completed_frameworks");
        for (Framework *f = m->frameworks.completed; f; f = f->next)
                if (!only_id || streq(f->id, only_id))
                        state_view_framework(w, f);
        json_array_end(w);
}

static void put_empty_array(JsonWriter *w, const char *key) {
        json_array_begin(w, key);
        json_array_end(w);
}

static void put_leader(JsonWriter *w, Master *m) {
        json_put_string(w, "leader", m->self.text);
        json_object_begin(w, "leader_info");
        json_put_string(w, "id", m->id);
        json_put_string(w, "pid", m->self.text);
        json_put_int(w, "port", m->self.port);
        json_put_string(w, "hostname", m->config->hostname);
        json_object_end(w);
}

static void put_counts(JsonWriter *w, Master *m) {
        size_t n_active = 0;

        for (const Node *n = m->nodes.by_id; n; n = n->hh.next)
                n_active += n->active;

        json_put_double(w, "activated_slaves", (double) n_active);
        json_put_double(w, "deactivated_slaves", (double) (node_count(&m->nodes) - n_active));
        json_put_double(w, "unreachable_slaves", (double) registry_count_unreachable(m->registry));
}

void state_view_state(JsonWriter *w, Master *m) {
        json_object_begin(w, NULL);
        state_view_version(w, NULL);
        json_put_double(w, "start_time", usec_to_secs(m->start_usec));
        json_put_double(w, "elected_time", usec_to_secs(m->elected_usec));
        json_put_string(w, "id", m->id);
        json_put_string(w, "pid", m->self.text);
        json_put_string(w, "hostname", m->config->hostname);

        json_array_begin(w, "capabilities");
        json_put_string(w, NULL, "AGENT_UPDATE");
        json_put_string(w, NULL, "AGENT_DRAINING");
        json_put_string(w, NULL, "QUOTA_V2");
        json_array_end(w);

        put_counts(w, m);
        if (m->config->cluster)
                json_put_string(w, "cluster", m->config->cluster);
        put_leader(w, m);
        state_view_flags(w, "flags", m);
        put_nodes(w, m, NULL, false);
        put_frameworks(w, m, NULL);
        put_empty_array(w, "orphan_tasks");
        put_empty_array(w, "unregistered_frameworks");
        json_object_end(w);
}

void state_view_nodes(JsonWriter *w, Master *m, const char *only_id) {
        json_object_begin(w, NULL);
        put_nodes(w, m, only_id, true);
        json_object_end(w);
}

void state_view_frameworks(JsonWriter *w, Master *m, const char *only_id) {
        json_object_begin(w, NULL);
        put_frameworks(w, m, only_id);
        put_empty_array(w, "unregistered_frameworks");
        json_object_end(w);
}

static void put_tally(JsonWriter *w, const TaskTally *t) {
        static const TaskState shown[] = {
                MESOS__V1__TASK_STATE__TASK_STAGING, MESOS__V1__TASK_STATE__TASK_STARTING,
                MESOS__V1__TASK_STATE__TASK_RUNNING, MESOS__V1__TASK_STATE__TASK_KILLING,
                MESOS__V1__TASK_STATE__TASK_FINISHED, MESOS__V1__TASK_STATE__TASK_KILLED,
                MESOS__V1__TASK_STATE__TASK_FAILED, MESOS__V1__TASK_STATE__TASK_LOST,
                MESOS__V1__TASK_STATE__TASK_ERROR, MESOS__V1__TASK_STATE__TASK_UNREACHABLE,
        };

        for (size_t i = 0; i < ELEMENTSOF(shown); i++)
                json_put_uint(w, task_state_name(shown[i]), t ? t->n_by_state[shown[i]] : 0);
}

static void put_tally_others(JsonWriter *w, const char *key, const TaskTally *t) {
        json_array_begin(w, key);
        for (size_t i = 0; t && i < t->n_others; i++)
                json_put_string(w, NULL, t->others[i]);
        json_array_end(w);
}

static void put_framework_summary(JsonWriter *w, Framework *f, const TaskTallies *tallies) {
        _cleanup_(resources_freep) Resources *used = NULL, *offered = NULL;
        const TaskTally *t = task_tallies_find(tallies->by_framework, f->id);
        int r;

        r = sum_framework(f, &used, &offered);
        if (r < 0) {
                w->error = r;
                return;
        }

        json_object_begin(w, NULL);
        put_framework_head(w, f, used, offered);
        put_tally(w, t);
        put_tally_others(w, "slave_ids", t);
        json_object_end(w);
}

void state_view_summary(JsonWriter *w, Master *m) {
        TaskTallies tallies;
        int r;

        r = task_tallies_init(&tallies, m);
        if (r < 0)
                w->error = r;

        json_object_begin(w, NULL);
        json_put_string(w, "hostname", m->config->hostname);
        if (m->config->cluster)
                json_put_string(w, "cluster", m->config->cluster);

        json_array_begin(w, "slaves");
        for (Node *n = m->nodes.by_id; n; n = n->hh.next) {
                const TaskTally *t = task_tallies_find(tallies.by_agent, n->id);

                json_object_begin(w, NULL);
                put_node_fields(w, n);
                put_tally(w, t);
                put_tally_others(w, "framework_ids", t);
                json_object_end(w);
        }
        json_array_end(w);

        json_array_begin(w, "frameworks");
        for (Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                put_framework_summary(w, f, &tallies);
        json_array_end(w);

        json_object_end(w);
        task_tallies_deinit(&tallies);
}

/* The tasks a query asks for, borrowed. */
typedef struct TaskList {
        const Task **tasks;
        size_t n, n_allocated;
} TaskList;

static int task_list_add(TaskList *l, const Task *t, const TaskQuery *q) {
        if (q->task_id && !streq(q->task_id, t->id))
                return 0;

        if (l->n == l->n_allocated) {
                size_t n = MAX(l->n_allocated * 2, (size_t) 64);
                const Task **p = reallocarray(l->tasks, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                l->tasks = p;
                l->n_allocated = n;
        }

        l->tasks[l->n++] = t;
        return 0;
}

static int task_list_add_framework(TaskList *l, const Framework *f, const TaskQuery *q) {
        int r = 0;

        if (q->framework_id && !streq(q->framework_id, f->id))
                return 0;

        for (const Task *t = f->tasks; r >= 0 && t; t = t->hh.next)
                r = task_list_add(l, t, q);
        for (const Task *t = f->unreachable_tasks; r >= 0 && t; t = t->hh.next)
                r = task_list_add(l, t, q);
        for (const Task *t = f->completed_tasks; r >= 0 && t; t = t->next)
                r = task_list_add(l, t, q);

        return r;
}

static int compare_ascending(const void *a, const void *b) {
        double x = task_first_timestamp(*(const Task *const *) a),
               y = task_first_timestamp(*(const Task *const *) b);

        return (x > y) - (x < y);
}

static int compare_descending(const void *a, const void *b) {
        return compare_ascending(b, a);
}

void state_view_tasks(JsonWriter *w, Master *m, const TaskQuery *q) {
        TaskList l = {};
        int r = 0;

        for (const Framework *f = m->frameworks.by_id; r >= 0 && f; f = f->hh.next)
                r = task_list_add_framework(&l, f, q);
        for (const Framework *f = m->frameworks.completed; r >= 0 && f; f = f->next)
                r = task_list_add_framework(&l, f, q);
        if (r < 0)
                w->error = r;

        if (l.n > 0)
                qsort(l.tasks, l.n, sizeof(*l.tasks),
                      q->ascending ? compare_ascending : compare_descending);

        json_object_begin(w, NULL);
        json_array_begin(w, "tasks");
        for (size_t i = q->offset; i < l.n && i - q->offset < q->limit; i++)
                state_view_task(w, l.tasks[i]);
        json_array_end(w);
        json_object_end(w);

        free(l.tasks);
}
