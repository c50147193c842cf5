/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkpoint
 *
 * The agent's memory across crashes, in <work_dir>/meta/agent.db:
 *
 *     meta          agent_info (AgentInfo with our id), boot_id; resources and staged_resources,
 *                   the reservations and volumes that are, and that are being made; drain_config
 *     frameworks    FrameworkInfo, pid
 *     └ executors   ExecutorInfo, container id, sandbox, and how to find its launcher again
 *       └ tasks     TaskInfo
 *     updates       StatusUpdate in order of arrival, acknowledged or not
 *     operations    Operation with its latest status, until that is acknowledged
 *
 * and beside them what is over (history_store.c), whose tables are made here as well.
 *
 * Only frameworks that asked for checkpointing are in it. Everything is written before its effect
 * shows: an executor before its container starts, its launcher's identity before the launcher may
 * go on, a task before its executor hears of it, an update before it is forwarded or acknowledged,
 * an acknowledgement before the next update is sent. The transactions are the store's.
 *
 * Updates are the bulk of it, so their table has no index but the number of the record, which the
 * status manager keeps: whatever is written in a turn lies side by side, a page or two a commit.
 *
 * What depends on a row goes with it, so that a deletion the disk refused earlier leaves no orphan.
 * Rows are deleted when nothing can become of them any more: a task with its updates when its terminal
 * update is acknowledged, an executor when it is gone and has no tasks. The history takes over then.
 */

#include <stdio.h>

#include "agent/checkpoint.h"
#include "common/base/log.h"
#include "common/model/id.h"
#include "proto/internal.pb-c.h"

