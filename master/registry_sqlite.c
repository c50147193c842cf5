/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The registry in an SQLite database, for a master that is alone.
 *
 *     records      kind, id, value          the packed message
 *
 * Schema 1 had a table each for agents (the AgentInfo alone), unreachable and gone; what it had is
 * carried over when it is opened, in one transaction. Its directory is locked: of two masters that are
 * alone each would change what the other knows.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>


#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/store.h"
#include "master/registry_backend.h"

static const char *const migrations[] = {
        "CREATE TABLE agents (id TEXT PRIMARY KEY, info BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE unreachable (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE gone (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL) WITHOUT ROWID;",

        /* The rows of the old tables cannot be told in SQL as they are now; see carry_over(). */
        "CREATE TABLE records (kind TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL,"
        " PRIMARY KEY (kind, id)) WITHOUT ROWID;",
};

typedef enum Query {
        QUERY_LIST,
        QUERY_PUT,
        QUERY_DELETE,
        QUERY_SIZE,
        _QUERY_MAX,
} Query;

static const char *const queries[_QUERY_MAX] = {
        [QUERY_LIST] = "SELECT kind, id, value FROM records ORDER BY kind, id",
        [QUERY_PUT] = "INSERT OR REPLACE INTO records (kind, id, value) VALUES (?1, ?2, ?3)",
        [QUERY_DELETE] = "DELETE FROM records WHERE kind = ?1 AND id = ?2",
        [QUERY_SIZE] = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
};

typedef struct Sqlite {
        Store *store;
        sqlite3_stmt *statements[_QUERY_MAX]; /* the store owns them */
        int lock_fd;                          /* the directory */
} Sqlite;

/* Failures are the store's to remember: they fail the commit. */
static int write_record(Sqlite *q, RecordKind kind, const char *id, const void *data, size_t n) {
        sqlite3_stmt *s = q->statements[data ? QUERY_PUT : QUERY_DELETE];

        if (sqlite3_bind_text(s, 1, record_kind_name(kind), -1, SQLITE_STATIC) != SQLITE_OK ||
            sqlite3_bind_text(s, 2, record_kind_is_single(kind) ? "" : id, -1, SQLITE_TRANSIENT) !=
                            SQLITE_OK)
                return store_fail(q->store, -ENOMEM);

        if (data && sqlite3_bind_blob(s, 3, data, (int) n, SQLITE_TRANSIENT) != SQLITE_OK)
                return store_fail(q->store, -ENOMEM);

        return store_step(q->store, s);
}

static int sqlite_commit(void *backend, const RegistryWrite *writes, size_t n_writes,
                         RegistryBackendDone done, void *userdata) {
        Sqlite *q = backend;
        int r = 0;

        for (size_t i = 0; i < n_writes && r >= 0; i++)
                r = write_record(q, writes[i].kind, writes[i].id, writes[i].data, writes[i].n_data);

        done(store_commit(q->store), userdata);
        return 0;
}

static int read_row(sqlite3_stmt *s, RegistryEntry entry, void *userdata) {
        const char *name = (const char *) sqlite3_column_text(s, 0);
        const char *id = (const char *) sqlite3_column_text(s, 1);
        const void *data = sqlite3_column_blob(s, 2);
        RecordKind kind = name ? record_kind_from_name(name) : RECORD_NONE;

        if (kind == RECORD_NONE || !id) {
                log_error("The registry has a record of the unknown kind '%s'", name ?: "");
                return -EBADMSG;
        }

        return entry(kind, id, data, (size_t) sqlite3_column_bytes(s, 2), userdata);
}

