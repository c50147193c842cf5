/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Store
 *
 * What a daemon must not forget lies in one SQLite database: write-ahead log, synchronous=FULL, so
 * that a commit is on the disk when it returns. A commit costs a fraction of a millisecond whatever
 * is in it, therefore writes share one as far as they come together:
 *
 *     store_step(insert) … store_step(insert) … store_after_commit(tell the executor)
 *                                      │ nothing else to do, or 2 ms later
 *                                  COMMIT, fsync
 *                                      │
 *                                  callbacks, in the order they were queued
 *
 * The rule of the house is kept here by construction: an effect that depends on a record is queued
 * with store_after_commit() and cannot show before the record is durable. When a write or the commit
 * fails, the transaction is rolled back and every callback of the turn gets the error.
 *
 * The schema has a version (PRAGMA user_version). Older databases are migrated in one transaction,
 * newer ones are refused untouched.
 */

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/buffer.h"
#include "common/base/log.h"
#include "common/base/store.h"
#include "common/base/usec.h"

/* An fsync takes a fraction of this; whoever waits for one hardly notices. */
#define COMMIT_LATEST_USEC (2 * USEC_PER_MSEC)

typedef struct Waiter {
        StoreCommitted callback;
        void *userdata;
} Waiter;

struct Store {
        sqlite3 *db;
        sd_event_source *commit_source;   /* NULL without a loop; armed while there is something to commit: when nothing else is to do */
        sd_event_source *late_source;     /* or when that takes too long */
        bool armed;
        bool in_transaction;
        int error;                        /* of a write in the open transaction: it will not commit */
        Waiter *waiters;
        size_t n_waiters, n_allocated_waiters;
};

static int errno_from_sqlite(int code) {
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_PERM:
        case SQLITE_CANTOPEN:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EBADMSG;
        case SQLITE_CONSTRAINT:
                return -EEXIST;
        default:
                return -EIO;
        }
}

static int fail(Store *s, const char *path, char **reterr_message) {
        int code = sqlite3_errcode(s->db);

        if (asprintf(reterr_message, "%s: %s", path, sqlite3_errmsg(s->db)) < 0)
                return -ENOMEM;

        return errno_from_sqlite(code) == -EBADMSG ? STORE_E_CORRUPT : errno_from_sqlite(code);
}

static int read_version(Store *s, unsigned *ret) {
        sqlite3_stmt *statement;
        int code;

        code = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &statement, NULL);
        if (code != SQLITE_OK)
                return errno_from_sqlite(code);

        code = sqlite3_step(statement);
        *ret = (unsigned) sqlite3_column_int(statement, 0);
        (void) sqlite3_finalize(statement);
        return code == SQLITE_ROW ? 0 : errno_from_sqlite(code);
}

static int migrate(Store *s, const char *const *migrations, unsigned from, unsigned to) {
        char pragma[64];
        int r;

        r = store_exec(s, "BEGIN IMMEDIATE");
        for (unsigned i = from; r == 0 && i < to; i++)
                r = store_exec(s, migrations[i]);

        snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %u", to);
        if (r == 0)
                r = store_exec(s, pragma);
        if (r == 0)
                r = store_exec(s, "COMMIT");
        return r;
}

/*
 * Opens or creates the database. `*reterr_message` names the file and what is wrong with it for any
 * result but 0. The file is private to its owner: it may hold secrets of tasks.
 */
int store_open(const char *path, const char *const *migrations, unsigned n_migrations,
               Store **ret, char **reterr_message) {
        _cleanup_(store_freep) Store *s = NULL;
        unsigned version = 0;
        mode_t mask;
        int code;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        mask = umask(0077);
        code = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                               NULL);
        (void) umask(mask);
        if (code != SQLITE_OK)
                return fail(s, path, reterr_message);

        /* Somebody may look at the database with the sqlite3 tool while we run. */
        (void) sqlite3_busy_timeout(s->db, 2000);

        if (store_exec(s, "PRAGMA journal_mode = WAL") < 0 || store_exec(s, "PRAGMA synchronous = FULL") < 0 ||
            store_exec(s, "PRAGMA foreign_keys = ON") < 0 || store_exec(s, "PRAGMA cache_size = -2048") < 0 ||
            read_version(s, &version) < 0)
                return fail(s, path, reterr_message);

        if (version > n_migrations) {
                if (asprintf(reterr_message,
                             "%s: written by a later version (schema %u, this program knows up to %u); "
                             "start that version again, or move the file away to begin anew",
                             path, version, n_migrations) < 0)
                        return -ENOMEM;
                return STORE_E_NEWER;
        }

        if (version < n_migrations && migrate(s, migrations, version, n_migrations) < 0)
                return fail(s, path, reterr_message);

        *ret = TAKE_PTR(s);
        return STORE_OK;
}

