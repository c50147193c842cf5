/* SPDX-License-Identifier: Apache-2.0 */

/* Files: which attachment decides, listing, reading, and that nothing leads out of it. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/files.h"
#include "common/base/fd.h"

typedef struct Fixture {
        char dir[64];
        char box[96];
        Files *files;
} Fixture;

static void write_file(const char *dir, const char *name, const char *text) {
        char path[256];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static void make_dir(const char *dir, const char *name) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        assert_int_equal(mkdir(path, 0755), 0);
}

static void make_link(const char *target, const char *dir, const char *name) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        assert_int_equal(symlink(target, path), 0);
}

/* dir/secret, dir/box/{stdout,sub/deep,fifo}, with dir/box attached as /box. */
static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        char fifo[128];

        strcpy(f->dir, "/tmp/test-files.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;

        snprintf(f->box, sizeof(f->box), "%s/box", f->dir);
        write_file(f->dir, "secret", "secret");
        make_dir(f->dir, "box");
        make_dir(f->dir, "box/sub");
        write_file(f->box, "stdout", "0123456789");
        write_file(f->box, "sub/deep", "deep");
        snprintf(fifo, sizeof(fifo), "%s/fifo", f->box);
        if (mkfifo(fifo, 0600) < 0)
                return -1;

        if (files_new(NULL, NULL, &f->files) < 0 || files_attach(f->files, "/box", f->box) < 0)
                return -1;

        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        char command[128];

        files_free(f->files);
        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

/* The outcome, and what was read. */
static int read_at(const Files *files, const char *path, uint64_t offset, uint64_t n,
                   char text[static 64]) {
        _cleanup_free_ char *data = NULL;
        uint64_t size;
        size_t k;
        int r;

        r = files_read(files, path, offset, n, &data, &k, &size);
        if (r != FILES_OK)
                return r;

        snprintf(text, 64, "%.*s of %u", (int) k, data, (unsigned) size);
        return r;
}

static int outcome(const Fixture *f, const char *path) {
        char text[64];

        return read_at(f->files, path, 0, 100, text);
}

static void assert_reads(const Files *files, const char *path, uint64_t offset, uint64_t n,
                         const char *wanted) {
        char text[64];

        assert_int_equal(read_at(files, path, offset, n, text), FILES_OK);
        assert_string_equal(text, wanted);
}

static void test_reads_stay_within_the_file(void **state) {
        const Fixture *f = *state;

        assert_reads(f->files, "/box/stdout", 0, 100, "0123456789 of 10");
        assert_reads(f->files, "/box/stdout", 3, 4, "3456 of 10");
        assert_reads(f->files, "/box/stdout", 10, 4, " of 10");
        assert_reads(f->files, "/box/stdout", UINT64_MAX, UINT64_MAX, " of 10");
        assert_reads(f->files, "/box/stdout", 2, 0, " of 10");
        assert_reads(f->files, "/box/sub/deep", 0, UINT64_MAX, "deep of 4");
}

static void test_one_read_has_a_largest_size(void **state) {
        const Fixture *f = *state;
        _cleanup_free_ char *data = NULL;
        char path[128];
        uint64_t size;
        size_t n;

        snprintf(path, sizeof(path), "%s/stdout", f->box);
        assert_int_equal(truncate(path, 1 << 20), 0);
        assert_int_equal(files_read(f->files, "/box/stdout", 5, UINT64_MAX, &data, &n, &size),
                         FILES_OK);
        assert_int_equal(n, FILES_READ_MAX);
        assert_int_equal(size, 1 << 20);
}

static void test_what_is_not_attached_is_not_found(void **state) {
        const Fixture *f = *state;

        assert_int_equal(outcome(f, "/"), FILES_E_NOT_FOUND);
        assert_int_equal(outcome(f, ""), FILES_E_NOT_FOUND);
        assert_int_equal(outcome(f, "/boxes"), FILES_E_NOT_FOUND);
        assert_int_equal(outcome(f, "/bo"), FILES_E_NOT_FOUND);
        assert_int_equal(outcome(f, "/box/none"), FILES_E_NOT_FOUND);
        assert_int_equal(outcome(f, "/box/stdout/x"), FILES_E_NOT_FOUND);
        assert_int_equal(outcome(f, f->box), FILES_E_NOT_FOUND);

        files_detach(f->files, "/box");
        files_detach(f->files, "/box");
        assert_int_equal(outcome(f, "/box/stdout"), FILES_E_NOT_FOUND);
}

static void test_longest_attached_path_decides(void **state) {
        const Fixture *f = *state;

        write_file(f->dir, "log", "log");
        make_dir(f->dir, "other");
        write_file(f->dir, "other/deep", "other");
        assert_int_equal(files_attach(f->files, "/box/stdout", "/nonexistent"), 0);

        char path[128];
        snprintf(path, sizeof(path), "%s/other", f->dir);
        assert_int_equal(files_attach(f->files, "/box/sub", path), 0);
        assert_reads(f->files, "/box/sub/deep", 0, 9, "other of 5");
        assert_int_equal(outcome(f, "/box/stdout"), FILES_E_NOT_FOUND);

        snprintf(path, sizeof(path), "%s/log", f->dir);
        assert_int_equal(files_attach(f->files, "/slave/log", path), 0);
        assert_reads(f->files, "/slave/log", 0, 9, "log of 3");
        assert_int_equal(files_attach(f->files, "/slave/log", f->box), 0);
        assert_int_equal(outcome(f, "/slave/log"), FILES_E_DIRECTORY);
}

static void tell_one(const char *path, FilesVisit visit, void *visit_userdata, void *userdata) {
        const Fixture *f = userdata;

        if (path)
                assert_string_equal(path, "/told/stdout");
        visit("/told", f->box, visit_userdata);
}

static void count_visit(const char *virtual_path, const char *real_path, void *userdata) {
        unsigned *n = userdata;

        assert_int_equal(virtual_path[0], '/');
        assert_int_equal(real_path[0], '/');
        (*n)++;
}

static void test_source_tells_what_comes_and_goes(void **state) {
        _cleanup_(files_freep) Files *files = NULL;
        unsigned n = 0;

        assert_int_equal(files_new(tell_one, *state, &files), 0);
        assert_reads(files, "/told/stdout", 0, 2, "01 of 10");
        assert_int_equal(files_attach(files, "/fixed", "/nonexistent"), 0);
        files_foreach(files, count_visit, &n);
        assert_int_equal(n, 2);
}

static void test_directories_are_listed_in_order(void **state) {
        const Fixture *f = *state;
        FileList l = {};

        make_link("nowhere", f->box, "link");
        assert_int_equal(files_list(f->files, "/box/", &l), FILES_OK);
        assert_int_equal(l.n_entries, 4);
        assert_string_equal(l.entries[0].path, "/box/fifo");
        assert_string_equal(l.entries[1].path, "/box/link");
        assert_true(S_ISLNK(l.entries[1].mode));
        assert_string_equal(l.entries[2].path, "/box/stdout");
        assert_int_equal(l.entries[2].size, 10);
        assert_int_equal(l.entries[2].n_links, 1);
        assert_int_equal(l.entries[2].uid, geteuid());
        assert_string_equal(l.entries[3].path, "/box/sub");
        file_list_deinit(&l);

        assert_int_equal(files_list(f->files, "/box/stdout", &l), FILES_OK);
        assert_int_equal(l.n_entries, 0);
        file_list_deinit(&l);

        assert_int_equal(files_list(f->files, "/box/none", &l), FILES_E_NOT_FOUND);
}

static void test_listing_has_a_largest_size(void **state) {
        const Fixture *f = *state;
        FileList l = {};
        char name[32];

        for (int i = 0; i < FILES_LIST_MAX + 10; i++) {
                snprintf(name, sizeof(name), "sub/%d", i);
                write_file(f->box, name, "");
        }
        assert_int_equal(files_list(f->files, "/box/sub", &l), FILES_OK);
        assert_int_equal(l.n_entries, FILES_LIST_MAX);
        file_list_deinit(&l);
}

static void test_links_within_the_sandbox_are_followed(void **state) {
        const Fixture *f = *state;

        make_link("stdout", f->box, "out");
        make_link("../stdout", f->box, "sub/up");
        make_link("sub", f->box, "dir");
        assert_reads(f->files, "/box/out", 0, 1, "0 of 10");
        assert_reads(f->files, "/box/sub/up", 0, 1, "0 of 10");
        assert_reads(f->files, "/box/dir/../stdout", 0, 1, "0 of 10");
        assert_reads(f->files, "/box//sub/./deep", 0, 9, "deep of 4");
}

static void test_nothing_leads_out_of_the_sandbox(void **state) {
        const Fixture *f = *state;
        char secret[128];

        snprintf(secret, sizeof(secret), "%s/secret", f->dir);
        make_link("../secret", f->box, "relative");
        make_link(secret, f->box, "absolute");
        make_link("..", f->box, "up");
        make_link("/", f->box, "root");
        make_link("/proc/self/root", f->box, "magic");
        make_link("loop", f->box, "loop");

        static const char *const paths[] = {
                "/box/relative",
                "/box/absolute",
                "/box/up/secret",
                "/box/../secret",
                "/box/..",
                "/box/root",
                "/box/root/etc/passwd",
                "/box/magic/etc/passwd",
                "/box/sub/../../secret",
                "/box/loop",
        };
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                FileList l;

                assert_int_equal(outcome(f, paths[i]), FILES_E_INACCESSIBLE);
                assert_int_equal(files_list(f->files, paths[i], &l), FILES_E_INACCESSIBLE);
        }
}

