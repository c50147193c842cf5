/* SPDX-License-Identifier: Apache-2.0 */

/* A stored database and its log: whole, cut, with holes, and what can be saved. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/store_check.h"
#include "tests/unit/test.h"

#define FRAME_BYTES (24 + 4096)
#define N_ROWS 20

static const char *const schema[] = { "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB NOT NULL)" };

typedef struct Fixture {
        char dir[64], path[96], wal[96];
} Fixture;

static void write_rows(Store *s, int first, int n) {
        sqlite3_stmt *statement =
                        store_prepare(s, "INSERT INTO t (k, v) VALUES (?, zeroblob(1000))");

        for (int i = first; i < first + n; i++) {
                (void) sqlite3_bind_int(statement, 1, i);
                assert_int_equal(store_step(s, statement), 0);
                assert_int_equal(store_commit(s), 0);
        }
        sqlite3_finalize(statement);
}

static uint64_t count_rows(const char *path) {
        _cleanup_(store_freep) Store *s = NULL;
        _cleanup_free_ char *message = NULL;
        sqlite3_stmt *statement;
        unsigned version;
        uint64_t n;

        assert_int_equal(store_open_read_only(path, &s, &version, &message), STORE_OK);
        assert_int_equal(version, 1);
        statement = store_prepare(s, "SELECT count(*) FROM t");
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        n = (uint64_t) sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        return n;
}

static void copy(const char *from, const char *to) {
        char command[256];

        snprintf(command, sizeof(command), "cp %s %s", from, to);
        assert_int_equal(system(command), 0);
}

/* Leaves a database with a log, as a crash does: copied from under an open store. */
static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        _cleanup_(store_freep) Store *s = NULL;
        _cleanup_free_ char *message = NULL;
        char live[96], live_wal[104];

        strcpy(f->dir, "/tmp/test-store.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;
        snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
        snprintf(f->wal, sizeof(f->wal), "%s/db-wal", f->dir);
        snprintf(live, sizeof(live), "%s/live", f->dir);
        snprintf(live_wal, sizeof(live_wal), "%s-wal", live);

        assert_int_equal(store_open(live, schema, 1, &s, &message), STORE_OK);
        write_rows(s, 0, N_ROWS);
        copy(live, f->path);
        copy(live_wal, f->wal);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        char command[128];

        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static off_t size_of(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static void flip(const char *path, off_t at) {
        _cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void expect(const Fixture *f, int result) {
        _cleanup_free_ char *message = NULL;

        assert_int_equal(store_check(f->path, &message), result);
        if (result != STORE_OK)
                assert_non_null(strstr(message, f->path));
}

static void test_what_a_crash_leaves_is_whole(void **state) {
        const Fixture *f = *state;
        off_t size = size_of(f->wal);

        assert_true(size > 32 + 10 * FRAME_BYTES);
        expect(f, STORE_OK);
        assert_int_equal(size_of(f->wal), size);
        assert_int_equal(count_rows(f->path), N_ROWS);
}

static void test_no_file_and_an_empty_one_are_whole(void **state) {
        const Fixture *f = *state;

        assert_int_equal(unlink(f->wal), 0);
        assert_int_equal(truncate(f->path, 0), 0);
        expect(f, STORE_OK);
        assert_int_equal(unlink(f->path), 0);
        expect(f, STORE_OK);
}

/* The last commit was under way: nobody was told of it. */
static void test_a_log_that_a_crash_cut_is_whole(void **state) {
        const Fixture *f = *state;

        flip(f->wal, size_of(f->wal) - 1);
        expect(f, STORE_OK);
        assert_int_equal(count_rows(f->path), N_ROWS - 1);

        assert_int_equal(truncate(f->wal, size_of(f->wal) - 1000), 0);
        expect(f, STORE_OK);
        assert_int_equal(truncate(f->wal, 20), 0);
        expect(f, STORE_OK);
}

static void test_a_log_with_commits_after_a_bad_page_is_damaged(void **state) {
        const Fixture *f = *state;

        flip(f->wal, size_of(f->wal) / 2);
        expect(f, STORE_E_CORRUPT);
}

static void test_a_log_with_a_bad_beginning_is_damaged(void **state) {
        const Fixture *f = *state;

        for (off_t at = 0; at < 32; at++) {
                flip(f->wal, at);
                expect(f, STORE_E_CORRUPT);
                flip(f->wal, at);
        }
        expect(f, STORE_OK);
}

/* A log is used again from its start; what is left of its former use is not part of it. */
static void test_pages_of_an_earlier_use_of_the_log_do_not_count(void **state) {
        const Fixture *f = *state;
        _cleanup_(store_freep) Store *s = NULL;
        _cleanup_free_ char *message = NULL;
        char again[104], again_wal[112];

        snprintf(again, sizeof(again), "%s/again", f->dir);
        snprintf(again_wal, sizeof(again_wal), "%s-wal", again);
        assert_int_equal(store_open(again, schema, 1, &s, &message), STORE_OK);
        write_rows(s, 0, N_ROWS);
        assert_int_equal(store_exec(s, "PRAGMA wal_checkpoint(RESTART)"), 0);
        write_rows(s, N_ROWS, 2);
        copy(again, f->path);
        copy(again_wal, f->wal);

        assert_true(size_of(f->wal) > 32 + 10 * FRAME_BYTES);
        expect(f, STORE_OK);
        assert_int_equal(count_rows(f->path), N_ROWS + 2);
}

static void make_damaged(const Fixture *f) {
        _cleanup_(store_freep) Store *s = NULL;
        _cleanup_free_ char *message = NULL;

        assert_int_equal(store_open(f->path, schema, 1, &s, &message), STORE_OK);
        s = store_free(s);

        /* A page in the midst of the table: its head says what it is. */
        for (off_t at = 0; at < 8; at++)
                flip(f->path, 4 * 4096 + at);
}

static void test_a_bad_page_of_the_database_is_found(void **state) {
        const Fixture *f = *state;

        make_damaged(f);
        expect(f, STORE_E_CORRUPT);
}

static void test_rows_before_and_after_the_damage_are_saved(void **state) {
        const Fixture *f = *state;
        _cleanup_free_ char *aside = NULL, *message = NULL;
        uint64_t n_rows = 0;

        make_damaged(f);
        assert_int_equal(store_salvage(f->path, schema, 1, &aside, &n_rows, &message), 0);
        assert_true(count_rows(f->path) >= N_ROWS / 2);
        assert_true(count_rows(f->path) < N_ROWS);
        assert_int_equal(access(aside, F_OK), 0);
        expect(f, STORE_OK);
}

static void test_what_is_no_database_is_moved_aside(void **state) {
        const Fixture *f = *state;
        _cleanup_free_ char *aside = NULL, *message = NULL;
        uint64_t n_rows = 1;

        for (off_t at = 0; at < 100; at++)
                flip(f->path, at);
        assert_int_equal(unlink(f->wal), 0);
        expect(f, STORE_E_CORRUPT);
        assert_int_equal(store_salvage(f->path, schema, 1, &aside, &n_rows, &message), 0);
        assert_int_equal(n_rows, 0);
        assert_int_equal(count_rows(f->path), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_what_a_crash_leaves_is_whole),
                TEST(test_no_file_and_an_empty_one_are_whole),
                TEST(test_a_log_that_a_crash_cut_is_whole),
                TEST(test_a_log_with_commits_after_a_bad_page_is_damaged),
                TEST(test_a_log_with_a_bad_beginning_is_damaged),
                TEST(test_pages_of_an_earlier_use_of_the_log_do_not_count),
                TEST(test_a_bad_page_of_the_database_is_found),
                TEST(test_rows_before_and_after_the_damage_are_saved),
                TEST(test_what_is_no_database_is_moved_aside),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
