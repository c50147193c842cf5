/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Launch
 *
 * From "run this executor" to a LaunchPlan: who it is, where it works, what it sees in its
 * environment, what is fetched first. Everything is decided here, before any process exists; the
 * launcher only carries it out. The plan is data and can be printed (--dry-run).
 *
 * The environment is complete: nothing of the agent's own is inherited. Later ones win:
 *
 *     --executor_environment_variables < MESOS_*, LIBPROCESS_* < MESOS_SANDBOX < the command's own
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/fetch_plan.h"
#include "agent/isolation.h"
#include "agent/launch.h"
#include "common/base/crash.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/net/pbwire.h"

/* What a host gives where nobody said otherwise. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* More variables than any task has; a framework cannot make us sort forever. */
#define N_ENVIRONMENT_MAX 4096

typedef struct Environment {
        char **variables;       /* owned, NULL-terminated */
        size_t n;
} Environment;

struct Launch {
        LaunchPlan plan;
        LaunchCommand command, fetcher;
        Environment environment;
        char *runtime_directory, *exit_record_path, *fetcher_path;
        char *argv_storage[4];
        char **argv;            /* owned array of borrowed strings, or NULL when argv_storage serves */
        Buffer fetch_input;
        gid_t *groups;
        Confinement *confinement;
        char **exposed;         /* owned, NULL-terminated */
};

static int environment_put(Environment *v, char *variable) {
        size_t n_name = (size_t) (strchr(variable, '=') - variable) + 1;
        char **p;

        for (size_t i = 0; i < v->n; i++)
                if (strncmp(v->variables[i], variable, n_name) == 0) {
                        free(v->variables[i]);
                        v->variables[i] = variable;
                        return 0;
                }

        if (v->n >= N_ENVIRONMENT_MAX) {
                free(variable);
                return -E2BIG;
        }

        p = reallocarray(v->variables, v->n + 2, sizeof(*p));
        if (!p) {
                free(variable);
                return -ENOMEM;
        }

        v->variables = p;
        v->variables[v->n++] = variable;
        v->variables[v->n] = NULL;
        return 0;
}

static int environment_set(Environment *v, const char *name, const char *value) {
        char *variable;

        /* A name with '=' would set another variable; an empty one none. */
        if (!*name || strchr(name, '='))
                return -EINVAL;
        if (asprintf(&variable, "%s=%s", name, value) < 0)
                return -ENOMEM;

        return environment_put(v, variable);
}

static bool environment_has(const Environment *v, const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; i < v->n; i++)
                if (strncmp(v->variables[i], name, n) == 0 && v->variables[i][n] == '=')
                        return true;

        return false;
}

static int set_duration(Environment *v, const char *name, usec_t usec) {
        char text[USEC_TEXT_MAX];

        return environment_set(v, name, usec_format(usec, text));
}

