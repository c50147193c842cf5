/* SPDX-License-Identifier: Apache-2.0 */

/* Where fetched files go: names out of URIs, directories without links, all or nothing. */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fetch_target.h"
#include "common/base/file.h"
#include "tests/unit/test.h"

typedef struct Fixture {
        char path[32];
        int fd;
} Fixture;

static int setup(void **state) {
        static Fixture f;

        f = (Fixture) { .path = "/tmp/fetch-target-XXXXXX" };
        assert_non_null(mkdtemp(f.path));
        f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f.fd >= 0);
        *state = &f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        close(f->fd);
        return file_remove_tree_at(AT_FDCWD, f->path);
}

static void assert_path(const char *uri, const char *output_file, const char *expected) {
        _cleanup_free_ char *path = NULL, *message = NULL;

        assert_int_equal(fetch_target_path(uri, output_file, &path, &message), expected ? FETCH_OK : FETCH_E_FAILED);
        if (expected)
                assert_string_equal(path, expected);
        else
                assert_non_null(message);
}

static void test_the_name_is_what_follows_the_last_slash(_unused_ void **state) {
        assert_path("http://host/a/b.tgz", NULL, "b.tgz");
        assert_path("http://host/a/b.tgz?x=1", NULL, "b.tgz?x=1");
        assert_path("file:///a/b", NULL, "b");
        assert_path("/a/b", NULL, "b");
        assert_path("b", NULL, "b");
}

static void test_uris_without_a_name_are_refused(_unused_ void **state) {
        assert_path("", NULL, NULL);
        assert_path("http://host", NULL, NULL);
        assert_path("http://host/", NULL, NULL);
        assert_path("http://host/a/..", NULL, NULL);
        assert_path("/a/.", NULL, NULL);
        assert_path("/a\\b", NULL, NULL);
        assert_path("/a'b", NULL, NULL);
        assert_path("/a\nb", NULL, NULL);
}

static void test_output_files_are_plain_paths_below_the_sandbox(_unused_ void **state) {
        assert_path("/a", "b/c", "b/c");
        assert_path("/a", "/b", NULL);
        assert_path("/a", "../b", NULL);
        assert_path("/a", "b/../../c", NULL);
        assert_path("/a", "b//c", NULL);
        assert_path("/a", "b/", NULL);
        assert_path("/a", "", NULL);
}

static void test_a_file_appears_whole_or_not_at_all(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *message = NULL;
        struct stat st;

        for (unsigned commit = 0; commit < 2; commit++) {
                _cleanup_(fetch_target_deinit) FetchTarget t = FETCH_TARGET_NULL;

                assert_int_equal(fetch_target_open(f->fd, "d/e/file", &t, &message), FETCH_OK);
                assert_int_equal(write(t.fd, "text", 4), 4);
                assert_int_equal(fstatat(f->fd, "d/e/file", &st, AT_SYMLINK_NOFOLLOW), -1);
                if (commit)
                        assert_int_equal(fetch_target_commit(&t, 0640, &message), FETCH_OK);
        }

        assert_int_equal(fstatat(f->fd, "d/e/file", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(st.st_size, 4);
        assert_int_equal(fstatat(f->fd, "d/e", &st, 0), 0);
        assert_int_equal(unlinkat(f->fd, "d/e/file", 0), 0);
        /* No temporary file is left, or this could not be removed. */
        assert_int_equal(unlinkat(f->fd, "d/e", AT_REMOVEDIR), 0);
}

static void test_links_on_the_way_are_not_followed(void **state) {
        _cleanup_(fetch_target_deinit) FetchTarget t = FETCH_TARGET_NULL;
        _cleanup_free_ char *message = NULL;
        Fixture *f = *state;

        assert_int_equal(symlinkat("/tmp", f->fd, "way"), 0);
        assert_int_equal(fetch_target_open(f->fd, "way/file", &t, &message), FETCH_E_FAILED);
        assert_non_null(strstr(message, "cannot enter the directory 'way'"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_name_is_what_follows_the_last_slash),
                cmocka_unit_test(test_uris_without_a_name_are_refused),
                cmocka_unit_test(test_output_files_are_plain_paths_below_the_sandbox),
                cmocka_unit_test_setup_teardown(test_a_file_appears_whole_or_not_at_all, setup, teardown),
                cmocka_unit_test_setup_teardown(test_links_on_the_way_are_not_followed, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
