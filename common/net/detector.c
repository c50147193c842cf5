/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who leads
 *
 * A detector looks at the children of the group's znode, reads the one with the smallest number and
 * tells who that is. It looks again when ZooKeeper says that the children have changed:
 *
 *     node_changed, connected, retry ──▶ look ──▶ children ──▶ get ──▶ tell
 *                                         ▲          │
 *                                         └──────────┴── no such znode: wait for its creation
 *
 * While the connection is away but the session is not over, what was known last counts: masters keep
 * their nodes for as long. When the session is over nobody knows, and that is told. A detector with
 * a session of its own then makes a new one.
 *
 * A leading znode that cannot be read is a leader that nobody can reach: told as none, since the next
 * candidate does not take itself for the leader either.
 */

#include <stdio.h>

#include "common/base/log.h"
#include "common/net/detector.h"

/* As Mesos. */
#define RETRY_USEC (2 * USEC_PER_SEC)

struct Detector {
        sd_event *event;
        Zk *zk;                        /* NULL: none is needed, or it is to be made anew */
        ZkUrl url;                     /* of a session of our own; without a path: none */
        usec_t session_timeout_usec;
        sd_event_source *retry_source;
        bool has_looked;
        bool looking, again;           /* a look is under way; what it sees may be out of date */
        char *node;                    /* owned; the name of the one that was read last */
        char *reading;                 /* owned; the name of the one that is being read */
        size_t n_candidates;
        bool has_leader;
        MasterAddress leader;
        DetectorChanged changed;
        void *userdata;
};

static void look(Detector *d);

const MasterAddress *detector_leader(const Detector *d) {
        return d->has_leader ? &d->leader : NULL;
}

const char *detector_node(const Detector *d) {
        return d->node;
}

size_t detector_n_candidates(const Detector *d) {
        return d->n_candidates;
}

bool detector_has_looked(const Detector *d) {
        return d->has_looked;
}

static void retry(Detector *d, usec_t delay_usec) {
        (void) sd_event_source_set_time_relative(d->retry_source, delay_usec);
        (void) sd_event_source_set_enabled(d->retry_source, SD_EVENT_ONESHOT);
}

/* The last act of whoever calls it: the detector may be gone afterwards. */
static void tell(Detector *d, const MasterAddress *leader) {
        bool same = !leader && !d->has_leader;

        d->has_leader = leader;
        if (leader)
                d->leader = *leader;
        if (!same)
                d->changed(detector_leader(d), d->userdata);
}

/* Looks are over when they have seen something, or failed. True: there is to be another. */
static bool look_ends(Detector *d) {
        d->looking = false;
        if (!d->again)
                return false;

        look(d);
        return true;
}

static void look_failed(Detector *d, const char *what, int error) {
        if (zk_error_is_passing(error))
                log_debug("Cannot read %s of the masters, trying again: %s", what, zk_error_text(error));
        else
                log_warning("Cannot read %s of the masters, trying again: %s", what, zk_error_text(error));
        d->looking = false;
        retry(d, RETRY_USEC);
}

static void on_data(const ZkAnswer *answer, void *userdata) {
        Detector *d = userdata;
        _cleanup_free_ char *message = NULL;
        MasterAddress leader;
        CandidateFormat format;
        int32_t sequence;
        int r;

        /* Gone in between: the children have changed then, which we are told. */
        if (answer->error == ZK_E_NO_NODE) {
                (void) look_ends(d);
                return;
        }
        if (answer->error != 0) {
                look_failed(d, "the znode", answer->error);
                return;
        }
        if (look_ends(d))
                return;

        free(d->node);
        d->node = TAKE_PTR(d->reading);
        (void) candidate_parse(d->node, &sequence, &format);
        r = master_address_parse(format, answer->data, answer->n_data, &leader, &message);
        if (r < 0)
                log_warning("The leading master's znode '%s' cannot be understood: %s.", d->node,
                            message ?: strerror(-r));
        tell(d, r < 0 ? NULL : &leader);
}

static int read_node(Detector *d, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", zk_path(d->zk), name) < 0) {
                path = NULL;
                return -ENOMEM;
        }

        free(d->reading);
        d->reading = strdup(name);
        if (!d->reading)
                return -ENOMEM;
        return zk_get(d->zk, path, false, on_data, d);
}

static void on_exists(const ZkAnswer *answer, void *userdata) {
        Detector *d = userdata;

        if (answer->error == 0)
                d->again = true;
        else if (answer->error != ZK_E_NO_NODE) {
                look_failed(d, "the group's znode", answer->error);
                return;
        }
        (void) look_ends(d);
}

/* There is no group yet: whoever makes it makes our watch go off. */
static void await_group(Detector *d) {
        int r = zk_exists(d->zk, zk_path(d->zk), true, on_exists, d);

        if (r < 0)
                look_failed(d, "the group's znode", r);
}

