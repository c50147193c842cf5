/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Launch plans
 *
 * Between clone and exec nothing can be decided any more, and the launcher runs as root beside a
 * stranger's code; so the agent decides everything beforehand and writes it down. The plan goes to
 * the launcher in a sealed memfd: what was checked is what is done. It holds numbers where the
 * system has names (users, groups), because looking up names loads modules and may block.
 *
 * The C structure borrows what the agent has at hand; the stored form is protobuf (launcher.proto).
 */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "launcher/plan.h"
#include "proto/launcher.pb-c.h"

/* The kernel's NGROUPS_MAX. */
#define N_GROUPS_MAX 65536

static size_t strings_count(char *const *strings) {
        size_t n = 0;

        while (strings && strings[n])
                n++;

        return n;
}

static void command_to_message(const LaunchCommand *c, Holdfast__Launcher__Command *ret) {
        holdfast__launcher__command__init(ret);
        ret->file = (char *) c->file;
        ret->argv = (char **) c->argv;
        ret->n_argv = strings_count(c->argv);
        ret->environment = (char **) c->environment;
        ret->n_environment = strings_count(c->environment);
        if (c->input) {
                ret->has_input = true;
                ret->input = (ProtobufCBinaryData) { .data = (uint8_t *) c->input,
                                                     .len = c->n_input };
        }
}

/* Returns 0 and the malloc'ed bytes, -E2BIG when there are more than any launcher takes,
 * -ENOMEM. */
int launch_plan_encode(const LaunchPlan *p, void **ret, size_t *ret_n) {
        Holdfast__Launcher__LaunchPlan m = HOLDFAST__LAUNCHER__LAUNCH_PLAN__INIT;
        Holdfast__Launcher__Command command, fetcher;
        void *data;
        size_t n;

        static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are packed as they are");

        command_to_message(p->command, &command);
        if (p->fetcher)
                command_to_message(p->fetcher, &fetcher);

        m.version = confinement_is_empty(p->confinement) ? LAUNCH_PLAN_VERSION_PLAIN : LAUNCH_PLAN_VERSION;
        m.container_id = (char *) p->container_id;
        m.runtime_directory = (char *) p->runtime_directory;
        m.exit_record_path = (char *) p->exit_record_path;
        m.log_path = (char *) p->log_path;
        m.sandbox_directory = (char *) p->sandbox_directory;
        m.working_directory = (char *) p->working_directory;
        m.uid = p->uid;
        m.gid = p->gid;
        m.groups = (uint32_t *) p->groups;
        m.n_groups = p->n_groups;
        m.has_umask = true;
        m.umask = p->umask;
        m.confinement = confinement_is_empty(p->confinement) ? NULL : (Confinement *) p->confinement;
        m.command = &command;
        m.fetcher = p->fetcher ? &fetcher : NULL;

        n = holdfast__launcher__launch_plan__get_packed_size(&m);
        if (n > LAUNCH_PLAN_MAX_BYTES)
                return -E2BIG;

        data = malloc(n);
        if (!data)
                return -ENOMEM;

        *ret_n = holdfast__launcher__launch_plan__pack(&m, data);
        *ret = data;
        return 0;
}

/* A decoded plan with all it points into; the plan itself is first. */
typedef struct DecodedPlan {
        LaunchPlan plan;
        LaunchCommand command;
        LaunchCommand fetcher;
        char **arrays[4];                  /* NULL-terminated copies of the message's pointers */
        size_t n_arrays;
        Holdfast__Launcher__LaunchPlan *message;
} DecodedPlan;

LaunchPlan *launch_plan_free(LaunchPlan *p) {
        DecodedPlan *d;

        if (!p)
                return NULL;

        d = p->storage;
        for (size_t i = 0; i < d->n_arrays; i++)
                free(d->arrays[i]);
        if (d->message)
                holdfast__launcher__launch_plan__free_unpacked(d->message, NULL);
        free(d);
        return NULL;
}

static int invalid(char **reterr_message, const char *format, ...) _printf_(2, 3);
static int invalid(char **reterr_message, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(reterr_message, format, ap);
        va_end(ap);
        return n < 0 ? -ENOMEM : LAUNCH_PLAN_E_INVALID;
}

