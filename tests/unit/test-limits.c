/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "launcher/limits.h"

static const char pid1_limits[] =
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max cpu time              unlimited            unlimited            seconds   \n"
        "Max stack size            16777216             unlimited            bytes     \n"
        "Max core file size        unlimited            unlimited            bytes     \n"
        "Max processes             31000                31001                processes \n"
        "Max open files            1073741816           1073741816           files     \n"
        "Max locked memory         67108864             67108864             bytes     \n"
        "Max pending signals       garbage              31001                signals   \n";

static int open_proc(char *path, const char *limits) {
        int fd;

        assert_non_null(mkdtemp(path));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        if (limits) {
                assert_int_equal(mkdirat(fd, "1", 0755), 0);
                assert_int_equal(file_replace_at(fd, "1/limits", limits, strlen(limits), 0644), 0);
        }

        return fd;
}

static void assert_limit(const Limit *l, rlim_t soft, rlim_t hard) {
        assert_true(l->known);
        assert_true(l->rlimit.rlim_cur == soft);
        assert_true(l->rlimit.rlim_max == hard);
}

static void test_limits_are_those_of_pid_1_but_for_what_it_raised_for_itself(void **state) {
        char path[] = "/tmp/test-limits-XXXXXX";
        _cleanup_fd_ int fd = open_proc(path, pid1_limits);
        Limits l;

        (void) state;
        limits_resolve(fd, NULL, &l);
        assert_limit(&l.limits[RLIMIT_STACK], 16777216, RLIM_INFINITY);
        assert_limit(&l.limits[RLIMIT_CORE], RLIM_INFINITY, RLIM_INFINITY);
        assert_limit(&l.limits[RLIMIT_NPROC], 31000, 31001);
        assert_limit(&l.limits[RLIMIT_NOFILE], 1024, 524288);
        assert_limit(&l.limits[RLIMIT_MEMLOCK], 8 << 20, 8 << 20);
        assert_false(l.limits[RLIMIT_SIGPENDING].known);
        assert_int_equal(file_remove_tree_at(AT_FDCWD, path), 0);
}

static void test_without_pid_1_they_are_the_kernels(void **state) {
        char path[] = "/tmp/test-limits-XXXXXX";
        _cleanup_fd_ int fd = open_proc(path, NULL);
        Limits l;

        (void) state;
        limits_resolve(fd, NULL, &l);
        assert_limit(&l.limits[RLIMIT_STACK], 8 << 20, RLIM_INFINITY);
        assert_limit(&l.limits[RLIMIT_CORE], 0, RLIM_INFINITY);
        assert_false(l.limits[RLIMIT_NPROC].known);
        assert_int_equal(file_remove_tree_at(AT_FDCWD, path), 0);
}

static void test_the_plan_wins(void **state) {
        _cleanup_(confinement_freep) Confinement *c = confinement_new();
        char path[] = "/tmp/test-limits-XXXXXX";
        _cleanup_fd_ int fd = open_proc(path, pid1_limits);
        Limits l;

        (void) state;
        assert_int_equal(confinement_add_rlimit(c, RLIMIT_NPROC, 10, 20), 0);
        assert_int_equal(confinement_add_rlimit(c, RLIMIT_NOFILE, 30, 40), 0);
        limits_resolve(fd, c, &l);
        assert_limit(&l.limits[RLIMIT_NPROC], 10, 20);
        assert_limit(&l.limits[RLIMIT_NOFILE], 30, 40);
        assert_true(l.limits[RLIMIT_NOFILE].planned);
        assert_false(l.limits[RLIMIT_STACK].planned);
        assert_int_equal(file_remove_tree_at(AT_FDCWD, path), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_limits_are_those_of_pid_1_but_for_what_it_raised_for_itself),
                cmocka_unit_test(test_without_pid_1_they_are_the_kernels),
                cmocka_unit_test(test_the_plan_wins),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
