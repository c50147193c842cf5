/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading the registry from ZooKeeper
 *
 *     znodes above the records are made    three of them, when they are not there
 *     epoch: made, read, written           from here on nobody else writes
 *     names of agents, unreachable, gone   one request each
 *     each record                          many requests at a time
 *
 * What a lost connection leaves unanswered is asked again; nothing here does harm when done twice.
 */

#include "common/base/log.h"
#include "master/registry_zookeeper.h"

/* As many as keep a server busy while the answers travel, without being in anybody's way. */
#define MAX_IN_FLIGHT 512U

static int add_key(Zookeeper *z, RecordKind kind, char *id) {
        if (z->n_keys == z->n_allocated_keys) {
                size_t n = MAX(z->n_allocated_keys * 2, (size_t) 64);
                ZookeeperKey *p = reallocarray(z->keys, n, sizeof(*p));

                if (!p) {
                        free(id);
                        return -ENOMEM;
                }

                z->keys = p;
                z->n_allocated_keys = n;
        }

        z->keys[z->n_keys++] = (ZookeeperKey){ kind, id };
        return 0;
}

void zookeeper_load_clear(Zookeeper *z) {
        for (size_t i = 0; i < z->n_keys; i++)
                free(z->keys[i].id);
        free(TAKE_PTR(z->keys));
        z->n_keys = z->n_allocated_keys = 0;
}

/* -- Steps -- */

static void on_step(const ZkAnswer *answer, void *userdata);

static int send_ensure(Zookeeper *z, RecordKind kind) {
        _cleanup_free_ char *path = zookeeper_path(z, kind, NULL);

        return path ? zk_ensure_path(z->zk, path, on_step, z) : -ENOMEM;
}

static int send_create_epoch(Zookeeper *z, RecordKind kind _unused_) {
        _cleanup_free_ char *path = zookeeper_epoch_path(z), *text = zookeeper_epoch_text(z, 0);

        return path && text ? zk_create(z->zk, path, text, strlen(text), 0, on_step, z) : -ENOMEM;
}

static int send_get_epoch(Zookeeper *z, RecordKind kind _unused_) {
        _cleanup_free_ char *path = zookeeper_epoch_path(z);

        return path ? zk_get(z->zk, path, false, on_step, z) : -ENOMEM;
}

static int send_set_epoch(Zookeeper *z, RecordKind kind _unused_) {
        _cleanup_free_ char *path = zookeeper_epoch_path(z), *text = zookeeper_epoch_text(z, 0);

        return path && text ? zk_set(z->zk, path, text, strlen(text), ZK_ANY_VERSION, on_step, z)
                            : -ENOMEM;
}

static int send_children(Zookeeper *z, RecordKind kind) {
        _cleanup_free_ char *path = zookeeper_path(z, kind, NULL);

        return path ? zk_children(z->zk, path, false, on_step, z) : -ENOMEM;
}

static int take_nothing(Zookeeper *z _unused_, RecordKind kind _unused_,
                        const ZkAnswer *answer _unused_) {
        return 0;
}

/* What a later version keeps there is not touched. */
static int take_epoch(Zookeeper *z, RecordKind kind _unused_, const ZkAnswer *answer) {
        _cleanup_free_ char *token = NULL;
        uint64_t serial;
        int r;

        r = zookeeper_epoch_parse(answer, &token, &serial);
        if (r < 0)
                return log_error_errno(r,
                                       "%s/epoch in ZooKeeper is not of this version's format; "
                                       "nothing was changed",
                                       z->root);

        return 0;
}

static int take_version(Zookeeper *z, RecordKind kind _unused_, const ZkAnswer *answer) {
        z->version = answer->stat.version;
        z->serial = 0;
        return 0;
}

static int take_children(Zookeeper *z, RecordKind kind, const ZkAnswer *answer) {
        for (size_t i = 0; i < answer->n_children; i++) {
                char *id;
                int r;

                r = zookeeper_id_from_name(answer->children[i], &id);
                if (r == -EBADMSG)
                        log_error("'%s' of %s/%s in ZooKeeper is no agent's id",
                                  answer->children[i], z->root, record_kind_name(kind));
                if (r >= 0)
                        r = add_key(z, kind, id);
                if (r < 0)
                        return r;
        }

        return 0;
}

