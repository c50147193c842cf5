/* SPDX-License-Identifier: Apache-2.0 */

/* Usage: process trees of a made-up /proc and the real one, a made-up cgroup, limits. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/usage.h"
#include "common/base/fd.h"

typedef struct Fixture {
        char dir[64];
        int dir_fd;
        Mesos__V1__ResourceStatistics s;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->dir, "/tmp/test-usage.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;

        f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mesos__v1__resource_statistics__init(&f->s);
        *state = f;
        return f->dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        char command[128];

        fd_close(f->dir_fd);
        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static void write_file(Fixture *f, const char *name, const char *text) {
        int fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        fd_close(fd);
}

static void write_process(Fixture *f, int pid, const char *name, int parent, int user, int system,
                          int rss) {
        char path[64], text[256];

        snprintf(path, sizeof(path), "%d", pid);
        assert_int_equal(mkdirat(f->dir_fd, path, 0755), 0);
        snprintf(path, sizeof(path), "%d/stat", pid);
        snprintf(text, sizeof(text),
                 "%d (%s) S %d 1 1 0 -1 4194560 1 2 3 4 %d %d 700 800 20 0 1 0 5000 1000000 %d "
                 "18446744073709551615\n",
                 pid, name, parent, user, system, rss);
        write_file(f, path, text);
}

static void assert_tree(Fixture *f, ProcessTable *t, int root, double user, double system,
                        int rss) {
        double ticks = (double) sysconf(_SC_CLK_TCK);

        mesos__v1__resource_statistics__init(&f->s);
        usage_add_tree(t, root, &f->s);
        assert_true(f->s.has_cpus_user_time_secs && f->s.has_cpus_system_time_secs &&
                    f->s.has_mem_rss_bytes);
        assert_true(f->s.cpus_user_time_secs == user / ticks);
        assert_true(f->s.cpus_system_time_secs == system / ticks);
        assert_int_equal(f->s.mem_rss_bytes, rss * sysconf(_SC_PAGESIZE));
}

static void test_trees_are_summed_apart(void **state) {
        _cleanup_(process_table_freep) ProcessTable *t = NULL;
        Fixture *f = *state;

        write_process(f, 1, "init", 0, 1000, 1000, 1000);
        write_process(f, 20, "sh", 1, 1, 10, 100);
        write_process(f, 30, "a) S 1 (b", 20, 2, 20, 200);
        write_process(f, 25, "c", 30, 4, 40, 400);
        write_process(f, 40, "other", 1, 8, 80, 800);
        write_process(f, 41, "kernel", 40, 16, 160, 0);
        assert_int_equal(mkdirat(f->dir_fd, "50", 0755), 0);     /* just ended */
        assert_int_equal(mkdirat(f->dir_fd, "60", 0755), 0);
        write_file(f, "60/stat", "60 garbage");
        write_file(f, "uptime", "1 1");

        assert_int_equal(process_table_new(f->dir_fd, &t), 0);
        assert_tree(f, t, 20, 7, 70, 700);
        assert_tree(f, t, 40, 24, 240, 800);
        assert_tree(f, t, 25, 4, 40, 400);
        assert_tree(f, t, 20, 7, 70, 700);
        assert_tree(f, t, 1, 1031, 1310, 2500);
}

static void test_process_that_is_gone_has_no_values(void **state) {
        _cleanup_(process_table_freep) ProcessTable *t = NULL;
        Fixture *f = *state;

        assert_int_equal(process_table_new(f->dir_fd, &t), 0);
        usage_add_tree(t, 5, &f->s);
        assert_false(f->s.has_cpus_user_time_secs || f->s.has_mem_rss_bytes);
}

static void test_circle_of_parents_ends(void **state) {
        _cleanup_(process_table_freep) ProcessTable *t = NULL;
        Fixture *f = *state;

        write_process(f, 20, "a", 30, 1, 1, 1);
        write_process(f, 30, "b", 20, 2, 2, 2);
        write_process(f, 40, "self", 40, 4, 4, 4);
        assert_int_equal(process_table_new(f->dir_fd, &t), 0);
        assert_tree(f, t, 20, 3, 3, 3);
        assert_tree(f, t, 40, 4, 4, 4);
}

