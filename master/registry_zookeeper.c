/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The registry in ZooKeeper, for masters that stand in for each other.
 *
 *     <path of the URL>/holdfast/
 *         epoch                        "1 <id of the master that leads> <number of transactions>"
 *         agents/<id>                  a znode per record, the packed message
 *         unreachable/<id>  gone/<id>
 *         machines  schedule  weights  quotas  minimum_capabilities
 *
 * Mesos looks for znodes whose names have numbers, and passes this one over.
 *
 * Who becomes the leader writes the epoch, whoever wrote it before. Every transaction writes it
 * again, if and only if it is as this master left it. So the first write of a new leader is the
 * last moment at which the former one could write anything, and what the new one reads afterwards
 * is what stays: no clock is asked, and no election trusted.
 *
 * When the connection is lost with a transaction under way, it was done or not. The epoch says
 * which, because the number is in it: then the transaction is repeated, or not. Should the one that
 * was thought lost come through after all, one of the two finds the epoch changed, and we look
 * again.
 *
 * The changes of one turn of the loop share transactions, up to what a server takes, and no change
 * is in two. The next transaction is sent when the one before is done, so their order is kept.
 *
 * Ids become names with %XX for all that is not visible ASCII; ZooKeeper refuses some of the rest.
 */

#include <inttypes.h>
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/id.h"
#include "master/registry_zookeeper.h"

/* A server takes one mebibyte in one piece, and holds up everybody while it works on it. */
#define TRANSACTION_MAX_BYTES (900U << 10)
#define TRANSACTION_MAX_WRITES 500U

/* Beside data and path, in a transaction. */
#define WRITE_OVERHEAD_BYTES 64U

#define PATH_MAX_BYTES 4096U

static void commit_go_on(Zookeeper *z);

/* -- Names -- */

static int append_name(Buffer *b, const char *id) {
        int r = 0;

        for (const char *p = id; *p && r == 0; p++)
                r = *p > ' ' && *p < 0x7f && *p != '%'
                                    ? buffer_append_char(b, *p)
                                    : buffer_printf(b, "%%%02X", (unsigned char) *p);

        return r;
}

char *zookeeper_path(const Zookeeper *z, RecordKind kind, const char *id) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(PATH_MAX_BYTES);
        int r;

        r = buffer_printf(&b, "%s/%s", z->root, record_kind_name(kind));
        if (r == 0 && id && !record_kind_is_single(kind)) {
                r = buffer_append_char(&b, '/');
                if (r == 0)
                        r = append_name(&b, id);
        }

        return r == 0 ? buffer_take_text(&b) : NULL;
}

static int hex_value(char c) {
        static const char digits[] = "0123456789ABCDEF";
        const char *p = c ? strchr(digits, c) : NULL;

        return p ? (int) (p - digits) : -1;
}

int zookeeper_id_from_name(const char *name, char **ret) {
        _cleanup_free_ char *id = malloc(strlen(name) + 1);
        size_t n = 0;

        if (!id)
                return -ENOMEM;

        for (const char *p = name; *p; p++) {
                if (*p != '%') {
                        id[n++] = *p;
                        continue;
                }

                if (hex_value(p[1]) < 0 || hex_value(p[2]) < 0)
                        return -EBADMSG;
                id[n++] = (char) (hex_value(p[1]) * 16 + hex_value(p[2]));
                p += 2;
        }

        id[n] = '\0';
        if (!id_is_valid(id))
                return -EBADMSG;

        *ret = TAKE_PTR(id);
        return 0;
}

/* -- The epoch -- */

char *zookeeper_epoch_path(const Zookeeper *z) {
        char *path;

        return asprintf(&path, "%s/epoch", z->root) < 0 ? NULL : path;
}

char *zookeeper_epoch_text(const Zookeeper *z, uint64_t serial) {
        char *text;

        return asprintf(&text, "1 %s %" PRIu64, z->token, serial) < 0 ? NULL : text;
}

int zookeeper_epoch_parse(const ZkAnswer *answer, char **ret_token, uint64_t *ret_serial) {
        _cleanup_free_ char *text = strndup(answer->data ?: "", answer->n_data);
        char *token, *serial, *end;

        if (!text)
                return -ENOMEM;

        /* The format comes first: a later one may look different from there on. */
        token = strchr(text, ' ');
        serial = token ? strchr(token + 1, ' ') : NULL;
        if (!startswith(text, "1 ") || !serial)
                return -EBADMSG;

        *serial++ = '\0';
        *ret_serial = strtoull(serial, &end, 10);
        if (end == serial || *end)
                return -EBADMSG;

        *ret_token = strdup(token + 1);
        return *ret_token ? 0 : -ENOMEM;
}