static int sqlite_load(void *backend, RegistryEntry entry, RegistryBackendDone done,
                       void *userdata) {
        Sqlite *q = backend;
        sqlite3_stmt *s = q->statements[QUERY_LIST];
        int code = SQLITE_DONE, r = 0;

        while (r >= 0 && (code = sqlite3_step(s)) == SQLITE_ROW)
                r = read_row(s, entry, userdata);
        if (r >= 0 && code != SQLITE_DONE) {
                log_error("Cannot read the registry: %s", sqlite3_errstr(code));
                r = -EIO;
        }

        (void) sqlite3_reset(s);
        if (r < 0)
                return r;

        done(0, userdata);
        return 0;
}

static uint64_t sqlite_size(void *backend) {
        sqlite3_stmt *s = ((Sqlite *) backend)->statements[QUERY_SIZE];
        uint64_t n = 0;

        if (sqlite3_step(s) == SQLITE_ROW)
                n = (uint64_t) sqlite3_column_int64(s, 0);

        (void) sqlite3_reset(s);
        return n;
}

static void sqlite_free(void *backend) {
        Sqlite *q = backend;

        store_free(q->store);
        (void) fd_close(q->lock_fd);
        free(q);
}

/* How a row of schema 1 is told today. */
typedef int (*CarryOver)(Sqlite *q, const char *id, sqlite3_stmt *row);

static int carry_over_message(Sqlite *q, RecordKind kind, const char *id,
                              const ProtobufCMessage *message) {
        size_t n = protobuf_c_message_get_packed_size(message);
        _cleanup_free_ void *packed = malloc(n);

        if (!packed)
                return -ENOMEM;

        protobuf_c_message_pack(message, packed);
        return write_record(q, kind, id, packed, n);
}

static int carry_over_agent(Sqlite *q, const char *id, sqlite3_stmt *row) {
        Mesos__Internal__Registry__Slave slave = MESOS__INTERNAL__REGISTRY__SLAVE__INIT;
        int r;

        slave.info = mesos__v1__agent_info__unpack(NULL, (size_t) sqlite3_column_bytes(row, 1),
                                                   sqlite3_column_blob(row, 1));
        if (!slave.info)
                return -EBADMSG;

        r = carry_over_message(q, RECORD_AGENT, id, &slave.base);
        mesos__v1__agent_info__free_unpacked(slave.info, NULL);
        return r;
}

static int carry_over_unreachable(Sqlite *q, const char *id, sqlite3_stmt *row) {
        Mesos__Internal__Registry__UnreachableSlave slave =
                        MESOS__INTERNAL__REGISTRY__UNREACHABLE_SLAVE__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;
        Mesos__V1__TimeInfo since = MESOS__V1__TIME_INFO__INIT;

        agent_id.value = (char *) id;
        since.nanoseconds = sqlite3_column_int64(row, 1) * 1000;
        slave.id = &agent_id;
        slave.timestamp = &since;
        return carry_over_message(q, RECORD_UNREACHABLE, id, &slave.base);
}

static int carry_over_gone(Sqlite *q, const char *id, sqlite3_stmt *row) {
        Mesos__Internal__Registry__GoneSlave slave = MESOS__INTERNAL__REGISTRY__GONE_SLAVE__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;
        Mesos__V1__TimeInfo since = MESOS__V1__TIME_INFO__INIT;

        agent_id.value = (char *) id;
        since.nanoseconds = sqlite3_column_int64(row, 1) * 1000;
        slave.id = &agent_id;
        slave.timestamp = &since;
        return carry_over_message(q, RECORD_GONE, id, &slave.base);
}

static int carry_over_rows(Sqlite *q, const char *sql, CarryOver carry_over) {
        sqlite3_stmt *row = store_prepare(q->store, sql);
        int code = SQLITE_ERROR, r = 0;

        while (row && r >= 0 && (code = sqlite3_step(row)) == SQLITE_ROW)
                r = carry_over(q, (const char *) sqlite3_column_text(row, 0), row);

        (void) sqlite3_finalize(row);
        return r < 0 ? r : code == SQLITE_DONE ? 0 : -EIO;
}

