/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Standing for election
 *
 *              connected          made            created
 *     WAITING ──────────▶ MAKING ──────▶ CREATING ────────▶ CANDIDATE
 *        ▲                   │              │                   │
 *        │                   │              ▼ connection lost   │ our znode is gone
 *        │                   └─────────▶ SEARCHING              │
 *        └──────────────── again, in 2 s ◀──────────────────────┘
 *
 * A candidate is an ephemeral sequential child of the group's znode, which lives as long as its
 * session. Creating one is not idempotent: when the connection is lost on the way, nobody knows
 * whether it was made, and a second one would stand for election beside it for a master that knows
 * nothing of it. So the children are searched first for one that our session owns.
 *
 * When the session is over so is the contender: its owner makes both anew.
 */

#include <stdio.h>

#include "common/base/log.h"
#include "common/net/contender.h"
#include "common/net/master_address.h"

/* As Mesos. */
#define RETRY_USEC (2 * USEC_PER_SEC)

/* Candidates beyond these are not searched; a cluster has three masters, or five. */
#define MAX_SEARCHED 256

typedef enum Phase {
        PHASE_WAITING,
        PHASE_MAKING,
        PHASE_SEARCHING,
        PHASE_CREATING,
        PHASE_CANDIDATE,
} Phase;

struct Contender {
        Zk *zk;                    /* borrowed */
        char *json;
        Phase phase;
        bool ambiguous;            /* a znode of ours may be there that we do not know */
        char *node;                /* owned; its name */
        char *searched[MAX_SEARCHED];
        size_t n_searched, n_seen;
        sd_event_source *retry_source;
        ContenderChanged changed;
        void *userdata;
};

static void contend(Contender *c);
static void search_next(Contender *c);

const char *contender_node(const Contender *c) {
        return c->phase == PHASE_CANDIDATE ? c->node : NULL;
}

static void forget_search(Contender *c) {
        for (size_t i = 0; i < c->n_searched; i++)
                free(c->searched[i]);
        c->n_searched = c->n_seen = 0;
}

static void wait_and_retry(Contender *c, const char *what, int error) {
        if (zk_error_is_passing(error))
                log_debug("Cannot %s, trying again: %s", what, zk_error_text(error));
        else
                log_warning("Cannot %s, trying again: %s", what, zk_error_text(error));
        c->phase = PHASE_WAITING;
        (void) sd_event_source_set_time_relative(c->retry_source, RETRY_USEC);
        (void) sd_event_source_set_enabled(c->retry_source, SD_EVENT_ONESHOT);
}

/* The last act of whoever calls it. */
static void lost(Contender *c, int error) {
        _cleanup_free_ char *node = TAKE_PTR(c->node);

        wait_and_retry(c, "keep the master's znode", error);
        c->changed(CONTENDER_LOST, node, c->userdata);
}

static char *path_of(const Contender *c, const char *name) {
        char *path;

        return asprintf(&path, "%s/%s", zk_path(c->zk), name) < 0 ? NULL : path;
}

static void on_watched(const ZkAnswer *answer, void *userdata) {
        Contender *c = userdata;

        if (c->phase == PHASE_CANDIDATE && answer->error == ZK_E_NO_NODE)
                lost(c, ZK_E_NO_NODE);
}

/* Looks whether our znode is still there, and wants to be told when it is not. */
static void watch_node(Contender *c) {
        _cleanup_free_ char *path = path_of(c, c->node);

        /* Not connected: then again as soon as we are. */
        if (!path || zk_exists(c->zk, path, true, on_watched, c) < 0)
                log_debug("Cannot watch the master's znode '%s'.", c->node);
}

static void elected_candidate(Contender *c, char *node) {
        c->ambiguous = false;
        c->phase = PHASE_CANDIDATE;
        free(c->node);
        c->node = node;
        watch_node(c);
        c->changed(CONTENDER_CANDIDATE, c->node, c->userdata);
}

static void on_created(const ZkAnswer *answer, void *userdata) {
        Contender *c = userdata;
        char *node;

        if (answer->error != 0) {
                if (answer->error == ZK_E_CONNECTION_LOST)
                        c->ambiguous = true;
                wait_and_retry(c, "create the master's znode", answer->error);
                return;
        }

        node = strdup(strrchr(answer->path, '/') + 1);
        if (!node) {
                c->ambiguous = true;
                wait_and_retry(c, "remember the master's znode", -ENOMEM);
                return;
        }
        elected_candidate(c, node);
}

static void create(Contender *c) {
        _cleanup_free_ char *path = path_of(c, CANDIDATE_PREFIX);
        int r = -ENOMEM;

        c->phase = PHASE_CREATING;
        if (path)
                r = zk_create(c->zk, path, c->json, strlen(c->json), ZK_EPHEMERAL | ZK_SEQUENCE, on_created, c);
        if (r < 0)
                wait_and_retry(c, "create the master's znode", r);
}

