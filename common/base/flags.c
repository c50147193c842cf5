/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Flags
 *
 * Each program has one table of flags. From it come the command line (--name=value, --name and
 * --no-name for booleans), the environment (MESOS_NAME), the defaults, --help and the /flags
 * endpoint, in the form Mesos's own daemons have them: there is no "--name value", an unknown flag
 * is an error, and so is a flag that is given twice. Unknown variables of the environment are not:
 * a cluster's environment file serves many programs.
 *
 * Values are parsed in order of strength: defaults, environment, command line. Every text is
 * checked, also one that a stronger source replaces, because it is wrong either way.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "common/base/file.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/parse.h"

/* Credentials and ACLs are the longest values people keep in files. */
#define MAX_FILE_BYTES (4U * 1024 * 1024)
#define MAX_LIST 1024
#define HELP_COLUMN 34
#define HELP_WIDTH 100

static int fail(char **reterr_message, const char *format, ...) _printf_(2, 3);

static int fail(char **reterr_message, const char *format, ...) {
        va_list ap;
        char *text;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;

        *reterr_message = text;
        return FLAGS_E_INVALID;
}

static const char *kind_expected(FlagKind kind) {
        switch (kind) {
        case FLAG_STRING:
        case FLAG_PATH:
        case FLAG_LIST:
                return "text";
        case FLAG_BOOL:
                return "true or false";
        case FLAG_U64:
                return "a whole number";
        case FLAG_DURATION:
                return "a duration such as 15secs or 1.5mins (ns, us, ms, secs, mins, hrs, days, weeks)";
        case FLAG_BYTES:
                return "a size such as 64MB (B, KB, MB, GB, TB)";
        case FLAG_DOUBLE:
                return "a number";
        }

        return "text";
}

static Flag *flag_find(const FlagTable *t, const char *name, size_t n, bool *ret_alias) {
        for (size_t i = 0; i < t->n_flags; i++) {
                Flag *f = t->flags + i;

                if (strlen(f->name) == n && memcmp(f->name, name, n) == 0) {
                        *ret_alias = false;
                        return f;
                }
                if (f->alias && strlen(f->alias) == n && memcmp(f->alias, name, n) == 0) {
                        *ret_alias = true;
                        return f;
                }
        }

        return NULL;
}

/* Values */

static void strv_free(char **list) {
        for (char **p = list; p && *p; p++)
                free(*p);
        free(list);
}

static void flag_clear(Flag *f) {
        if (!f->value)
                return;

        switch (f->kind) {
        case FLAG_STRING:
        case FLAG_PATH:
                free(*(char **) f->value);
                *(char **) f->value = NULL;
                break;
        case FLAG_LIST:
                strv_free(*(char ***) f->value);
                *(char ***) f->value = NULL;
                break;
        case FLAG_BOOL:
                *(bool *) f->value = false;
                break;
        case FLAG_DURATION:
                *(usec_t *) f->value = 0;
                break;
        case FLAG_U64:
        case FLAG_BYTES:
                *(uint64_t *) f->value = 0;
                break;
        case FLAG_DOUBLE:
                *(double *) f->value = 0;
                break;
        }
}

/* The text itself, or with file:// the contents of that file without the newline editors end it with. */
static int read_text(const char *text, char **ret) {
        const char *path = startswith(text, "file://");
        char *contents;
        size_t n;
        int r;

        if (!path) {
                contents = strdup(text);
                if (!contents)
                        return -ENOMEM;

                *ret = contents;
                return 0;
        }

        r = file_read_at(AT_FDCWD, path, MAX_FILE_BYTES, &contents, &n);
        if (r < 0)
                return r;

        if (n > 0 && contents[n - 1] == '\n')
                contents[n - 1] = '\0';

        *ret = contents;
        return 0;
}

static int set_text(Flag *f, const char *text) {
        _cleanup_free_ char *copy = NULL;
        int r;

        if (f->kind == FLAG_STRING) {
                r = read_text(text, &copy);
                if (r < 0)
                        return r;
        } else {
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
        }

        if (f->value) {
                free(*(char **) f->value);
                *(char **) f->value = TAKE_PTR(copy);
        }
        return 0;
}