static int decode_strings(DecodedPlan *d, char **strings, size_t n, char *const **ret) {
        char **copy;

        copy = calloc(n + 1, sizeof(*copy));
        if (!copy)
                return -ENOMEM;

        assert(d->n_arrays < ELEMENTSOF(d->arrays));
        if (n > 0)
                memcpy(copy, strings, n * sizeof(*copy));
        d->arrays[d->n_arrays++] = copy;
        *ret = copy;
        return 0;
}

static int decode_command(DecodedPlan *d, const Holdfast__Launcher__Command *m, LaunchCommand *ret,
                          char **reterr_message) {
        int r;

        if (m->n_argv == 0)
                return invalid(reterr_message, "A command has no arguments, not even its name");

        for (size_t i = 0; i < m->n_environment; i++)
                if (!strchr(m->environment[i], '='))
                        return invalid(reterr_message, "'%s' is not NAME=value", m->environment[i]);

        r = decode_strings(d, m->argv, m->n_argv, &ret->argv);
        if (r < 0)
                return r;

        r = decode_strings(d, m->environment, m->n_environment, &ret->environment);
        if (r < 0)
                return r;

        ret->file = m->file ? m->file : m->argv[0];
        if (ret->file[0] == '\0')
                return invalid(reterr_message, "A command has an empty name");

        if (m->has_input) {
                ret->input = m->input.data ? m->input.data : (const void *) "";
                ret->n_input = m->input.len;
        }

        return LAUNCH_PLAN_OK;
}

static int check_paths(const LaunchPlan *p, char **reterr_message) {
        const struct {
                const char *what;
                const char *path;
        } paths[] = {
                { "runtime directory", p->runtime_directory },
                { "exit record", p->exit_record_path },
                { "log", p->log_path ? p->log_path : "/" },
                { "sandbox", p->sandbox_directory },
                { "working directory", p->working_directory },
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                if (paths[i].path[0] != '/')
                        return invalid(reterr_message, "The path of the %s, '%.256s', is not absolute",
                                       paths[i].what, paths[i].path);
                if (strlen(paths[i].path) >= PATH_MAX)
                        return invalid(reterr_message, "The path of the %s is too long", paths[i].what);
        }

        return LAUNCH_PLAN_OK;
}

static int check_message(const Holdfast__Launcher__LaunchPlan *m, char **reterr_message) {
        size_t n_id = strlen(m->container_id);

        if (n_id == 0 || n_id > NAME_MAX || strchr(m->container_id, '/') || m->container_id[0] == '.')
                return invalid(reterr_message, "'%.256s' is not the id of a container", m->container_id);
        if (m->umask > 0777)
                return invalid(reterr_message, "0%o is not a umask", m->umask);
        if (m->n_groups > N_GROUPS_MAX)
                return invalid(reterr_message, "%zu groups are too many", m->n_groups);

        return LAUNCH_PLAN_OK;
}

static int decode_message(DecodedPlan *d, char **reterr_message) {
        const Holdfast__Launcher__LaunchPlan *m = d->message;
        int r;

        r = check_message(m, reterr_message);
        if (r != LAUNCH_PLAN_OK)
                return r;

        d->plan = (LaunchPlan) {
                .container_id = m->container_id,
                .runtime_directory = m->runtime_directory,
                .exit_record_path = m->exit_record_path,
                .log_path = m->log_path,
                .sandbox_directory = m->sandbox_directory,
                .working_directory =
                                m->working_directory ? m->working_directory : m->sandbox_directory,
                .uid = m->uid,
                .gid = m->gid,
                .groups = m->groups,
                .n_groups = m->n_groups,
                .umask = (mode_t) m->umask,
                .confinement = m->confinement,
                .command = &d->command,
                .storage = d,
        };

        r = check_paths(&d->plan, reterr_message);
        if (r != LAUNCH_PLAN_OK)
                return r;

        r = confinement_check(m->confinement, reterr_message);
        if (r != CONFINEMENT_OK)
                return r < 0 ? r : LAUNCH_PLAN_E_INVALID;

        if (m->fetcher) {
                d->plan.fetcher = &d->fetcher;
                r = decode_command(d, m->fetcher, &d->fetcher, reterr_message);
                if (r != LAUNCH_PLAN_OK)
                        return r;
        }

        return decode_command(d, m->command, &d->command, reterr_message);
}

