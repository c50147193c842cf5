/* SPDX-License-Identifier: Apache-2.0 */

/* Usage: process trees of a made-up /proc and the real one, a made-up cgroup, limits; as isolators report them. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "isolator/registry.h"

typedef struct Fixture {
        char dir[64];
        int dir_fd;
        Mesos__V1__ResourceStatistics s;
} Fixture;

static const IsolatorCapacity capacity = { .cpus = 12, .mem_bytes = 1U << 30 };

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

/* What an agent with that --isolation reports. */
static void measure(Fixture *f, const char *isolation, const IsolatorConfig *config, const IsolatorRequest *request,
                    const UsageSource *source) {
        const IsolatorHost host = { .root = true, .cgroups = true, .controllers = "cpu io memory pids" };
        _cleanup_(isolator_set_freep) IsolatorSet *set = NULL;
        _cleanup_free_ char *message = NULL;

        assert_int_equal(isolator_set_new(isolation, &host, config, &set, &message), ISOLATOR_OK);
        mesos__v1__resource_statistics__init(&f->s);
        isolator_set_usage(set, request, source, &capacity, &f->s);
}

static const IsolatorRequest nothing = { .cpus = { 0, -1 }, .mem = { 0, -1 } };

static void measure_cgroup(Fixture *f, const char *isolation, bool count_processes) {
        const IsolatorConfig config = { .count_processes = count_processes };
        const UsageSource source = { .payload_fd = f->dir_fd };

        measure(f, isolation, &config, &nothing, &source);
}

static void assert_tree(Fixture *f, ProcessTable *t, int root, double user, double system,
                        int rss) {
        const UsageSource source = { .payload_fd = -EBADF, .processes = t, .pid = root };
        const IsolatorConfig config = {};
        double ticks = (double) sysconf(_SC_CLK_TCK);

        measure(f, "process", &config, &nothing, &source);
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
        ProcessTreeSum sum;
        Fixture *f = *state;

        assert_int_equal(process_table_new(f->dir_fd, &t), 0);
        assert_false(process_table_sum(t, 5, &sum));
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
        ProcessTreeSum sum;

        (void) state;
        assert_int_equal(process_table_new(proc_fd, &t), 0);
        assert_true(process_table_sum(t, getpid(), &sum));
        assert_true(sum.rss_bytes > 4096);
}

static void write_cpu_stat(Fixture *f) {
        write_file(f, "cpu.stat",
                   "usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods 7\nnr_throttled 3\n"
                   "throttled_usec 250000\n");
}

static void write_memory(Fixture *f) {
        write_file(f, "memory.current", "1048576\n");
        write_file(f, "memory.swap.current", "2048\n");
        write_file(f, "memory.stat",
                   "anon 4096\nfile 8192\nkernel 12288\nsock 5\nfile_mapped 16384\nanon_thp 99\nunevictable 6\n");
}

static void test_cpu_of_a_cgroup_is_times_and_throttling(void **state) {
        Fixture *f = *state;

        write_cpu_stat(f);
        write_memory(f);
        measure_cgroup(f, "cgroups/cpu", false);
        assert_true(f->s.cpus_user_time_secs == 2.5);
        assert_true(f->s.cpus_system_time_secs == 1.0);
        assert_int_equal(f->s.cpus_nr_periods, 7);
        assert_int_equal(f->s.cpus_nr_throttled, 3);
        assert_true(f->s.cpus_throttled_time_secs == 0.25);
        assert_false(f->s.has_mem_rss_bytes || f->s.has_mem_total_bytes || f->s.has_processes);
}

static void assert_value(Mesos__V1__CgroupInfo__Blkio__Value *const *list, size_t n,
                         Mesos__V1__CgroupInfo__Blkio__Operation op, uint64_t expected) {
        for (size_t i = 0; i < n; i++)
                if (list[i]->op == op) {
                        assert_int_equal(list[i]->value, expected);
                        return;
                }

        fail_msg("operation %d is missing", op);
}