const char *const checkpoint_migrations[] = {
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE frameworks (id TEXT PRIMARY KEY, pid TEXT NOT NULL, info BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE executors ("
        "        framework_id TEXT NOT NULL, id TEXT NOT NULL, container_id TEXT NOT NULL,"
        "        directory TEXT NOT NULL, user TEXT, generated INTEGER NOT NULL,"
        "        subscribed INTEGER NOT NULL DEFAULT 0, info BLOB NOT NULL,"
        "        launcher_pid INTEGER, launcher_start INTEGER, cgroup TEXT, unit TEXT, invocation_id TEXT,"
        "        PRIMARY KEY (framework_id, id)) WITHOUT ROWID;"
        "CREATE TABLE tasks ("
        "        framework_id TEXT NOT NULL, id TEXT NOT NULL, executor_id TEXT NOT NULL, info BLOB NOT NULL,"
        "        arrival INTEGER NOT NULL,"
        "        PRIMARY KEY (framework_id, id)) WITHOUT ROWID;"
        "CREATE TABLE updates ("
        "        arrival INTEGER PRIMARY KEY, framework_id TEXT NOT NULL, task_id TEXT NOT NULL,"
        "        uuid BLOB NOT NULL, body BLOB NOT NULL, acknowledged INTEGER NOT NULL DEFAULT 0);"
        "CREATE TRIGGER executor_gone AFTER DELETE ON executors BEGIN"
        "        DELETE FROM tasks WHERE framework_id = OLD.framework_id AND executor_id = OLD.id; END;"
        "CREATE TRIGGER framework_gone AFTER DELETE ON frameworks BEGIN"
        "        DELETE FROM executors WHERE framework_id = OLD.id;"
        "        DELETE FROM updates WHERE framework_id = OLD.id; END;",

        "CREATE TABLE operations (arrival INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, body BLOB NOT NULL);",

        /* The history of what is over. */
        "CREATE TABLE completed_frameworks (record INTEGER PRIMARY KEY, pid TEXT NOT NULL, info BLOB NOT NULL);"
        "CREATE TABLE completed_executors ("
        "        record INTEGER PRIMARY KEY, framework_id TEXT NOT NULL, container_id TEXT NOT NULL,"
        "        directory TEXT NOT NULL, user TEXT, generated INTEGER NOT NULL, wait_status INTEGER,"
        "        info BLOB NOT NULL);"
        "CREATE TABLE completed_tasks ("
        "        record INTEGER PRIMARY KEY, container_id TEXT NOT NULL, task BLOB NOT NULL);",
};
const unsigned n_checkpoint_migrations = ELEMENTSOF(checkpoint_migrations);

typedef enum Statement {
        SET_META,
        DELETE_META,
        SET_FRAMEWORK,
        DELETE_FRAMEWORK,
        SET_EXECUTOR,
        SET_CONTAINER,
        SET_SUBSCRIBED,
        DELETE_EXECUTOR,
        SET_TASK,
        DELETE_TASK,
        ADD_UPDATE,
        SET_ACKNOWLEDGED,
        DELETE_UPDATE,
        SET_OPERATION,
        DELETE_OPERATION,
        N_STATEMENTS,
} Statement;

static const char *const statement_sql[N_STATEMENTS] = {
        [SET_META] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
        [DELETE_META] = "DELETE FROM meta WHERE key = ?1",
        [SET_FRAMEWORK] = "INSERT OR REPLACE INTO frameworks (id, pid, info) VALUES (?1, ?2, ?3)",
        [DELETE_FRAMEWORK] = "DELETE FROM frameworks WHERE id = ?1",
        [SET_EXECUTOR] = "INSERT OR REPLACE INTO executors "
                         "(framework_id, id, container_id, directory, user, generated, info) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        [SET_CONTAINER] = "UPDATE executors SET launcher_pid = ?3, launcher_start = ?4, cgroup = ?5, unit = ?6, "
                          "invocation_id = ?7 WHERE framework_id = ?1 AND id = ?2",
        [SET_SUBSCRIBED] = "UPDATE executors SET subscribed = 1 WHERE framework_id = ?1 AND id = ?2",
        [DELETE_EXECUTOR] = "DELETE FROM executors WHERE framework_id = ?1 AND id = ?2 AND container_id = ?3",
        [SET_TASK] = "INSERT OR REPLACE INTO tasks (framework_id, id, executor_id, info, arrival) "
                     "VALUES (?1, ?2, ?3, ?4, ?5)",
        [DELETE_TASK] = "DELETE FROM tasks WHERE framework_id = ?1 AND id = ?2",
        [ADD_UPDATE] = "INSERT INTO updates (framework_id, task_id, uuid, body) VALUES (?1, ?2, ?3, ?4)",
        [SET_ACKNOWLEDGED] = "UPDATE updates SET acknowledged = 1 WHERE arrival = ?1",
        [DELETE_UPDATE] = "DELETE FROM updates WHERE arrival = ?1",
        [SET_OPERATION] = "INSERT INTO operations (uuid, body) VALUES (?1, ?2) "
                          "ON CONFLICT (uuid) DO UPDATE SET body = excluded.body",
        [DELETE_OPERATION] = "DELETE FROM operations WHERE uuid = ?1",
};

struct Checkpoint {
        Store *store;                               /* borrowed */
        sqlite3_stmt *statements[N_STATEMENTS];     /* the store's */
};

int checkpoint_new(Store *store, Checkpoint **ret) {
        _cleanup_(checkpoint_freep) Checkpoint *c = NULL;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->store = store;
        for (Statement i = 0; i < N_STATEMENTS; i++) {
                c->statements[i] = store_prepare(store, statement_sql[i]);
                if (!c->statements[i])
                        return -EIO;
        }

        *ret = TAKE_PTR(c);
        return 0;
}

int checkpoint_new_reader(Store *store, Checkpoint **ret) {
        Checkpoint *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;

        c->store = store;
        *ret = c;
        return 0;
}

Checkpoint *checkpoint_free(Checkpoint *c) {
        free(c);
        return NULL;
}

static void bind_text(Checkpoint *c, Statement s, int column, const char *text) {
        (void) sqlite3_bind_text(c->statements[s], column, text, -1, SQLITE_STATIC);
}

static void bind_blob(Checkpoint *c, Statement s, int column, const void *data, size_t n) {
        (void) sqlite3_bind_blob64(c->statements[s], column, data, n, SQLITE_STATIC);
}

static int step(Checkpoint *c, Statement s) {
        return store_step(c->store, c->statements[s]);
}

/* Binds the packed message last and runs the statement, because the bytes live only here. */
static int step_with_message(Checkpoint *c, Statement s, int column, const ProtobufCMessage *m) {
        size_t n = protobuf_c_message_get_packed_size(m);
        _cleanup_free_ uint8_t *bytes = malloc(n ?: 1);

        if (!bytes)
                return store_fail(c->store, -ENOMEM);

        protobuf_c_message_pack(m, bytes);
        bind_blob(c, s, column, bytes, n);
        return step(c, s);
}

int checkpoint_agent_info(Checkpoint *c, const Mesos__V1__AgentInfo *info) {
        bind_text(c, SET_META, 1, "agent_info");
        return step_with_message(c, SET_META, 2, &info->base);
}

int checkpoint_boot_id(Checkpoint *c, const char *boot_id) {
        bind_text(c, SET_META, 1, "boot_id");
        bind_text(c, SET_META, 2, boot_id);
        return step(c, SET_META);
}

static int forget_meta(Checkpoint *c, const char *key) {
        bind_text(c, DELETE_META, 1, key);
        return step(c, DELETE_META);
}

/* The next registration gets a new id. */
int checkpoint_forget_agent(Checkpoint *c) {
        return forget_meta(c, "agent_info");
}

static int set_resources(Checkpoint *c, const char *key, const Resources *resources) {
        Mesos__Internal__CheckpointResourcesMessage m = MESOS__INTERNAL__CHECKPOINT_RESOURCES_MESSAGE__INIT;
        int r;

        r = resources_to_pb(resources, RESOURCE_FORMAT_NEW, &m.resources, &m.n_resources);
        if (r < 0)
                return store_fail(c->store, r);

        bind_text(c, SET_META, 1, key);
        r = step_with_message(c, SET_META, 2, &m.base);
        resources_free_pb(m.resources, m.n_resources);
        return r;
}

/* What was staged is either this, or has come to nothing. */
int checkpoint_resources(Checkpoint *c, const Resources *resources) {
        int r;

        r = set_resources(c, "resources", resources);
        return r < 0 ? r : forget_meta(c, "staged_resources");
}

int checkpoint_staged_resources(Checkpoint *c, const Resources *resources) {
        return set_resources(c, "staged_resources", resources);
}

int checkpoint_operation(Checkpoint *c, const Mesos__V1__Operation *operation) {
        bind_blob(c, SET_OPERATION, 1, operation->uuid->value.data, operation->uuid->value.len);
        return step_with_message(c, SET_OPERATION, 2, &operation->base);
}

int checkpoint_forget_operation(Checkpoint *c, const uint8_t uuid[static 16]) {
        bind_blob(c, DELETE_OPERATION, 1, uuid, 16);
        return step(c, DELETE_OPERATION);
}

int checkpoint_drain(Checkpoint *c, const Mesos__V1__DrainConfig *config, const char *started) {
        int r;

        bind_text(c, SET_META, 1, "drain_started");
        bind_text(c, SET_META, 2, started);
        r = step(c, SET_META);
        if (r < 0)
                return r;

        bind_text(c, SET_META, 1, "drain_config");
        return step_with_message(c, SET_META, 2, &config->base);
}

int checkpoint_forget_drain(Checkpoint *c) {
        int r = forget_meta(c, "drain_started");

        return r < 0 ? r : forget_meta(c, "drain_config");
}

int checkpoint_clear(Checkpoint *c) {
        static const char *const tables[] = {
                "frameworks",           "executors",           "tasks",           "updates", "operations",
                "completed_frameworks", "completed_executors", "completed_tasks",
        };

        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                char sql[64];
                sqlite3_stmt *s;
                int r;

                snprintf(sql, sizeof(sql), "DELETE FROM %s", tables[i]);
                s = store_prepare(c->store, sql);
                if (!s)
                        return -EIO;

                r = store_step(c->store, s);
                (void) sqlite3_finalize(s);
                if (r < 0)
                        return r;
        }

        return checkpoint_forget_drain(c);
}

int checkpoint_framework(Checkpoint *c, const Framework *f) {
        bind_text(c, SET_FRAMEWORK, 1, f->id);
        bind_text(c, SET_FRAMEWORK, 2, f->pid);
        return step_with_message(c, SET_FRAMEWORK, 3, &f->info->base);
}

int checkpoint_forget_framework(Checkpoint *c, const char *framework_id) {
        bind_text(c, DELETE_FRAMEWORK, 1, framework_id);
        return step(c, DELETE_FRAMEWORK);
}

int checkpoint_executor(Checkpoint *c, const Executor *e) {
        bind_text(c, SET_EXECUTOR, 1, e->framework->id);
        bind_text(c, SET_EXECUTOR, 2, e->id);
        bind_text(c, SET_EXECUTOR, 3, e->container_id);
        bind_text(c, SET_EXECUTOR, 4, e->directory);
        bind_text(c, SET_EXECUTOR, 5, e->user);
        (void) sqlite3_bind_int(c->statements[SET_EXECUTOR], 6, e->generated);
        return step_with_message(c, SET_EXECUTOR, 7, &e->info->base);
}

int checkpoint_container(Checkpoint *c, const Executor *e, const ContainerIdentity *identity) {
        sqlite3_stmt *statement = c->statements[SET_CONTAINER];

        bind_text(c, SET_CONTAINER, 1, e->framework->id);
        bind_text(c, SET_CONTAINER, 2, e->id);
        (void) sqlite3_bind_int64(statement, 3, identity->launcher_pid);
        (void) sqlite3_bind_int64(statement, 4, (sqlite3_int64) identity->launcher_start);
        bind_text(c, SET_CONTAINER, 5, identity->cgroup);
        bind_text(c, SET_CONTAINER, 6, identity->unit);
        bind_text(c, SET_CONTAINER, 7, identity->invocation_id);
        return step(c, SET_CONTAINER);
}

int checkpoint_executor_subscribed(Checkpoint *c, const Executor *e) {
        bind_text(c, SET_SUBSCRIBED, 1, e->framework->id);
        bind_text(c, SET_SUBSCRIBED, 2, e->id);
        return step(c, SET_SUBSCRIBED);
}

/* Another run with the same id keeps its row: the container id tells them apart. */
int checkpoint_forget_executor(Checkpoint *c, const Executor *e) {
        bind_text(c, DELETE_EXECUTOR, 1, e->framework->id);
        bind_text(c, DELETE_EXECUTOR, 2, e->id);
        bind_text(c, DELETE_EXECUTOR, 3, e->container_id);
        return step(c, DELETE_EXECUTOR);
}

int checkpoint_task(Checkpoint *c, const Executor *e, const Task *t) {
        bind_text(c, SET_TASK, 1, e->framework->id);
        bind_text(c, SET_TASK, 2, t->id);
        bind_text(c, SET_TASK, 3, e->id);
        (void) sqlite3_bind_int64(c->statements[SET_TASK], 5, (sqlite3_int64) t->order);
        return step_with_message(c, SET_TASK, 4, &t->info->base);
}

int checkpoint_forget_task(Checkpoint *c, const char *framework_id, const char *task_id) {
        bind_text(c, DELETE_TASK, 1, framework_id);
        bind_text(c, DELETE_TASK, 2, task_id);
        return step(c, DELETE_TASK);
}

int checkpoint_update(Checkpoint *c, const char *framework_id, const char *task_id, const uint8_t uuid[static 16],
                      const void *update, size_t n, int64_t *ret_record) {
        int r;

        bind_text(c, ADD_UPDATE, 1, framework_id);
        bind_text(c, ADD_UPDATE, 2, task_id);
        bind_blob(c, ADD_UPDATE, 3, uuid, 16);
        bind_blob(c, ADD_UPDATE, 4, update, n);
        r = step(c, ADD_UPDATE);
        if (r < 0)
                return r;

        *ret_record = sqlite3_last_insert_rowid(sqlite3_db_handle(c->statements[ADD_UPDATE]));
        return 0;
}

int checkpoint_ack(Checkpoint *c, int64_t record) {
        (void) sqlite3_bind_int64(c->statements[SET_ACKNOWLEDGED], 1, record);
        return step(c, SET_ACKNOWLEDGED);
}

int checkpoint_forget_update(Checkpoint *c, int64_t record) {
        (void) sqlite3_bind_int64(c->statements[DELETE_UPDATE], 1, record);
        return step(c, DELETE_UPDATE);
}

static const char *column_text(sqlite3_stmt *s, int i) {
        return (const char *) sqlite3_column_text(s, i);
}

/* A copy of a value, NUL-terminated; *ret is NULL when there is none. */
int checkpoint_load_meta(Checkpoint *c, const char *key, char **ret, size_t *ret_n) {
        sqlite3_stmt *s = store_prepare(c->store, "SELECT value FROM meta WHERE key = ?1");
        char *value = NULL;
        size_t n = 0;
        int code;

        if (!s)
                return -EIO;

        (void) sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        code = sqlite3_step(s);
        if (code == SQLITE_ROW) {
                n = (size_t) sqlite3_column_bytes(s, 0);
                value = calloc(1, n + 1);
                if (value && n > 0)
                        memcpy(value, sqlite3_column_blob(s, 0), n);
        }
        (void) sqlite3_finalize(s);

        if (code == SQLITE_ROW && !value)
                return -ENOMEM;
        if (code != SQLITE_ROW && code != SQLITE_DONE)
                return -EBADMSG;

        *ret = value;
        *ret_n = n;
        return 0;
}

/* Of a row: what is in it cannot be ours. */
#define ROW_DAMAGED 1

/*
 * Runs a query and hands each row to `row`. A damaged row is passed over, and at the end the result is -EBADMSG, as
 * when the database itself turns out to be damaged on the way.
 */
static int foreach_row(Checkpoint *c, const char *sql, int (*row)(sqlite3_stmt *s, void *closure), void *closure) {
        sqlite3_stmt *s = store_prepare(c->store, sql);
        bool damaged = false;
        int code, r = 0;

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

/* The first columns, as many as told, are ids. */
static bool has_ids(sqlite3_stmt *s, int n) {
        for (int i = 0; i < n; i++) {
                const char *text = column_text(s, i);

                if (!text || !id_is_valid(text))
                        return false;
        }

        return true;
}

typedef struct FrameworkWalk {
        int (*visit)(const char *pid, const void *info, size_t n, void *userdata);
        void *userdata;
} FrameworkWalk;

static int framework_row(sqlite3_stmt *s, void *closure) {
        FrameworkWalk *w = closure;

        if (!column_text(s, 0))
                return ROW_DAMAGED;

        return w->visit(column_text(s, 0), sqlite3_column_blob(s, 1), (size_t) sqlite3_column_bytes(s, 1),
                        w->userdata);
}

int checkpoint_foreach_framework(Checkpoint *c,
                                 int (*visit)(const char *pid, const void *info, size_t n, void *userdata),
                                 void *userdata) {
        return foreach_row(c, "SELECT pid, info FROM frameworks", framework_row,
                           &(FrameworkWalk) { visit, userdata });
}

typedef struct ExecutorWalk {
        int (*visit)(const StoredExecutor *e, void *userdata);
        void *userdata;
} ExecutorWalk;

static int executor_row(sqlite3_stmt *s, void *closure) {
        ExecutorWalk *w = closure;
        StoredExecutor e = {
                .framework_id = column_text(s, 0),
                .id = column_text(s, 1),
                .container_id = column_text(s, 2),
                .directory = column_text(s, 3),
                .user = column_text(s, 4),
                .generated = sqlite3_column_int(s, 5),
                .subscribed = sqlite3_column_int(s, 6),
                .info = sqlite3_column_blob(s, 7),
                .n_info = (size_t) sqlite3_column_bytes(s, 7),
                .identity = {
                        .launcher_pid = (pid_t) sqlite3_column_int64(s, 8),
                        .launcher_start = (uint64_t) sqlite3_column_int64(s, 9),
                        .cgroup = (char *) column_text(s, 10),
                        .unit = (char *) column_text(s, 11),
                        .invocation_id = (char *) column_text(s, 12),
                },
        };

        if (!has_ids(s, 3) || strlen(e.container_id) > 36 || !e.directory || e.directory[0] != '/')
                return ROW_DAMAGED;

        return w->visit(&e, w->userdata);
}

int checkpoint_foreach_executor(Checkpoint *c, int (*visit)(const StoredExecutor *e, void *userdata), void *userdata) {
        return foreach_row(c,
                           "SELECT framework_id, id, container_id, directory, user, generated, subscribed, info, "
                           "launcher_pid, launcher_start, cgroup, unit, invocation_id FROM executors",
                           executor_row, &(ExecutorWalk) { visit, userdata });
}

typedef struct TaskWalk {
        int (*visit)(const StoredTask *t, void *userdata);
        void *userdata;
} TaskWalk;

static int task_row(sqlite3_stmt *s, void *closure) {
        TaskWalk *w = closure;
        StoredTask t = {
                .framework_id = column_text(s, 0),
                .executor_id = column_text(s, 1),
                .id = column_text(s, 2),
                .info = sqlite3_column_blob(s, 3),
                .n_info = (size_t) sqlite3_column_bytes(s, 3),
        };

        if (!has_ids(s, 3))
                return ROW_DAMAGED;

        return w->visit(&t, w->userdata);
}

int checkpoint_foreach_task(Checkpoint *c, int (*visit)(const StoredTask *t, void *userdata), void *userdata) {
        return foreach_row(c, "SELECT framework_id, executor_id, id, info FROM tasks ORDER BY arrival", task_row,
                           &(TaskWalk) { visit, userdata });
}

typedef struct UpdateWalk {
        int (*visit)(const StoredUpdate *u, void *userdata);
        void *userdata;
} UpdateWalk;

static int update_row(sqlite3_stmt *s, void *closure) {
        UpdateWalk *w = closure;
        StoredUpdate u = {
                .framework_id = column_text(s, 0),
                .task_id = column_text(s, 1),
                .uuid = sqlite3_column_blob(s, 2),
                .update = sqlite3_column_blob(s, 3),
                .n_update = (size_t) sqlite3_column_bytes(s, 3),
                .acknowledged = sqlite3_column_int(s, 4),
                .record = sqlite3_column_int64(s, 5),
        };

        if (!has_ids(s, 2) || sqlite3_column_bytes(s, 2) != 16)
                return ROW_DAMAGED;

        return w->visit(&u, w->userdata);
}

int checkpoint_foreach_update(Checkpoint *c, int (*visit)(const StoredUpdate *u, void *userdata), void *userdata) {
        return foreach_row(c,
                           "SELECT framework_id, task_id, uuid, body, acknowledged, arrival FROM updates ORDER BY arrival",
                           update_row, &(UpdateWalk) { visit, userdata });
}

typedef struct OperationWalk {
        int (*visit)(const void *operation, size_t n, void *userdata);
        void *userdata;
} OperationWalk;

static int operation_row(sqlite3_stmt *s, void *closure) {
        OperationWalk *w = closure;

        return w->visit(sqlite3_column_blob(s, 0), (size_t) sqlite3_column_bytes(s, 0), w->userdata);
}

int checkpoint_foreach_operation(Checkpoint *c, int (*visit)(const void *operation, size_t n, void *userdata),
                                 void *userdata) {
        return foreach_row(c, "SELECT body FROM operations ORDER BY arrival", operation_row,
                           &(OperationWalk) { visit, userdata });
}
