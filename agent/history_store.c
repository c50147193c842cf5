/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The stored history
 *
 * Three tables beside those of the checkpoint (whose migrations make them), in the same database:
 *
 *     completed_frameworks    FrameworkInfo, pid
 *     completed_executors     ExecutorInfo, container id, sandbox, how it ended
 *     completed_tasks         mesos.v1.Task with its statuses, and the container it was in
 *
 * A task that was acknowledged to the end leaves the checkpoint and enters here in one transaction;
 * its executor and its framework, which may live on, follow when they are over. How much is kept is
 * history.c's to say.
 *
 * As with updates there is no index but the number of the record: rows are added at the end and
 * dropped at the beginning by those who hold their numbers, and otherwise read only as a whole.
 */

#include "agent/history_store.h"
#include "common/base/log.h"
#include "common/model/id.h"

typedef enum Statement {
        ADD_FRAMEWORK,
        ADD_EXECUTOR,
        ADD_TASK,
        DROP_FRAMEWORK,
        DROP_EXECUTOR,
        DROP_TASK,
        N_STATEMENTS,
} Statement;

static const char *const statement_sql[N_STATEMENTS] = {
        [ADD_FRAMEWORK] = "INSERT INTO completed_frameworks (record, pid, info) VALUES (?1, ?2, ?3)",
        [ADD_EXECUTOR] = "INSERT INTO completed_executors "
                         "(record, framework_id, container_id, directory, user, generated, wait_status, info) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [ADD_TASK] = "INSERT INTO completed_tasks (record, container_id, task) VALUES (?1, ?2, ?3)",
        [DROP_FRAMEWORK] = "DELETE FROM completed_frameworks WHERE record = ?1",
        [DROP_EXECUTOR] = "DELETE FROM completed_executors WHERE record = ?1",
        [DROP_TASK] = "DELETE FROM completed_tasks WHERE record = ?1",
};

struct HistoryStore {
        Store *store;                               /* borrowed */
        sqlite3_stmt *statements[N_STATEMENTS];     /* the store's */
        int64_t last_record;                        /* of all three tables */
};

static int find_last_record(HistoryStore *h) {
        sqlite3_stmt *s = store_prepare(h->store, "SELECT max((SELECT coalesce(max(record), 0) FROM completed_frameworks),"
                                                  " (SELECT coalesce(max(record), 0) FROM completed_executors),"
                                                  " (SELECT coalesce(max(record), 0) FROM completed_tasks))");
        int code;

        if (!s)
                return -EIO;

        code = sqlite3_step(s);
        h->last_record = sqlite3_column_int64(s, 0);
        (void) sqlite3_finalize(s);
        return code == SQLITE_ROW ? 0 : -EBADMSG;
}

int history_store_new(Store *store, HistoryStore **ret) {
        _cleanup_(history_store_freep) HistoryStore *h = NULL;
        int r;

        r = history_store_new_reader(store, &h);
        if (r < 0)
                return r;

        for (Statement i = 0; i < N_STATEMENTS; i++) {
                h->statements[i] = store_prepare(store, statement_sql[i]);
                if (!h->statements[i])
                        return -EIO;
        }

        r = find_last_record(h);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(h);
        return 0;
}

int history_store_new_reader(Store *store, HistoryStore **ret) {
        HistoryStore *h = calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;

        h->store = store;
        *ret = h;
        return 0;
}

HistoryStore *history_store_free(HistoryStore *h) {
        free(h);
        return NULL;
}

static void bind_text(HistoryStore *h, Statement s, int column, const char *text) {
        (void) sqlite3_bind_text(h->statements[s], column, text, -1, SQLITE_STATIC);
}

/* Runs the statement with the packed message bound last. The number counts also when that fails. */
static int add(HistoryStore *h, Statement s, int column, const void *packed, size_t n, int64_t *ret_record) {
        (void) sqlite3_bind_int64(h->statements[s], 1, ++h->last_record);
        (void) sqlite3_bind_blob64(h->statements[s], column, packed, n, SQLITE_STATIC);
        *ret_record = h->last_record;
        return store_step(h->store, h->statements[s]);
}

static int add_message(HistoryStore *h, Statement s, int column, const ProtobufCMessage *m, int64_t *ret_record) {
        size_t n = protobuf_c_message_get_packed_size(m);
        _cleanup_free_ uint8_t *packed = malloc(n ?: 1);

        if (!packed)
                return store_fail(h->store, -ENOMEM);

        (void) protobuf_c_message_pack(m, packed);
        return add(h, s, column, packed, n, ret_record);
}

int history_store_add_framework(HistoryStore *h, const Framework *f, int64_t *ret_record) {
        bind_text(h, ADD_FRAMEWORK, 2, f->pid);
        return add_message(h, ADD_FRAMEWORK, 3, &f->info->base, ret_record);
}

int history_store_add_executor(HistoryStore *h, const Executor *e, int64_t *ret_record) {
        bind_text(h, ADD_EXECUTOR, 2, e->framework->id);
        bind_text(h, ADD_EXECUTOR, 3, e->container_id);
        bind_text(h, ADD_EXECUTOR, 4, e->directory);
        bind_text(h, ADD_EXECUTOR, 5, e->user);
        (void) sqlite3_bind_int(h->statements[ADD_EXECUTOR], 6, e->generated);
        if (e->exit_status.known)
                (void) sqlite3_bind_int(h->statements[ADD_EXECUTOR], 7, e->exit_status.wait_status);
        return add_message(h, ADD_EXECUTOR, 8, &e->info->base, ret_record);
}