static void test_io_of_a_cgroup_is_told_per_device(void **state) {
        Fixture *f = *state;
        const Mesos__V1__CgroupInfo__Blkio__Throttling__Statistics *d;

        write_file(f, "io.stat",
                   "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=100 dios=3\n"
                   "254:16 \n"
                   "7:1 rbytes=10 wbytes=0 rios=5 wios=0\n");
        measure_cgroup(f, "cgroups/blkio", false);
        assert_non_null(f->s.blkio_statistics);
        assert_int_equal(f->s.blkio_statistics->n_throttling, 2);

        d = f->s.blkio_statistics->throttling[0];
        assert_int_equal(d->device->major_number, 8);
        assert_value(d->io_service_bytes, d->n_io_service_bytes, MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__READ, 4096);
        assert_value(d->io_service_bytes, d->n_io_service_bytes, MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__TOTAL, 12388);
        assert_value(d->io_serviced, d->n_io_serviced, MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__WRITE, 2);
        assert_value(d->io_serviced, d->n_io_serviced, MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__TOTAL, 6);

        d = f->s.blkio_statistics->throttling[1];
        assert_int_equal(d->device->minor_number, 1);
        assert_value(d->io_serviced, d->n_io_serviced, MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__TOTAL, 5);
        usage_deinit(&f->s);
        assert_null(f->s.blkio_statistics);
}

static void test_memory_of_a_cgroup_is_read_in_full(void **state) {
        Fixture *f = *state;

        write_cpu_stat(f);
        write_memory(f);
        measure_cgroup(f, "cgroups/mem", false);
        assert_int_equal(f->s.mem_total_bytes, 1048576);
        assert_int_equal(f->s.mem_swap_bytes, 2048);
        assert_int_equal(f->s.mem_rss_bytes, 4096);
        assert_int_equal(f->s.mem_anon_bytes, 4096);
        assert_int_equal(f->s.mem_file_bytes, 8192);
        assert_int_equal(f->s.mem_cache_bytes, 8192);
        assert_int_equal(f->s.mem_mapped_file_bytes, 16384);
        assert_int_equal(f->s.mem_kmem_usage_bytes, 12288);
        assert_int_equal(f->s.mem_kmem_tcp_usage_bytes, 5);
        assert_int_equal(f->s.mem_unevictable_bytes, 6);
        assert_false(f->s.has_cpus_user_time_secs);
}

static void test_cgroup_without_controllers_gives_cpu_time_only(void **state) {
        Fixture *f = *state;

        write_file(f, "cpu.stat", "usage_usec 3\nuser_usec 2\nsystem_usec 1\n");
        measure_cgroup(f, "cgroups", false);
        assert_true(f->s.has_cpus_user_time_secs && f->s.has_cpus_system_time_secs);
        assert_false(f->s.has_cpus_nr_periods || f->s.has_mem_total_bytes || f->s.has_mem_rss_bytes ||
                     f->s.has_mem_swap_bytes);
}

/* What has ended is in the cgroup's times only; memory is what posix/mem is asked for, of the tree. */
static void test_posix_isolators_take_cpu_time_of_a_cgroup_that_is_there(void **state) {
        _cleanup_(process_table_freep) ProcessTable *t = NULL;
        const IsolatorConfig config = {};
        Fixture *f = *state;

        write_process(f, 20, "sh", 1, 1, 10, 100);
        write_cpu_stat(f);
        write_memory(f);
        assert_int_equal(process_table_new(f->dir_fd, &t), 0);
        measure(f, "process", &config, &nothing, &(UsageSource) { .payload_fd = f->dir_fd, .processes = t, .pid = 20 });
        assert_true(f->s.cpus_user_time_secs == 2.5);
        assert_int_equal(f->s.mem_rss_bytes, 100 * sysconf(_SC_PAGESIZE));
        assert_false(f->s.has_cpus_nr_periods || f->s.has_mem_total_bytes || f->s.has_mem_anon_bytes);
}

