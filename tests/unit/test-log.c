/* SPDX-License-Identifier: Apache-2.0 */

/* The log: lines on stderr and entries of the journal. */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "tests/unit/test.h"

static int saved_stderr = -EBADF;

/* From here to capture_end() stderr is a pipe. */
static int capture_begin(void) {
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        saved_stderr = dup(STDERR_FILENO);
        assert_true(saved_stderr >= 0);
        assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
        close(fds[1]);
        return fds[0];
}

static void capture_end(int fd, char *text, size_t size) {
        ssize_t n;

        assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
        close(saved_stderr);
        n = read(fd, text, size - 1);
        assert_true(n >= 0);
        text[n] = '\0';
        close(fd);
}

static void test_a_message_is_one_line_with_time_and_level(_unused_ void **state) {
        char text[512];
        int fd;

        fd = capture_begin();
        log_warning("The %s is %i", "answer", 42);
        capture_end(fd, text, sizeof(text));

        assert_true(strlen(text) > 24);
        assert_int_equal(text[4], '-');
        assert_int_equal(text[13], ':');
        assert_string_equal(text + 23, " warning The answer is 42\n");
}

static void test_an_error_is_returned_negative_and_named_by_percent_m(_unused_ void **state) {
        char text[512];
        int fd, positive, negative;

        fd = capture_begin();
        positive = log_error_errno(ENOENT, "Failed: %m");
        negative = log_error_errno(-ENOENT, "Failed: %m");
        capture_end(fd, text, sizeof(text));

        assert_int_equal(positive, -ENOENT);
        assert_int_equal(negative, -ENOENT);
        assert_non_null(strstr(text, "Failed: No such file or directory\n"));
}

static void test_levels_above_the_maximum_are_silent_and_errno_survives(_unused_ void **state) {
        char text[512];
        int fd, r;

        log_set_max_level(LOG_WARNING);
        errno = EDOM;
        fd = capture_begin();
        log_info("unseen");
        r = log_debug_errno(EIO, "unseen too");
        log_error("seen");
        assert_int_equal(errno, EDOM);
        capture_end(fd, text, sizeof(text));
        log_set_max_level(LOG_INFO);

        assert_int_equal(r, -EIO);
        assert_null(strstr(text, "unseen"));
        assert_non_null(strstr(text, "seen"));
}

static void test_a_journal_entry_has_the_ids_as_fields(_unused_ void **state) {
        LogContext context = { .task_id = "t1", .framework_id = "f1" };
        char entry[512];
        size_t n;

        n = log_journal_entry(entry, sizeof(entry), LOG_ERR, -ENOENT, &context, "agent/task.c", 7, "Lost it");
        entry[n] = '\0';
        assert_string_equal(entry, "MESSAGE=Lost it\nPRIORITY=3\nCODE_FILE=agent/task.c\nCODE_LINE=7\nERRNO=2\n"
                                   "FRAMEWORK_ID=f1\nTASK_ID=t1\n");
}

static void test_a_newline_cannot_forge_a_journal_field(_unused_ void **state) {
        char entry[512];
        size_t n;

        n = log_journal_entry(entry, sizeof(entry), LOG_INFO, 0, NULL, "x.c", 1, "a\nTASK_ID=forged");
        assert_true(n > 40);
        assert_memory_equal(entry, "MESSAGE\n\x10\0\0\0\0\0\0\0a\nTASK_ID=forged\n", 33);
        assert_memory_equal(entry + 33, "PRIORITY=6\n", 11);
}

static void test_a_field_that_does_not_fit_is_left_out_whole(_unused_ void **state) {
        char id[200], entry[100];
        LogContext context = { .framework_id = id, .agent_id = "a1" };
        size_t n;

        memset(id, 'x', sizeof(id) - 1);
        id[sizeof(id) - 1] = '\0';
        n = log_journal_entry(entry, sizeof(entry) - 1, LOG_INFO, 0, &context, "x.c", 1, "text");
        entry[n] = '\0';
        assert_null(strstr(entry, "FRAMEWORK_ID"));
        assert_non_null(strstr(entry, "AGENT_ID=a1\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_message_is_one_line_with_time_and_level),
                cmocka_unit_test(test_an_error_is_returned_negative_and_named_by_percent_m),
                cmocka_unit_test(test_levels_above_the_maximum_are_silent_and_errno_survives),
                cmocka_unit_test(test_a_journal_entry_has_the_ids_as_fields),
                cmocka_unit_test(test_a_newline_cannot_forge_a_journal_field),
                cmocka_unit_test(test_a_field_that_does_not_fit_is_left_out_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
