/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The task to run
 *
 * Made of the command line once, then held against each offer. An offer lists what is reserved to our
 * role beside what is free for all, and a scalar may be pieced together from several entries: reserved
 * ones first, so that the rest of the cluster keeps what is free. Revocable resources and those that
 * hold somebody's volume are not taken.
 */

#include <stdio.h>

#include "cli/task_spec.h"
#include "common/base/parse.h"
#include "common/model/id.h"
#include "common/model/role.h"

static int invalid(char **reterr_message, const char *format, ...) _printf_(2, 3);

static int invalid(char **reterr_message, const char *format, ...) {
        va_list ap;
        char *text;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;

        free(*reterr_message);
        *reterr_message = text;
        return TASK_SPEC_E_INVALID;
}

static size_t list_length(char *const *list) {
        size_t n = 0;

        while (list && list[n])
                n++;

        return n;
}

/* "name.1a2b3c4d": readable, and not the id of an earlier run. */
static int make_task_id(TaskSpec *s) {
        uint8_t random[16];
        int r;

        r = uuid_new(random);
        if (r < 0)
                return r;

        if (asprintf(&s->task_id, "%.200s.%02x%02x%02x%02x", s->name, random[0], random[1],
                     random[2], random[3]) < 0) {
                s->task_id = NULL;
                return -ENOMEM;
        }

        return 0;
}

static int fill_environment(TaskSpec *s, char *const *environment, char **reterr_message) {
        size_t n = list_length(environment);

        s->variables = calloc(n + 1, sizeof(*s->variables));
        s->variable_names = calloc(n + 1, sizeof(*s->variable_names));
        if (!s->variables || !s->variable_names)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                char *equals = strchr(environment[i], '=');
                Mesos__V1__Environment__Variable *v;

                if (!equals || equals == environment[i])
                        return invalid(reterr_message, "--env=%s: expected NAME=value",
                                       environment[i]);

                v = s->variables[i] = malloc(sizeof(*v));
                s->n_variables = i + 1;
                s->variable_names[i] = strndup(environment[i], (size_t) (equals - environment[i]));
                if (!v || !s->variable_names[i])
                        return -ENOMEM;

                *v = (Mesos__V1__Environment__Variable) MESOS__V1__ENVIRONMENT__VARIABLE__INIT;
                v->name = s->variable_names[i];
                v->value = equals + 1;
        }

        s->environment = (Mesos__V1__Environment) MESOS__V1__ENVIRONMENT__INIT;
        s->environment.variables = s->variables;
        s->environment.n_variables = n;
        if (n > 0)
                s->command.environment = &s->environment;
        return 0;
}

static int fill_uris(TaskSpec *s, char *const *uris) {
        size_t n = list_length(uris);

        s->uris = calloc(n + 1, sizeof(*s->uris));
        if (!s->uris)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                Mesos__V1__CommandInfo__URI *uri;

                uri = s->uris[i] = malloc(sizeof(*uri));
                if (!uri)
                        return -ENOMEM;

                *uri = (Mesos__V1__CommandInfo__URI) MESOS__V1__COMMAND_INFO__URI__INIT;
                uri->value = uris[i];
        }

        s->command.uris = s->uris;
        s->command.n_uris = n;
        return 0;
}

static void fill_command(TaskSpec *s, const TaskSpecOptions *o) {
        s->command = (Mesos__V1__CommandInfo) MESOS__V1__COMMAND_INFO__INIT;
        s->command.has_shell = true;
        s->command.shell = o->command != NULL;
        if (o->command) {
                s->command.value = (char *) o->command;
                return;
        }

        s->command.value = o->arguments[0];
        s->command.arguments = (char **) o->arguments;
        s->command.n_arguments = list_length(o->arguments);
}

/* What the options point at must outlive the spec. To be deinitialised also after a failure. */
int task_spec_init(TaskSpec *s, const TaskSpecOptions *o, char **reterr_message) {
        _cleanup_free_ char *text = NULL;
        const char *wrong;
        int r;

        *s = (TaskSpec) { .name = o->name, .role = o->role };

        if (!o->command && list_length(o->arguments) == 0)
                return invalid(reterr_message,
                               "No command is given: --command='…' for a shell, or a program "
                               "and its arguments behind --");
        if (o->command && list_length(o->arguments) > 0)
                return invalid(reterr_message, "Both --command and arguments are given: '%s'",
                               o->arguments[0]);

        wrong = id_check(o->name);
        if (wrong)
                return invalid(reterr_message, "--name=%s: %s", o->name, wrong);

        if (role_check(o->role, &text) != ROLE_OK)
                return invalid(reterr_message, "--role=%s: %s", o->role, text ?: "not a role");

        r = resources_parse(o->resources, "*", &s->wanted, &text);
        if (r > 0)
                return invalid(reterr_message,
                               "--resources=%s: %s, expected text such as cpus:0.5;mem:64",
                               o->resources, text ?: "not resources");
        if (r < 0)
                return r;
        if (resources_is_empty(s->wanted))
                return invalid(reterr_message,
                               "--resources=%s: a task needs some, such as cpus:0.1;mem:32",
                               o->resources);

        fill_command(s, o);
        r = fill_environment(s, o->environment, reterr_message);
        if (r != 0)
                return r;

        r = fill_uris(s, o->uris);
        if (r < 0)
                return r;

        return make_task_id(s);
}