static void test_processes_and_threads_of_all_cgroups_below_are_counted_when_asked(void **state) {
        Fixture *f = *state;

        write_cpu_stat(f);
        write_file(f, "cgroup.procs", "");
        write_file(f, "cgroup.threads", "");
        assert_int_equal(mkdirat(f->dir_fd, "main", 0755), 0);
        write_file(f, "main/cgroup.procs", "12\n13\n");
        write_file(f, "main/cgroup.threads", "12\n13\n14\n");
        assert_int_equal(mkdirat(f->dir_fd, "main/own", 0755), 0);
        write_file(f, "main/own/cgroup.procs", "20\n");
        write_file(f, "main/own/cgroup.threads", "20\n21\n");

        measure_cgroup(f, "cgroups/cpu", true);
        assert_int_equal(f->s.processes, 3);
        assert_int_equal(f->s.threads, 5);
        measure_cgroup(f, "process", true);
        assert_false(f->s.has_processes || f->s.has_threads);
}

/* A container may make cgroups by the thousand; the agent's loop does not wait for them. */
static void test_counting_has_a_bound(void **state) {
        Fixture *f = *state;

        write_cpu_stat(f);
        write_file(f, "cgroup.procs", "");
        for (int i = 0; i < 600; i++) {
                char path[32];

                snprintf(path, sizeof(path), "c%d", i);
                assert_int_equal(mkdirat(f->dir_fd, path, 0755), 0);
                snprintf(path, sizeof(path), "c%d/cgroup.procs", i);
                write_file(f, path, "7\n");
        }

        measure_cgroup(f, "cgroups/cpu", true);
        assert_false(f->s.has_processes);
        assert_true(f->s.has_cpus_user_time_secs);
}

static void measure_limits(Fixture *f, bool enable_cfs, IsolatorDemand cpus, IsolatorDemand mem) {
        const IsolatorConfig config = { .enable_cfs = enable_cfs };
        const IsolatorRequest request = { .cpus = cpus, .mem = mem };

        measure(f, "process", &config, &request, &(UsageSource) { .payload_fd = -EBADF });
}

static void test_limits_are_what_was_asked_for(void **state) {
        Fixture *f = *state;

        measure_limits(f, false, nothing.cpus, nothing.mem);
        assert_false(f->s.has_cpus_soft_limit || f->s.has_cpus_limit || f->s.has_mem_limit_bytes ||
                     f->s.has_mem_soft_limit_bytes);

        measure_limits(f, false, (IsolatorDemand) { 600, -1 }, (IsolatorDemand) { 96000, -1 });
        assert_true(f->s.cpus_soft_limit == 0.6);
        assert_false(f->s.has_cpus_limit);
        assert_int_equal(f->s.mem_limit_bytes, 100663296);
        assert_int_equal(f->s.mem_soft_limit_bytes, 100663296);

        measure_limits(f, true, (IsolatorDemand) { 600, -1 }, (IsolatorDemand) { 96000, -1 });
        assert_true(f->s.cpus_limit == 0.6);
}

static void test_limits_of_tasks_are_told_and_without_bound_they_are_the_hosts(void **state) {
        Fixture *f = *state;

        measure_limits(f, true, (IsolatorDemand) { 600, 1500 }, (IsolatorDemand) { 96000, 192000 });
        assert_true(f->s.cpus_soft_limit == 0.6 && f->s.cpus_limit == 1.5);
        assert_int_equal(f->s.mem_soft_limit_bytes, 96 << 20);
        assert_int_equal(f->s.mem_limit_bytes, 192 << 20);

        measure_limits(f, false, (IsolatorDemand) { 600, DEMAND_UNLIMITED },
                       (IsolatorDemand) { 96000, DEMAND_UNLIMITED });
        assert_true(f->s.cpus_limit == capacity.cpus);
        assert_int_equal(f->s.mem_limit_bytes, capacity.mem_bytes);
}

