/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests to ZooKeeper
 *
 * Each is a ZkRequest that libzookeeper carries as its userdata and gives back exactly once: with the
 * answer, or with "connection lost" when the socket goes, or when the handle is closed. Requests are
 * taken only while connected; libzookeeper would queue others without a bound.
 *
 * zk_ensure_path() is one request to its caller and a chain of creations to the server, from the top.
 */

#include <utlist.h>

#include "common/net/zk_internal.h"

/* As many as a server answers in about a second: the answer to the last one has to renew the lease. */
#define MAX_REQUESTS 16384

static const struct {
        int code;
        int error;
        const char *text;
} outcomes[] = {
        { ZOK,               0,                    "success" },
        { ZNONODE,           ZK_E_NO_NODE,         "there is no such znode" },
        { ZNODEEXISTS,       ZK_E_EXISTS,          "the znode exists" },
        { ZBADVERSION,       ZK_E_BAD_VERSION,     "somebody else has changed the znode" },
        { ZNOTEMPTY,         ZK_E_NOT_EMPTY,       "the znode has children" },
        { ZNOAUTH,           ZK_E_NO_AUTH,         "the znode's access control list forbids it" },
        { ZCONNECTIONLOSS,   ZK_E_CONNECTION_LOST, "the connection was lost" },
        { ZOPERATIONTIMEOUT, ZK_E_CONNECTION_LOST, NULL },
        { ZSESSIONMOVED,     ZK_E_CONNECTION_LOST, NULL },
        { ZSESSIONEXPIRED,   ZK_E_SESSION_OVER,    "the session is over" },
        { ZCLOSING,          ZK_E_SESSION_OVER,    NULL },
        { ZAUTHFAILED,       ZK_E_SESSION_OVER,    NULL },
        { ZINVALIDSTATE,     ZK_E_SESSION_OVER,    NULL },
        { ZBADARGUMENTS,     -EINVAL,              NULL },
        { ZSYSTEMERROR,      -EIO,                 NULL },
};

static int error_of(int code) {
        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (outcomes[i].code == code)
                        return outcomes[i].error;
        return -EPROTO;
}

const char *zk_error_text(int error) {
        if (error < 0)
                return strerror(-error);

        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++)
                if (outcomes[i].error == error)
                        return outcomes[i].text;
        return "unknown";
}

bool zk_error_is_passing(int error) {
        return error == ZK_E_CONNECTION_LOST || error == ZK_E_SESSION_OVER || error == -ENOTCONN;
}

/* Requests */

static int request_new(Zk *zk, const char *path, size_t n_bytes, ZkDone done, void *userdata, ZkRequest **ret) {
        ZkRequest *q;

        if (zk->state != ZK_CONNECTED || zk->doomed || !zk->handle)
                return -ENOTCONN;
        if (zk->n_requests >= MAX_REQUESTS)
                return -ENOBUFS;
        if (n_bytes > ZK_MAX_REQUEST_BYTES || strlen(path) > ZK_MAX_REQUEST_BYTES - n_bytes)
                return -EMSGSIZE;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;

        *q = (ZkRequest) { .zk = zk, .sent_usec = zk_now(zk), .done = done, .userdata = userdata };
        DL_APPEND(zk->requests, q);
        zk->n_requests++;
        *ret = q;
        return 0;
}

static int read_new(Zk *zk, const char *path, ZkDone done, void *userdata, ZkRequest **ret) {
        int r = request_new(zk, path, 0, done, userdata, ret);

        if (r >= 0)
                (*ret)->is_read = true;
        return r;
}

static void request_unlink(ZkRequest *q) {
        DL_DELETE(q->zk->requests, q);
        q->zk->n_requests--;
}

static void request_free(ZkRequest *q) {
        free(q->ensure_path);
        free(q->results);
        free(q);
}

/* libzookeeper has taken the request, or not: then nobody will hear of it. */
static int request_sent(ZkRequest *q, int code) {
        Zk *zk = q->zk;
        int error;

        if (code != ZOK) {
                request_unlink(q);
                request_free(q);
                error = error_of(code);
                return error < 0 ? error : -ENOTCONN;
        }

        zk_kick(zk);
        return 0;
}

/* Answers of libzookeeper itself rather than of a server prove nothing; nor do those of a server that may have
 * lost the ensemble's leader, where that matters. */
static void request_heard(const ZkRequest *q, int error) {
        if (q->is_read && q->zk->owns_nodes)
                return;
        if (error >= 0 && error != ZK_E_CONNECTION_LOST && error != ZK_E_SESSION_OVER)
                zk_extend_lease(q->zk, q->sent_usec);
}

static void request_finish(ZkRequest *q, const ZkAnswer *answer) {
        request_heard(q, answer->error);
        request_unlink(q);
        if (q->done)
                q->done(answer, q->userdata);
        request_free(q);
}

static ZkStat stat_of(const struct Stat *s) {
        if (!s)
                return (ZkStat) {};
        return (ZkStat) { .version = s->version, .n_children = s->numChildren, .ephemeral_owner = s->ephemeralOwner };
}

/* Completions */