static int add_to_list(Flag *f, const char *text) {
        char ***list = f->value, **longer, *copy;
        size_t n = 0;

        while (*list && (*list)[n])
                n++;
        if (n >= MAX_LIST)
                return -E2BIG;

        copy = strdup(text);
        if (!copy)
                return -ENOMEM;

        longer = realloc(*list, (n + 2) * sizeof(*longer));
        if (!longer) {
                free(copy);
                return -ENOMEM;
        }

        longer[n] = copy;
        longer[n + 1] = NULL;
        *list = longer;
        return 0;
}

/* Parses text into the flag's variable; without a variable it is only checked. */
static int flag_set(Flag *f, const char *text) {
        union {
                bool b;
                uint64_t u;
                usec_t usec;
                double d;
        } scratch;
        void *value = f->value ?: &scratch;

        switch (f->kind) {
        case FLAG_STRING:
        case FLAG_PATH:
                return set_text(f, text);
        case FLAG_LIST:
                return add_to_list(f, text);
        case FLAG_BOOL:
                return parse_bool(text[0] ? text : "true", value);
        case FLAG_U64:
                return parse_u64(text, value);
        case FLAG_DURATION:
                return parse_duration(text, value);
        case FLAG_BYTES:
                return parse_bytes(text, value);
        case FLAG_DOUBLE:
                return parse_double(text, value);
        }

        return -EINVAL;
}

static int flag_load(Flag *f, const char *text, char **reterr_message) {
        const char *shown = f->secret ? "***" : text;
        int r;

        r = flag_set(f, text);
        if (r == -ENOMEM)
                return r;
        if (r == -EINVAL)
                return fail(reterr_message,
                            "Failed to load flag '%s': Failed to load value '%s': expected %s",
                            f->name, shown, kind_expected(f->kind));
        if (r == -ERANGE)
                return fail(reterr_message,
                            "Failed to load flag '%s': Failed to load value '%s': out of range",
                            f->name, shown);
        if (r < 0)
                return fail(reterr_message,
                            "Failed to load flag '%s': Failed to load value '%s': %s", f->name,
                            shown, strerror(-r));

        return FLAGS_OK;
}

/* Sources */

static int load_defaults(FlagTable *t, char **reterr_message) {
        for (size_t i = 0; i < t->n_flags; i++) {
                Flag *f = t->flags + i;
                int r;

                f->given = false;
                if (f->value)
                        flag_clear(f);
                if (!f->default_text)
                        continue;

                r = flag_load(f, f->default_text, reterr_message);
                if (r != 0)
                        return r;
        }

        return FLAGS_OK;
}

static void warn_about(const Flag *f, bool by_alias) {
        if (by_alias)
                log_warning("Flag '%s' is deprecated, please use '%s'", f->alias, f->name);
        if (f->ignored)
                log_warning("Flag '%s' is accepted for compatibility and has no effect", f->name);
}

/* MESOS_WORK_DIR=… sets work_dir. The name is compared without regard to case, as Mesos does. */
static Flag *flag_of_variable(const FlagTable *t, const char *variable, const char *equals) {
        size_t n_prefix = strlen(t->env_prefix), n = (size_t) (equals - variable);

        if (n <= n_prefix || strncmp(variable, t->env_prefix, n_prefix) != 0)
                return NULL;

        variable += n_prefix;
        n -= n_prefix;
        for (size_t i = 0; i < t->n_flags; i++) {
                Flag *f = t->flags + i;

                if ((strlen(f->name) == n && strncasecmp(f->name, variable, n) == 0) ||
                    (f->alias && strlen(f->alias) == n && strncasecmp(f->alias, variable, n) == 0))
                        return f;
        }

        return NULL;
}