static void test_own_process_is_in_the_real_tree(void **state) {
        _cleanup_(process_table_freep) ProcessTable *t = NULL;
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Fixture *f = *state;

        assert_int_equal(process_table_new(proc_fd, &t), 0);
        usage_add_tree(t, getpid(), &f->s);
        assert_true(f->s.has_mem_rss_bytes);
        assert_true(f->s.mem_rss_bytes > 4096);
}

static void test_cgroup_with_controllers_is_read_in_full(void **state) {
        Fixture *f = *state;

        write_file(f, "cpu.stat",
                   "usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods "
                   "7\nnr_throttled 3\n"
                   "throttled_usec 250000\n");
        write_file(f, "memory.current", "1048576\n");
        write_file(f, "memory.stat",
                   "anon 4096\nfile 8192\nkernel 12288\nsock 5\nfile_mapped 16384\nanon_thp "
                   "99\nunevictable 6\n");

        f->s.mem_rss_bytes = 1;
        assert_int_equal(usage_add_cgroup(f->dir_fd, &f->s), 0);
        assert_true(f->s.cpus_user_time_secs == 2.5);
        assert_true(f->s.cpus_system_time_secs == 1.0);
        assert_int_equal(f->s.cpus_nr_periods, 7);
        assert_int_equal(f->s.cpus_nr_throttled, 3);
        assert_true(f->s.cpus_throttled_time_secs == 0.25);
        assert_int_equal(f->s.mem_total_bytes, 1048576);
        assert_int_equal(f->s.mem_rss_bytes, 4096);
        assert_int_equal(f->s.mem_anon_bytes, 4096);
        assert_int_equal(f->s.mem_file_bytes, 8192);
        assert_int_equal(f->s.mem_cache_bytes, 8192);
        assert_int_equal(f->s.mem_mapped_file_bytes, 16384);
        assert_int_equal(f->s.mem_kmem_usage_bytes, 12288);
        assert_int_equal(f->s.mem_kmem_tcp_usage_bytes, 5);
        assert_int_equal(f->s.mem_unevictable_bytes, 6);
}

static void test_cgroup_without_controllers_gives_cpu_time_only(void **state) {
        Fixture *f = *state;

        write_file(f, "cpu.stat", "usage_usec 3\nuser_usec 2\nsystem_usec 1\n");
        assert_int_equal(usage_add_cgroup(f->dir_fd, &f->s), 0);
        assert_true(f->s.has_cpus_user_time_secs && f->s.has_cpus_system_time_secs);
        assert_false(f->s.has_cpus_nr_periods || f->s.has_mem_total_bytes ||
                     f->s.has_mem_rss_bytes);
}

static void test_limits_are_what_was_asked_for(void **state) {
        _cleanup_(resources_freep) Resources *resources = NULL, *none = resources_new();
        _cleanup_free_ char *message = NULL;
        Fixture *f = *state;

        usage_add_limits(none, &f->s);
        assert_false(f->s.has_cpus_soft_limit || f->s.has_mem_limit_bytes ||
                     f->s.has_mem_soft_limit_bytes);

        assert_int_equal(resources_parse("cpus:0.6;mem:96;disk:3", "*", &resources, &message),
                         RESOURCES_OK);
        usage_add_limits(resources, &f->s);
        assert_true(f->s.cpus_soft_limit == 0.6);
        assert_int_equal(f->s.mem_limit_bytes, 100663296);
        assert_int_equal(f->s.mem_soft_limit_bytes, 100663296);
        assert_false(f->s.has_cpus_limit);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_trees_are_summed_apart, setup, teardown),
                cmocka_unit_test_setup_teardown(test_process_that_is_gone_has_no_values, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_circle_of_parents_ends, setup, teardown),
                cmocka_unit_test_setup_teardown(test_own_process_is_in_the_real_tree, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_cgroup_with_controllers_is_read_in_full, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_cgroup_without_controllers_gives_cpu_time_only,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_limits_are_what_was_asked_for, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
