/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/process.h"
#include "common/base/process_tree.h"

static void put_stat(int proc_fd, int pid, const char *name, char state, int parent) {
        char path[32], text[256];
        int n;

        snprintf(path, sizeof(path), "%i", pid);
        assert_int_equal(mkdirat(proc_fd, path, 0755), 0);
        snprintf(path, sizeof(path), "%i/stat", pid);
        n = snprintf(text, sizeof(text),
                     "%i (%s) %c %i 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %i 1000 20 1\n", pid,
                     name, state, parent, pid * 100);
        assert_int_equal(file_replace_at(proc_fd, path, text, (size_t) n, 0644), 0);
}

static void put_children(int proc_fd, int pid, const char *children) {
        char path[64];

        snprintf(path, sizeof(path), "%i/task/%i", pid, pid);
        assert_int_equal(file_mkdirs_at(proc_fd, path, 0755), 0);
        snprintf(path, sizeof(path), "%i/task/%i/children", pid, pid);
        assert_int_equal(file_replace_at(proc_fd, path, children, strlen(children), 0644), 0);
}

static void test_where_the_kernel_lists_children_only_the_tree_is_walked(void **state) {
        _cleanup_(process_tree_deinit) ProcessTree t = {};
        char path[] = "/tmp/test-process-tree-XXXXXX";
        _cleanup_fd_ int fd = -EBADF;

        (void) state;
        assert_non_null(mkdtemp(path));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        put_stat(fd, 50, "root", 'S', 1);
        put_stat(fd, 60, "child", 'S', 50);
        put_stat(fd, 40, "grandchild", 'Z', 60);
        put_stat(fd, 70, "liar", 'S', 50);    /* not listed, so not looked at */
        put_children(fd, 50, "60 61 ");       /* 61 has ended meanwhile */
        put_children(fd, 60, "40 ");
        put_children(fd, 40, "");

        assert_int_equal(process_tree_scan(fd, 50, &t), 0);
        assert_int_equal(t.n_processes, 2);
        assert_int_equal(t.processes[0].pid, 40);
        assert_true(t.processes[0].is_zombie);
        assert_int_equal(t.processes[1].pid, 60);
        assert_int_equal(file_remove_tree_at(AT_FDCWD, path), 0);
}

static void test_descendants_are_found_whatever_their_names_and_order(void **state) {
        _cleanup_(process_tree_deinit) ProcessTree t = {};
        char path[] = "/tmp/test-process-tree-XXXXXX";
        _cleanup_fd_ int fd = -EBADF;

        (void) state;
        assert_non_null(mkdtemp(path));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        put_stat(fd, 1, "init", 'S', 0);
        put_stat(fd, 50, "root", 'S', 1);
        put_stat(fd, 60, ") Z 1 (", 'S', 50);
        put_stat(fd, 70, "stranger", 'S', 1);
        put_stat(fd, 40, "grandchild", 'S', 60);     /* lower than its parent's: pids wrap */
        put_stat(fd, 30, "great grandchild", 'Z', 40);
        put_stat(fd, 80, "orphan", 'S', 999);
        assert_int_equal(mkdirat(fd, "90", 0755), 0);    /* ended while we looked */
        assert_int_equal(mkdirat(fd, "self", 0755), 0);

        assert_int_equal(process_tree_scan(fd, 50, &t), 0);
        assert_int_equal(t.n_processes, 3);
        assert_int_equal(t.processes[0].pid, 30);
        assert_true(t.processes[0].is_zombie);
        assert_int_equal(t.processes[1].pid, 40);
        assert_int_equal(t.processes[2].pid, 60);
        assert_int_equal(t.processes[2].start_time_ticks, 6000);
        assert_int_equal(file_remove_tree_at(AT_FDCWD, path), 0);
}

/* Eight processes in four generations, half of them in sessions of their own, all deaf to
 * SIGTERM. */
static void make_family(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                for (unsigned i = 0; i < 3; i++)
                        if (fork() == 0)
                                (void) setsid();

                (void) signal(SIGTERM, SIG_IGN);
                for (;;)
                        (void) pause();
        }
}

static void test_killing_leaves_none_of_the_family(void **state) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(process_tree_deinit) ProcessTree t = {};
        unsigned n = 0;

        (void) state;
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        make_family();

        do {
                process_tree_deinit(&t);
                assert_int_equal(process_tree_scan(proc_fd, getpid(), &t), 0);
        } while (t.n_processes < 8);

        assert_int_equal(process_tree_signal(&t, 0), 8);
        assert_int_equal(process_tree_kill(proc_fd, getpid()), 0);
        while (waitpid(-1, NULL, 0) > 0)
                n++;
        assert_int_equal(n, 8);
        assert_int_equal(process_tree_signal(&t, SIGKILL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_where_the_kernel_lists_children_only_the_tree_is_walked),
                cmocka_unit_test(test_descendants_are_found_whatever_their_names_and_order),
                cmocka_unit_test(test_killing_leaves_none_of_the_family),
        };

        if (process_pidfd_open(getpid()) == -ENOSYS) {
                print_message("valgrind knows no pidfds\n");
                return 77;
        }

        return cmocka_run_group_tests(tests, NULL, NULL);
}
