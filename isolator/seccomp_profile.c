/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Seccomp profiles
 *
 * A profile is a JSON file in the format that Docker made common:
 *
 *      {
 *        "defaultAction": "SCMP_ACT_ERRNO",            what happens to calls that no rule is about
 *        "defaultErrnoRet": 1,
 *        "archMap": [ { "architecture": …, "subArchitectures": […] } ],      or "architectures": […]
 *        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
 *        "syscalls": [ {                               rules; the first three fields are required
 *            "names": […], "action": …, "errnoRet": …,
 *            "args": [ { "index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_EQ" } ],
 *            "includes": { "caps": […], "arches": […], "minKernel": "4.8" },   the rule holds with all these
 *            "excludes": { … }                                                   … and with none of these
 *        } ]
 *      }
 *
 * A profile that is read wrongly is a hole, so everything must be understood: an unknown field,
 * action, capability or architecture refuses the profile. Only names of system calls may be unknown,
 * and only in rules that allow: what neither we nor the library know stays at the default.
 *
 * What depends on the host is decided when the profile is read; what depends on a container's
 * capabilities when it is compiled. Both happen in the agent: the launcher gets instructions.
 */

#include <fcntl.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "isolator/seccomp_profile.h"

#define N_ARGUMENTS 6
#define N_ARCHES_MAX 16

/* The kernel's bound of a filter is 4,096 instructions of 8 bytes. */
#define PROGRAM_MAX_BYTES (4096U * 8)

/* "syscalls[12].includes.caps" and what follows. */
#define PLACE_MAX 96

typedef struct Rule {
        int *calls;                          /* owned; the library's numbers */
        size_t n_calls;
        uint32_t action;
        struct scmp_arg_cmp arguments[N_ARGUMENTS];
        unsigned n_arguments;
        bool any_argument;                   /* each of them alone will do: two are of one index */
        uint64_t needs, excluded_by;         /* capabilities */
} Rule;

struct SeccompProfile {
        uint32_t default_action;
        uint32_t arches[N_ARCHES_MAX];       /* besides the host's own */
        size_t n_arches;
        unsigned flags;
        Rule *rules;                         /* owned */
        size_t n_rules;
};

/* While it is read: where we are, for those who have to find it. */
typedef struct Reader {
        const SeccompHost *host;
        char place[PLACE_MAX];
        char **reterr_message;
} Reader;