static int set_agent_variables(Environment *v, const Agent *a, const Executor *e) {
        const AgentConfig *config = a->config;
        bool checkpoint = framework_checkpoints(e->framework);
        char endpoint[128];
        int r;

        snprintf(endpoint, sizeof(endpoint), "%s:%u", config->self.ip, config->self.port);

        const struct {
                const char *name, *value;
        } table[] = {
                { "LIBPROCESS_IP", config->self.ip },
                { "LIBPROCESS_PORT", "0" },
                { "MESOS_AGENT_ENDPOINT", endpoint },
                { "MESOS_CHECKPOINT", checkpoint ? "1" : "0" },
                { "MESOS_DIRECTORY", e->directory },
                { "MESOS_EXECUTOR_ID", e->id },
                { "MESOS_FRAMEWORK_ID", e->framework->id },
                { "MESOS_HTTP_COMMAND_EXECUTOR", "0" },
                { "MESOS_SLAVE_ID", a->id },
                { "MESOS_SLAVE_PID", config->self.text },
                { "MESOS_SANDBOX", e->directory },
                { "MESOS_DOMAIN_SOCKET", config->domain_socket },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                r = table[i].value ? environment_set(v, table[i].name, table[i].value) : 0;
                if (r < 0)
                        return r;
        }

        r = set_duration(v, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", executor_shutdown_grace_usec(e, config->executor_shutdown_grace_period_usec));
        if (r < 0 || !checkpoint)
                return r;

        r = set_duration(v, "MESOS_RECOVERY_TIMEOUT", config->recovery_timeout_usec);
        if (r < 0)
                return r;

        return set_duration(v, "MESOS_SUBSCRIPTION_BACKOFF_MAX", config->executor_reregistration_timeout_usec);
}

/* The value, or the secret that stands for it. A secret by reference needs a resolver, and there is none: in the words
 * of Mesos's own, which has none either. */
static int command_variable_value(const Mesos__V1__Environment__Variable *variable, char **ret, char **reterr_message) {
        const Mesos__V1__Secret *secret = variable->secret;

        if (secret && !secret->value) {
                *reterr_message = strdup(secret->reference ? "Default secret resolver cannot resolve references"
                                                           : "Secret has no value");
                return *reterr_message ? LAUNCH_E_REFUSED : -ENOMEM;
        }

        *ret = secret ? strndup((const char *) secret->value->data.data, secret->value->data.len)
                      : strdup(variable->value ?: "");
        return *ret ? 0 : -ENOMEM;
}

static int set_command_variables(Environment *v, const Mesos__V1__CommandInfo *command, char **reterr_message) {
        if (!command || !command->environment)
                return 0;

        for (size_t i = 0; i < command->environment->n_variables; i++) {
                const Mesos__V1__Environment__Variable *variable = command->environment->variables[i];
                _cleanup_free_ char *value = NULL;
                int r;

                r = command_variable_value(variable, &value, reterr_message);
                if (r == LAUNCH_OK)
                        r = environment_set(v, variable->name, value);
                if (r != LAUNCH_OK)
                        return r;
        }

        return 0;
}

static int make_environment(Launch *l, const Agent *a, const Executor *e, char **reterr_message) {
        Environment *v = &l->environment;
        int r = 0;

        for (char *const *p = a->config->executor_environment; r == 0 && p && *p; p++) {
                char *copy = strdup(*p);

                r = copy ? environment_put(v, copy) : -ENOMEM;
        }

        if (r == 0)
                r = set_agent_variables(v, a, e);
        if (r == 0)
                r = set_command_variables(v, e->info->command, reterr_message);
        if (r == 0 && !environment_has(v, "PATH"))
                r = environment_set(v, "PATH", DEFAULT_PATH);

        l->command.environment = v->variables;
        return r;
}

static int make_command(Launch *l, const Executor *e) {
        const Mesos__V1__CommandInfo *command = e->info->command;

        if (!command || !command->value)
                return -EINVAL;

        if (!command->has_shell || command->shell) {
                l->argv_storage[0] = (char *) "sh";
                l->argv_storage[1] = (char *) "-c";
                l->argv_storage[2] = command->value;
                l->command.file = "/bin/sh";
                l->command.argv = l->argv_storage;
                return 0;
        }

        if (command->n_arguments == 0) {
                l->argv_storage[0] = command->value;
                l->command.file = command->value;
                l->command.argv = l->argv_storage;
                return 0;
        }

        l->argv = calloc(command->n_arguments + 1, sizeof(*l->argv));
        if (!l->argv)
                return -ENOMEM;

        memcpy(l->argv, command->arguments, command->n_arguments * sizeof(*l->argv));
        l->command.file = command->value;
        l->command.argv = l->argv;
        return 0;
}

static int make_fetcher(Launch *l, const Agent *a, const Executor *e) {
        static char *const no_arguments[] = { (char *) "holdfast-fetcher", NULL };
        int r;

        if (!e->info->command || e->info->command->n_uris == 0)
                return 0;

        r = fetch_plan_pack(e->info->command, e->directory, a->config->frameworks_home,
                            a->config->fetcher_stall_timeout_usec, &l->fetch_input);
        if (r != FETCH_PLAN_OK)
                return r < 0 ? r : 0;

        if (asprintf(&l->fetcher_path, "%s/holdfast-fetcher", a->config->launcher_dir) < 0)
                return -ENOMEM;

        l->fetcher = (LaunchCommand) {
                .file = l->fetcher_path,
                .argv = no_arguments,
                .environment = l->environment.variables,
                .input = buffer_data(&l->fetch_input),
                .n_input = buffer_size(&l->fetch_input),
        };
        l->plan.fetcher = &l->fetcher;
        return 0;
}

char *launch_runtime_directory(const AgentConfig *config, const char *container_id) {
        char *path;

        return asprintf(&path, "%s/containers/%s", config->runtime_dir, container_id) < 0 ? NULL : path;
}

void launch_remove_runtime_directory(const AgentConfig *config, const char *container_id) {
        _cleanup_free_ char *directory = launch_runtime_directory(config, container_id);
        int r;

        /* Only launchers write there: a socket and a few files. */
        r = directory ? file_remove_tree_at(AT_FDCWD, directory) : -ENOMEM;
        if (r < 0)
                log_debug_errno(r, "Cannot remove the runtime directory of container '%s': %m", container_id);
}

char *launch_exit_record_path(const AgentConfig *config, const char *container_id) {
        char *path;

        return asprintf(&path, "%s/meta/exits/%s", config->work_dir, container_id) < 0 ? NULL : path;
}

/* The record, and what a launcher that was killed amid writing it left. */
void launch_remove_exit_record(const AgentConfig *config, const char *container_id) {
        _cleanup_free_ char *path = launch_exit_record_path(config, container_id), *half = NULL;

        CRASH_POINT("exit-record-remove");
        if (path && unlink(path) < 0 && errno != ENOENT)
                log_warning("Cannot remove the exit record '%s': %s", path, strerror(errno));
        if (asprintf(&half, "%s/meta/exits/.%s.new", config->work_dir, container_id) < 0)
                half = NULL;
        if (half)
                (void) unlink(half);
}

static void strings_free(char **strings) {
        for (char **p = strings; p && *p; p++)
                free(*p);
        free(strings);
}

static int confine(Launch *l, const Agent *a, const Executor *e, const Identity *identity, char **reterr_message) {
        IsolatorRequest request;
        int r;

        r = isolation_request(e, identity, &request);
        if (r == 0)
                r = isolation_exposed(a->config, e, &l->exposed);
        if (r < 0)
                return r;
        request.runtime_directory = l->runtime_directory;
        request.exposed = l->exposed;

        r = isolator_set_plan(a->config->isolators, &request, &l->confinement, reterr_message);
        if (r != ISOLATOR_OK)
                return r < 0 ? r : LAUNCH_E_REFUSED;

        l->plan.confinement = l->confinement;
        return LAUNCH_OK;
}

int launch_new(const Agent *a, const Executor *e, const Identity *identity, Launch **ret, char **reterr_message) {
        _cleanup_(launch_freep) Launch *l = NULL;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        l->fetch_input = BUFFER_INIT(FETCH_PLAN_MAX_BYTES);
        l->runtime_directory = launch_runtime_directory(a->config, e->container_id);
        l->exit_record_path = launch_exit_record_path(a->config, e->container_id);
        if (!l->runtime_directory || !l->exit_record_path)
                return -ENOMEM;

        if (identity->n_groups > 0) {
                l->groups = calloc(identity->n_groups, sizeof(*l->groups));
                if (!l->groups)
                        return -ENOMEM;
                memcpy(l->groups, identity->groups, identity->n_groups * sizeof(*l->groups));
        }

        r = make_environment(l, a, e, reterr_message);
        if (r != LAUNCH_OK)
                return r;
        r = make_command(l, e);
        if (r < 0)
                return r;

        l->plan.container_id = e->container_id;
        l->plan.runtime_directory = l->runtime_directory;
        l->plan.exit_record_path = l->exit_record_path;
        l->plan.sandbox_directory = e->directory;
        l->plan.uid = identity->uid;
        l->plan.gid = identity->gid;
        l->plan.groups = l->groups;
        l->plan.n_groups = identity->n_groups;
        l->plan.umask = 0022;
        l->plan.command = &l->command;

        r = make_fetcher(l, a, e);
        if (r < 0)
                return r;

        r = confine(l, a, e, identity, reterr_message);
        if (r != LAUNCH_OK)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

Launch *launch_free(Launch *l) {
        if (!l)
                return NULL;

        for (size_t i = 0; i < l->environment.n; i++)
                free(l->environment.variables[i]);
        free(l->environment.variables);
        buffer_deinit(&l->fetch_input);
        free(l->argv);
        free(l->groups);
        confinement_free(l->confinement);
        strings_free(l->exposed);
        free(l->fetcher_path);
        free(l->exit_record_path);
        free(l->runtime_directory);
        free(l);
        return NULL;
}

const LaunchPlan *launch_plan(const Launch *l) {
        return &l->plan;
}
