/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What can be saved of a damaged database
 *
 * Rows are copied into a new one, table by table, first from the one end and then from the other,
 * until the damage is met. The old file is kept beside it for whoever wants to look closer.
 */

#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/store_check.h"

/* Somebody who has so many damaged databases has other problems. */
#define N_ASIDE_MAX 100

static int rename_with_suffix(const char *from, const char *to, const char *suffix) {
        _cleanup_free_ char *old = NULL, *new = NULL;

        if (asprintf(&old, "%s%s", from, suffix) < 0)
                old = NULL;
        if (asprintf(&new, "%s%s", to, suffix) < 0)
                new = NULL;
        if (!old || !new)
                return -ENOMEM;

        return rename(old, new) < 0 && errno != ENOENT ? -errno : 0;
}

static int move_aside(const char *path, char **ret) {
        _cleanup_free_ char *aside = NULL, *shm = NULL;
        int r;

        for (unsigned n = 1;; n++) {
                free(TAKE_PTR(aside));
                if (asprintf(&aside, "%s.damaged-%u", path, n) < 0) {
                        aside = NULL;
                        return -ENOMEM;
                }
                if (access(aside, F_OK) < 0)
                        break;
                if (n == N_ASIDE_MAX)
                        return -EEXIST;
        }

        /* Before its log: without that it would be taken for an older one that is whole. */
        r = rename_with_suffix(path, aside, "");
        if (r == 0)
                r = rename_with_suffix(path, aside, "-wal");
        if (r < 0)
                return r;

        /* Only an index of the log, made again when it is needed. */
        if (asprintf(&shm, "%s-shm", path) >= 0)
                (void) unlink(shm);
        else
                shm = NULL;

        *ret = TAKE_PTR(aside);
        return 0;
}

static char *insert_sql(const char *table, int n_columns) {
        _cleanup_free_ char *values = malloc(2 * (size_t) n_columns);
        char *sql;

        if (!values)
                return NULL;

        /* "?,?,…,?" */
        for (int i = 0; i < n_columns; i++)
                memcpy(values + 2 * i, "?,", 2);
        values[2 * n_columns - 1] = '\0';

        return asprintf(&sql, "INSERT OR IGNORE INTO \"%s\" VALUES (%s)", table, values) < 0 ? NULL
                                                                                             : sql;
}

/* Copies rows until there are no more, or no more can be read. */
static int copy_rows(Store *from, Store *to, const char *table, const char *order,
                     uint64_t *n_rows) {
        _cleanup_free_ char *query = NULL, *sql = NULL;
        sqlite3_stmt *read, *write;
        int r = 0;

        if (asprintf(&query, "SELECT * FROM \"%s\" ORDER BY 1 %s", table, order) < 0) {
                query = NULL;
                return -ENOMEM;
        }

        read = store_prepare(from, query);
        sql = read ? insert_sql(table, sqlite3_column_count(read)) : NULL;
        write = sql ? store_prepare(to, sql) : NULL;
        if (!write)
                return 0;

        while (r == 0 && sqlite3_step(read) == SQLITE_ROW) {
                for (int i = 0; i < sqlite3_column_count(read); i++)
                        (void) sqlite3_bind_value(write, i + 1, sqlite3_column_value(read, i));
                r = store_step(to, write);
                (*n_rows)++;
        }

        (void) sqlite3_finalize(read);
        (void) sqlite3_finalize(write);
        return r;
}

static int copy_tables(Store *from, Store *to, uint64_t *ret_n_rows) {
        sqlite3_stmt *tables = store_prepare(to, "SELECT name FROM sqlite_schema WHERE type = "
                                                 "'table' AND name NOT LIKE 'sqlite_%'");
        uint64_t n_forth = 0, n_back = 0;
        int r = 0;

        if (!tables)
                return -EIO;

        while (r == 0 && sqlite3_step(tables) == SQLITE_ROW) {
                const char *table = (const char *) sqlite3_column_text(tables, 0);

                r = copy_rows(from, to, table, "ASC", &n_forth);
                if (r == 0)
                        r = copy_rows(from, to, table, "DESC", &n_back);
        }

        (void) sqlite3_finalize(tables);
        *ret_n_rows = MAX(n_forth, n_back);
        return r < 0 ? r : store_commit(to);
}

int store_salvage(const char *path, const char *const *migrations, unsigned n_migrations,
                  char **ret_aside, uint64_t *ret_n_rows, char **reterr_message) {
        _cleanup_(store_freep) Store *from = NULL, *to = NULL;
        _cleanup_free_ char *aside = NULL, *message = NULL;
        uint64_t n_rows = 0;
        unsigned version;
        int r;

        r = move_aside(path, &aside);
        if (r < 0) {
                if (asprintf(reterr_message, "%s: cannot be moved aside: %s", path, strerror(-r)) <
                    0)
                        *reterr_message = NULL;
                return r;
        }

        r = store_open(path, migrations, n_migrations, &to, reterr_message);
        if (r != STORE_OK)
                return r;

        /* No database at all is as good as an empty one. */
        if (store_open_read_only(aside, &from, &version, &message) == STORE_OK)
                r = copy_tables(from, to, &n_rows);
        if (r < 0) {
                if (asprintf(reterr_message, "%s: cannot be written: %s", path, strerror(-r)) < 0)
                        *reterr_message = NULL;
                return r;
        }

        *ret_aside = TAKE_PTR(aside);
        *ret_n_rows = n_rows;
        return 0;
}