static const struct {
        const char *name;
        uint32_t action;
        bool has_errno;
} actions[] = {
        { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false },
        { "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true },
        { "SCMP_ACT_KILL", SCMP_ACT_KILL, false },
        { "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false },
        { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false },
        { "SCMP_ACT_LOG", SCMP_ACT_LOG, false },
        { "SCMP_ACT_TRAP", SCMP_ACT_TRAP, false },
};

static const struct {
        const char *name;
        enum scmp_compare op;
} operators[] = {
        { "SCMP_CMP_EQ", SCMP_CMP_EQ }, { "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT },
        { "SCMP_CMP_LE", SCMP_CMP_LE }, { "SCMP_CMP_LT", SCMP_CMP_LT }, { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
        { "SCMP_CMP_NE", SCMP_CMP_NE },
};

/* By the library's name and by the one that "arches" have, which is Go's. */
static const struct {
        const char *name;
        const char *short_name;
        uint32_t arch;
} arches[] = {
        { "SCMP_ARCH_AARCH64", "arm64", SCMP_ARCH_AARCH64 },
        { "SCMP_ARCH_ARM", "arm", SCMP_ARCH_ARM },
        { "SCMP_ARCH_MIPS", "mips", SCMP_ARCH_MIPS },
        { "SCMP_ARCH_MIPS64", "mips64", SCMP_ARCH_MIPS64 },
        { "SCMP_ARCH_MIPS64N32", "mips64n32", SCMP_ARCH_MIPS64N32 },
        { "SCMP_ARCH_MIPSEL", "mipsel", SCMP_ARCH_MIPSEL },
        { "SCMP_ARCH_MIPSEL64", "mipsel64", SCMP_ARCH_MIPSEL64 },
        { "SCMP_ARCH_MIPSEL64N32", "mipsel64n32", SCMP_ARCH_MIPSEL64N32 },
        { "SCMP_ARCH_PPC", "ppc", SCMP_ARCH_PPC },
        { "SCMP_ARCH_PPC64", "ppc64", SCMP_ARCH_PPC64 },
        { "SCMP_ARCH_PPC64LE", "ppc64le", SCMP_ARCH_PPC64LE },
        { "SCMP_ARCH_RISCV64", "riscv64", SCMP_ARCH_RISCV64 },
        { "SCMP_ARCH_S390", "s390", SCMP_ARCH_S390 },
        { "SCMP_ARCH_S390X", "s390x", SCMP_ARCH_S390X },
        { "SCMP_ARCH_X32", "x32", SCMP_ARCH_X32 },
        { "SCMP_ARCH_X86", "x86", SCMP_ARCH_X86 },
        { "SCMP_ARCH_X86_64", "amd64", SCMP_ARCH_X86_64 },
};

static const struct {
        const char *name;
        unsigned flag;
} flags[] = {
        { "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
        { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
        /* There is one thread. */
        { "SECCOMP_FILTER_FLAG_TSYNC", 0 },
};

static int invalid(const Reader *r, const char *field, const char *format, ...) _printf_(3, 4);
static int invalid(const Reader *r, const char *field, const char *format, ...) {
        _cleanup_free_ char *what = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&what, format, ap);
        va_end(ap);
        if (n < 0) {
                what = NULL;
                return -ENOMEM;
        }

        if (asprintf(r->reterr_message, "%s%s%s: %s", r->place, *r->place && *field ? "." : "", field, what) < 0) {
                *r->reterr_message = NULL;
                return -ENOMEM;
        }

        return SECCOMP_PROFILE_E_INVALID;
}

/* What isn't there and what is null are the same. */
static const json_t *get(const json_t *object, const char *field) {
        const json_t *value = json_object_get(object, field);

        return json_is_null(value) ? NULL : value;
}

static bool has_word(const char *list, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; *p; p += strcspn(p, " "), p += strspn(p, " "))
                if (strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == '\0'))
                        return n > 0;

        return false;
}

/* `fields` is a blank-separated list, as is easily read in a call. */
static int check_fields(const Reader *r, const json_t *object, const char *fields) {
        const char *name;
        json_t *value;

        if (!json_is_object(object))
                return invalid(r, "", "is no object");

        json_object_foreach ((json_t *) object, name, value)
                if (!has_word(fields, name))
                        return invalid(r, name, "is no field of a profile");

        return SECCOMP_PROFILE_OK;
}

/* A list of texts, or nothing; *ret NULL for the latter. */
static int read_texts(const Reader *r, const json_t *object, const char *field, const json_t **ret) {
        const json_t *list = get(object, field);
        const json_t *value;
        size_t i;

        *ret = list;
        if (!list)
                return SECCOMP_PROFILE_OK;
        if (!json_is_array(list))
                return invalid(r, field, "is no list");

        json_array_foreach (list, i, value)
                if (!json_is_string(value))
                        return invalid(r, field, "holds something that is no text");

        return SECCOMP_PROFILE_OK;
}

static int read_number(const Reader *r, const json_t *object, const char *field, uint64_t max, uint64_t *ret) {
        const json_t *value = get(object, field);

        if (!value)
                return SECCOMP_PROFILE_OK;
        if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t) json_integer_value(value) > max)
                return invalid(r, field, "is no number from 0 to %llu", (unsigned long long) max);

        *ret = (uint64_t) json_integer_value(value);
        return SECCOMP_PROFILE_OK;
}

/* "SCMP_ACT_ERRNO" with the errno of another field; EPERM without. */
static int read_action(const Reader *r, const json_t *object, const char *field, const char *errno_field,
                       uint32_t *ret) {
        const char *name = json_string_value(get(object, field));
        uint64_t error = EPERM;
        int k;

        if (!name)
                return invalid(r, field, "is missing, or no text");

        k = read_number(r, object, errno_field, 0xffff, &error);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (streq(actions[i].name, name)) {
                        *ret = actions[i].has_errno ? SCMP_ACT_ERRNO((uint32_t) error) : actions[i].action;
                        return SECCOMP_PROFILE_OK;
                }

        return invalid(r, field, "'%s' is no action that can be taken here", name);
}

static int find_arch(const Reader *r, const char *field, const char *name, uint32_t *ret) {
        for (size_t i = 0; i < ELEMENTSOF(arches); i++)
                if (streq(arches[i].name, name)) {
                        *ret = arches[i].arch;
                        return SECCOMP_PROFILE_OK;
                }

        return invalid(r, field, "'%s' is no architecture", name);
}

static int add_arch(const Reader *r, const char *field, uint32_t arch, SeccompProfile *p) {
        if (p->n_arches == ELEMENTSOF(p->arches))
                return invalid(r, field, "has more than %zu architectures", ELEMENTSOF(p->arches));

        p->arches[p->n_arches++] = arch;
        return SECCOMP_PROFILE_OK;
}

static int read_arch_list(const Reader *r, const json_t *object, const char *field, bool wanted, SeccompProfile *p) {
        const json_t *list, *value;
        uint32_t arch = 0;
        size_t i;
        int k;

        k = read_texts(r, object, field, &list);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        json_array_foreach (list, i, value) {
                k = find_arch(r, field, json_string_value(value), &arch);
                if (k == SECCOMP_PROFILE_OK && wanted && arch != r->host->arch)
                        k = add_arch(r, field, arch, p);
                if (k != SECCOMP_PROFILE_OK)
                        return k;
        }

        return SECCOMP_PROFILE_OK;
}

static int read_arch_map(Reader *r, const json_t *root, SeccompProfile *p) {
        const json_t *map = get(root, "archMap"), *entry;
        size_t i;

        if (map && get(root, "architectures"))
                return invalid(r, "archMap", "cannot be together with architectures");
        if (map && !json_is_array(map))
                return invalid(r, "archMap", "is no list");

        json_array_foreach (map, i, entry) {
                const char *name;
                uint32_t arch = 0;
                int k;

                snprintf(r->place, sizeof(r->place), "archMap[%zu]", i);
                k = check_fields(r, entry, "architecture subArchitectures");
                if (k != SECCOMP_PROFILE_OK)
                        return k;

                name = json_string_value(get(entry, "architecture"));
                k = name ? find_arch(r, "architecture", name, &arch) : invalid(r, "architecture", "is missing");
                if (k == SECCOMP_PROFILE_OK)
                        k = read_arch_list(r, entry, "subArchitectures", arch == r->host->arch, p);
                if (k != SECCOMP_PROFILE_OK)
                        return k;
        }

        r->place[0] = '\0';
        return SECCOMP_PROFILE_OK;
}

static int read_flags(const Reader *r, const json_t *root, SeccompProfile *p) {
        const json_t *list, *value;
        size_t i;
        int k;

        k = read_texts(r, root, "flags", &list);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        json_array_foreach (list, i, value) {
                size_t j = 0;

                while (j < ELEMENTSOF(flags) && !streq(flags[j].name, json_string_value(value)))
                        j++;
                if (j == ELEMENTSOF(flags))
                        return invalid(r, "flags", "'%s' is no flag that can be set here", json_string_value(value));

                p->flags |= flags[j].flag;
        }

        return SECCOMP_PROFILE_OK;
}

static int read_argument(const Reader *r, const json_t *object, Rule *rule) {
        const char *name = json_string_value(get(object, "op"));
        struct scmp_arg_cmp *a = &rule->arguments[rule->n_arguments];
        uint64_t index = UINT64_MAX, value = 0, second = 0;
        size_t i = 0;
        int k;

        k = check_fields(r, object, "index value valueTwo op");
        if (k == SECCOMP_PROFILE_OK)
                k = read_number(r, object, "index", N_ARGUMENTS - 1, &index);
        if (k == SECCOMP_PROFILE_OK && index == UINT64_MAX)
                k = invalid(r, "index", "is missing");
        if (k == SECCOMP_PROFILE_OK)
                k = read_number(r, object, "value", INT64_MAX, &value);
        if (k == SECCOMP_PROFILE_OK)
                k = read_number(r, object, "valueTwo", INT64_MAX, &second);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        while (i < ELEMENTSOF(operators) && (!name || !streq(operators[i].name, name)))
                i++;
        if (i == ELEMENTSOF(operators))
                return invalid(r, "op", "'%s' is no comparison", name ?: "");

        *a = (struct scmp_arg_cmp) {
                .arg = (unsigned) index,
                .op = operators[i].op,
                .datum_a = value,
                .datum_b = second,
        };
        for (unsigned j = 0; j < rule->n_arguments; j++)
                rule->any_argument = rule->any_argument || rule->arguments[j].arg == a->arg;

        rule->n_arguments++;
        return SECCOMP_PROFILE_OK;
}

static int read_arguments(Reader *r, size_t n, const json_t *object, Rule *rule) {
        const json_t *list = get(object, "args"), *value;
        size_t i;
        int k;

        if (list && !json_is_array(list))
                return invalid(r, "args", "is no list");
        if (json_array_size(list) > N_ARGUMENTS)
                return invalid(r, "args", "has more than %i conditions", N_ARGUMENTS);

        json_array_foreach (list, i, value) {
                snprintf(r->place, sizeof(r->place), "syscalls[%zu].args[%zu]", n, i);
                k = read_argument(r, value, rule);
                if (k != SECCOMP_PROFILE_OK)
                        return k;
        }

        snprintf(r->place, sizeof(r->place), "syscalls[%zu]", n);
        return SECCOMP_PROFILE_OK;
}

static int read_capabilities(const Reader *r, const json_t *object, uint64_t *ret) {
        const json_t *list, *value;
        size_t i;
        int k;

        k = read_texts(r, object, "caps", &list);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        json_array_foreach (list, i, value) {
                cap_value_t capability;

                if (cap_from_name(json_string_value(value), &capability) < 0 || capability < 0 || capability >= 64)
                        return invalid(r, "caps", "'%s' is no capability", json_string_value(value));

                *ret |= UINT64_C(1) << capability;
        }

        return SECCOMP_PROFILE_OK;
}

static int read_arches(const Reader *r, const json_t *object, bool *ret_any, bool *ret_ours) {
        const json_t *list, *value;
        size_t i;
        int k;

        k = read_texts(r, object, "arches", &list);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        *ret_any = json_array_size(list) > 0;
        json_array_foreach (list, i, value) {
                size_t j = 0;

                while (j < ELEMENTSOF(arches) && !streq(arches[j].short_name, json_string_value(value)))
                        j++;
                if (j == ELEMENTSOF(arches))
                        return invalid(r, "arches", "'%s' is no architecture", json_string_value(value));

                *ret_ours = *ret_ours || arches[j].arch == r->host->arch;
        }

        return SECCOMP_PROFILE_OK;
}

/* Whether our kernel is as new as minKernel says; absent: *ret_any stays false. */
static int read_kernel(const Reader *r, const json_t *object, bool *ret_any, bool *ret_ours) {
        const json_t *value = get(object, "minKernel");
        unsigned major, minor;
        int n = 0;

        if (!value)
                return SECCOMP_PROFILE_OK;
        if (!json_is_string(value) || sscanf(json_string_value(value), "%4u.%4u%n", &major, &minor, &n) != 2 ||
            json_string_value(value)[n] != '\0')
                return invalid(r, "minKernel", "is no version such as 4.8");

        *ret_any = true;
        *ret_ours = r->host->kernel[0] > major || (r->host->kernel[0] == major && r->host->kernel[1] >= minor);
        return SECCOMP_PROFILE_OK;
}

/* Of "includes" or "excludes". What can be decided on this host is: each of the two booleans is whether it was said. */
typedef struct Condition {
        uint64_t capabilities;
        bool any_arch, our_arch;
        bool any_kernel, our_kernel;
} Condition;

static int read_condition(Reader *r, size_t n, const json_t *object, const char *field, Condition *ret) {
        const json_t *value = get(object, field);
        int k;

        if (!value)
                return SECCOMP_PROFILE_OK;

        snprintf(r->place, sizeof(r->place), "syscalls[%zu].%s", n, field);
        k = check_fields(r, value, "caps arches minKernel");
        if (k == SECCOMP_PROFILE_OK)
                k = read_capabilities(r, value, &ret->capabilities);
        if (k == SECCOMP_PROFILE_OK)
                k = read_arches(r, value, &ret->any_arch, &ret->our_arch);
        if (k == SECCOMP_PROFILE_OK)
                k = read_kernel(r, value, &ret->any_kernel, &ret->our_kernel);
        if (k == SECCOMP_PROFILE_OK)
                snprintf(r->place, sizeof(r->place), "syscalls[%zu]", n);

        return k;
}

static int add_call(const Reader *r, const char *name, Rule *rule) {
        int call = seccomp_syscall_resolve_name(name);

        if (call != __NR_SCMP_ERROR) {
                rule->calls[rule->n_calls++] = call;
                return SECCOMP_PROFILE_OK;
        }

        /* Later kernels have more, and so have later libraries. */
        if (rule->action == SCMP_ACT_ALLOW || rule->action == SCMP_ACT_LOG)
                return SECCOMP_PROFILE_OK;

        return invalid(r, "names", "'%s' is no system call that could be denied", name);
}

/* Docker's older profiles have one name per rule. */
static int read_calls(const Reader *r, const json_t *object, Rule *rule) {
        const char *single = json_string_value(get(object, "name"));
        const json_t *list, *value;
        size_t i;
        int k;

        k = read_texts(r, object, "names", &list);
        if (k != SECCOMP_PROFILE_OK)
                return k;
        if (!single && json_array_size(list) == 0)
                return invalid(r, "names", "is missing, or empty");

        rule->calls = calloc(json_array_size(list) + 1, sizeof(*rule->calls));
        if (!rule->calls)
                return -ENOMEM;

        if (single)
                k = add_call(r, single, rule);
        json_array_foreach (list, i, value)
                if (k == SECCOMP_PROFILE_OK)
                        k = add_call(r, json_string_value(value), rule);

        return k;
}

/* *ret_holds: on this host. */
static int read_rule(Reader *r, size_t n, const json_t *object, Rule *rule, bool *ret_holds) {
        Condition with = {}, without = {};
        int k;

        k = check_fields(r, object, "names name action errnoRet args comment includes excludes");
        if (k == SECCOMP_PROFILE_OK)
                k = read_action(r, object, "action", "errnoRet", &rule->action);
        if (k == SECCOMP_PROFILE_OK)
                k = read_calls(r, object, rule);
        if (k == SECCOMP_PROFILE_OK)
                k = read_arguments(r, n, object, rule);
        if (k == SECCOMP_PROFILE_OK)
                k = read_condition(r, n, object, "includes", &with);
        if (k == SECCOMP_PROFILE_OK)
                k = read_condition(r, n, object, "excludes", &without);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        rule->needs = with.capabilities;
        rule->excluded_by = without.capabilities;
        *ret_holds = (!with.any_arch || with.our_arch) && (!with.any_kernel || with.our_kernel) && !without.our_arch &&
                     !without.our_kernel;
        return SECCOMP_PROFILE_OK;
}

static int read_rules(Reader *r, const json_t *root, SeccompProfile *p) {
        const json_t *list = get(root, "syscalls"), *value;
        size_t i;

        if (list && !json_is_array(list))
                return invalid(r, "syscalls", "is no list");

        p->rules = calloc(json_array_size(list) + 1, sizeof(*p->rules));
        if (!p->rules)
                return -ENOMEM;

        json_array_foreach (list, i, value) {
                Rule *rule = &p->rules[p->n_rules++];
                bool holds = false;
                int k;

                snprintf(r->place, sizeof(r->place), "syscalls[%zu]", i);
                k = read_rule(r, i, value, rule, &holds);
                if (k != SECCOMP_PROFILE_OK)
                        return k;

                if (!holds) {
                        free(rule->calls);
                        *rule = (Rule) {};
                        p->n_rules--;
                }
        }

        r->place[0] = '\0';
        return SECCOMP_PROFILE_OK;
}

static int read_root(Reader *r, const json_t *root, SeccompProfile *p) {
        int k;

        k = check_fields(r, root, "comment defaultAction defaultErrnoRet architectures archMap flags syscalls");
        if (k == SECCOMP_PROFILE_OK)
                k = read_action(r, root, "defaultAction", "defaultErrnoRet", &p->default_action);
        if (k == SECCOMP_PROFILE_OK)
                k = read_arch_list(r, root, "architectures", true, p);
        if (k == SECCOMP_PROFILE_OK)
                k = read_arch_map(r, root, p);
        if (k == SECCOMP_PROFILE_OK)
                k = read_flags(r, root, p);

        return k == SECCOMP_PROFILE_OK ? read_rules(r, root, p) : k;
}

SeccompHost seccomp_host(void) {
        SeccompHost host = { .arch = seccomp_arch_native() };
        struct utsname name;

        if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &host.kernel[0], &host.kernel[1]) != 2)
                host.kernel[0] = host.kernel[1] = 0;

        return host;
}