static void on_path(int code, const char *path, const void *data) {
        request_finish((ZkRequest *) data, &(ZkAnswer) { .error = error_of(code), .path = path });
}

static void on_stat(int code, const struct Stat *s, const void *data) {
        request_finish((ZkRequest *) data, &(ZkAnswer) { .error = error_of(code), .stat = stat_of(s) });
}

static void on_void(int code, const void *data) {
        request_finish((ZkRequest *) data, &(ZkAnswer) { .error = error_of(code) });
}

static void on_data(int code, const char *value, int n_value, const struct Stat *s, const void *data) {
        request_finish((ZkRequest *) data, &(ZkAnswer) {
                .error = error_of(code),
                .data = value,
                .n_data = value && n_value > 0 ? (size_t) n_value : 0,
                .stat = stat_of(s),
        });
}

static void on_children(int code, const struct String_vector *names, const struct Stat *s, const void *data) {
        request_finish((ZkRequest *) data, &(ZkAnswer) {
                .error = error_of(code),
                .children = names ? names->data : NULL,
                .n_children = names && names->count > 0 ? (size_t) names->count : 0,
                .stat = stat_of(s),
        });
}

/* Those before the one that failed say "runtime inconsistency" as those after it do, or nothing. */
static void on_multi(int code, const void *data) {
        ZkRequest *q = (ZkRequest *) data;
        ZkAnswer answer = { .error = error_of(code) };

        for (size_t i = 0; i < q->n_results; i++)
                if (q->results[i].err != ZOK && q->results[i].err != ZRUNTIMEINCONSISTENCY) {
                        answer.failed_op = i;
                        break;
                }
        request_finish(q, &answer);
}

static void on_probed_path(int code, const char *path, const void *data) {
        ((ZkRequest *) data)->zk->probing = false;
        on_path(code, path, data);
}

static void on_probed_stat(int code, const struct Stat *s, const void *data) {
        ((ZkRequest *) data)->zk->probing = false;
        on_stat(code, s, data);
}

int zk_probe(Zk *zk) {
        ZkRequest *q;
        int r = request_new(zk, "/", 0, NULL, NULL, &q);

        if (r < 0)
                return r;
        if (zk->owns_nodes)
                return request_sent(q, zoo_async(zk->handle, "/", on_probed_path, q));
        return request_sent(q, zoo_aexists(zk->handle, "/", 0, on_probed_stat, q));
}

/* Access */

/*
 * Open, or everybody reads and whoever knows the password does everything: as Mesos, whose tools
 * share our nodes.
 */
static const struct ACL_vector *acl_of(const Zk *zk) {
        static const struct ACL entries[] = {
                { .perms = 1 /* read */, .id = { (char *) "world", (char *) "anyone" } },
                { .perms = 31 /* all */, .id = { (char *) "auth", (char *) "" } },
        };
        static const struct ACL_vector creator_all = { ELEMENTSOF(entries), (struct ACL *) entries };

        return zk->url.credentials ? &creator_all : &ZOO_OPEN_ACL_UNSAFE;
}

/* The calls */

int zk_create(Zk *zk, const char *path, const void *data, size_t n_data, unsigned flags, ZkDone done, void *userdata) {
        int mode = flags & ZK_SEQUENCE ? (flags & ZK_EPHEMERAL ? ZOO_EPHEMERAL_SEQUENTIAL : ZOO_PERSISTENT_SEQUENTIAL)
                                       : (flags & ZK_EPHEMERAL ? ZOO_EPHEMERAL : ZOO_PERSISTENT);
        ZkRequest *q;
        int r = request_new(zk, path, n_data, done, userdata, &q);

        if (r < 0)
                return r;

        if (flags & ZK_EPHEMERAL)
                zk->owns_nodes = true;
        return request_sent(q, zoo_acreate(zk->handle, path, data, (int) n_data, acl_of(zk), mode, on_path, q));
}

int zk_get(Zk *zk, const char *path, bool watch, ZkDone done, void *userdata) {
        ZkRequest *q;
        int r = read_new(zk, path, done, userdata, &q);

        return r < 0 ? r : request_sent(q, zoo_aget(zk->handle, path, watch, on_data, q));
}

int zk_children(Zk *zk, const char *path, bool watch, ZkDone done, void *userdata) {
        ZkRequest *q;
        int r = read_new(zk, path, done, userdata, &q);

        return r < 0 ? r : request_sent(q, zoo_aget_children2(zk->handle, path, watch, on_children, q));
}

int zk_exists(Zk *zk, const char *path, bool watch, ZkDone done, void *userdata) {
        ZkRequest *q;
        int r = read_new(zk, path, done, userdata, &q);

        return r < 0 ? r : request_sent(q, zoo_aexists(zk->handle, path, watch, on_stat, q));
}

int zk_set(Zk *zk, const char *path, const void *data, size_t n_data, int32_t version, ZkDone done, void *userdata) {
        ZkRequest *q;
        int r = request_new(zk, path, n_data, done, userdata, &q);

        return r < 0 ? r : request_sent(q, zoo_aset(zk->handle, path, data, (int) n_data, version, on_stat, q));
}

