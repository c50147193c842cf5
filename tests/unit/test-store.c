/* SPDX-License-Identifier: Apache-2.0 */

/* The store: group commit, failure of a turn, migration, later versions and damage. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/store.h"

static const char *const schema[] = {
        "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL)",
        "ALTER TABLE t ADD COLUMN w TEXT DEFAULT 'old'",
};

typedef struct Fixture {
        char dir[64];
        char path[96];
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->dir, "/tmp/test-store.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;
        snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
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

static Store *open_store(Fixture *f, unsigned n) {
        _cleanup_free_ char *message = NULL;
        Store *s = NULL;

        assert_int_equal(store_open(f->path, schema, n, &s, &message), STORE_OK);
        return s;
}

static int insert(Store *s, int key, const char *value) {
        sqlite3_stmt *statement = store_prepare(s, "INSERT INTO t (k, v) VALUES (?, ?)");
        int r;

        assert_non_null(statement);
        sqlite3_bind_int(statement, 1, key);
        sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
        r = store_step(s, statement);
        sqlite3_finalize(statement);
        return r;
}

static int count(Store *s) {
        sqlite3_stmt *statement = store_prepare(s, "SELECT count(*) FROM t");
        int n;

        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        n = sqlite3_column_int(statement, 0);
        sqlite3_finalize(statement);
        return n;
}

static void on_committed(int error, void *userdata) {
        int *result = userdata;

        *result = error == 0 ? 1 : error;
}

static void test_a_waiter_is_called_only_after_the_commit(void **state) {
        _cleanup_(store_freep) Store *s = open_store(*state, 2);
        int result = 0;

        assert_int_equal(insert(s, 1, "a"), 0);
        assert_int_equal(store_after_commit(s, on_committed, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(store_commit(s), 0);
        assert_int_equal(result, 1);
}

static void test_the_loop_commits_at_the_end_of_the_turn(void **state) {
        _cleanup_(store_freep) Store *s = open_store(*state, 2);
        sd_event *event = NULL;
        int result = 0;

        assert_int_equal(sd_event_new(&event), 0);
        assert_true(store_attach_event(s, event) >= 0);
        assert_int_equal(insert(s, 1, "a"), 0);
        assert_int_equal(insert(s, 2, "b"), 0);
        assert_int_equal(store_after_commit(s, on_committed, &result), 0);
        assert_true(sd_event_run(event, 0) > 0);
        assert_int_equal(result, 1);
        s = store_free(s);
        sd_event_unref(event);

        s = open_store(*state, 2);
        assert_int_equal(count(s), 2);
}

static void test_what_was_not_committed_is_gone(void **state) {
        Store *s = open_store(*state, 2);

        assert_int_equal(insert(s, 1, "a"), 0);
        assert_int_equal(store_commit(s), 0);
        assert_int_equal(insert(s, 2, "b"), 0);
        store_free(s);

        s = open_store(*state, 2);
        assert_int_equal(count(s), 1);
        store_free(s);
}

static void test_one_failed_write_fails_the_turn_for_everybody(void **state) {
        _cleanup_(store_freep) Store *s = open_store(*state, 2);
        int first = 0, second = 0;

        assert_int_equal(insert(s, 1, "a"), 0);
        assert_int_equal(store_after_commit(s, on_committed, &first), 0);
        assert_int_equal(insert(s, 1, "again"), -EEXIST);
        assert_int_equal(store_after_commit(s, on_committed, &second), 0);
        assert_int_equal(store_commit(s), -EEXIST);
        assert_int_equal(first, -EEXIST);
        assert_int_equal(second, -EEXIST);
        assert_int_equal(count(s), 0);

        assert_int_equal(insert(s, 1, "next turn"), 0);
        assert_int_equal(store_commit(s), 0);
        assert_int_equal(count(s), 1);
}

static void test_an_older_database_is_migrated(void **state) {
        Store *s = open_store(*state, 1);
        sqlite3_stmt *statement;

        assert_int_equal(insert(s, 1, "a"), 0);
        assert_int_equal(store_commit(s), 0);
        store_free(s);

        s = open_store(*state, 2);
        statement = store_prepare(s, "SELECT w FROM t");
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_string_equal((const char *) sqlite3_column_text(statement, 0), "old");
        store_free(s);
}

static void test_a_newer_database_is_refused_untouched(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *message = NULL;
        Store *s = open_store(f, 2);

        store_free(s);
        s = NULL;
        assert_int_equal(store_open(f->path, schema, 1, &s, &message), STORE_E_NEWER);
        assert_null(s);
        assert_non_null(strstr(message, f->path));
        assert_non_null(strstr(message, "later version"));
}

static void test_a_damaged_file_is_named(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *message = NULL;
        Store *s = NULL;
        FILE *file = fopen(f->path, "w");

        for (int i = 0; i < 1000; i++)
                fputs("this is not a database ", file);
        fclose(file);
        assert_int_equal(store_open(f->path, schema, 2, &s, &message), STORE_E_CORRUPT);
        assert_null(s);
        assert_non_null(strstr(message, f->path));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_waiter_is_called_only_after_the_commit, setup, teardown),
                cmocka_unit_test_setup_teardown(test_the_loop_commits_at_the_end_of_the_turn, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_was_not_committed_is_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_failed_write_fails_the_turn_for_everybody, setup, teardown),
                cmocka_unit_test_setup_teardown(test_an_older_database_is_migrated, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_newer_database_is_refused_untouched, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_damaged_file_is_named, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
