/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "tests/unit/directory.h"

static void make_file(int dir_fd, const char *name, const char *text) {
        _cleanup_fd_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

static void test_a_file_is_read_whole_or_refused(void **state) {
        const Dir *d = *state;
        _cleanup_free_ char *text = NULL, *large = NULL, *big = NULL;
        size_t n;

        make_file(d->fd, "f", "hello");
        assert_int_equal(file_read_at(d->fd, "f", 5, &text, &n), 0);
        assert_int_equal(n, 5);
        assert_string_equal(text, "hello");
        assert_int_equal(file_read_at(d->fd, "f", 4, &text, &n), -EFBIG);
        assert_int_equal(file_read_at(d->fd, "g", 4, &text, &n), -ENOENT);

        large = malloc(10001);
        assert_non_null(large);
        memset(large, 'x', 10000);
        large[10000] = '\0';
        make_file(d->fd, "large", large);
        assert_int_equal(file_read_at(d->fd, "large", 10000, &big, NULL), 0);
        assert_string_equal(big, large);
}

static void test_files_without_a_size_are_read_too(void **state) {
        _cleanup_free_ char *text = NULL;
        size_t n;

        (void) state;
        assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, &n), 0);
        assert_true(n > 0);
}

static void test_a_link_below_a_directory_is_not_followed(void **state) {
        const Dir *d = *state;
        char *text;

        make_file(d->fd, "f", "hello");
        assert_int_equal(symlinkat("f", d->fd, "link"), 0);
        assert_int_equal(file_read_at(d->fd, "link", 100, &text, NULL), -ELOOP);
        assert_int_equal(file_write_at(d->fd, "link", "x"), -ELOOP);
}

static void test_writing_needs_the_file_and_replaces_its_text(void **state) {
        const Dir *d = *state;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(file_write_at(d->fd, "f", "1"), -ENOENT);
        make_file(d->fd, "f", "before");
        assert_int_equal(file_write_at(d->fd, "f", "1"), 0);
        assert_int_equal(file_read_at(d->fd, "f", 100, &text, NULL), 0);
        assert_string_equal(text, "1");
}

static void test_replacing_sets_contents_and_mode_and_leaves_nothing_else(void **state) {
        const Dir *d = *state;
        _cleanup_free_ char *text = NULL;
        mode_t saved = umask(0077);
        struct stat st;

        assert_int_equal(mkdirat(d->fd, "sub", 0700), 0);
        assert_int_equal(file_replace_at(d->fd, "sub/f", "one", 3, 0644), 0);
        assert_int_equal(file_replace_at(d->fd, "sub/f", "second", 6, 0644), 0);
        (void) umask(saved);

        assert_int_equal(file_read_at(d->fd, "sub/f", 100, &text, NULL), 0);
        assert_string_equal(text, "second");
        assert_int_equal(fstatat(d->fd, "sub/f", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(unlinkat(d->fd, "sub/f", 0), 0);
        assert_int_equal(unlinkat(d->fd, "sub", AT_REMOVEDIR), 0);
}

static void test_a_leftover_of_a_crash_does_not_stop_replacing(void **state) {
        const Dir *d = *state;
        _cleanup_free_ char *text = NULL;

        make_file(d->fd, ".f.new", "torn");
        assert_int_equal(file_replace_at(d->fd, "f", "whole", 5, 0600), 0);
        assert_int_equal(file_read_at(d->fd, "f", 100, &text, NULL), 0);
        assert_string_equal(text, "whole");
        assert_int_equal(faccessat(d->fd, ".f.new", F_OK, 0), -1);
}

static void test_a_failed_replacement_leaves_the_old_file(void **state) {
        const Dir *d = *state;

        assert_int_equal(mkdirat(d->fd, "f", 0700), 0);
        assert_int_equal(file_replace_at(d->fd, "f", "x", 1, 0600), -EISDIR);
        assert_int_equal(faccessat(d->fd, ".f.new", F_OK, 0), -1);
        assert_int_equal(file_replace_at(d->fd, "none/f", "x", 1, 0600), -ENOENT);
}

static void test_directories_are_made_as_deep_as_asked(void **state) {
        const Dir *d = *state;
        char absolute[64];

        assert_int_equal(file_mkdirs_at(d->fd, "a/b//c/", 0700), 0);
        assert_int_equal(file_mkdirs_at(d->fd, "a/b/c", 0700), 0);
        assert_int_equal(faccessat(d->fd, "a/b/c", F_OK, 0), 0);
        assert_int_equal(file_mkdirs_at(d->fd, "a/../b", 0700), -EINVAL);

        snprintf(absolute, sizeof(absolute), "%s/x/y", d->path);
        assert_int_equal(file_mkdirs_at(AT_FDCWD, absolute, 0700), 0);
        assert_int_equal(faccessat(d->fd, "x/y", F_OK, 0), 0);

        make_file(d->fd, "a/file", "");
        assert_int_equal(file_mkdirs_at(d->fd, "a/file", 0700), -ENOTDIR);
        assert_int_equal(file_mkdirs_at(d->fd, "a/file/x", 0700), -ENOTDIR);
}

static void test_a_tree_goes_but_what_its_links_point_at_stays(void **state) {
        const Dir *d = *state;

        make_file(d->fd, "precious", "");
        assert_int_equal(file_mkdirs_at(d->fd, "tree/a/b", 0700), 0);
        make_file(d->fd, "tree/a/f", "");
        assert_int_equal(symlinkat("../precious", d->fd, "tree/link"), 0);
        assert_int_equal(symlinkat("..", d->fd, "tree/up"), 0);
        assert_int_equal(fchmodat(d->fd, "tree/a/b", 0, 0), 0);

        assert_int_equal(file_remove_tree_at(d->fd, "tree"), 0);
        assert_int_equal(file_remove_tree_at(d->fd, "tree"), 0);
        assert_int_equal(faccessat(d->fd, "tree", F_OK, 0), -1);
        assert_int_equal(faccessat(d->fd, "precious", F_OK, 0), 0);
}

static void test_a_tree_deeper_than_there_are_descriptors_goes_too(void **state) {
        const Dir *d = *state;
        int fd = dup(d->fd);

        assert_int_equal(mkdirat(fd, "tree", 0700), 0);
        for (unsigned i = 0; i < 3000; i++) {
                int next = openat(fd, i == 0 ? "tree" : "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                assert_true(next >= 0);
                assert_int_equal(mkdirat(next, "d", 0700), 0);
                make_file(next, "f", "");
                (void) fd_close(fd);
                fd = next;
        }
        (void) fd_close(fd);

        assert_int_equal(file_remove_tree_at(d->fd, "tree"), 0);
        assert_int_equal(faccessat(d->fd, "tree", F_OK, 0), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, dir_setup, dir_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_file_is_read_whole_or_refused),
                TEST(test_files_without_a_size_are_read_too),
                TEST(test_a_link_below_a_directory_is_not_followed),
                TEST(test_writing_needs_the_file_and_replaces_its_text),
                TEST(test_replacing_sets_contents_and_mode_and_leaves_nothing_else),
                TEST(test_a_leftover_of_a_crash_does_not_stop_replacing),
                TEST(test_a_failed_replacement_leaves_the_old_file),
                TEST(test_directories_are_made_as_deep_as_asked),
                TEST(test_a_tree_goes_but_what_its_links_point_at_stays),
                TEST(test_a_tree_deeper_than_there_are_descriptors_goes_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
