/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>
#include <seccomp.h>
#include <sys/capability.h>

#include "common/base/file.h"
#include "isolator/registry.h"
#include "isolator/seccomp_profile.h"
#include "isolator/seccomp_profiles.h"
#include "tests/unit/bpf.h"

/* Programs are looked at for one machine, whatever this is; its calls by their numbers there. */
static const SeccompHost host = { .arch = SCMP_ARCH_X86_64, .kernel = { 5, 14 } };

enum {
        X86_64_READ = 0,
        X86_64_SOCKET = 41,
        X86_64_CLONE = 56,
        X86_64_PTRACE = 101,
        X86_64_PERSONALITY = 135,
        X86_64_CHROOT = 161,
        X86_64_MOUNT = 165,
        X86_64_REBOOT = 169,
        X86_64_ADD_KEY = 248,
        X86_64_IO_URING_SETUP = 425,
        X86_64_CLONE3 = 435,
};

#define DENIED(error) (SECCOMP_RET_ERRNO | (error))

static void need_x86_64(void) {
        if (seccomp_arch_native() != SCMP_ARCH_X86_64)
                skip();
}

static SeccompProfile *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        SeccompProfile *p = NULL;

        if (seccomp_profile_parse(text, strlen(text), &host, &p, &message) != SECCOMP_PROFILE_OK)
                fail_msg("%s", message);
        return p;
}

static void assert_invalid(const char *text, const char *expected) {
        _cleanup_free_ char *message = NULL;
        SeccompProfile *p;

        assert_int_equal(seccomp_profile_parse(text, strlen(text), &host, &p, &message), SECCOMP_PROFILE_E_INVALID);
        if (!strstr(message, expected))
                fail_msg("'%s' does not say '%s'", message, expected);
}

typedef struct Program {
        void *data;
        size_t n;
} Program;

static void program_deinit(Program *p) {
        free(p->data);
}

static Program compile(const SeccompProfile *profile, uint64_t capabilities) {
        _cleanup_free_ char *message = NULL;
        Program p = {};

        if (seccomp_profile_compile(profile, capabilities, &p.data, &p.n, &message) != SECCOMP_PROFILE_OK)
                fail_msg("%s", message);
        return p;
}

static uint32_t outcome_of(const Program *p, uint32_t arch, int call, uint64_t first, uint64_t second) {
        const struct seccomp_data data = { .nr = call, .arch = arch, .args = { first, second } };

        return bpf_run(p->data, p->n, &data);
}

/* What becomes of a call on x86-64, by a profile in text and with these capabilities. */
static uint32_t outcome(const char *text, uint64_t capabilities, int call, uint64_t first, uint64_t second) {
        _cleanup_(seccomp_profile_freep) SeccompProfile *profile = parse(text);
        _cleanup_(program_deinit) Program p = compile(profile, capabilities);

        return outcome_of(&p, AUDIT_ARCH_X86_64, call, first, second);
}

static void test_what_no_rule_is_about_takes_the_default(void **state) {
        static const char text[] = "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38, \"syscalls\": "
                                   "[{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}]}";

        (void) state;
        need_x86_64();
        assert_int_equal(outcome(text, 0, X86_64_READ, 0, 0), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(text, 0, X86_64_MOUNT, 0, 0), DENIED(38));
        assert_int_equal(outcome("{\"defaultAction\": \"SCMP_ACT_ERRNO\"}", 0, X86_64_MOUNT, 0, 0), DENIED(EPERM));
}