int seccomp_profile_parse(const char *text, size_t n, const SeccompHost *host, SeccompProfile **ret,
                          char **reterr_message) {
        _cleanup_(seccomp_profile_freep) SeccompProfile *p = NULL;
        Reader r = { .host = host, .reterr_message = reterr_message };
        json_error_t error;
        json_t *root;
        int k;

        if (n > SECCOMP_PROFILE_MAX_BYTES)
                return invalid(&r, "", "%zu bytes are more than a profile has", n);

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
        if (!root)
                return invalid(&r, "", "line %i: %s", error.line, error.text);

        k = read_root(&r, root, p);
        json_decref(root);
        if (k != SECCOMP_PROFILE_OK)
                return k;

        *ret = TAKE_PTR(p);
        return SECCOMP_PROFILE_OK;
}

SeccompProfile *seccomp_profile_free(SeccompProfile *p) {
        if (!p)
                return NULL;

        for (size_t i = 0; i < p->n_rules; i++)
                free(p->rules[i].calls);
        free(p->rules);
        free(p);
        return NULL;
}

uint64_t seccomp_profile_capabilities(const SeccompProfile *p) {
        uint64_t mask = 0;

        for (size_t i = 0; i < p->n_rules; i++)
                mask |= p->rules[i].needs | p->rules[i].excluded_by;

        return mask;
}