static int load_environment(FlagTable *t, char **env, char **reterr_message) {
        if (!t->env_prefix || !env)
                return FLAGS_OK;

        for (; *env; env++) {
                const char *equals = strchr(*env, '=');
                Flag *f = equals ? flag_of_variable(t, *env, equals) : NULL;
                size_t n_name;
                int r;

                if (!f)
                        continue;

                r = flag_load(f, equals + 1, reterr_message);
                if (r != 0)
                        return r;

                n_name = (size_t) (equals - *env) - strlen(t->env_prefix);
                warn_about(f, strncasecmp(f->name, *env + strlen(t->env_prefix), n_name) != 0);
                f->given = true;
        }

        return FLAGS_OK;
}

static int unknown_flag(const FlagTable *t, const char *name, size_t n, char **reterr_message) {
        return fail(reterr_message,
                    "Failed to load unknown flag '%.*s'\n\nSee `%s --help` for a list of supported flags.",
                    (int) n, name, t->program);
}

/* One "--name[=value]" without its dashes. `seen` has a place per flag. */
static int load_argument(FlagTable *t, const char *argument, bool *seen, char **reterr_message) {
        const char *equals = strchr(argument, '='), *name = argument,
                   *text = equals ? equals + 1 : NULL;
        size_t n = equals ? (size_t) (equals - argument) : strlen(argument);
        bool alias, negated = false;
        Flag *f;
        int r;

        f = flag_find(t, name, n, &alias);
        if (!f && startswith(name, "no-")) {
                f = flag_find(t, name + 3, n - 3, &alias);
                negated = f;
        }
        if (!f)
                return unknown_flag(t, name, n, reterr_message);

        if (seen[f - t->flags] && f->kind != FLAG_LIST)
                return fail(reterr_message, "Duplicate flag '%s' on command line", f->name);
        seen[f - t->flags] = true;

        if (negated && f->kind != FLAG_BOOL)
                return fail(reterr_message, "Failed to load non-boolean flag '%s' via '%.*s'",
                            f->name, (int) n, name);
        if (negated && text)
                return fail(reterr_message,
                            "Failed to load boolean flag '%s' via '%.*s' with value '%s'", f->name,
                            (int) n, name, text);
        if (!text && f->bare_text)
                text = f->bare_text;
        if (!text && f->kind != FLAG_BOOL)
                return fail(reterr_message,
                            "Failed to load non-boolean flag '%s': Missing value, expected %s "
                            "as in --%s=%s",
                            f->name, kind_expected(f->kind), f->name, f->metavar ?: "VALUE");

        if (f->kind == FLAG_LIST && !f->given)
                flag_clear(f);    /* what is given replaces the default instead of adding to it */

        r = flag_load(f, negated ? "false" : text ?: "true", reterr_message);
        if (r != 0)
                return r;

        warn_about(f, alias);
        f->given = true;
        return FLAGS_OK;
}

static int print_and_finish(Buffer *b) {
        size_t n = buffer_size(b);

        return fwrite(buffer_data(b), 1, n, stdout) == n && fflush(stdout) == 0 ? FLAGS_DONE : -EIO;
}

static int print_help(const FlagTable *t) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1024 * 1024);
        int r;

        r = flags_print_help(t, &b);
        if (r < 0)
                return r;

        return print_and_finish(&b);
}

static int print_version(const FlagTable *t) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(256);
        int r;

        r = buffer_printf(&b, "%s %s\n", t->program, PACKAGE_VERSION);
        if (r < 0)
                return r;

        return print_and_finish(&b);
}

static int load_command_line(FlagTable *t, int argc, char **argv, char **args,
                             char **reterr_message) {
        _cleanup_free_ bool *seen = NULL;
        bool only_arguments = false;
        size_t n_args = 0;
        int r;

        seen = calloc(t->n_flags + 1, sizeof(*seen));
        if (!seen)
                return -ENOMEM;

        for (int i = 1; i < argc; i++) {
                const char *argument = argv[i];

                if (!only_arguments && startswith(argument, "--")) {
                        if (streq(argument, "--")) {
                                only_arguments = true;
                                continue;
                        }

                        r = load_argument(t, argument + 2, seen, reterr_message);
                        if (r != 0)
                                return r;
                        continue;
                }

                if (!t->positional)
                        return fail(reterr_message,
                                    "Unexpected argument '%s': flags are written as --name=value\n\n"
                                    "See `%s --help` for a list of supported flags.",
                                    argument, t->program);
                args[n_args++] = argv[i];
        }

        return FLAGS_OK;
}

