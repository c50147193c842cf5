/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Registry
 *
 * The master keeps little for good: which agents were admitted, which of them are unreachable and
 * which will never return. Tasks and frameworks are relearnt from the agents. With this a restarted
 * master knows whom to wait for, and an agent that was declared gone cannot come back by a restart.
 *
 * Order is the point: an agent hears that it is registered only after its admission is durable, and
 * a task is called unreachable only after its agent is recorded as such. So every change takes a
 * callback, and what depends on the change happens there. The changes of one turn of the loop share
 * one commit (common/base/store.c).
 *
 *     agents       id, mesos.v1.AgentInfo                   registered, or expected back after our
 * restart unreachable  id, since                                failed its health checks; may come
 * back gone         id, since                                an operator's word, final
 *
 * An id is in at most one of the three. Lookups go to SQLite too: they are rare, and its cache is
 * the index we would build.
 */

#include <utlist.h>

#include "common/base/store.h"
#include "master/registry.h"

static const char *const migrations[] = {
        "CREATE TABLE agents (id TEXT PRIMARY KEY, info BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE unreachable (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE gone (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL) WITHOUT ROWID;",
};

typedef enum Query {
        QUERY_LIST,
        QUERY_PUT,
        QUERY_DELETE_AGENT,
        QUERY_PUT_UNREACHABLE,
        QUERY_DELETE_UNREACHABLE,
        QUERY_PUT_GONE,
        QUERY_GET_UNREACHABLE,
        QUERY_GET_GONE,
        QUERY_COUNT_UNREACHABLE,
        QUERY_PRUNE_UNREACHABLE,
        QUERY_PRUNE_GONE,
        QUERY_SIZE,
        _QUERY_MAX,
} Query;

static const char *const queries[_QUERY_MAX] = {
        [QUERY_LIST] = "SELECT info FROM agents ORDER BY id",
        [QUERY_PUT] = "INSERT OR REPLACE INTO agents (id, info) VALUES (?1, ?2)",
        [QUERY_DELETE_AGENT] = "DELETE FROM agents WHERE id = ?1",
        [QUERY_PUT_UNREACHABLE] =
                        "INSERT OR REPLACE INTO unreachable (id, since_usec) VALUES (?1, ?2)",
        [QUERY_DELETE_UNREACHABLE] = "DELETE FROM unreachable WHERE id = ?1",
        [QUERY_PUT_GONE] = "INSERT OR REPLACE INTO gone (id, since_usec) VALUES (?1, ?2)",
        [QUERY_GET_UNREACHABLE] = "SELECT since_usec FROM unreachable WHERE id = ?1",
        [QUERY_GET_GONE] = "SELECT since_usec FROM gone WHERE id = ?1",
        [QUERY_COUNT_UNREACHABLE] = "SELECT count(*) FROM unreachable",
        [QUERY_PRUNE_UNREACHABLE] =
                        "DELETE FROM unreachable WHERE since_usec < ?1 OR id NOT IN "
                        "(SELECT id FROM unreachable ORDER BY since_usec DESC LIMIT ?2)",
        [QUERY_PRUNE_GONE] = "DELETE FROM gone WHERE since_usec < ?1 OR id NOT IN "
                             "(SELECT id FROM gone ORDER BY since_usec DESC LIMIT ?2)",
        [QUERY_SIZE] = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
};

/* A change on its way to the disk. */
typedef struct Change {
        Registry *registry;
        usec_t begin_usec;
        RegistryDone done;
        void *userdata;
        struct Change *prev, *next;
} Change;

struct Registry {
        Store *store;
        sqlite3_stmt *statements[_QUERY_MAX];     /* the store owns them */
        Change *changes;                          /* owned */
        unsigned n_queued;
        usec_t fetch_usec;
        RegistryStored stored;
        void *stored_userdata;
};