/* -- What goes wrong -- */

void zookeeper_finish(Zookeeper *z, int error) {
        RegistryBackendDone done = TAKE_PTR(z->done);

        zookeeper_load_clear(z);
        z->work = ZOOKEEPER_IDLE;
        if (done)
                done(error, z->userdata);
}

bool zookeeper_is_to_repeat(Zookeeper *z, int error, const char *what) {
        bool over = zk_state(z->zk) == ZK_EXPIRED || zk_state(z->zk) == ZK_AUTH_FAILED;

        if ((error == ZK_E_CONNECTION_LOST || error == -ENOTCONN) && !over)
                return true;

        log_error("Cannot %s the registry in ZooKeeper: %s", what,
                  over ? "the session is over" : zk_error_text(error));
        zookeeper_finish(z, over || error == ZK_E_SESSION_OVER ? -ECONNRESET
                            : error == ZK_E_NO_AUTH            ? -EACCES
                            : error < 0                        ? error
                                                               : -EIO);
        return false;
}

static void on_state(Zk *zk, ZkState state, void *userdata) {
        Zookeeper *z = userdata;

        (void) zk;
        if (state == ZK_CONNECTING || z->n_in_flight > 0)
                return;

        switch (z->work) {
        case ZOOKEEPER_IDLE:
                return;
        case ZOOKEEPER_LOADING:
                zookeeper_load_go_on(z);
                return;
        case ZOOKEEPER_COMMITTING:
                commit_go_on(z);
                return;
        }
}

/* -- Committing -- */

/* What goes into one transaction: whole changes, at least one. */
static size_t count_writes(const Zookeeper *z) {
        size_t n = 0, n_bytes = 0;

        for (size_t i = z->at; i < z->n_writes; i++) {
                n_bytes += z->writes[i].n_data + strlen(z->writes[i].id) + strlen(z->root) +
                           WRITE_OVERHEAD_BYTES;
                if (n > 0 &&
                    (n_bytes > TRANSACTION_MAX_BYTES || i - z->at >= TRANSACTION_MAX_WRITES))
                        break;
                if (z->writes[i].ends_change)
                        n = i + 1 - z->at;
        }

        return n;
}

typedef struct Transaction {
        ZkOp *ops; /* owned, and the paths */
        size_t n;
        char *epoch; /* owned; text of the first one's data */
} Transaction;

static void transaction_deinit(Transaction *t) {
        for (size_t i = 0; i < t->n; i++)
                free((char *) t->ops[i].path);
        free(t->ops);
        free(t->epoch);
}

/* The epoch goes first: should it have changed, that is the error. */
static int transaction_init(Transaction *t, const Zookeeper *z, size_t n_writes) {
        t->ops = calloc(n_writes + 1, sizeof(*t->ops));
        t->epoch = zookeeper_epoch_text(z, z->serial + 1);
        if (!t->ops || !t->epoch)
                return -ENOMEM;

        t->ops[t->n++] = (ZkOp){
                .type = ZK_OP_SET,
                .path = zookeeper_epoch_path(z),
                .data = t->epoch,
                .n_data = strlen(t->epoch),
                .version = z->version,
        };
        for (size_t i = 0; i < n_writes; i++) {
                const RegistryWrite *w = &z->writes[z->at + i];

                t->ops[t->n++] = (ZkOp){
                        .type = !w->data    ? ZK_OP_DELETE
                                : w->exists ? ZK_OP_SET
                                            : ZK_OP_CREATE,
                        .path = zookeeper_path(z, w->kind, w->id),
                        .data = w->data,
                        .n_data = w->n_data,
                        .version = ZK_ANY_VERSION,
                };
        }

        for (size_t i = 0; i < t->n; i++)
                if (!t->ops[i].path)
                        return -ENOMEM;

        return 0;
}

static void transaction_is_done(Zookeeper *z) {
        z->uncertain = false;
        z->serial++;
        z->at += z->n_sent_writes;
}