static void test_every_action_is_the_kernels(void **state) {
        static const struct {
                const char *name;
                uint32_t result;
        } table[] = {
                { "SCMP_ACT_ERRNO\", \"errnoRet\": 13, \"comment\": \"", DENIED(EACCES) },
                { "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
                { "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
                { "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
                { "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
                { "SCMP_ACT_LOG", SECCOMP_RET_LOG },
        };

        (void) state;
        need_x86_64();
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                char text[256];

                snprintf(text, sizeof(text),
                         "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"name\": \"mount\", \"action\": \"%s\"}]}",
                         table[i].name);
                assert_int_equal(outcome(text, 0, X86_64_MOUNT, 0, 0), table[i].result);
                assert_int_equal(outcome(text, 0, X86_64_READ, 0, 0), SECCOMP_RET_ALLOW);
        }
}

static void test_conditions_on_different_arguments_hold_together_and_on_one_each_alone(void **state) {
        static const char both[] = "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"socket\"], "
                                   "\"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
                                   "{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"},"
                                   "{\"index\": 1, \"value\": 15, \"valueTwo\": 1, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}]}";
        static const char either[] = "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"socket\"], "
                                     "\"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
                                     "{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_LE\"},"
                                     "{\"index\": 0, \"value\": 10, \"op\": \"SCMP_CMP_EQ\"}]}]}";

        (void) state;
        need_x86_64();
        assert_int_equal(outcome(both, 0, X86_64_SOCKET, 2, 1), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(both, 0, X86_64_SOCKET, 2, 0x80001), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(both, 0, X86_64_SOCKET, 2, 2), DENIED(EPERM));
        assert_int_equal(outcome(both, 0, X86_64_SOCKET, 1, 1), DENIED(EPERM));
        assert_int_equal(outcome(either, 0, X86_64_SOCKET, 1, 1), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(either, 0, X86_64_SOCKET, 10, 1), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(either, 0, X86_64_SOCKET, 3, 1), DENIED(EPERM));
}

static const char conditional[] =
                "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": ["
                "{\"names\": [\"mount\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"caps\": [\"CAP_SYS_ADMIN\", \"CAP_CHOWN\"]}},"
                "{\"names\": [\"reboot\"], \"action\": \"SCMP_ACT_ALLOW\", \"excludes\": {\"caps\": [\"CAP_KILL\", \"CAP_CHOWN\"]}},"
                "{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"arches\": [\"arm64\", \"amd64\"], \"minKernel\": \"5.14\"}},"
                "{\"names\": [\"chroot\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"minKernel\": \"5.15\"}},"
                "{\"names\": [\"ptrace\"], \"action\": \"SCMP_ACT_ALLOW\", \"excludes\": {\"minKernel\": \"4.8\"}},"
                "{\"names\": [\"clone\"], \"action\": \"SCMP_ACT_ALLOW\", \"excludes\": {\"arches\": [\"amd64\"]}}]}";

static void test_rules_hold_where_they_are_for(void **state) {
        const uint64_t chown = UINT64_C(1) << CAP_CHOWN, admin = UINT64_C(1) << CAP_SYS_ADMIN;

        (void) state;
        need_x86_64();
        assert_int_equal(outcome(conditional, admin | chown, X86_64_MOUNT, 0, 0), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(conditional, admin, X86_64_MOUNT, 0, 0), DENIED(EPERM));
        assert_int_equal(outcome(conditional, admin, X86_64_REBOOT, 0, 0), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(conditional, chown, X86_64_REBOOT, 0, 0), DENIED(EPERM));
        assert_int_equal(outcome(conditional, 0, X86_64_READ, 0, 0), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(conditional, 0, X86_64_CHROOT, 0, 0), DENIED(EPERM));
        assert_int_equal(outcome(conditional, 0, X86_64_PTRACE, 0, 0), DENIED(EPERM));
        assert_int_equal(outcome(conditional, 0, X86_64_CLONE, 0, 0), DENIED(EPERM));
}

static void test_other_machines_calls_are_let_through_only_where_the_profile_has_them(void **state) {
        static const char alone[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}";
        static const char mapped[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": ["
                                     "{\"architecture\": \"SCMP_ARCH_AARCH64\", \"subArchitectures\": [\"SCMP_ARCH_ARM\"]},"
                                     "{\"architecture\": \"SCMP_ARCH_X86_64\", \"subArchitectures\": [\"SCMP_ARCH_X86\"]}]}";
        static const char listed[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": "
                                     "[\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"]}";
        static const char *const texts[] = { mapped, listed };

        (void) state;
        need_x86_64();
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(seccomp_profile_freep) SeccompProfile *profile = parse(texts[i]);
                _cleanup_(program_deinit) Program p = compile(profile, 0);

                assert_int_equal(outcome_of(&p, AUDIT_ARCH_X86_64, 0, 0, 0), SECCOMP_RET_ALLOW);
                assert_int_equal(outcome_of(&p, AUDIT_ARCH_I386, 3, 0, 0), SECCOMP_RET_ALLOW);
                assert_int_not_equal(outcome_of(&p, AUDIT_ARCH_ARM, 3, 0, 0), SECCOMP_RET_ALLOW);
        }

        _cleanup_(seccomp_profile_freep) SeccompProfile *profile = parse(alone);
        _cleanup_(program_deinit) Program p = compile(profile, 0);

        assert_int_not_equal(outcome_of(&p, AUDIT_ARCH_I386, 3, 0, 0), SECCOMP_RET_ALLOW);
}

static void test_what_is_not_understood_refuses_the_profile_and_is_named(void **state) {
#define RULE(fields) "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}, {" fields "}]}"
#define GOOD "\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\""

        static const struct {
                const char *text, *expected;
        } table[] = {
                { "", "line 1" },
                { "[]", "no object" },
                { "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultAction\": \"SCMP_ACT_ALLOW\"}", "duplicate" },
                { "{}", "defaultAction: is missing" },
                { "{\"defaultAction\": 1}", "defaultAction: is missing" },
                { "{\"defaultAction\": \"SCMP_ACT_TRACE\"}", "defaultAction: 'SCMP_ACT_TRACE' is no action" },
                { "{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}", "defaultAction: 'SCMP_ACT_NOTIFY' is no action" },
                { "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": -1}", "defaultErrnoRet: is no number" },
                { "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscall\": []}", "syscall: is no field" },
                { "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": {}}", "syscalls: is no list" },
                { "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [1]}", "syscalls[0]: is no object" },
                { "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"VAX\"]}", "architectures: 'VAX'" },
                { "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [], \"archMap\": []}", "archMap: cannot be" },
                { "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": [{}]}", "archMap[0].architecture: is missing" },
                { "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"]}", "flags: 'SECCOMP_FILTER" },
                { RULE("\"action\": \"SCMP_ACT_ALLOW\""), "syscalls[1].names: is missing" },
                { RULE("\"names\": [\"read\"]"), "syscalls[1].action: is missing" },
                { RULE("\"names\": [1], \"action\": \"SCMP_ACT_ALLOW\""), "syscalls[1].names: holds something" },
                { RULE("\"names\": [\"raed\"], \"action\": \"SCMP_ACT_KILL\""), "syscalls[1].names: 'raed' is no system call" },
                { RULE(GOOD ", \"arg\": []"), "syscalls[1].arg: is no field" },
                { RULE(GOOD ", \"args\": [{\"index\": 6, \"op\": \"SCMP_CMP_EQ\"}]"), "syscalls[1].args[0].index: is no number from 0 to 5" },
                { RULE(GOOD ", \"args\": [{\"op\": \"SCMP_CMP_EQ\"}]"), "syscalls[1].args[0].index: is missing" },
                { RULE(GOOD ", \"args\": [{\"index\": 0, \"op\": \"==\"}]"), "syscalls[1].args[0].op: '=='" },
                { RULE(GOOD ", \"args\": [{\"index\": 0, \"value\": 1.5, \"op\": \"SCMP_CMP_EQ\"}]"), "syscalls[1].args[0].value" },
                { RULE(GOOD ", \"args\": [{},{},{},{},{},{},{}]"), "syscalls[1].args: has more than 6" },
                { RULE(GOOD ", \"includes\": {\"caps\": [\"CAP_FOO\"]}"), "syscalls[1].includes.caps: 'CAP_FOO'" },
                { RULE(GOOD ", \"includes\": {\"caps\": \"CAP_KILL\"}"), "syscalls[1].includes.caps: is no list" },
                { RULE(GOOD ", \"excludes\": {\"arch\": []}"), "syscalls[1].excludes.arch: is no field" },
                { RULE(GOOD ", \"excludes\": {\"arches\": [\"x86_64\"]}"), "syscalls[1].excludes.arches: 'x86_64'" },
                { RULE(GOOD ", \"excludes\": {\"minKernel\": \"5\"}"), "syscalls[1].excludes.minKernel" },
                { RULE(GOOD ", \"excludes\": {\"minKernel\": \"5.4-rc1\"}"), "syscalls[1].excludes.minKernel" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                assert_invalid(table[i].text, table[i].expected);
}

static void test_null_and_empty_are_as_if_they_were_not_there(void **state) {
        (void) state;
        need_x86_64();
        assert_int_equal(outcome(RULE(GOOD ", \"args\": null, \"includes\": {}, \"excludes\": null, \"comment\": \"\""), 0,
                                 X86_64_READ, 0, 0),
                         SECCOMP_RET_ALLOW);
}

/* The profile that comes with us */

static char *read_default(void) {
        const char *source = getenv("top_srcdir") ?: ".";
        _cleanup_free_ char *path = NULL;
        char *text = NULL;

        assert_true(asprintf(&path, "%s/isolator/seccomp/default.json", source) > 0);
        assert_int_equal(file_read_at(AT_FDCWD, path, SECCOMP_PROFILE_MAX_BYTES, &text, NULL), 0);
        return text;
}

static void test_the_default_profile_knows_ordinary_calls_from_others(void **state) {
        static const struct {
                int call;
                uint64_t first, second;
                uint32_t without, with_all;
        } table[] = {
                { X86_64_READ, 0, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
                { X86_64_SOCKET, 2, 1, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
                { X86_64_SOCKET, 40, 1, DENIED(EPERM), DENIED(EPERM) },
                { X86_64_CLONE, 0x11, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
                { X86_64_CLONE, 0x10000011, 0, DENIED(EPERM), SECCOMP_RET_ALLOW },
                { X86_64_CLONE3, 0, 0, DENIED(ENOSYS), SECCOMP_RET_ALLOW },
                { X86_64_PERSONALITY, 0xffffffff, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
                { X86_64_PERSONALITY, 0x0400000, 0, DENIED(EPERM), DENIED(EPERM) },
                { X86_64_PTRACE, 0, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
                { X86_64_CHROOT, 0, 0, DENIED(EPERM), SECCOMP_RET_ALLOW },
                { X86_64_MOUNT, 0, 0, DENIED(EPERM), SECCOMP_RET_ALLOW },
                { X86_64_REBOOT, 0, 0, DENIED(EPERM), SECCOMP_RET_ALLOW },
                { X86_64_ADD_KEY, 0, 0, DENIED(EPERM), DENIED(EPERM) },
                { X86_64_IO_URING_SETUP, 0, 0, DENIED(EPERM), DENIED(EPERM) },
                { 0x40000000, 0, 0, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_THREAD },
        };
        _cleanup_free_ char *text = read_default();

        (void) state;
        need_x86_64();
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                uint32_t without = outcome(text, 0, table[i].call, table[i].first, table[i].second);
                uint32_t with_all = outcome(text, UINT64_MAX, table[i].call, table[i].first, table[i].second);

                if (without != table[i].without || with_all != table[i].with_all)
                        fail_msg("call %i (%#jx): %#x without capabilities, %#x with all", table[i].call,
                                 (uintmax_t) table[i].first, without, with_all);
        }
}

static void test_the_default_profile_misspells_nothing(void **state) {
        /* Later than the library's release. */
        static const char later[] = " cachestat fchmodat2 futex_requeue futex_wait futex_wake getxattrat listmount listxattrat "
                                    "lsm_get_self_attr lsm_list_modules lsm_set_self_attr map_shadow_stack mseal "
                                    "removexattrat riscv_hwprobe setxattrat statmount uretprobe set_mempolicy_home_node ";
        _cleanup_free_ char *text = read_default();
        json_t *root = json_loads(text, 0, NULL), *rule, *name;
        size_t i, j;

        (void) state;
        json_array_foreach (json_object_get(root, "syscalls"), i, rule)
                json_array_foreach (json_object_get(rule, "names"), j, name) {
                        char word[64];

                        snprintf(word, sizeof(word), " %s ", json_string_value(name));
                        if (seccomp_syscall_resolve_name(json_string_value(name)) == __NR_SCMP_ERROR && !strstr(later, word))
                                fail_msg("'%s' is no system call", json_string_value(name));
                }

        json_decref(root);
}

/* A directory of profiles */

static void write_profile(const char *directory, const char *name, const char *text) {
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
        assert_int_equal(file_replace_at(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static void test_filters_are_kept_until_their_file_changes(void **state) {
        char directory[] = "/tmp/test-seccomp-XXXXXX";
        _cleanup_(seccomp_profiles_freep) SeccompProfiles *p = NULL;
        _cleanup_free_ char *message = NULL;
        SeccompFilter first = {}, second = {}, third = {};

        (void) state;
        assert_non_null(mkdtemp(directory));
        write_profile(directory, "p.json", conditional);
        p = seccomp_profiles_new(directory);

        assert_int_equal(seccomp_profiles_get(p, "p.json", 0, &first, &message), SECCOMP_PROFILES_OK);
        assert_int_equal(seccomp_profiles_get(p, "p.json", UINT64_C(1) << CAP_MKNOD, &second, &message), SECCOMP_PROFILES_OK);
        assert_ptr_equal(first.program, second.program);
        assert_int_equal(seccomp_profiles_get(p, "p.json", UINT64_C(1) << CAP_KILL, &third, &message), SECCOMP_PROFILES_OK);
        assert_ptr_not_equal(first.program, third.program);

        write_profile(directory, "p.json", "{\"defaultAction\": \"SCMP_ACT_ERRNO\"} ");
        assert_int_equal(seccomp_profiles_get(p, "p.json", 0, &second, &message), SECCOMP_PROFILES_OK);
        assert_int_not_equal(second.n_program, third.n_program);
        assert_int_equal(file_remove_tree_at(AT_FDCWD, directory), 0);
}

static void test_no_number_of_profiles_and_sets_is_too_many(void **state) {
        char directory[] = "/tmp/test-seccomp-XXXXXX";
        _cleanup_(seccomp_profiles_freep) SeccompProfiles *p = NULL;
        _cleanup_free_ char *message = NULL;
        SeccompFilter filter;

        (void) state;
        assert_non_null(mkdtemp(directory));
        p = seccomp_profiles_new(directory);
        for (unsigned i = 0; i < 40; i++) {
                char name[32];

                snprintf(name, sizeof(name), "p%u.json", i);
                write_profile(directory, name, conditional);
                for (uint64_t set = 0; set < 12; set++)
                        assert_int_equal(seccomp_profiles_get(p, name, set | (set & 1) << CAP_SYS_ADMIN | (set & 2) << CAP_KILL,
                                                              &filter, &message),
                                         SECCOMP_PROFILES_OK);
        }
        assert_int_equal(file_remove_tree_at(AT_FDCWD, directory), 0);
}

static void assert_profile_refused(SeccompProfiles *p, const char *name, const char *expected) {
        _cleanup_free_ char *message = NULL;
        SeccompFilter filter;

        assert_int_equal(seccomp_profiles_get(p, name, 0, &filter, &message), SECCOMP_PROFILES_E_REFUSED);
        if (!strstr(message, expected))
                fail_msg("'%s' does not say '%s'", message, expected);
}

static void test_a_name_is_a_file_of_the_directory_and_no_path(void **state) {
        char directory[] = "/tmp/test-seccomp-XXXXXX";
        _cleanup_(seccomp_profiles_freep) SeccompProfiles *p = NULL, *nowhere = seccomp_profiles_new("/no/such");
        _cleanup_free_ char *fifo = NULL;

        (void) state;
        assert_non_null(mkdtemp(directory));
        p = seccomp_profiles_new(directory);
        write_profile(directory, "bad.json", "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{}]}");
        assert_true(asprintf(&fifo, "%s/fifo", directory) > 0);
        assert_int_equal(mkfifo(fifo, 0600), 0);

        assert_profile_refused(p, "", "named by a file");
        assert_profile_refused(p, "..", "named by a file");
        assert_profile_refused(p, "../p.json", "named by a file");
        assert_profile_refused(p, "/etc/passwd", "named by a file");
        assert_profile_refused(p, "none.json", "none.json': No such file");
        assert_profile_refused(p, "fifo", "Invalid argument");
        assert_profile_refused(p, "bad.json", "bad.json': syscalls[0].action: is missing");
        assert_profile_refused(nowhere, "p.json", "/no/such/p.json': No such file");
        assert_int_equal(file_remove_tree_at(AT_FDCWD, directory), 0);
}

/* The isolator */

static int plan(const IsolatorConfig *config, uid_t uid, const char *profile, bool unconfined, Confinement **ret,
                char **reterr_message) {
        const IsolatorHost root = { .root = true, .controllers = "" };
        _cleanup_(isolator_set_freep) IsolatorSet *s = NULL;
        Mesos__V1__SeccompInfo seccomp = MESOS__V1__SECCOMP_INFO__INIT;
        Mesos__V1__LinuxInfo info = MESOS__V1__LINUX_INFO__INIT;
        Mesos__V1__ContainerInfo container = MESOS__V1__CONTAINER_INFO__INIT;
        const IsolatorRequest request = { .container_id = "c", .sandbox = "/s", .uid = uid, .info = &container };
        int r;

        seccomp.profile_name = (char *) profile;
        seccomp.has_unconfined = unconfined;
        seccomp.unconfined = unconfined;
        info.seccomp = &seccomp;
        container.type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
        container.linux_info = profile || unconfined ? &info : NULL;
        r = isolator_set_new("linux/seccomp", &root, config, &s, reterr_message);
        return r == ISOLATOR_OK ? isolator_set_plan(s, &request, ret, reterr_message) : r;
}

static void assert_planned(const IsolatorConfig *config, uid_t uid, const char *profile, bool unconfined,
                           const char *expected) {
        _cleanup_(confinement_freep) Confinement *c = NULL;
        _cleanup_free_ char *message = NULL, *invalid = NULL;

        if (plan(config, uid, profile, unconfined, &c, &message) != ISOLATOR_OK)
                fail_msg("%s", message);
        if (expected)
                assert_string_equal(c->seccomp_profile, expected);
        assert_int_equal(c->has_seccomp_program, expected != NULL);
        assert_int_equal(confinement_check(c, &invalid), CONFINEMENT_OK);
}

static void assert_plan_refused(const IsolatorConfig *config, const char *profile, bool unconfined, const char *expected) {
        _cleanup_free_ char *message = NULL;
        Confinement *c;

        assert_int_equal(plan(config, 0, profile, unconfined, &c, &message), ISOLATOR_E_REFUSED);
        if (!strstr(message, expected))
                fail_msg("'%s' does not say '%s'", message, expected);
}

static void test_the_profile_is_the_tasks_or_the_operators_or_none(void **state) {
        char directory[] = "/tmp/test-seccomp-XXXXXX";
        _cleanup_(seccomp_profiles_freep) SeccompProfiles *p = NULL;
        IsolatorConfig config = {};

        (void) state;
        assert_non_null(mkdtemp(directory));
        write_profile(directory, "one.json", conditional);
        write_profile(directory, "two.json", conditional);
        config.seccomp_profiles = p = seccomp_profiles_new(directory);

        assert_planned(&config, 0, NULL, false, NULL);
        assert_planned(&config, 0, "two.json", false, "two.json");
        config.seccomp_profile_name = "one.json";
        assert_planned(&config, 0, NULL, false, "one.json");
        assert_planned(&config, 1000, NULL, false, "one.json");
        assert_planned(&config, 0, "two.json", false, "two.json");
        assert_planned(&config, 0, NULL, true, NULL);
        assert_plan_refused(&config, "two.json", true, "both");
        assert_plan_refused(&config, "three.json", false, "three.json': No such file");
        config.seccomp_profile_name = "none.json";
        assert_plan_refused(&config, NULL, true, "none.json': No such file");
        assert_int_equal(file_remove_tree_at(AT_FDCWD, directory), 0);
}

static void test_a_program_that_is_none_is_invalid(void **state) {
        static const uint8_t bytes[32776];
        static const size_t sizes[] = { 7, 12, sizeof(bytes) };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_(confinement_freep) Confinement *c = confinement_new();
                _cleanup_free_ char *message = NULL;

                assert_int_equal(confinement_set_seccomp(c, "p", bytes, sizes[i], 0), 0);
                assert_int_equal(confinement_check(c, &message), CONFINEMENT_E_INVALID);
                assert_non_null(strstr(message, "no seccomp program"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_no_rule_is_about_takes_the_default),
                cmocka_unit_test(test_every_action_is_the_kernels),
                cmocka_unit_test(test_conditions_on_different_arguments_hold_together_and_on_one_each_alone),
                cmocka_unit_test(test_rules_hold_where_they_are_for),
                cmocka_unit_test(test_other_machines_calls_are_let_through_only_where_the_profile_has_them),
                cmocka_unit_test(test_what_is_not_understood_refuses_the_profile_and_is_named),
                cmocka_unit_test(test_null_and_empty_are_as_if_they_were_not_there),
                cmocka_unit_test(test_the_default_profile_knows_ordinary_calls_from_others),
                cmocka_unit_test(test_the_default_profile_misspells_nothing),
                cmocka_unit_test(test_filters_are_kept_until_their_file_changes),
                cmocka_unit_test(test_no_number_of_profiles_and_sets_is_too_many),
                cmocka_unit_test(test_a_name_is_a_file_of_the_directory_and_no_path),
                cmocka_unit_test(test_the_profile_is_the_tasks_or_the_operators_or_none),
                cmocka_unit_test(test_a_program_that_is_none_is_invalid),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