int registry_open(sd_event *event, const char *path, Registry **ret, char **reterr_message) {
        _cleanup_(registry_freep) Registry *r = NULL;
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);
        int k;

        assert(event);
        assert(ret);

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;

        k = store_open(path ?: ":memory:", migrations, ELEMENTSOF(migrations), &r->store,
                       reterr_message);
        if (k > 0)
                return REGISTRY_E_UNUSABLE;
        if (k < 0)
                return k;

        for (Query q = 0; q < _QUERY_MAX; q++) {
                r->statements[q] = store_prepare(r->store, queries[q]);
                if (!r->statements[q])
                        return -EIO;
        }

        k = store_attach_event(r->store, event);
        if (k < 0)
                return k;

        r->fetch_usec = usec_sub(usec_now(CLOCK_MONOTONIC), begin_usec);
        *ret = TAKE_PTR(r);
        return REGISTRY_OK;
}

/* Changes that are not durable yet are lost, as in a crash, and nobody is told. */
Registry *registry_free(Registry *r) {
        Change *c, *next;

        if (!r)
                return NULL;

        store_free(r->store);
        DL_FOREACH_SAFE(r->changes, c, next) {
                DL_DELETE(r->changes, c);
                free(c);
        }
        free(r);
        return NULL;
}

void registry_observe(Registry *r, RegistryStored stored, void *userdata) {
        r->stored = stored;
        r->stored_userdata = userdata;
}

static int visit_row(sqlite3_stmt *s, RegistryVisitor visit, void *userdata) {
        Mesos__V1__AgentInfo *info;
        int k;

        info = mesos__v1__agent_info__unpack(NULL, sqlite3_column_bytes(s, 0),
                                             sqlite3_column_blob(s, 0));
        if (!info || !info->id)
                k = -EBADMSG;
        else
                k = visit(info, userdata);

        if (info)
                mesos__v1__agent_info__free_unpacked(info, NULL);
        return k;
}

int registry_foreach_agent(Registry *r, RegistryVisitor visit, void *userdata) {
        sqlite3_stmt *s = r->statements[QUERY_LIST];
        int code, k = 0;

        while (k == 0 && (code = sqlite3_step(s)) == SQLITE_ROW)
                k = visit_row(s, visit, userdata);

        (void) sqlite3_reset(s);
        if (k != 0)
                return k;

        return code == SQLITE_DONE ? 0 : -EIO;
}

static void on_committed(int error, void *userdata) {
        _cleanup_free_ Change *c = userdata;
        Registry *r = c->registry;

        DL_DELETE(r->changes, c);
        r->n_queued--;
        if (error == 0 && r->stored)
                r->stored(usec_sub(usec_now(CLOCK_MONOTONIC), c->begin_usec), r->stored_userdata);

        if (c->done)
                c->done(error, c->userdata);
}

/* Ends every change: what the statements wrote becomes durable at the end of the turn. */
static int registry_queue(Registry *r, RegistryDone done, void *userdata) {
        _cleanup_free_ Change *c = NULL;
        int k;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;

        *c = (Change) {
                .registry = r,
                .begin_usec = usec_now(CLOCK_MONOTONIC),
                .done = done,
                .userdata = userdata,
        };

        k = store_after_commit(r->store, on_committed, c);
        if (k < 0)
                return k;

        DL_APPEND(r->changes, c);
        c = NULL;
        r->n_queued++;
        return 0;
}

static int step_with_id(Registry *r, Query q, const char *agent_id) {
        if (sqlite3_bind_text(r->statements[q], 1, agent_id, -1, SQLITE_TRANSIENT) != SQLITE_OK)
                return -ENOMEM;

        return store_step(r->store, r->statements[q]);
}

static int step_with_id_and_time(Registry *r, Query q, const char *agent_id, usec_t since_usec) {
        if (sqlite3_bind_int64(r->statements[q], 2, (sqlite3_int64) since_usec) != SQLITE_OK)
                return -ENOMEM;

        return step_with_id(r, q, agent_id);
}