static void on_searched(const ZkAnswer *answer, void *userdata) {
        Contender *c = userdata;
        char **name = &c->searched[c->n_seen++];

        if (answer->error == 0 && answer->stat.ephemeral_owner == zk_session_id(c->zk)) {
                char *node = TAKE_PTR(*name);

                forget_search(c);
                elected_candidate(c, node);
        } else if (answer->error == 0 || answer->error == ZK_E_NO_NODE)
                search_next(c);
        else
                wait_and_retry(c, "look at a master's znode", answer->error);
}

static void search_next(Contender *c) {
        _cleanup_free_ char *path = NULL;
        int r = -ENOMEM;

        if (c->n_seen == c->n_searched) {
                create(c);
                return;
        }

        path = path_of(c, c->searched[c->n_seen]);
        if (path)
                r = zk_exists(c->zk, path, false, on_searched, c);
        if (r < 0)
                wait_and_retry(c, "look at a master's znode", r);
}

static void on_children(const ZkAnswer *answer, void *userdata) {
        Contender *c = userdata;

        if (answer->error != 0) {
                wait_and_retry(c, "list the masters' znodes", answer->error);
                return;
        }

        forget_search(c);
        for (size_t i = 0; i < answer->n_children && c->n_searched < MAX_SEARCHED; i++) {
                if (!startswith(answer->children[i], CANDIDATE_PREFIX))
                        continue;

                c->searched[c->n_searched] = strdup(answer->children[i]);
                if (!c->searched[c->n_searched]) {
                        wait_and_retry(c, "list the masters' znodes", -ENOMEM);
                        return;
                }
                c->n_searched++;
        }
        search_next(c);
}

static void search(Contender *c) {
        int r;

        c->phase = PHASE_SEARCHING;
        r = zk_children(c->zk, zk_path(c->zk), false, on_children, c);
        if (r < 0)
                wait_and_retry(c, "list the masters' znodes", r);
}

static void on_group(const ZkAnswer *answer, void *userdata) {
        Contender *c = userdata;

        if (answer->error != 0)
                wait_and_retry(c, "make the masters' znode", answer->error);
        else if (c->ambiguous)
                search(c);
        else
                create(c);
}

static void contend(Contender *c) {
        int r;

        if (c->phase != PHASE_WAITING || zk_state(c->zk) != ZK_CONNECTED)
                return;

        (void) sd_event_source_set_enabled(c->retry_source, SD_EVENT_OFF);
        c->phase = PHASE_MAKING;
        r = zk_ensure_path(c->zk, zk_path(c->zk), on_group, c);
        if (r < 0)
                wait_and_retry(c, "make the masters' znode", r);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        contend(userdata);
        return 0;
}

static void on_state(Zk *zk, ZkState state, void *userdata) {
        Contender *c = userdata;

        (void) zk;
        if (state == ZK_CONNECTED && c->phase == PHASE_CANDIDATE)
                watch_node(c);
        else if (state == ZK_CONNECTED)
                contend(c);
        else if (state != ZK_CONNECTING && c->phase == PHASE_CANDIDATE)
                lost(c, ZK_E_SESSION_OVER);
}

static void on_node(Zk *zk, const char *path, void *userdata) {
        Contender *c = userdata;
        const char *slash = strrchr(path, '/');

        (void) zk;
        if (c->phase == PHASE_CANDIDATE && slash && streq(slash + 1, c->node))
                watch_node(c);
}

static const ZkObserver observer = { .state_changed = on_state, .node_changed = on_node };

int contender_new(Zk *zk, const char *json, ContenderChanged changed, void *userdata, Contender **ret) {
        _cleanup_(contender_freep) Contender *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;

        c->zk = zk;
        c->changed = changed;
        c->userdata = userdata;
        c->json = strdup(json);
        if (!c->json)
                return -ENOMEM;

        r = sd_event_add_time(zk_event(zk), &c->retry_source, CLOCK_MONOTONIC, USEC_INFINITY, USEC_EXACT, on_retry, c);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(c->retry_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(c->retry_source, "contender-retry");
        r = zk_observe(zk, &observer, c);
        if (r < 0)
                return r;

        contend(c);
        *ret = TAKE_PTR(c);
        return 0;
}

/* The znode goes with the session. */
Contender *contender_free(Contender *c) {
        if (!c)
                return NULL;

        zk_forget(c->zk, c);
        sd_event_source_disable_unref(c->retry_source);
        forget_search(c);
        free(c->node);
        free(c->json);
        free(c);
        return NULL;
}