static void on_transaction(const ZkAnswer *answer, void *userdata) {
        Zookeeper *z = userdata;

        CRASH_POINT("registry-transaction-answered");
        z->n_in_flight--;
        if (answer->error == 0) {
                z->version++;
                transaction_is_done(z);
        } else if (answer->error == ZK_E_CONNECTION_LOST ||
                   (answer->error == ZK_E_BAD_VERSION && answer->failed_op == 0))
                z->uncertain = true;
        else {
                (void) zookeeper_is_to_repeat(z, answer->error, "write");
                return;
        }

        commit_go_on(z);
}

/* What the epoch says of a transaction whose answer did not come, or that found it changed. */
static int settle_uncertainty(Zookeeper *z, const ZkAnswer *answer) {
        _cleanup_free_ char *token = NULL;
        uint64_t serial;
        int r;

        r = zookeeper_epoch_parse(answer, &token, &serial);
        if (r < 0)
                return r;

        if (!streq(token, z->token)) {
                log_error("Master %s has taken the registry over", token);
                return -ESTALE;
        }

        if (serial != z->serial && serial != z->serial + 1)
                return -EBADMSG;

        z->version = answer->stat.version;
        z->uncertain = false;
        if (serial != z->serial)
                transaction_is_done(z);
        return 0;
}

static void on_epoch(const ZkAnswer *answer, void *userdata) {
        Zookeeper *z = userdata;
        int r;

        z->n_in_flight--;
        if (answer->error != 0) {
                if (zookeeper_is_to_repeat(z, answer->error, "write"))
                        commit_go_on(z);
                return;
        }

        r = settle_uncertainty(z, answer);
        if (r < 0)
                zookeeper_finish(z, r);
        else
                commit_go_on(z);
}

static int ask_for_epoch(Zookeeper *z) {
        _cleanup_free_ char *path = zookeeper_epoch_path(z);

        return path ? zk_get(z->zk, path, false, on_epoch, z) : -ENOMEM;
}

static int send_transaction(Zookeeper *z) {
        _cleanup_(transaction_deinit) Transaction t = {};
        int r;

        z->n_sent_writes = count_writes(z);
        r = transaction_init(&t, z, z->n_sent_writes);
        if (r < 0)
                return r;

        CRASH_POINT("registry-transaction");
        return zk_multi(z->zk, t.ops, t.n, on_transaction, z);
}

/* Nothing is in flight: the next request, if there is a connection; else it goes on when there is.
 */
static void commit_go_on(Zookeeper *z) {
        int r;

        if (z->at == z->n_writes) {
                zookeeper_finish(z, 0);
                return;
        }

        r = z->uncertain ? ask_for_epoch(z) : send_transaction(z);
        if (r < 0)
                (void) zookeeper_is_to_repeat(z, r, "write");
        else
                z->n_in_flight++;
}

static int zookeeper_commit(void *backend, const RegistryWrite *writes, size_t n_writes,
                            RegistryBackendDone done, void *userdata) {
        Zookeeper *z = backend;

        assert(z->work == ZOOKEEPER_IDLE);

        z->work = ZOOKEEPER_COMMITTING;
        z->done = done;
        z->userdata = userdata;
        z->writes = writes;
        z->n_writes = n_writes;
        z->at = 0;
        z->uncertain = false;
        commit_go_on(z);
        return 0;
}

static void zookeeper_free(void *backend) {
        Zookeeper *z = backend;

        zk_forget(z->zk, z);
        zookeeper_load_clear(z);
        free(z->root);
        free(z->token);
        free(z);
}

static void zookeeper_freep(Zookeeper **z) {
        if (*z)
                zookeeper_free(*z);
}

int registry_zookeeper_new(Zk *zk, const char *master_id, RegistryBackend *ret) {
        static const RegistryBackendOps ops = {
                .load = zookeeper_load,
                .commit = zookeeper_commit,
                .free = zookeeper_free,
        };
        static const ZkObserver observer = { .state_changed = on_state };
        _cleanup_(zookeeper_freep) Zookeeper *z = NULL;
        const char *path = zk_path(zk);
        int r;

        z = calloc(1, sizeof(*z));
        if (!z)
                return -ENOMEM;

        z->zk = zk;
        z->token = strdup(master_id);
        if (asprintf(&z->root, "%s/holdfast", streq(path, "/") ? "" : path) < 0)
                z->root = NULL;
        if (!z->token || !z->root)
                return -ENOMEM;

        r = zk_observe(zk, &observer, z);
        if (r < 0)
                return r;

        *ret = (RegistryBackend){ .ops = &ops, .object = TAKE_PTR(z) };
        return 0;
}
