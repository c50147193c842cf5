/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cluster as /state has it
 *
 * One question gives tasks, frameworks and agents of the same moment. What is missing or of another
 * type than expected reads as empty: masters of other versions have fields we don't know, and lack
 * some that we do.
 */

#include <stdio.h>

#include "cli/cluster.h"

static const char *text_of(json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key)) ?: "";
}

static double number_of(json_t *object, const char *key) {
        return json_number_value(json_object_get(object, key));
}

static void task_from_json(json_t *task, json_t *framework, bool completed, ClusterTask *ret) {
        json_t *resources = json_object_get(task, "resources"),
               *statuses = json_object_get(task, "statuses");
        const char *executor_id = text_of(task, "executor_id");
        size_t n = json_array_size(statuses);

        *ret = (ClusterTask) {
                .id = text_of(task, "id"),
                .name = text_of(task, "name"),
                .state = text_of(task, "state"),
                .agent_id = text_of(task, "slave_id"),
                .executor_id = executor_id[0] ? executor_id : text_of(task, "id"),
                .framework_id = text_of(framework, "id"),
                .framework_name = text_of(framework, "name"),
                .cpus = number_of(resources, "cpus"),
                .mem_mb = number_of(resources, "mem"),
                .completed = completed,
        };
        if (n > 0)
                ret->since_usec = usec_from_secs(
                                number_of(json_array_get(statuses, n - 1), "timestamp"));
}

/* The lists of a framework that have tasks. */
static const struct {
        const char *name;
        bool completed;
} task_lists[] = {
        { "tasks", false },
        { "unreachable_tasks", false },
        { "completed_tasks", true },
};

static size_t count_tasks(json_t *frameworks) {
        size_t n = 0;

        for (size_t i = 0; i < json_array_size(frameworks); i++)
                for (size_t l = 0; l < ELEMENTSOF(task_lists); l++)
                        n += json_array_size(json_object_get(json_array_get(frameworks, i),
                                                             task_lists[l].name));

        return n;
}

static void take_tasks(json_t *frameworks, bool completed, Cluster *c) {
        for (size_t i = 0; i < json_array_size(frameworks); i++) {
                json_t *framework = json_array_get(frameworks, i);

                for (size_t l = 0; l < ELEMENTSOF(task_lists); l++) {
                        json_t *list = json_object_get(framework, task_lists[l].name);

                        for (size_t k = 0; k < json_array_size(list); k++)
                                task_from_json(json_array_get(list, k), framework,
                                               completed || task_lists[l].completed,
                                               c->tasks + c->n_tasks++);
                }
        }
}

static void agent_from_json(json_t *agent, ClusterAgent *ret) {
        json_t *total = json_object_get(agent, "resources"),
               *used = json_object_get(agent, "used_resources");
        const char *at = strrchr(text_of(agent, "pid"), '@');

        *ret = (ClusterAgent) {
                .id = text_of(agent, "id"),
                .hostname = text_of(agent, "hostname"),
                .cpus = number_of(total, "cpus"),
                .mem_mb = number_of(total, "mem"),
                .disk_mb = number_of(total, "disk"),
                .used_cpus = number_of(used, "cpus"),
                .used_mem_mb = number_of(used, "mem"),
                .used_disk_mb = number_of(used, "disk"),
                .active = json_is_true(json_object_get(agent, "active")),
                .deactivated = json_is_true(json_object_get(agent, "deactivated")),
                .drain_state = text_of(json_object_get(agent, "drain_info"), "state"),
        };
        /* slave(1)@ip:port */
        if (at)
                snprintf(ret->url, sizeof(ret->url), "http://%s", at + 1);
}

static int cluster_fill(Cluster *c) {
        json_t *frameworks = json_object_get(c->state, "frameworks");
        json_t *completed = json_object_get(c->state, "completed_frameworks");
        json_t *agents = json_object_get(c->state, "slaves");

        /* One more than needed, because an allocation of nothing may be NULL. */
        c->tasks = calloc(count_tasks(frameworks) + count_tasks(completed) + 1, sizeof(*c->tasks));
        c->agents = calloc(json_array_size(agents) + 1, sizeof(*c->agents));
        if (!c->tasks || !c->agents)
                return -ENOMEM;

        take_tasks(frameworks, false, c);
        take_tasks(completed, true, c);
        for (size_t i = 0; i < json_array_size(agents); i++)
                agent_from_json(json_array_get(agents, i), c->agents + c->n_agents++);

        return CLIENT_OK;
}