unsigned seccomp_profile_flags(const SeccompProfile *p) {
        return p->flags;
}

static int add_rule_for(scmp_filter_ctx filter, const Rule *rule, int call) {
        int r = 0;

        if (!rule->any_argument)
                return seccomp_rule_add_array(filter, rule->action, call, rule->n_arguments, rule->arguments);

        for (unsigned i = 0; r == 0 && i < rule->n_arguments; i++)
                r = seccomp_rule_add_array(filter, rule->action, call, 1, &rule->arguments[i]);

        return r;
}

static int add_rules(scmp_filter_ctx filter, const SeccompProfile *p, uint64_t capabilities) {
        for (size_t i = 0; i < p->n_rules; i++) {
                const Rule *rule = &p->rules[i];
                int r = 0;

                /* The library takes no rule that changes nothing. */
                if ((rule->needs & ~capabilities) || (rule->excluded_by & capabilities) ||
                    rule->action == p->default_action)
                        continue;

                for (size_t j = 0; r == 0 && j < rule->n_calls; j++)
                        r = add_rule_for(filter, rule, rule->calls[j]);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int build(scmp_filter_ctx filter, const SeccompProfile *p, uint64_t capabilities) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < p->n_arches; i++) {
                r = seccomp_arch_add(filter, p->arches[i]);
                if (r == -EEXIST)
                        r = 0;
        }

        /* A tree of comparisons instead of a list: each call of the container goes through it. */
        if (r == 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);

        return r == 0 ? add_rules(filter, p, capabilities) : r;
}