static void test_only_regular_files_are_opened(void **state) {
        const Fixture *f = *state;
        _cleanup_(files_freep) Files *devices = NULL;
        char text[64];

        assert_int_equal(outcome(f, "/box/fifo"), FILES_E_INACCESSIBLE);
        assert_int_equal(outcome(f, "/box/sub"), FILES_E_DIRECTORY);

        assert_int_equal(files_new(NULL, NULL, &devices), 0);
        assert_int_equal(files_attach(devices, "/dev", "/dev"), 0);
        assert_int_equal(read_at(devices, "/dev/zero", 0, 1, text), FILES_E_INACCESSIBLE);
}

static void test_descriptor_of_a_file_reads(void **state) {
        const Fixture *f = *state;
        _cleanup_fd_ int fd = -EBADF;
        uint64_t size;
        char c;

        assert_int_equal(files_open(f->files, "/box/stdout", &fd, &size), FILES_OK);
        assert_int_equal(size, 10);
        assert_int_equal(pread(fd, &c, 1, 9), 1);
        assert_int_equal(c, '9');
        assert_int_equal(write(fd, "x", 1), -1);
}

static void test_modes_look_as_in_ls(void **state) {
        static const struct {
                mode_t mode;
                const char *text;
        } cases[] = {
                { S_IFREG | 0644, "-rw-r--r--" },  { S_IFDIR | 0755, "drwxr-xr-x" },
                { S_IFLNK | 0777, "lrwxrwxrwx" },  { S_IFIFO | 0, "p---------" },
                { S_IFREG | 07777, "-rwsrwsrwt" }, { S_IFREG | 07000, "---S--S--T" },
                { S_IFSOCK | 0600, "srw-------" }, { S_IFCHR | 0111, "c--x--x--x" },
                { S_IFBLK | 0420, "br---w----" },
        };
        char text[11];

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                file_mode_format(cases[i].mode, text);
                assert_string_equal(text, cases[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_reads_stay_within_the_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_read_has_a_largest_size, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_is_not_attached_is_not_found, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_longest_attached_path_decides, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_source_tells_what_comes_and_goes, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_directories_are_listed_in_order, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_listing_has_a_largest_size, setup, teardown),
                cmocka_unit_test_setup_teardown(test_links_within_the_sandbox_are_followed, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_nothing_leads_out_of_the_sandbox, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_only_regular_files_are_opened, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_descriptor_of_a_file_reads, setup, teardown),
                cmocka_unit_test(test_modes_look_as_in_ls),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
