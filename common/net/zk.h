#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Zk: one session with a ZooKeeper ensemble. See zk.c. */

#include <systemd/sd-event.h>

#include "common/base/usec.h"
#include "common/net/zk_url.h"

typedef struct Zk Zk;

typedef enum ZkState {
        ZK_CONNECTING,   /* also while the connection is away and the session may still be ours */
        ZK_CONNECTED,
        ZK_EXPIRED,      /* final, by the server's word or by our own clock: make a new one */
        ZK_AUTH_FAILED,  /* final */
} ZkState;

/* Outcomes of requests, beside 0 and negative errno. */
enum {
        ZK_E_NO_NODE = 1,
        ZK_E_EXISTS,
        ZK_E_BAD_VERSION,
        ZK_E_NOT_EMPTY,
        ZK_E_NO_AUTH,
        ZK_E_CONNECTION_LOST,   /* it may have happened, or not */
        ZK_E_SESSION_OVER,      /* likewise */
};

const char *zk_error_text(int error);

/* Of the connection, which comes back or is over: nobody need be told of the request. */
bool zk_error_is_passing(int error);

typedef struct ZkStat {
        int32_t version;           /* of the data */
        int32_t n_children;
        int64_t ephemeral_owner;   /* a session's id; 0: persistent */
} ZkStat;

/* Everything is borrowed for the call. What a request does not ask for is empty. */
typedef struct ZkAnswer {
        int error;
        const char *path;          /* create: the name the znode got */
        const void *data;          /* get; NULL when the znode has none */
        size_t n_data;
        char *const *children;     /* children: names without the path, in no order */
        size_t n_children;
        ZkStat stat;               /* get, exists, set, children */
        size_t failed_op;          /* multi: which one had the error */
} ZkAnswer;

typedef void (*ZkDone)(const ZkAnswer *answer, void *userdata);

/* Both may free the Zk. Either may be NULL. */
typedef struct ZkObserver {
        void (*state_changed)(Zk *zk, ZkState state, void *userdata);
        /* A znode looked at with `watch` has changed, come, gone, or its children have: look again. */
        void (*node_changed)(Zk *zk, const char *path, void *userdata);
} ZkObserver;

int zk_new(sd_event *event, const ZkUrl *url, usec_t session_timeout_usec, Zk **ret);
Zk *zk_free(Zk *zk);
DEFINE_CLEANUP(Zk *, zk_free)

ZkState zk_state(const Zk *zk);
sd_event *zk_event(const Zk *zk);
int64_t zk_session_id(const Zk *zk);       /* 0: none yet */
const char *zk_path(const Zk *zk);         /* of the URL */

int zk_observe(Zk *zk, const ZkObserver *observer, void *userdata);

/* Whoever goes away while the session stays: it hears of nothing any more, neither as an observer nor by ZkDone. */
void zk_forget(Zk *zk, const void *userdata);

/*
 * Requests. 0 when it is on its way: `done` is called once, later, never from within. Else -ENOTCONN
 * (not ZK_CONNECTED), -EMSGSIZE (the server would hang up), -ENOBUFS (16384 are unanswered), -EINVAL (no
 * path of a znode). `done` may be NULL. Requests are carried out in order. Nodes get the ACL of the URL.
 */
enum {
        ZK_EPHEMERAL = 1 << 0,
        ZK_SEQUENCE = 1 << 1,
};

#define ZK_ANY_VERSION (-1)

/* Bytes of one request, data and paths together: the server's own limit is a mebibyte. */
#define ZK_MAX_REQUEST_BYTES (1024 * 1024 - 16384)

int zk_create(Zk *zk, const char *path, const void *data, size_t n_data, unsigned flags, ZkDone done, void *userdata);
int zk_get(Zk *zk, const char *path, bool watch, ZkDone done, void *userdata);
int zk_children(Zk *zk, const char *path, bool watch, ZkDone done, void *userdata);
int zk_exists(Zk *zk, const char *path, bool watch, ZkDone done, void *userdata);
int zk_set(Zk *zk, const char *path, const void *data, size_t n_data, int32_t version, ZkDone done, void *userdata);
int zk_delete(Zk *zk, const char *path, int32_t version, ZkDone done, void *userdata);

/* Makes the znode and those above it, without data, where they are not there. */
int zk_ensure_path(Zk *zk, const char *path, ZkDone done, void *userdata);

typedef enum ZkOpType {
        ZK_OP_CREATE,
        ZK_OP_SET,
        ZK_OP_DELETE,
        ZK_OP_CHECK,      /* that the version is still this */
} ZkOpType;

typedef struct ZkOp {
        ZkOpType type;
        const char *path;
        const void *data;
        size_t n_data;
        int32_t version;      /* set, delete, check */
} ZkOp;

/* All of them or none. Borrowed for the call. */
int zk_multi(Zk *zk, const ZkOp *ops, size_t n_ops, ZkDone done, void *userdata);