/* Returns CLIENT_*; on success *ret is to be deinitialised. */
int cluster_load(Client *client, Cluster *ret, char **reterr_message) {
        _cleanup_(cluster_deinit) Cluster c = {};
        int r;

        client_follow(client);
        r = client_get(client, client->master_url, "/state", &c.state, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = cluster_fill(&c);
        if (r != CLIENT_OK)
                return r;

        *ret = c;
        c = (Cluster) {};
        return CLIENT_OK;
}

void cluster_deinit(Cluster *c) {
        free(c->tasks);
        free(c->agents);
        json_decref(c->state);
        *c = (Cluster) {};
}

/* NULL when it is not registered. */
const ClusterAgent *cluster_find_agent(const Cluster *c, const char *agent_id) {
        for (size_t i = 0; i < c->n_agents; i++)
                if (streq(c->agents[i].id, agent_id))
                        return c->agents + i;

        return NULL;
}

/* Running tasks before finished ones, then later ones before earlier. */
static bool is_better(const ClusterTask *a, const ClusterTask *b) {
        if (!b)
                return true;
        if (a->completed != b->completed)
                return !a->completed;

        return a->since_usec > b->since_usec;
}

static bool is_same(const ClusterTask *a, const ClusterTask *b) {
        return streq(a->id, b->id) && streq(a->framework_id, b->framework_id);
}

/*
 * Finds a task by its id or, failing that, by its name. A name that several running tasks have is
 * no name; among finished ones the latest is meant.
 */
int cluster_find_task(const Cluster *c, const char *text, const ClusterTask **ret,
                      char **reterr_message) {
        const ClusterTask *by_id = NULL, *by_name = NULL;

        for (size_t i = 0; i < c->n_tasks; i++) {
                const ClusterTask *t = c->tasks + i;

                if (streq(t->id, text) && is_better(t, by_id))
                        by_id = t;
                if (!streq(t->name, text))
                        continue;
                if (by_name && !by_name->completed && !t->completed && !is_same(t, by_name) &&
                    !by_id)
                        return client_fail(CLIENT_E_REFUSED, reterr_message, "Several tasks are named "
                                           "'%s', such as '%s' and '%s': give the id of one",
                                           text, by_name->id, t->id);
                if (is_better(t, by_name))
                        by_name = t;
        }

        if (!by_id && !by_name)
                return client_fail(CLIENT_E_REFUSED, reterr_message,
                                   "The master knows no task '%s'", text);

        *ret = by_id ?: by_name;
        return CLIENT_OK;
}

static json_t *find_by_id(json_t *list, const char *id) {
        /* From the end: an executor may have run several times under one id. */
        for (size_t i = json_array_size(list); i-- > 0;) {
                json_t *item = json_array_get(list, i);

                if (streq(text_of(item, "id"), id))
                        return item;
        }

        return NULL;
}

/* False when the agent does not know the executor (yet, or any more). */
bool cluster_find_sandbox(json_t *agent_state, const char *framework_id, const char *executor_id,
                          ClusterSandbox *ret) {
        static const char *const framework_lists[] = { "frameworks", "completed_frameworks" };
        static const char *const executor_lists[] = { "executors", "completed_executors" };

        for (size_t i = 0; i < ELEMENTSOF(framework_lists); i++) {
                json_t *framework = find_by_id(json_object_get(agent_state, framework_lists[i]),
                                               framework_id);

                for (size_t k = 0; k < ELEMENTSOF(executor_lists); k++) {
                        json_t *executor = find_by_id(json_object_get(framework, executor_lists[k]),
                                                      executor_id);

                        if (!executor || !text_of(executor, "directory")[0])
                                continue;

                        *ret = (ClusterSandbox) {
                                .directory = text_of(executor, "directory"),
                                .container_id = text_of(executor, "container"),
                                .completed = k == 1 || i == 1,
                        };
                        return true;
                }
        }

        return false;
}