void task_spec_deinit(TaskSpec *s) {
        for (size_t i = 0; i < s->n_variables; i++) {
                free(s->variables[i]);
                free(s->variable_names[i]);
        }
        for (size_t i = 0; s->uris && s->uris[i]; i++)
                free(s->uris[i]);

        free(s->variables);
        free(s->variable_names);
        free(s->uris);
        free(s->task_id);
        resources_free(s->wanted);
        *s = (TaskSpec) {};
}

/* Fitting */

static bool is_ours(const ResourceView *v, _unused_ void *userdata) {
        return !v->revocable && !v->shared && !v->persistent_volume;
}

static bool is_no_scalar(const ResourceView *v, _unused_ void *userdata) {
        return !v->scalar;
}

/* The entries of an offer, and which of them have been taken. */
typedef struct Taking {
        Mesos__V1__Resource **offered;
        size_t n_offered;
        Resources *taken;
        int result;
} Taking;

static int64_t milli_of(const Mesos__V1__Resource *r) {
        return r->scalar ? (int64_t) (r->scalar->value * 1000 + 0.5) : 0;
}

/* Moves up to *milli of an entry into the bag. */
static int take_entry(Taking *t, Mesos__V1__Resource *entry, int64_t *milli) {
        _cleanup_(resources_freep) Resources *part = NULL;
        _cleanup_free_ char *message = NULL;
        int64_t offered = milli_of(entry), n = MIN(offered, *milli);
        int r;

        if (n <= 0)
                return 0;

        entry->scalar->value = (double) n / 1000;
        r = resources_from_pb(&entry, 1, &part, &message);
        entry->scalar->value = (double) (offered - n) / 1000;
        if (r != RESOURCES_OK)
                return r < 0 ? r : -EINVAL;

        *milli -= n;
        return resources_add(t->taken, part);
}

static void take_scalar(const char *name, int64_t milli, void *userdata) {
        Taking *t = userdata;

        for (int reserved = 1; reserved >= 0; reserved--)
                for (size_t i = 0; i < t->n_offered && t->result == 0; i++) {
                        Mesos__V1__Resource *entry = t->offered[i];

                        if (streq(entry->name, name) && (entry->n_reservations > 0) == reserved)
                                t->result = take_entry(t, entry, &milli);
                }

        if (milli > 0 && t->result == 0)
                t->result = TASK_SPEC_E_TOO_SMALL;
}

/* Ports and sets are asked for by number and name, and must be free for all. */
static int take_others(const TaskSpec *s, const Resources *offered, Taking *t) {
        _cleanup_(resources_freep) Resources *others = NULL;
        int r;

        others = resources_filter(s->wanted, is_no_scalar, NULL);
        if (!others)
                return -ENOMEM;

        r = resources_allocate(others, s->role);
        if (r < 0)
                return r;

        if (!resources_contains(offered, others))
                return TASK_SPEC_E_TOO_SMALL;

        return resources_add(t->taken, others);
}

static int take(const TaskSpec *s, const Resources *offered, Taking *t) {
        int r;

        r = resources_to_pb(offered, RESOURCE_FORMAT_NEW, &t->offered, &t->n_offered);
        if (r < 0)
                return r;

        resources_foreach_scalar(s->wanted, take_scalar, t);
        if (t->result != 0)
                return t->result;

        return take_others(s, offered, t);
}

/*
 * Picks what the task needs out of the offer. *ret is freed with resources_free_pb(). Returns
 * TASK_SPEC_OK, TASK_SPEC_E_TOO_SMALL, or a negative errno, also for an offer that makes no sense.
 */
int task_spec_take(const TaskSpec *s, const Mesos__V1__Offer *offer, Mesos__V1__Resource ***ret,
                   size_t *ret_n) {
        _cleanup_(resources_freep) Resources *all = NULL, *offered = NULL, *taken = NULL;
        _cleanup_free_ char *message = NULL;
        Taking t = {};
        int r;

        r = resources_from_pb(offer->resources, offer->n_resources, &all, &message);
        if (r != RESOURCES_OK)
                return r < 0 ? r : -EBADMSG;

        /* Offers to frameworks of one role may come without it. */
        r = resources_allocate(all, s->role);
        if (r < 0)
                return r;

        offered = resources_filter(all, is_ours, NULL);
        t.taken = taken = resources_new();
        if (!offered || !taken)
                return -ENOMEM;

        r = take(s, offered, &t);
        resources_free_pb(t.offered, t.n_offered);
        if (r != TASK_SPEC_OK)
                return r;

        return resources_to_pb(taken, RESOURCE_FORMAT_NEW, ret, ret_n);
}