/* The path as a URI, where '?', '#' and '%' have meanings of their own. */
static char *make_uri(const char *path, const char *parameters) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(65536);
        int r = buffer_append_text(&b, "file:");

        for (const char *p = path; *p && r == 0; p++)
                r = strchr("?#%", *p) ? buffer_printf(&b, "%%%02x", (unsigned char) *p)
                                      : buffer_append_char(&b, *p);
        if (r == 0)
                r = buffer_append_text(&b, parameters);

        return r == 0 ? buffer_take_text(&b) : NULL;
}

static int open_uri(const char *path, const char *parameters, Store **ret, unsigned *ret_version,
                    char **reterr_message) {
        _cleanup_(store_freep) Store *s = calloc(1, sizeof(*s));
        _cleanup_free_ char *uri = make_uri(path, parameters);
        int code;

        if (!s || !uri)
                return -ENOMEM;

        code = sqlite3_open_v2(uri, &s->db,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
        if (code != SQLITE_OK)
                return fail(s, path, reterr_message);

        (void) sqlite3_busy_timeout(s->db, 2000);
        if (read_version(s, ret_version) < 0)
                return fail(s, path, reterr_message);

        *ret = TAKE_PTR(s);
        return STORE_OK;
}

/* A reader makes files beside the database as a writer does; without a log there is no writer. */
static bool is_at_rest(const char *path) {
        _cleanup_free_ char *wal = NULL;

        if (asprintf(&wal, "%s-wal", path) < 0) {
                wal = NULL;
                return false;
        }

        return access(wal, F_OK) < 0;
}

int store_open_read_only(const char *path, Store **ret, unsigned *ret_version,
                         char **reterr_message) {
        static const char as_it_is[] = "?mode=ro&immutable=1";
        int r;

        if (is_at_rest(path))
                return open_uri(path, as_it_is, ret, ret_version, reterr_message);

        r = open_uri(path, "?mode=ro", ret, ret_version, reterr_message);
        if (r != -EACCES && r != -EROFS)
                return r;

        /* Those files cannot be made: nobody writes here, either. */
        free(TAKE_PTR(*reterr_message));
        return open_uri(path, as_it_is, ret, ret_version, reterr_message);
}

/* What was not committed is lost, as in a crash; its waiters are not called. */
Store *store_free(Store *s) {
        sqlite3_stmt *statement;

        if (!s)
                return NULL;

        sd_event_source_disable_unref(s->commit_source);
        sd_event_source_disable_unref(s->late_source);
        while ((statement = sqlite3_next_stmt(s->db, NULL)))
                (void) sqlite3_finalize(statement);
        (void) sqlite3_close(s->db);
        free(s->waiters);
        free(s);
        return NULL;
}

/* The statement lives as long as the store. NULL on a programming error or out of memory (logged). */
sqlite3_stmt *store_prepare(Store *s, const char *sql) {
        sqlite3_stmt *statement;

        if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
                log_error("Cannot prepare \"%s\": %s", sql, sqlite3_errmsg(s->db));
                return NULL;
        }

        return statement;
}

/*
 * Sees to it that what is open is committed: when nothing else is to be done, so that as much as
 * possible shares it, but soon in any case.
 */
