/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"

static void test_close_keeps_errno_and_returns_an_invalid_fd(void **state) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void) state;
        errno = ENOTTY;
        assert_int_equal(fd_close(fd), -EBADF);
        assert_int_equal(errno, ENOTTY);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        assert_int_equal(fd_close(-EBADF), -EBADF);
}

static void test_flags_are_set_and_cleared(void **state) {
        _cleanup_fd_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void) state;
        assert_int_equal(fd_set_cloexec(fd, false), 0);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        assert_int_equal(fd_set_cloexec(fd, true), 0);
        assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        assert_int_equal(fd_set_nonblock(fd, true), 0);
        assert_int_not_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        assert_int_equal(fd_set_nonblock(-EBADF, true), -EBADF);
}

static void test_reading_in_full_stops_at_the_end(void **state) {
        char got[16] = {};
        int fds[2];

        (void) state;
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(fd_write_full(fds[1], "abc", 3), 0);
        assert_int_equal(fd_write_full(fds[1], "def", 3), 0);
        fds[1] = fd_close(fds[1]);
        assert_int_equal(fd_read_full(fds[0], got, sizeof(got)), 6);
        assert_string_equal(got, "abcdef");
        fds[0] = fd_close(fds[0]);
        assert_int_equal(fd_write_full(-EBADF, "x", 1), -EBADF);
}

static void test_a_sealed_memfd_cannot_be_written_and_reads_back_whole(void **state) {
        _cleanup_fd_ int fd = fd_memfd_sealed("plan", "hello\0there", 11);
        _cleanup_free_ void *data = NULL;
        size_t n;

        (void) state;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(fd_memfd_read(fd, 10, &data, &n), -EFBIG);
        assert_int_equal(fd_memfd_read(fd, 11, &data, &n), 0);
        assert_int_equal(n, 11);
        assert_memory_equal(data, "hello\0there", 12);
}

static void test_what_its_sender_could_still_change_is_not_read(void **state) {
        _cleanup_fd_ int fd = -EBADF;
        char path[] = "/tmp/test-fd-XXXXXX";
        void *data;
        size_t n;

        (void) state;
        fd = mkostemp(path, O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(fd_memfd_read(fd, 100, &data, &n), -EPERM);
}

static void test_descriptors_travel_and_arrive_close_on_exec(void **state) {
        int pair[2], sent[2], got[2] = { -EBADF, -EBADF };
        struct stat a, b;
        size_t n_fds;
        char data[8];

        (void) state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(sent, O_CLOEXEC), 0);
        assert_int_equal(fd_send(pair[0], "two", 3, sent, 2), 0);
        assert_int_equal(fd_recv(pair[1], data, sizeof(data), got, 2, &n_fds), 3);
        assert_int_equal(n_fds, 2);
        assert_int_equal(fstat(sent[0], &a), 0);
        assert_int_equal(fstat(got[0], &b), 0);
        assert_int_equal(a.st_ino, b.st_ino);
        assert_int_not_equal(fcntl(got[1], F_GETFD) & FD_CLOEXEC, 0);

        for (size_t i = 0; i < 2; i++) {
                (void) fd_close(sent[i]);
                (void) fd_close(got[i]);
                (void) fd_close(pair[i]);
        }
}

static void test_what_does_not_fit_is_refused_and_leaves_no_descriptor(void **state) {
        int pair[2], sent[2], got[1] = { -EBADF }, next;
        char data[8];
        size_t n_fds;

        (void) state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(sent, O_CLOEXEC), 0);
        next = dup(0);
        (void) fd_close(next);

        assert_int_equal(fd_send(pair[0], "two", 3, sent, 2), 0);
        assert_int_equal(fd_recv(pair[1], data, sizeof(data), got, 1, &n_fds), -EMSGSIZE);
        assert_int_equal(fd_send(pair[0], "two", 3, sent, 2), 0);
        assert_int_equal(fd_recv(pair[1], data, sizeof(data), NULL, 0, NULL), -EMSGSIZE);
        assert_int_equal(fd_send(pair[0], "much too long", 13, NULL, 0), 0);
        assert_int_equal(fd_recv(pair[1], data, sizeof(data), NULL, 0, NULL), -EMSGSIZE);
        assert_int_equal(dup(0), next);
        (void) fd_close(next);

        for (size_t i = 0; i < 2; i++) {
                (void) fd_close(sent[i]);
                (void) fd_close(pair[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_close_keeps_errno_and_returns_an_invalid_fd),
                cmocka_unit_test(test_flags_are_set_and_cleared),
                cmocka_unit_test(test_reading_in_full_stops_at_the_end),
                cmocka_unit_test(test_a_sealed_memfd_cannot_be_written_and_reads_back_whole),
                cmocka_unit_test(test_what_its_sender_could_still_change_is_not_read),
                cmocka_unit_test(test_descriptors_travel_and_arrive_close_on_exec),
                cmocka_unit_test(test_what_does_not_fit_is_refused_and_leaves_no_descriptor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
