/* SPDX-License-Identifier: Apache-2.0 */

/* The bounds of a measurement; what it counts is held against du in tests/process/test-disk-usage.py. */

#include "tests/unit/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/disk_usage.h"
#include "tests/unit/directory.h"

#define FILE_BYTES (64 * 1024)

static const DiskUsageBounds ample = { .time_usec = USEC_PER_MINUTE, .max_depth = 100, .max_links = 100 };

static void make_file(const Dir *d, const char *path) {
        _cleanup_fd_ int fd = openat(d->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        static const char data[FILE_BYTES] = "x";

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
        assert_int_equal(fsync(fd), 0);
}

static uint64_t measure(const Dir *d, DiskUsageBounds bounds, int expected) {
        uint64_t bytes = 0;

        assert_int_equal(disk_usage_measure(d->path, ".", bounds, &bytes), expected);
        return bytes;
}

static void test_beyond_its_time_a_measurement_is_incomplete(void **state) {
        DiskUsageBounds bounds = ample;

        make_file(*state, "file");
        assert_true(measure(*state, ample, DISK_USAGE_OK) >= FILE_BYTES);

        bounds.time_usec = 0;
        assert_true(measure(*state, bounds, DISK_USAGE_E_INCOMPLETE) < FILE_BYTES);
}

static void test_beyond_its_depth_a_measurement_is_incomplete(void **state) {
        const Dir *d = *state;
        DiskUsageBounds bounds = ample;

        assert_int_equal(mkdirat(d->fd, "a", 0700), 0);
        assert_int_equal(mkdirat(d->fd, "a/b", 0700), 0);
        make_file(d, "a/file");
        make_file(d, "a/b/file");
        assert_true(measure(d, ample, DISK_USAGE_OK) >= 2 * FILE_BYTES);

        bounds.max_depth = 3;
        assert_true(measure(d, bounds, DISK_USAGE_OK) >= 2 * FILE_BYTES);
        bounds.max_depth = 2;
        assert_in_range(measure(d, bounds, DISK_USAGE_E_INCOMPLETE), FILE_BYTES, 2 * FILE_BYTES - 1);
}

static void link_files(const Dir *d, size_t n_files) {
        char name[32], other[32];

        for (size_t i = 0; i < n_files; i++) {
                snprintf(name, sizeof(name), "%zu", i);
                snprintf(other, sizeof(other), "%zu-again", i);
                make_file(d, name);
                assert_int_equal(linkat(d->fd, name, d->fd, other, 0), 0);
        }
}

static void test_files_with_several_names_are_remembered_up_to_a_bound(void **state) {
        DiskUsageBounds bounds = ample;
        uint64_t once;

        link_files(*state, 10);
        once = measure(*state, ample, DISK_USAGE_OK);
        assert_true(once < 15 * FILE_BYTES);

        bounds.max_links = 0;
        assert_true(measure(*state, bounds, DISK_USAGE_OK) >= 20 * FILE_BYTES);
}

/* More than the set of them begins with. */
static void test_a_thousand_files_with_two_names_count_once_each(void **state) {
        DiskUsageBounds bounds = ample;

        bounds.max_links = 10000;
        link_files(*state, 1200);
        assert_in_range(measure(*state, bounds, DISK_USAGE_OK), 1200 * FILE_BYTES, 1400 * FILE_BYTES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_beyond_its_time_a_measurement_is_incomplete, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_beyond_its_depth_a_measurement_is_incomplete, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_files_with_several_names_are_remembered_up_to_a_bound, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_a_thousand_files_with_two_names_count_once_each, dir_setup,
                                                dir_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