static void test_what_mesos_has_no_field_for_is_read_too(void **state) {
        Fixture *f = *state;
        UsageMore m;

        m = usage_read_more(f->dir_fd);
        assert_false(m.cpu.known || m.memory.known || m.io.known || m.has_mem_peak || m.has_mem_events || m.has_pids ||
                     m.has_pids_max);

        write_file(f, "cpu.pressure", "some avg10=12.50 avg60=1.00 avg300=0.10 total=1500000\n");
        write_file(f, "memory.pressure", "some avg10=0.10 avg60=0.20 avg300=0.30 total=40\n"
                                         "full avg10=0.50 avg60=0.60 avg300=0.70 total=80\n");
        write_file(f, "memory.peak", "4096\n");
        write_file(f, "memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
        write_file(f, "pids.current", "17\n");
        write_file(f, "pids.max", "max\n");
        m = usage_read_more(f->dir_fd);
        assert_true(m.cpu.known && m.cpu.some_avg10 == 12.5 && m.cpu.some_usec == 1500000 && m.cpu.full_usec == 0);
        assert_true(m.memory.known && m.memory.some_usec == 40 && m.memory.full_avg10 == 0.5 && m.memory.full_usec == 80);
        assert_false(m.io.known || m.has_pids_max);
        assert_true(m.has_mem_peak && m.mem_peak_bytes == 4096);
        assert_true(m.has_mem_events && m.mem_low == 1 && m.mem_high == 2 && m.mem_max == 3 && m.mem_oom == 4 &&
                    m.mem_oom_kill == 5);
        assert_true(m.has_pids && m.pids == 17);
}

static void test_denied_processes_are_counted_wherever_the_kernel_does(void **state) {
        Fixture *f = *state;
        UsageMore m;

        m = usage_read_more(f->dir_fd);
        assert_false(m.has_pids_denied);

        write_file(f, "pids.events", "max 3\n");
        m = usage_read_more(f->dir_fd);
        assert_true(m.has_pids_denied && m.pids_denied == 3);

        assert_return_code(mkdirat(f->dir_fd, "main", 0755), errno);
        write_file(f, "main/pids.events", "max 40\n");
        write_file(f, "pids.events", "max 0\n");
        m = usage_read_more(f->dir_fd);
        assert_true(m.has_pids_denied && m.pids_denied == 40);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_trees_are_summed_apart, setup, teardown),
                cmocka_unit_test_setup_teardown(test_process_that_is_gone_has_no_values, setup, teardown),
                cmocka_unit_test_setup_teardown(test_circle_of_parents_ends, setup, teardown),
                cmocka_unit_test_setup_teardown(test_own_process_is_in_the_real_tree, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cpu_of_a_cgroup_is_times_and_throttling, setup, teardown),
                cmocka_unit_test_setup_teardown(test_io_of_a_cgroup_is_told_per_device, setup, teardown),
                cmocka_unit_test_setup_teardown(test_memory_of_a_cgroup_is_read_in_full, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cgroup_without_controllers_gives_cpu_time_only, setup, teardown),
                cmocka_unit_test_setup_teardown(test_posix_isolators_take_cpu_time_of_a_cgroup_that_is_there, setup, teardown),
                cmocka_unit_test_setup_teardown(test_processes_and_threads_of_all_cgroups_below_are_counted_when_asked, setup, teardown),
                cmocka_unit_test_setup_teardown(test_counting_has_a_bound, setup, teardown),
                cmocka_unit_test_setup_teardown(test_limits_are_what_was_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(test_limits_of_tasks_are_told_and_without_bound_they_are_the_hosts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_denied_processes_are_counted_wherever_the_kernel_does, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_mesos_has_no_field_for_is_read_too, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