static bool is_asked(int argc, char **argv, const char *flag) {
        for (int i = 1; i < argc && !streq(argv[i], "--"); i++)
                if (streq(argv[i], flag))
                        return true;

        return false;
}

static int check_required(const FlagTable *t, char **reterr_message) {
        for (size_t i = 0; i < t->n_flags; i++)
                if (t->flags[i].excuses && t->flags[i].given)
                        return FLAGS_OK;

        for (size_t i = 0; i < t->n_flags; i++)
                if (t->flags[i].required && !t->flags[i].given)
                        return fail(reterr_message,
                                    "Flag '%s' is required, but it was not provided",
                                    t->flags[i].name);

        return FLAGS_OK;
}

/*
 * Fills the variables of the table. *ret_args, when asked for, receives what is not a flag: a
 * NULL-terminated array to be freed, whose strings belong to argv.
 *
 * Returns FLAGS_OK, FLAGS_DONE when --help or --version has been answered on stdout, FLAGS_E_INVALID
 * with a text in *reterr_message (to be freed), or -ENOMEM. In every case flags_deinit() applies.
 */
int flags_parse(FlagTable *t, int argc, char **argv, char **env, char ***ret_args,
                char **reterr_message) {
        _cleanup_free_ char **args = NULL;
        int r;

        args = calloc((size_t) argc + 1, sizeof(*args));
        if (!args)
                return -ENOMEM;

        if (is_asked(argc, argv, "--help"))
                return print_help(t);
        if (is_asked(argc, argv, "--version"))
                return print_version(t);

        r = load_defaults(t, reterr_message);
        if (r != 0)
                return r;

        r = load_environment(t, env, reterr_message);
        if (r != 0)
                return r;

        r = load_command_line(t, argc, argv, args, reterr_message);
        if (r != 0)
                return r;

        r = check_required(t, reterr_message);
        if (r != 0)
                return r;

        if (ret_args)
                *ret_args = TAKE_PTR(args);
        return FLAGS_OK;
}

/* Frees the strings and zeroes the variables. */
void flags_deinit(FlagTable *t) {
        for (size_t i = 0; i < t->n_flags; i++)
                flag_clear(t->flags + i);
}

/* Output */