int history_store_add_task(HistoryStore *h, const char *container_id, const CompletedTask *t, int64_t *ret_record) {
        bind_text(h, ADD_TASK, 2, container_id);
        return add(h, ADD_TASK, 3, t->packed, t->n_packed, ret_record);
}

static int drop(HistoryStore *h, Statement s, int64_t record) {
        (void) sqlite3_bind_int64(h->statements[s], 1, record);
        return store_step(h->store, h->statements[s]);
}

int history_store_drop_framework(HistoryStore *h, int64_t record) {
        return drop(h, DROP_FRAMEWORK, record);
}

int history_store_drop_executor(HistoryStore *h, int64_t record) {
        return drop(h, DROP_EXECUTOR, record);
}

int history_store_drop_task(HistoryStore *h, int64_t record) {
        return drop(h, DROP_TASK, record);
}

/* A database that is only looked at may be older than its history. */
static int has_history(HistoryStore *h, bool *ret) {
        sqlite3_stmt *s = store_prepare(h->store, "SELECT 1 FROM sqlite_master WHERE name = 'completed_tasks'");
        int code;

        if (!s)
                return -EBADMSG;

        code = sqlite3_step(s);
        (void) sqlite3_finalize(s);
        *ret = code == SQLITE_ROW;
        return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -EBADMSG;
}

/* Of a row: what is in it cannot be ours. */
#define ROW_DAMAGED 1

/* Hands each row to `row`. A damaged one is passed over, and at the end the result is -EBADMSG. */
static int foreach_row(HistoryStore *h, const char *sql, int (*row)(sqlite3_stmt *s, void *closure), void *closure) {
        sqlite3_stmt *s;
        bool there, damaged = false;
        int code, r;

        r = has_history(h, &there);
        if (r < 0 || !there)
                return r;

        s = store_prepare(h->store, sql);
        if (!s)
                return -EBADMSG;

        while (r >= 0 && (code = sqlite3_step(s)) == SQLITE_ROW) {
                r = row(s, closure);
                damaged = damaged || r == ROW_DAMAGED;
        }
        (void) sqlite3_finalize(s);

        if (r < 0)
                return r;

        return code == SQLITE_DONE && !damaged ? 0 : -EBADMSG;
}

static const char *column_text(sqlite3_stmt *s, int i) {
        return (const char *) sqlite3_column_text(s, i);
}

static bool is_id(const char *text) {
        return text && id_is_valid(text);
}

static bool is_container_id(const char *text) {
        return is_id(text) && strlen(text) <= 36;
}

typedef struct FrameworkWalk {
        int (*visit)(const StoredCompletedFramework *f, void *userdata);
        void *userdata;
} FrameworkWalk;

static int framework_row(sqlite3_stmt *s, void *closure) {
        FrameworkWalk *w = closure;
        StoredCompletedFramework f = {
                .record = sqlite3_column_int64(s, 0),
                .pid = column_text(s, 1),
                .info = sqlite3_column_blob(s, 2),
                .n_info = (size_t) sqlite3_column_bytes(s, 2),
        };

        return f.pid ? w->visit(&f, w->userdata) : ROW_DAMAGED;
}

int history_store_foreach_framework(HistoryStore *h, int (*visit)(const StoredCompletedFramework *f, void *userdata),
                                    void *userdata) {
        return foreach_row(h, "SELECT record, pid, info FROM completed_frameworks ORDER BY record", framework_row,
                           &(FrameworkWalk) { visit, userdata });
}

typedef struct ExecutorWalk {
        int (*visit)(const StoredCompletedExecutor *e, void *userdata);
        void *userdata;
} ExecutorWalk;

static int executor_row(sqlite3_stmt *s, void *closure) {
        ExecutorWalk *w = closure;
        StoredCompletedExecutor e = {
                .record = sqlite3_column_int64(s, 0),
                .framework_id = column_text(s, 1),
                .container_id = column_text(s, 2),
                .directory = column_text(s, 3),
                .user = column_text(s, 4),
                .generated = sqlite3_column_int(s, 5),
                .exit_status = { .known = sqlite3_column_type(s, 6) != SQLITE_NULL,
                                 .wait_status = sqlite3_column_int(s, 6) },
                .info = sqlite3_column_blob(s, 7),
                .n_info = (size_t) sqlite3_column_bytes(s, 7),
        };

        if (!is_id(e.framework_id) || !is_container_id(e.container_id) || !e.directory || e.directory[0] != '/')
                return ROW_DAMAGED;

        return w->visit(&e, w->userdata);
}

int history_store_foreach_executor(HistoryStore *h, int (*visit)(const StoredCompletedExecutor *e, void *userdata),
                                   void *userdata) {
        return foreach_row(h, "SELECT record, framework_id, container_id, directory, user, generated, wait_status, info "
                              "FROM completed_executors ORDER BY record",
                           executor_row, &(ExecutorWalk) { visit, userdata });
}

typedef struct TaskWalk {
        int (*visit)(const StoredCompletedTask *t, void *userdata);
        void *userdata;
} TaskWalk;

static int task_row(sqlite3_stmt *s, void *closure) {
        TaskWalk *w = closure;
        StoredCompletedTask t = {
                .record = sqlite3_column_int64(s, 0),
                .container_id = column_text(s, 1),
                .task = sqlite3_column_blob(s, 2),
                .n_task = (size_t) sqlite3_column_bytes(s, 2),
        };

        return is_container_id(t.container_id) ? w->visit(&t, w->userdata) : ROW_DAMAGED;
}

int history_store_foreach_task(HistoryStore *h, int (*visit)(const StoredCompletedTask *t, void *userdata),
                               void *userdata) {
        return foreach_row(h, "SELECT record, container_id, task FROM completed_tasks ORDER BY record", task_row,
                           &(TaskWalk) { visit, userdata });
}
