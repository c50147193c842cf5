/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "launcher/self.h"
#include "tests/unit/bpf.h"

#define REFUSED (SECCOMP_RET_ERRNO | ENOSYS)

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0
#endif

static uint32_t outcome(uint32_t arch, int call, uint64_t third) {
        const struct seccomp_data data = { .nr = call, .arch = arch, .args = { 0, 0, third } };
        struct sock_filter filter[SELF_FILTER_MAX];
        size_t n = self_filter(filter);

        return bpf_run(filter, n * sizeof(*filter), &data);
}

static void need_arch(void) {
        if (ARCH == 0)
                skip();
}

static void test_the_launchers_loop_is_let_through(void **state) {
        static const int calls[] = { SYS_ppoll, SYS_wait4, SYS_accept4, SYS_recvmsg, SYS_sendmsg, SYS_openat,
                                     SYS_openat2, SYS_read, SYS_write, SYS_fsync, SYS_unlinkat, SYS_kill, SYS_pidfd_send_signal,
                                     SYS_exit_group };

        (void) state;
        need_arch();
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                assert_int_equal(outcome(ARCH, calls[i], 0), SECCOMP_RET_ALLOW);
}

static void test_what_starts_or_becomes_something_else_is_not(void **state) {
        static const int calls[] = { SYS_execve, SYS_execveat, SYS_clone, SYS_clone3, SYS_unshare, SYS_setns, SYS_mount,
                                     SYS_pivot_root, SYS_chroot, SYS_ptrace, SYS_process_vm_writev, SYS_socket,
                                     SYS_connect, SYS_bind, SYS_setresuid, SYS_capset, SYS_prctl, SYS_bpf, SYS_keyctl,
                                     SYS_init_module,
                                     SYS_memfd_create, SYS_io_setup, SYS_fchown, SYS_linkat, SYS_symlinkat, SYS_mknodat,
                                     SYS_pkey_mprotect, SYS_personality, 1 << 30, -1 };

        (void) state;
        need_arch();
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                assert_int_equal(outcome(ARCH, calls[i], 0), REFUSED);
}

static void test_memory_is_for_data(void **state) {
        (void) state;
        need_arch();
        assert_int_equal(outcome(ARCH, SYS_mmap, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(ARCH, SYS_mprotect, PROT_NONE), SECCOMP_RET_ALLOW);
        assert_int_equal(outcome(ARCH, SYS_mmap, PROT_READ | PROT_EXEC), SECCOMP_RET_ERRNO | EPERM);
        assert_int_equal(outcome(ARCH, SYS_mprotect, PROT_EXEC), SECCOMP_RET_ERRNO | EPERM);
}

static void test_calls_of_another_machine_are_none_of_ours(void **state) {
        (void) state;
        need_arch();
        assert_int_equal(outcome(AUDIT_ARCH_I386, SYS_read, 0), SECCOMP_RET_KILL_PROCESS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_launchers_loop_is_let_through),
                cmocka_unit_test(test_what_starts_or_becomes_something_else_is_not),
                cmocka_unit_test(test_memory_is_for_data),
                cmocka_unit_test(test_calls_of_another_machine_are_none_of_ours),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