static bool has_old_tables(Sqlite *q) {
        sqlite3_stmt *s = store_prepare(
                        q->store,
                        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'agents'");
        bool has = s && sqlite3_step(s) == SQLITE_ROW;

        (void) sqlite3_finalize(s);
        return has;
}

static int step_once(Sqlite *q, const char *sql) {
        sqlite3_stmt *s = store_prepare(q->store, sql);
        int r = s ? store_step(q->store, s) : -EIO;

        (void) sqlite3_finalize(s);
        return r;
}

/*
 * Schema 1 could have an agent in two tables; the more final word holds. All in one transaction: as
 * long as the old tables are there nothing was carried over.
 */
static int carry_over(Sqlite *q) {
        static const struct {
                const char *sql;
                CarryOver carry_over;
        } tables[] = {
                { "SELECT id, info FROM agents WHERE id NOT IN (SELECT id FROM gone)",
                  carry_over_agent },
                { "SELECT id, since_usec FROM unreachable WHERE id NOT IN (SELECT id FROM gone)"
                  " AND id NOT IN (SELECT id FROM agents)",
                  carry_over_unreachable },
                { "SELECT id, since_usec FROM gone", carry_over_gone },
        };
        static const char *const drops[] = {
                "DROP TABLE agents",
                "DROP TABLE unreachable",
                "DROP TABLE gone",
        };
        int r = 0;

        if (!has_old_tables(q))
                return 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(tables); i++)
                r = carry_over_rows(q, tables[i].sql, tables[i].carry_over);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(drops); i++)
                r = step_once(q, drops[i]);
        if (r < 0)
                (void) store_fail(q->store, r);

        return store_commit(q->store);
}

static int prepare(Sqlite *q) {
        for (Query i = 0; i < _QUERY_MAX; i++) {
                q->statements[i] = store_prepare(q->store, queries[i]);
                if (!q->statements[i])
                        return -EIO;
        }

        return 0;
}

static void sqlite_freep(Sqlite **q) {
        if (*q)
                sqlite_free(*q);
}

/* The kernel ends the lock with the process, however that ends. */
static int lock_directory(Sqlite *q, const char *path, char **reterr_message) {
        const char *end = strrchr(path, '/');
        _cleanup_free_ char *directory = NULL;

        directory = end ? strndup(path, MAX((size_t) (end - path), (size_t) 1)) : strdup(".");
        if (!directory)
                return -ENOMEM;

        q->lock_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (q->lock_fd < 0)
                return -errno;
        if (flock(q->lock_fd, LOCK_EX | LOCK_NB) >= 0)
                return 0;
        if (errno != EWOULDBLOCK)
                return -errno;

        if (asprintf(reterr_message, "%s: another master uses it", directory) < 0)
                *reterr_message = NULL;
        return -EBUSY;
}

int registry_sqlite_new(const char *path, RegistryBackend *ret, char **reterr_message) {
        static const RegistryBackendOps ops = {
                .load = sqlite_load,
                .commit = sqlite_commit,
                .size = sqlite_size,
                .free = sqlite_free,
        };
        _cleanup_(sqlite_freep) Sqlite *q = NULL;
        int r;

        q = malloc(sizeof(*q));
        if (!q)
                return -ENOMEM;

        *q = (Sqlite) { .lock_fd = -EBADF };
        r = lock_directory(q, path, reterr_message);
        if (r < 0)
                return r;

        r = store_open(path, migrations, ELEMENTSOF(migrations), &q->store, reterr_message);
        if (r != STORE_OK)
                return r;

        r = prepare(q);
        if (r >= 0)
                r = carry_over(q);
        if (r < 0) {
                if (asprintf(reterr_message, "%s: what an earlier version wrote cannot be read",
                             path) < 0)
                        *reterr_message = NULL;
                return r;
        }

        *ret = (RegistryBackend){ .ops = &ops, .object = TAKE_PTR(q) };
        return 0;
}