static int format_list(char **list, Buffer *b) {
        for (char **p = list; p && *p; p++) {
                int r;

                r = buffer_printf(b, "%s%s", p == list ? "" : ",", *p);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Without the password of a URL that has one, scheme://user:password@…, which anybody who reads /flags would see. */
static int format_text(const char *text, Buffer *b) {
        const char *host = strstr(text, "://"), *at, *colon;
        int r;

        host = host ? host + strlen("://") : text + strlen(text);
        at = memrchr(host, '@', strcspn(host, "/"));
        colon = at ? memchr(host, ':', (size_t) (at - host)) : NULL;
        if (!colon)
                return buffer_append_text(b, text);

        r = buffer_append(b, text, (size_t) (colon + 1 - text));
        return r < 0 ? r : buffer_printf(b, "***%s", at);
}

/*
 * Appends the value in effect as /flags shows it. Returns FLAG_UNSET, having appended nothing, for
 * a flag with neither value nor default, which /flags leaves out.
 */
int flag_format(const Flag *f, Buffer *b) {
        char text[USEC_TEXT_MAX];

        if (!f->given && !f->default_text)
                return FLAG_UNSET;
        if (f->secret)
                return buffer_append_text(b, "***");
        if (!f->value)
                return buffer_append_text(b, f->default_text ?: "");

        switch (f->kind) {
        case FLAG_STRING:
        case FLAG_PATH:
                return format_text(*(char **) f->value ?: "", b);
        case FLAG_LIST:
                return format_list(*(char ***) f->value, b);
        case FLAG_BOOL:
                return buffer_append_text(b, *(bool *) f->value ? "true" : "false");
        case FLAG_U64:
                return buffer_printf(b, "%" PRIu64, *(uint64_t *) f->value);
        case FLAG_DURATION:
                return buffer_append_text(b, usec_format(*(usec_t *) f->value, text));
        case FLAG_BYTES:
                return buffer_append_size(b, *(uint64_t *) f->value);
        case FLAG_DOUBLE:
                return buffer_printf(b, "%.15g", *(double *) f->value);
        }

        return -EINVAL;
}

/* Wraps text into the right column, the cursor standing at `column` of the first line. */
static int print_wrapped(Buffer *b, const char *text, size_t column) {
        int r;

        if (column + 2 > HELP_COLUMN) {
                r = buffer_append_char(b, '\n');
                if (r < 0)
                        return r;
                column = 0;
        }

        r = buffer_printf(b, "%*s", (int) (HELP_COLUMN - column), "");
        column = HELP_COLUMN;
        while (r >= 0 && *text) {
                size_t n = strcspn(text, " ");

                if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
                        r = buffer_printf(b, "\n%*s", HELP_COLUMN, "");
                        column = HELP_COLUMN;
                } else if (column > HELP_COLUMN) {
                        r = buffer_append_char(b, ' ');
                        column++;
                }
                if (r < 0)
                        return r;

                r = buffer_append(b, text, n);
                column += n;
                text += n + strspn(text + n, " ");
        }
        if (r < 0)
                return r;

        return buffer_append_char(b, '\n');
}

static int print_flag(const Flag *f, Buffer *b) {
        _cleanup_free_ char *help = NULL;
        size_t begin = buffer_size(b);
        int r;

        if (f->kind == FLAG_BOOL)
                r = buffer_printf(b, "  --[no-]%s", f->name);
        else
                r = buffer_printf(b, "  --%s%s=%s%s%s", f->name, f->bare_text ? "[" : "",
                                  f->metavar ?: "VALUE", f->bare_text ? "]" : "",
                                  f->kind == FLAG_LIST ? " ..." : "");
        if (r < 0)
                return r;

        if (asprintf(&help, "%s%s%s%s%s%s", f->help ?: "",
                     f->required ? " (required)" : "",
                     f->ignored ? " (accepted for compatibility, has no effect)" : "",
                     f->default_text && !f->ignored ? " (default: " : "",
                     f->default_text && !f->ignored ? f->default_text : "",
                     f->default_text && !f->ignored ? ")" : "") < 0)
                return -ENOMEM;

        return print_wrapped(b, help, buffer_size(b) - begin);
}

int flags_print_help(const FlagTable *t, Buffer *b) {
        static const Flag common[] = {
                { .name = "help", .kind = FLAG_BOOL, .help = "Show this and exit." },
                { .name = "version", .kind = FLAG_BOOL, .help = "Show the version and exit." },
        };
        bool alias;
        int r;

        r = buffer_printf(b, "Usage: %s [--name=value ...]%s%s\n\n", t->program,
                          t->positional ? " " : "", t->positional ?: "");
        if (r < 0)
                return r;

        if (t->summary) {
                r = buffer_printf(b, "%s\n\n", t->summary);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < t->n_flags; i++) {
                r = print_flag(t->flags + i, b);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < ELEMENTSOF(common); i++)
                if (!flag_find(t, common[i].name, strlen(common[i].name), &alias)) {
                        r = buffer_printf(b, "  --%-*s%s\n", HELP_COLUMN - 4, common[i].name,
                                          common[i].help);
                        if (r < 0)
                                return r;
                }

        if (t->env_prefix)
                return buffer_printf(b, "\nEach flag can also be set in the environment, as %sNAME=value; "
                                     "the command line wins.\nText can be read from a file: "
                                     "--name=file:///path\n", t->env_prefix);

        return 0;
}
