/* SPDX-License-Identifier: Apache-2.0 */

/* Plain directories stand in for the kernel's trees; the kernel itself is met in tests/process. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "isolator/cgroup.h"
#include "tests/unit/directory.h"

static void put(const Dir *d, const char *path, const char *text) {
        assert_int_equal(file_replace_at(d->fd, path, text, strlen(text), 0644), 0);
}

static void assert_text(const Dir *d, const char *path, const char *expected) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(file_read_at(d->fd, path, 4096, &text, NULL), 0);
        assert_string_equal(text, expected);
}

static void assert_mount(const Dir *d, const char *mountinfo, const char *expected) {
        _cleanup_free_ char *path = NULL;

        put(d, "self/mountinfo", mountinfo);
        assert_int_equal(cgroup_find_mount(d->fd, &path), expected ? 0 : -ENOENT);
        if (expected)
                assert_string_equal(path, expected);
}

static void test_the_hierarchy_is_found_wherever_it_is_mounted(void **state) {
        const Dir *d = *state;

        assert_int_equal(mkdirat(d->fd, "self", 0755), 0);
        assert_mount(d, "22 1 0:20 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
                     "/sys/fs/cgroup");
        assert_mount(d,
                     "22 1 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                     "23 22 0:21 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                     "24 22 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
                     "/sys/fs/cgroup/unified");
        assert_mount(d,
                     "30 1 0:22 /part /a\\040b rw - cgroup2 cgroup2 rw\n"
                     "31 1 0:22 / /whole\\134x rw master:1 shared:2 - cgroup2 none rw\n",
                     "/whole\\x");
        assert_mount(d, "30 1 0:22 /part /a\\040b rw - cgroup2 cgroup2 rw\n", "/a b");
        assert_mount(d, "22 1 0:20 / /cgroup2 rw - tmpfs cgroup2 rw\n", NULL);
        assert_mount(d, "garbage\n- cgroup2 \n1 2 - cgroup2 x\n", NULL);
}

static void test_each_controller_is_enabled_that_is_there(void **state) {
        const Dir *d = *state;

        put(d, "cgroup.controllers", "cpu memory pids\n");
        put(d, "cgroup.subtree_control", "");
        assert_int_equal(cgroup_enable_controllers(d->fd), 0);
        /* One write each; a plain file keeps the last. */
        assert_text(d, "cgroup.subtree_control", "+pids");

        put(d, "cgroup.controllers", "\n");
        put(d, "cgroup.subtree_control", "");
        assert_int_equal(cgroup_enable_controllers(d->fd), 0);
        assert_text(d, "cgroup.subtree_control", "");
}

static void test_population_and_ooms_are_read_from_their_lines(void **state) {
        const Dir *d = *state;
        uint64_t n;

        put(d, "cgroup.events", "populated 1\nfrozen 0\n");
        assert_int_equal(cgroup_is_populated(d->fd), 1);
        put(d, "cgroup.events", "frozen 1\npopulated 0\n");
        assert_int_equal(cgroup_is_populated(d->fd), 0);
        put(d, "cgroup.events", "frozen 0\n");
        assert_int_equal(cgroup_is_populated(d->fd), -ENODATA);

        assert_int_equal(cgroup_count_oom_kills(d->fd, &n), -ENOENT);
        put(d, "memory.events", "low 0\noom 5\noom_kill 3\noom_kill_all 7\n");
        assert_int_equal(cgroup_count_oom_kills(d->fd, &n), 0);
        assert_int_equal(n, 3);
}

static void test_killing_and_joining_are_single_writes(void **state) {
        const Dir *d = *state;

        put(d, "cgroup.kill", "");
        assert_int_equal(cgroup_kill(d->fd), 0);
        assert_text(d, "cgroup.kill", "1");

        assert_int_equal(mkdirat(d->fd, "main", 0755), 0);
        put(d, "main/cgroup.procs", "");
        assert_int_equal(cgroup_join(d->fd, "main"), 0);
        assert_text(d, "main/cgroup.procs", "0");
        assert_int_equal(cgroup_join(d->fd, "none"), -ENOENT);
}

static void test_cgroups_are_opened_below_the_mount_only(void **state) {
        const Dir *d = *state;
        int fd;

        assert_int_equal(file_mkdirs_at(d->fd, "a/b", 0755), 0);
        fd = cgroup_open(d->fd, "/a/b");
        assert_true(fd >= 0);
        (void) fd_close(fd);
        fd = cgroup_open(d->fd, "/");
        assert_true(fd >= 0);
        (void) fd_close(fd);
        assert_int_equal(cgroup_open(d->fd, "/a/c"), -ENOENT);
        assert_int_equal(symlinkat("/", d->fd, "link"), 0);
        assert_true(cgroup_open(d->fd, "/link") < 0);
}

static void test_removing_takes_children_first_and_stops_at_what_is_busy(void **state) {
        const Dir *d = *state;

        assert_int_equal(file_mkdirs_at(d->fd, "c/payload/main", 0755), 0);
        assert_int_equal(file_mkdirs_at(d->fd, "c/supervisor", 0755), 0);
        assert_int_equal(cgroup_remove(d->fd, "c"), 0);
        assert_int_equal(cgroup_remove(d->fd, "c"), 0);

        /* A file stands for the process that makes rmdir() fail. */
        assert_int_equal(file_mkdirs_at(d->fd, "c/payload", 0755), 0);
        put(d, "c/payload/busy", "");
        assert_int_equal(cgroup_remove(d->fd, "c"), -ENOTEMPTY);
}

static void test_signals_do_not_go_to_odd_pids(void **state) {
        const Dir *d = *state;

        /* 0 is somebody outside of our pid namespace, 1 nobody we may kill; the rest is no
         * number. */
        assert_int_equal(mkdirat(d->fd, "child", 0755), 0);
        put(d, "cgroup.procs", "0\n1\n-1\nx\n99999999999\n");
        put(d, "child/cgroup.procs", "0\n");
        assert_int_equal(cgroup_signal(d->fd, 9), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dir_setup, dir_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_the_hierarchy_is_found_wherever_it_is_mounted),
                TEST(test_each_controller_is_enabled_that_is_there),
                TEST(test_population_and_ooms_are_read_from_their_lines),
                TEST(test_killing_and_joining_are_single_writes),
                TEST(test_cgroups_are_opened_below_the_mount_only),
                TEST(test_removing_takes_children_first_and_stops_at_what_is_busy),
                TEST(test_signals_do_not_go_to_odd_pids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
