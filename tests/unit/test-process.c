/* SPDX-License-Identifier: Apache-2.0 */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/process.h"

static void assert_description(int wait_status, const char *expected) {
        _cleanup_free_ char *text = exit_status_describe((ExitStatus) { true, wait_status });

        assert_string_equal(text, expected);
}

static void test_statuses_are_described_as_frameworks_know_them(void **state) {
        _cleanup_free_ char *unknown = exit_status_describe(EXIT_STATUS_UNKNOWN);

        (void) state;
        assert_description(0, "exited with status 0");
        assert_description(127 << 8, "exited with status 127");
        assert_description(SIGKILL, "terminated with signal Killed");
        assert_description(SIGSEGV | 0x80,
                           "terminated with signal Segmentation fault (core dumped)");
        assert_description(40, "terminated with signal 40");
        assert_string_equal(unknown, "ended with unknown status");
}

static void test_only_a_known_zero_is_success(void **state) {
        (void) state;
        assert_true(exit_status_is_success((ExitStatus) { true, 0 }));
        assert_false(exit_status_is_success(EXIT_STATUS_UNKNOWN));
        assert_false(exit_status_is_success((ExitStatus) { true, 1 << 8 }));
        assert_false(exit_status_is_success((ExitStatus) { true, SIGTERM }));
}

/* A child that waits to be told, by the end of the pipe, to end in its way. */
static pid_t make_child(int *ret_hold_fd, int exit_code, int own_signal) {
        int fds[2];
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char c;

                (void) prctl(PR_SET_DUMPABLE, 0);
                (void) close(fds[1]);
                if (read(fds[0], &c, 1) != 0)
                        _exit(99);
                if (own_signal > 0) {
                        (void) signal(own_signal, SIG_DFL);
                        (void) raise(own_signal);
                }
                _exit(exit_code);
        }

        (void) close(fds[0]);
        *ret_hold_fd = fds[1];
        return pid;
}

static void wait_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&p, 1, 10000), 1);
}

static void test_a_pidfd_reaps_the_same_status_as_wait(void **state) {
        static const struct {
                int exit_code, own_signal, wait_status;
        } cases[] = { { 0, 0, 0 },
                      { 7, 0, 7 << 8 },
                      { 255, 0, 255 << 8 },
                      { 0, SIGTERM, SIGTERM },
                      { 0, SIGKILL, SIGKILL } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_fd_ int pid_fd = -EBADF;
                ExitStatus s = EXIT_STATUS_UNKNOWN;
                int hold_fd;

                pid_fd = process_pidfd_open(
                                make_child(&hold_fd, cases[i].exit_code, cases[i].own_signal));
                assert_true(pid_fd >= 0);
                assert_int_equal(process_pidfd_reap(pid_fd, &s), -EAGAIN);
                hold_fd = fd_close(hold_fd);
                wait_readable(pid_fd);
                assert_int_equal(process_pidfd_reap(pid_fd, &s), 0);
                assert_true(s.known);
                assert_int_equal(s.wait_status, cases[i].wait_status);
                assert_int_equal(process_pidfd_reap(pid_fd, &s), -ECHILD);
                assert_int_equal(process_pidfd_signal(pid_fd, SIGTERM), -ESRCH);
        }
}

static void test_a_process_that_is_gone_cannot_be_opened(void **state) {
        int hold_fd;
        pid_t pid = make_child(&hold_fd, 0, 0);
        uint64_t ticks;

        (void) state;
        assert_int_equal(process_start_time(pid, &ticks), 0);
        hold_fd = fd_close(hold_fd);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(process_pidfd_open(pid), -ESRCH);
        assert_int_equal(process_start_time(pid, &ticks), -ESRCH);
}

static void test_start_times_survive_odd_names_and_grow(void **state) {
        uint64_t before, after, parent;

        (void) state;
        assert_int_equal(process_start_time(getpid(), &before), 0);
        assert_int_equal(prctl(PR_SET_NAME, ") R 1 (x y) "), 0);
        assert_int_equal(process_start_time(getpid(), &after), 0);
        assert_true(before > 0);
        assert_int_equal(before, after);
        assert_int_equal(process_start_time(getppid(), &parent), 0);
        assert_true(parent <= after);
}

static void test_the_boot_has_a_name(void **state) {
        char a[37], b[37];

        (void) state;
        assert_int_equal(process_boot_id(a), 0);
        assert_int_equal(process_boot_id(b), 0);
        assert_int_equal(strlen(a), 36);
        assert_string_equal(a, b);
}

static void test_signals_are_reset_all_of_them(void **state) {
        struct sigaction sa;
        sigset_t set;

        (void) state;
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        assert_true(signal(SIGRTMAX, SIG_IGN) != SIG_ERR);
        assert_int_equal(sigfillset(&set), 0);
        assert_int_equal(sigprocmask(SIG_SETMASK, &set, NULL), 0);

        assert_int_equal(process_reset_signals(), 0);

        for (int i = 1; i <= SIGRTMAX; i++) {
                if (sigaction(i, NULL, &sa) < 0)
                        continue; /* kept by the libc */
                assert_true(sa.sa_handler == SIG_DFL);
        }
        assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &set), 0);
        assert_true(sigisemptyset(&set));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_statuses_are_described_as_frameworks_know_them),
                cmocka_unit_test(test_only_a_known_zero_is_success),
                cmocka_unit_test(test_a_pidfd_reaps_the_same_status_as_wait),
                cmocka_unit_test(test_a_process_that_is_gone_cannot_be_opened),
                cmocka_unit_test(test_start_times_survive_odd_names_and_grow),
                cmocka_unit_test(test_the_boot_has_a_name),
                cmocka_unit_test(test_signals_are_reset_all_of_them),
        };

        if (process_pidfd_open(getpid()) == -ENOSYS) {
                print_message("valgrind knows no pidfds\n");
                return 77;
        }

        return cmocka_run_group_tests(tests, NULL, NULL);
}