/* The library writes to descriptors only; from 2.6 on it has another way. */
static int export(scmp_filter_ctx filter, void **ret, size_t *ret_n) {
        _cleanup_free_ void *program = NULL;
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;
        ssize_t n;
        int r;

        fd = memfd_create("seccomp", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;

        r = seccomp_export_bpf(filter, fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > PROGRAM_MAX_BYTES)
                return -E2BIG;

        program = malloc((size_t) st.st_size);
        if (!program)
                return -ENOMEM;

        n = pread(fd, program, (size_t) st.st_size, 0);
        if (n != st.st_size)
                return n < 0 ? -errno : -EIO;

        *ret = TAKE_PTR(program);
        *ret_n = (size_t) st.st_size;
        return 0;
}

int seccomp_profile_compile(const SeccompProfile *p, uint64_t capabilities, void **ret, size_t *ret_n,
                            char **reterr_message) {
        Reader reader = { .reterr_message = reterr_message };
        scmp_filter_ctx filter;
        int r;

        filter = seccomp_init(p->default_action);
        if (!filter)
                return -ENOMEM;

        r = build(filter, p, capabilities);
        if (r == 0)
                r = export(filter, ret, ret_n);
        seccomp_release(filter);
        if (r == -ENOMEM || r == 0)
                return r;

        return invalid(&reader, "syscalls", "cannot be made a filter: %s", strerror(-r));
}