static int arm_commit(Store *s) {
        int r;

        if (!s->commit_source || s->armed)
                return 0;

        r = sd_event_source_set_enabled(s->commit_source, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        s->armed = true;
        (void) sd_event_source_set_time_relative(s->late_source, COMMIT_LATEST_USEC);
        return sd_event_source_set_enabled(s->late_source, SD_EVENT_ONESHOT);
}

static int begin(Store *s) {
        int r;

        if (s->in_transaction)
                return 0;

        r = store_exec(s, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;

        s->in_transaction = true;
        return arm_commit(s);
}

/* The turn has failed, and whoever waits for it is told soon. */
static int fail_turn(Store *s, int error) {
        s->error = error;
        (void) arm_commit(s);
        return error;
}

/*
 * Runs a bound writing statement in the turn's transaction and resets it. A failure makes the whole
 * transaction fail, so the caller may ignore the result when it waits for the commit anyway.
 */
int store_step(Store *s, sqlite3_stmt *statement) {
        int r, code;

        /* Once a write has failed SQLite may have rolled the transaction back, and what follows
         * would be committed on its own although its turn fails. */
        r = s->error < 0 ? s->error : begin(s);
        if (r < 0) {
                (void) sqlite3_reset(statement);
                (void) sqlite3_clear_bindings(statement);
                return fail_turn(s, r);
        }

        code = sqlite3_step(statement);
        (void) sqlite3_reset(statement);
        (void) sqlite3_clear_bindings(statement);

        r = errno_from_sqlite(code);
        if (r < 0) {
                log_error("Cannot write to '%s': %s", sqlite3_db_filename(s->db, "main"),
                          sqlite3_errmsg(s->db));
                (void) fail_turn(s, r);
        }

        return r;
}

int store_fail(Store *s, int error) {
        return fail_turn(s, error);
}

/* Runs plain SQL outside of the turn's bookkeeping. */
int store_exec(Store *s, const char *sql) {
        return errno_from_sqlite(sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

static int on_turn_end(sd_event_source *source, void *userdata) {
        (void) source;
        (void) store_commit(userdata);
        return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        (void) store_commit(userdata);
        return 0;
}

/* From now on transactions are committed at the end of each turn of the loop that wrote something. */
int store_attach_event(Store *s, sd_event *event) {
        int r;

        r = sd_event_add_defer(event, &s->commit_source, on_turn_end, s);
        if (r < 0)
                return r;

        r = sd_event_source_set_priority(s->commit_source, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;

        /* A busy socket is always ready before an idle source; a timer that goes first is not impressed. */
        r = sd_event_add_time(event, &s->late_source, CLOCK_MONOTONIC, USEC_INFINITY, USEC_EXACT, on_late, s);
        if (r >= 0)
                r = sd_event_source_set_priority(s->late_source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(s->commit_source, "store-commit");
        (void) sd_event_source_set_description(s->late_source, "store-commit-late");
        (void) sd_event_source_set_enabled(s->late_source, SD_EVENT_OFF);
        return sd_event_source_set_enabled(s->commit_source, SD_EVENT_OFF);
}

/* Queues the callback; without an open transaction it is called at the end of the turn all the same. */
int store_after_commit(Store *s, StoreCommitted callback, void *userdata) {
        if (s->n_waiters == s->n_allocated_waiters) {
                size_t n = MAX(s->n_allocated_waiters * 2, (size_t) 16);
                Waiter *p = reallocarray(s->waiters, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;

                s->waiters = p;
                s->n_allocated_waiters = n;
        }

        s->waiters[s->n_waiters++] = (Waiter) { callback, userdata };
        return arm_commit(s);
}

/*
 * Makes durable what was written since the last commit, then calls the waiters with the outcome.
 * Waiters may write and wait again: that belongs to the next transaction.
 */
int store_commit(Store *s) {
        Waiter *waiters = TAKE_PTR(s->waiters);
        size_t n = s->n_waiters;
        int r = s->error;

        s->n_waiters = s->n_allocated_waiters = 0;
        s->armed = false;
        if (s->commit_source) {
                (void) sd_event_source_set_enabled(s->commit_source, SD_EVENT_OFF);
                (void) sd_event_source_set_enabled(s->late_source, SD_EVENT_OFF);
        }

        s->error = 0;

        if (s->in_transaction) {
                CRASH_POINT("store-commit");
                if (r == 0)
                        r = store_exec(s, "COMMIT");
                CRASH_POINT("store-committed");
                if (r < 0) {
                        log_error_errno(r,
                                        "Cannot commit to '%s', nothing that depends on it is "
                                        "shown: %m",
                                        sqlite3_db_filename(s->db, "main"));
                        (void) store_exec(s, "ROLLBACK");
                }
                s->in_transaction = false;
        }

        for (size_t i = 0; i < n; i++) {
                waiters[i].callback(r, waiters[i].userdata);
                CRASH_POINT("store-waiter-told");
        }

        free(waiters);
        return r;
}