int zk_delete(Zk *zk, const char *path, int32_t version, ZkDone done, void *userdata) {
        ZkRequest *q;
        int r = request_new(zk, path, 0, done, userdata, &q);

        return r < 0 ? r : request_sent(q, zoo_adelete(zk->handle, path, version, on_void, q));
}

static size_t op_bytes(const ZkOp *op) {
        return strlen(op->path) + op->n_data + 128; /* headers and the access control list */
}

static void op_init(const Zk *zk, const ZkOp *op, zoo_op_t *ret) {
        switch (op->type) {
        case ZK_OP_CREATE:
                zoo_create_op_init(ret, op->path, op->data, (int) op->n_data, acl_of(zk), ZOO_PERSISTENT, NULL, 0);
                break;
        case ZK_OP_SET:
                zoo_set_op_init(ret, op->path, op->data, (int) op->n_data, op->version, NULL);
                break;
        case ZK_OP_DELETE:
                zoo_delete_op_init(ret, op->path, op->version);
                break;
        case ZK_OP_CHECK:
                zoo_check_op_init(ret, op->path, op->version);
                break;
        }
}

int zk_multi(Zk *zk, const ZkOp *ops, size_t n_ops, ZkDone done, void *userdata) {
        _cleanup_free_ zoo_op_t *list = calloc(n_ops, sizeof(*list));
        _cleanup_free_ zoo_op_result_t *results = calloc(n_ops, sizeof(*results));
        size_t n_bytes = 0;
        ZkRequest *q;
        int r;

        assert(n_ops > 0);

        if (!list || !results)
                return -ENOMEM;

        for (size_t i = 0; i < n_ops && n_bytes <= ZK_MAX_REQUEST_BYTES; i++) {
                n_bytes += op_bytes(&ops[i]);
                op_init(zk, &ops[i], &list[i]);
        }

        r = request_new(zk, "", n_bytes, done, userdata, &q);
        if (r < 0)
                return r;

        q->results = TAKE_PTR(results);
        q->n_results = n_ops;
        return request_sent(q, zoo_amulti(zk->handle, (int) n_ops, list, q->results, on_multi, q));
}

/* A path, from the top */

static void on_ensured(int code, const char *path, const void *data);

static void ensure_ends(ZkRequest *q, int error) {
        request_finish(q, &(ZkAnswer) { .error = error, .path = q->ensure_path });
}

static int ensure_next(ZkRequest *q) {
        size_t n = q->n_ensured + 1 + strcspn(q->ensure_path + q->n_ensured + 1, "/");
        _cleanup_free_ char *path = strndup(q->ensure_path, n);

        if (!path)
                return ZSYSTEMERROR;

        q->n_ensured = n;
        q->is_read = false;
        q->sent_usec = zk_now(q->zk);
        return zoo_acreate(q->zk->handle, path, "", 0, acl_of(q->zk), ZOO_PERSISTENT, on_ensured, q);
}

static void ensure_goes_on(ZkRequest *q) {
        int code;

        if (!q->ensure_path[q->n_ensured]) {
                ensure_ends(q, 0);
                return;
        }

        code = q->zk->state == ZK_CONNECTED && !q->zk->doomed ? ensure_next(q) : ZCONNECTIONLOSS;
        if (code != ZOK)
                ensure_ends(q, error_of(code));
        else
                zk_kick(q->zk);
}

static void on_there(int code, const struct Stat *s, const void *data) {
        ZkRequest *q = (ZkRequest *) data;

        (void) s;
        request_heard(q, error_of(code));
        if (code == ZOK)
                ensure_goes_on(q);
        else
                ensure_ends(q, code == ZNONODE ? ZK_E_NO_AUTH : error_of(code));
}

/* One who may not create is told so even of what is there already. */
static void ensure_looks(ZkRequest *q) {
        _cleanup_free_ char *path = strndup(q->ensure_path, q->n_ensured);
        int code = path ? zoo_aexists(q->zk->handle, path, 0, on_there, q) : ZSYSTEMERROR;

        q->is_read = true;
        if (code != ZOK)
                ensure_ends(q, error_of(code));
        else
                zk_kick(q->zk);
}

static void on_ensured(int code, const char *path, const void *data) {
        ZkRequest *q = (ZkRequest *) data;

        (void) path;
        request_heard(q, error_of(code));
        if (code == ZOK || code == ZNODEEXISTS)
                ensure_goes_on(q);
        else if (code == ZNOAUTH && q->zk->state == ZK_CONNECTED && !q->zk->doomed)
                ensure_looks(q);
        else
                ensure_ends(q, error_of(code));
}

int zk_ensure_path(Zk *zk, const char *path, ZkDone done, void *userdata) {
        ZkRequest *q;
        int r;

        assert(path[0] == '/' && path[1]);

        r = request_new(zk, path, 0, done, userdata, &q);
        if (r < 0)
                return r;

        q->ensure_path = strdup(path);
        if (!q->ensure_path) {
                request_unlink(q);
                request_free(q);
                return -ENOMEM;
        }
        return request_sent(q, ensure_next(q));
}