static const struct {
        int (*send)(Zookeeper *z, RecordKind kind);
        int (*take)(Zookeeper *z, RecordKind kind, const ZkAnswer *answer);
        RecordKind kind;
        int may_fail_with; /* ZK_E_*; 0: with nothing */
} steps[] = {
        { send_ensure, take_nothing, RECORD_AGENT, 0 },
        { send_ensure, take_nothing, RECORD_UNREACHABLE, 0 },
        { send_ensure, take_nothing, RECORD_GONE, 0 },
        { send_create_epoch, take_nothing, RECORD_NONE, ZK_E_EXISTS },
        { send_get_epoch, take_epoch, RECORD_NONE, 0 },
        { send_set_epoch, take_version, RECORD_NONE, 0 },
        { send_children, take_children, RECORD_AGENT, 0 },
        { send_children, take_children, RECORD_UNREACHABLE, 0 },
        { send_children, take_children, RECORD_GONE, 0 },
};

static int compare_keys(const void *a, const void *b) {
        const ZookeeperKey *x = a, *y = b;

        return x->kind != y->kind ? (int) x->kind - (int) y->kind : strcmp(x->id, y->id);
}

/* All names are known: in the order of any other store, and with the records there are one of. */
static int complete_keys(Zookeeper *z) {
        for (RecordKind kind = RECORD_MACHINES; kind < _RECORD_MAX; kind++) {
                char *id = strdup(record_single_id(kind));
                int r;

                r = id ? add_key(z, kind, id) : -ENOMEM;
                if (r < 0)
                        return r;
        }

        qsort(z->keys, z->n_keys, sizeof(*z->keys), compare_keys);
        return 0;
}

static void on_step(const ZkAnswer *answer, void *userdata) {
        Zookeeper *z = userdata;
        int r;

        z->n_in_flight--;
        if (answer->error != 0 && answer->error != steps[z->step].may_fail_with) {
                if (zookeeper_is_to_repeat(z, answer->error, "read"))
                        zookeeper_load_go_on(z);
                return;
        }

        r = steps[z->step].take(z, steps[z->step].kind, answer);
        if (r >= 0 && ++z->step == ELEMENTSOF(steps))
                r = complete_keys(z);
        if (r < 0)
                zookeeper_finish(z, r);
        else
                zookeeper_load_go_on(z);
}

/* -- Records -- */

static int take_record(Zookeeper *z, const ZkAnswer *answer) {
        const ZookeeperKey *key = &z->keys[z->n_taken];
        int r = 0;

        if (answer->error == 0)
                r = z->entry(key->kind, key->id, answer->data ?: "", answer->n_data, z->userdata);
        if (r >= 0)
                z->n_taken++;

        return r;
}

/* Once one is lost nothing is taken until all are answered, and they are asked again from there. */
static void on_record(const ZkAnswer *answer, void *userdata) {
        Zookeeper *z = userdata;
        int r;

        z->n_in_flight--;
        if (z->work != ZOOKEEPER_LOADING)
                return;

        if (answer->error != 0 && answer->error != ZK_E_NO_NODE) {
                if (!zookeeper_is_to_repeat(z, answer->error, "read"))
                        return;
                z->lost = true;
        }

        r = z->lost ? 0 : take_record(z, answer);
        if (r < 0)
                zookeeper_finish(z, r);
        else if (!z->lost || z->n_in_flight == 0)
                zookeeper_load_go_on(z);
}

static int send_record(Zookeeper *z) {
        const ZookeeperKey *key = &z->keys[z->n_sent];
        _cleanup_free_ char *path = zookeeper_path(z, key->kind, key->id);

        return path ? zk_get(z->zk, path, false, on_record, z) : -ENOMEM;
}

static int send_more(Zookeeper *z) {
        int r = 0;

        if (z->lost)
                z->n_sent = z->n_taken;
        z->lost = false;

        while (r >= 0 && z->n_sent < z->n_keys && z->n_in_flight < MAX_IN_FLIGHT) {
                r = send_record(z);
                if (r < 0)
                        break;

                z->n_sent++;
                z->n_in_flight++;
        }

        return r;
}

void zookeeper_load_go_on(Zookeeper *z) {
        int r;

        if (z->step < ELEMENTSOF(steps)) {
                r = steps[z->step].send(z, steps[z->step].kind);
                if (r >= 0)
                        z->n_in_flight++;
        } else if (z->n_taken == z->n_keys) {
                zookeeper_finish(z, 0);
                return;
        } else
                r = send_more(z);

        if (r < 0)
                (void) zookeeper_is_to_repeat(z, r, "read");
}

int zookeeper_load(void *backend, RegistryEntry entry, RegistryBackendDone done, void *userdata) {
        Zookeeper *z = backend;

        assert(z->work == ZOOKEEPER_IDLE);

        z->work = ZOOKEEPER_LOADING;
        z->done = done;
        z->userdata = userdata;
        z->entry = entry;
        z->step = 0;
        z->n_sent = z->n_taken = 0;
        z->lost = false;
        zookeeper_load_go_on(z);
        return 0;
}