/* Returns LAUNCH_PLAN_OK, LAUNCH_PLAN_E_INVALID with a text, LAUNCH_PLAN_E_NEWER, or -ENOMEM. */
int launch_plan_decode(const void *data, size_t n, LaunchPlan **ret, char **reterr_message) {
        _cleanup_(launch_plan_freep) LaunchPlan *p = NULL;
        DecodedPlan *d;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;

        d->plan.storage = d;
        p = &d->plan;

        d->message = n > LAUNCH_PLAN_MAX_BYTES
                                     ? NULL
                                     : holdfast__launcher__launch_plan__unpack(NULL, n, data);
        if (!d->message)
                return invalid(reterr_message, "These %zu bytes are not a launch plan", n);

        if (d->message->version > LAUNCH_PLAN_VERSION)
                return LAUNCH_PLAN_E_NEWER;

        r = decode_message(d, reterr_message);
        if (r != LAUNCH_PLAN_OK)
                return r;

        *ret = TAKE_PTR(p);
        return LAUNCH_PLAN_OK;
}

/* A stranger's text in single ticks, with what could move a terminal's cursor shown as \x1b. */
static int print_quoted(Buffer *b, const char *text) {
        int r;

        r = buffer_append_char(b, '\'');
        for (; r >= 0 && *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f || *text == '\\')
                        r = buffer_printf(b, "\\x%02x", (unsigned) (unsigned char) *text);
                else
                        r = buffer_append_char(b, *text);

        return r < 0 ? r : buffer_append_text(b, "'\n");
}

static int print_field(Buffer *b, const char *name, const char *text) {
        int r;

        if (!text)
                return 0;

        r = buffer_printf(b, "%-16s", name);
        return r < 0 ? r : print_quoted(b, text);
}

static int print_strings(Buffer *b, const char *name, char *const *strings) {
        for (size_t i = 0; strings && strings[i]; i++) {
                int r;

                r = print_field(b, name, strings[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int print_command(Buffer *b, const char *name, const LaunchCommand *c) {
        int r;

        r = print_field(b, name, c->file ? c->file : c->argv[0]);
        if (r < 0)
                return r;

        r = print_strings(b, "  argument", c->argv);
        if (r < 0)
                return r;

        r = print_strings(b, "  environment", c->environment);
        if (r < 0)
                return r;

        return c->input ? buffer_printf(b, "%-16s%zu bytes\n", "  input", c->n_input) : 0;
}

static int print_identity(const LaunchPlan *p, Buffer *b) {
        int r;

        r = buffer_printf(b, "%-16s%u\n%-16s%u", "user", p->uid, "groups", p->gid);
        for (size_t i = 0; r >= 0 && i < p->n_groups; i++)
                r = buffer_printf(b, " %u", p->groups[i]);

        return r < 0 ? r : buffer_printf(b, "\n%-16s%04o\n", "umask", p->umask);
}

/* One line per fact, in the order in which they take effect. Returns 0, -ENOBUFS, -ENOMEM. */
int launch_plan_print(const LaunchPlan *p, Buffer *b) {
        const struct {
                const char *name;
                const char *text;
        } fields[] = {
                { "container", p->container_id },
                { "runtime", p->runtime_directory },
                { "exit record", p->exit_record_path },
                { "log", p->log_path },
                { "sandbox", p->sandbox_directory },
                { "directory", p->working_directory ? p->working_directory : p->sandbox_directory },
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                r = print_field(b, fields[i].name, fields[i].text);
                if (r < 0)
                        return r;
        }

        r = confinement_print(p->confinement, b);
        if (r < 0)
                return r;

        r = print_identity(p, b);
        if (r < 0)
                return r;

        if (p->fetcher) {
                r = print_command(b, "fetch", p->fetcher);
                if (r < 0)
                        return r;
        }

        return print_command(b, "run", p->command);
}
