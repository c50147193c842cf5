/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "launcher/exit_record.h"
#include "tests/unit/directory.h"

#define BOOT_ID "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

static ExitRecord make_record(void) {
        return (ExitRecord) {
                .kind = EXIT_RECORD_FAILED,
                .container_id = (char *) "c1",
                .boot_id = BOOT_ID,
                .status = { .known = true, .wait_status = 1 << 8 },
                .step = (char *) "fetch",
                .error = 5,
                .message = (char *) "Failed to fetch",
                .oom_killed = true,
                .started_usec = 12,
                .ended_usec = 34,
        };
}

static void test_a_record_comes_back_as_it_was(void **state) {
        _cleanup_(exit_record_deinit) ExitRecord read = EXIT_RECORD_NULL;
        const ExitRecord record = make_record();
        const Dir *d = *state;
        struct stat st;

        assert_int_equal(exit_record_write(d->fd, "c1", &record), 0);
        assert_int_equal(fstatat(d->fd, "c1", &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0600);

        assert_int_equal(exit_record_read(d->fd, "c1", &read), EXIT_RECORD_OK);
        assert_int_equal(read.kind, EXIT_RECORD_FAILED);
        assert_string_equal(read.container_id, "c1");
        assert_string_equal(read.boot_id, BOOT_ID);
        assert_true(read.status.known);
        assert_int_equal(read.status.wait_status, 1 << 8);
        assert_string_equal(read.step, "fetch");
        assert_int_equal(read.error, 5);
        assert_string_equal(read.message, "Failed to fetch");
        assert_true(read.oom_killed);
        assert_int_equal(read.started_usec, 12);
        assert_int_equal(read.ended_usec, 34);
}

static void test_an_unknown_status_stays_unknown(void **state) {
        _cleanup_(exit_record_deinit) ExitRecord read = EXIT_RECORD_NULL;
        ExitRecord record = make_record();
        const Dir *d = *state;

        record.kind = EXIT_RECORD_NEVER_STARTED;
        record.status = EXIT_STATUS_UNKNOWN;
        record.step = record.message = NULL;
        assert_int_equal(exit_record_write(d->fd, "c1", &record), 0);
        assert_int_equal(exit_record_read(d->fd, "c1", &read), EXIT_RECORD_OK);
        assert_false(read.status.known);
        assert_null(read.step);
        assert_null(read.message);
}

static void write_bytes(int dir_fd, const char *data, size_t n) {
        _cleanup_fd_ int fd = openat(dir_fd, "c1", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_full(fd, data, n), 0);
}

static void test_no_torn_or_damaged_record_says_anything(void **state) {
        _cleanup_free_ char *data = NULL;
        const ExitRecord record = make_record();
        const Dir *d = *state;
        ExitRecord read;
        size_t n;

        assert_int_equal(exit_record_write(d->fd, "c1", &record), 0);
        assert_int_equal(file_read_at(d->fd, "c1", 65536, &data, &n), 0);

        for (size_t i = 0; i < n; i++) {
                write_bytes(d->fd, data, i);
                assert_int_equal(exit_record_read(d->fd, "c1", &read), EXIT_RECORD_E_CORRUPT);
        }

        for (size_t i = 0; i < 8 * n; i++) {
                data[i / 8] ^= (char) (1 << i % 8);
                write_bytes(d->fd, data, n);
                assert_int_equal(exit_record_read(d->fd, "c1", &read), EXIT_RECORD_E_CORRUPT);
                data[i / 8] ^= (char) (1 << i % 8);
        }

        /* Zeros, as a file system may leave after a crash, and something appended. */
        memset(data, 0, n);
        write_bytes(d->fd, data, n);
        assert_int_equal(exit_record_read(d->fd, "c1", &read), EXIT_RECORD_E_CORRUPT);
}

static void test_a_missing_record_is_missing(void **state) {
        const Dir *d = *state;
        ExitRecord read;

        assert_int_equal(exit_record_read(d->fd, "c1", &read), -ENOENT);
        assert_int_equal(exit_record_write(d->fd, "no/c1",
                                           &(ExitRecord) { .container_id = (char *) "c1",
                                                           .boot_id = BOOT_ID }),
                         -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dir_setup, dir_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_record_comes_back_as_it_was),
                TEST(test_an_unknown_status_stays_unknown),
                TEST(test_no_torn_or_damaged_record_says_anything),
                TEST(test_a_missing_record_is_missing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