static void forget_node(Detector *d) {
        free(d->node);
        d->node = NULL;
}

static void on_children(const ZkAnswer *answer, void *userdata) {
        Detector *d = userdata;
        const char *name;
        int r;

        if (answer->error != 0 && answer->error != ZK_E_NO_NODE) {
                look_failed(d, "the list", answer->error);
                return;
        }

        d->n_candidates = candidate_count(answer->children, answer->n_children);
        d->has_looked = true;
        name = candidate_find_leader(answer->children, answer->n_children);
        if (name && streq_ptr(name, d->node)) {
                (void) look_ends(d);
                return;
        }
        if (name) {
                r = read_node(d, name);
                if (r < 0)
                        look_failed(d, "the znode", r);
                return;
        }

        forget_node(d);
        if (answer->error == ZK_E_NO_NODE)
                await_group(d);
        else
                (void) look_ends(d);
        tell(d, NULL);
}

static void look(Detector *d) {
        int r;

        if (d->looking) {
                d->again = true;
                return;
        }

        d->again = false;
        d->looking = true;
        r = zk_children(d->zk, zk_path(d->zk), true, on_children, d);
        if (r == -ENOTCONN)
                d->looking = false; /* the connection will come, or the session end */
        else if (r < 0)
                look_failed(d, "the list", r);
}

static void on_node(Zk *zk, const char *path, void *userdata) {
        if (streq(path, zk_path(zk)))
                look(userdata);
}

static void on_state(Zk *zk, ZkState state, void *userdata) {
        Detector *d = userdata;

        if (state == ZK_CONNECTED) {
                look(d);
                return;
        }
        if (state == ZK_CONNECTING)
                return;

        d->looking = d->again = false;
        forget_node(d);
        (void) sd_event_source_set_enabled(d->retry_source, SD_EVENT_OFF);
        if (d->url.path) {
                zk_forget(zk, d);
                d->zk = zk_free(zk);
                retry(d, state == ZK_EXPIRED ? 0 : RETRY_USEC);
        }
        tell(d, NULL);
}

static const ZkObserver observer = { .state_changed = on_state, .node_changed = on_node };

static int start_session(Detector *d) {
        int r = zk_new(d->event, &d->url, d->session_timeout_usec, &d->zk);

        return r < 0 ? r : zk_observe(d->zk, &observer, d);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Detector *d = userdata;
        int r;

        (void) source;
        (void) usec;
        if (d->zk) {
                look(d);
                return 0;
        }

        r = start_session(d);
        if (r < 0) {
                (void) log_warning_errno(r, "Cannot ask ZooKeeper for the master, trying again: %m");
                d->zk = zk_free(d->zk);
                retry(d, RETRY_USEC);
        }
        return 0;
}

static int detector_make(sd_event *event, DetectorChanged changed, void *userdata, Detector **ret) {
        _cleanup_(detector_freep) Detector *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;

        d->event = sd_event_ref(event);
        d->changed = changed;
        d->userdata = userdata;
        r = sd_event_add_time(event, &d->retry_source, CLOCK_MONOTONIC, USEC_INFINITY, USEC_EXACT, on_retry, d);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(d->retry_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(d->retry_source, "detector-retry");
        *ret = TAKE_PTR(d);
        return 0;
}

/* -EINVAL and -EHOSTUNREACH come with a message. An address leads from the start and for ever. */
int detector_new(sd_event *event, const char *master, usec_t session_timeout_usec, DetectorChanged changed,
                 void *userdata, Detector **ret, char **reterr_message) {
        _cleanup_(detector_freep) Detector *d = NULL;
        int r;

        r = detector_make(event, changed, userdata, &d);
        if (r < 0)
                return r;

        d->session_timeout_usec = session_timeout_usec;
        if (zk_url_is_one(master)) {
                r = zk_url_parse(master, &d->url, reterr_message);
                if (r >= 0)
                        r = start_session(d);
        } else {
                r = master_address_resolve(master, &d->leader, reterr_message);
                d->has_leader = true;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

int detector_new_shared(Zk *zk, DetectorChanged changed, void *userdata, Detector **ret) {
        _cleanup_(detector_freep) Detector *d = NULL;
        int r;

        r = detector_make(zk_event(zk), changed, userdata, &d);
        if (r < 0)
                return r;

        d->zk = zk;
        r = zk_observe(zk, &observer, d);
        if (r < 0)
                return r;

        look(d);
        *ret = TAKE_PTR(d);
        return 0;
}

Detector *detector_free(Detector *d) {
        if (!d)
                return NULL;

        if (d->zk)
                zk_forget(d->zk, d);
        if (d->url.path)
                zk_free(d->zk);
        zk_url_deinit(&d->url);
        sd_event_source_disable_unref(d->retry_source);
        sd_event_unref(d->event);
        free(d->node);
        free(d->reading);
        free(d);
        return NULL;
}