int registry_put_agent(Registry *r, const Mesos__V1__AgentInfo *info, RegistryDone done,
                       void *userdata) {
        _cleanup_free_ void *packed = NULL;
        size_t n;
        int k;

        assert(info->id);

        n = mesos__v1__agent_info__get_packed_size(info);
        packed = malloc(n);
        if (!packed)
                return -ENOMEM;
        mesos__v1__agent_info__pack(info, packed);

        if (sqlite3_bind_blob(r->statements[QUERY_PUT], 2, packed, (int) n, SQLITE_TRANSIENT) !=
            SQLITE_OK)
                return -ENOMEM;

        k = step_with_id(r, QUERY_PUT, info->id->value);
        if (k >= 0)
                k = step_with_id(r, QUERY_DELETE_UNREACHABLE, info->id->value);
        if (k < 0)
                return k;

        return registry_queue(r, done, userdata);
}

int registry_remove_agent(Registry *r, const char *agent_id, RegistryDone done, void *userdata) {
        int k;

        k = step_with_id(r, QUERY_DELETE_AGENT, agent_id);
        if (k < 0)
                return k;

        return registry_queue(r, done, userdata);
}

int registry_mark_unreachable(Registry *r, const char *agent_id, usec_t since_usec,
                              RegistryDone done, void *userdata) {
        int k;

        k = step_with_id(r, QUERY_DELETE_AGENT, agent_id);
        if (k >= 0)
                k = step_with_id_and_time(r, QUERY_PUT_UNREACHABLE, agent_id, since_usec);
        if (k < 0)
                return k;

        return registry_queue(r, done, userdata);
}

int registry_mark_gone(Registry *r, const char *agent_id, usec_t since_usec, RegistryDone done,
                       void *userdata) {
        int k;

        k = step_with_id(r, QUERY_DELETE_AGENT, agent_id);
        if (k >= 0)
                k = step_with_id(r, QUERY_DELETE_UNREACHABLE, agent_id);
        if (k >= 0)
                k = step_with_id_and_time(r, QUERY_PUT_GONE, agent_id, since_usec);
        if (k < 0)
                return k;

        return registry_queue(r, done, userdata);
}

int registry_prune(Registry *r, usec_t older_than_usec, uint64_t max_count) {
        static const Query prunes[] = { QUERY_PRUNE_UNREACHABLE, QUERY_PRUNE_GONE };
        sqlite3_int64 limit = (sqlite3_int64) MIN(max_count, (uint64_t) INT64_MAX);

        for (size_t i = 0; i < ELEMENTSOF(prunes); i++) {
                sqlite3_stmt *s = r->statements[prunes[i]];
                int k;

                if (sqlite3_bind_int64(s, 1, (sqlite3_int64) older_than_usec) != SQLITE_OK ||
                    sqlite3_bind_int64(s, 2, limit) != SQLITE_OK)
                        return -ENOMEM;

                k = store_step(r->store, s);
                if (k < 0)
                        return k;
        }

        return registry_queue(r, NULL, NULL);
}

/* A SELECT of one number: true when there is a row. Reads see what this turn has written. */
static bool look_up(Registry *r, Query q, const char *agent_id, uint64_t *ret) {
        sqlite3_stmt *s = r->statements[q];
        bool found;

        if (agent_id && sqlite3_bind_text(s, 1, agent_id, -1, SQLITE_TRANSIENT) != SQLITE_OK)
                return false;

        found = sqlite3_step(s) == SQLITE_ROW;
        if (found && ret)
                *ret = (uint64_t) sqlite3_column_int64(s, 0);

        (void) sqlite3_reset(s);
        (void) sqlite3_clear_bindings(s);
        return found;
}

bool registry_is_unreachable(Registry *r, const char *agent_id, usec_t *ret_since_usec) {
        return look_up(r, QUERY_GET_UNREACHABLE, agent_id, ret_since_usec);
}

bool registry_is_gone(Registry *r, const char *agent_id) {
        return look_up(r, QUERY_GET_GONE, agent_id, NULL);
}

uint64_t registry_count_unreachable(Registry *r) {
        uint64_t n = 0;

        (void) look_up(r, QUERY_COUNT_UNREACHABLE, NULL, &n);
        return n;
}

RegistryStats registry_stats(Registry *r) {
        RegistryStats stats = {
                .n_queued = r->n_queued,
                .fetch_usec = r->fetch_usec,
        };

        (void) look_up(r, QUERY_SIZE, NULL, &stats.size_bytes);
        return stats;
}
