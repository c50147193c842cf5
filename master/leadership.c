/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Leadership
 *
 *     STANDBY ──elected──▶ RECOVERING ──registry read──▶ LEADING
 *                                │                          │
 *                                └── session lost, another leads ──▶ the process ends
 *
 * Of several masters the one whose znode has the smallest number leads (common/net/contender.c,
 * detector.c). A master that has led and does not any more ends: whatever it still holds of the
 * cluster is out of date, and a process that starts anew cannot hold any of it by mistake. One that
 * has not led yet takes part again with a new session.
 *
 * Candidacy, what is seen of the others and the registry are of one session, so that none of them
 * outlives the other two. Without ZooKeeper there is nobody to vote with: the one master leads from
 * the start.
 *
 * A standby tells clients where the leader is, and answers itself only what is about itself.
 */

#include <stdio.h>

#include "common/base/log.h"
#include "common/net/contender.h"
#include "common/net/detector.h"
#include "common/net/json_writer.h"
#include "common/net/pbjson.h"
#include "common/net/zk.h"
#include "master/leadership.h"
#include "master/master.h"

#define INFO_MAX_BYTES 65536

/* As Mesos waits before it turns to ZooKeeper again. */
#define RETRY_USEC (2 * USEC_PER_SEC)

struct Leadership {
        Master *master;
        char *info;                        /* our MasterInfo as JSON, which the others read */
        Zk *zk;                            /* NULL: alone, or between two sessions */
        Contender *contender;
        Detector *detector;
        sd_event_source *campaign_source;  /* takes part in the election; elected at once when alone */
};

static void end_campaign(Leadership *l) {
        l->detector = detector_free(l->detector);
        l->contender = contender_free(l->contender);
        l->zk = zk_free(l->zk);
}

/* Whoever led must not go on; whoever did not takes part again, a little later. */
static void lose(Leadership *l, const char *why) {
        Master *m = l->master;

        if (m->ending)
                return;

        if (m->phase != MASTER_STANDBY) {
                m->ending = true;
                log_error("%s: this master does not lead any more, ending", why);
                (void) sd_event_exit(m->event, -ECONNRESET);
                return;
        }

        log_warning("%s, taking part in the election again", why);
        end_campaign(l);
        (void) sd_event_source_set_time_relative(l->campaign_source, RETRY_USEC);
        (void) sd_event_source_set_enabled(l->campaign_source, SD_EVENT_ONESHOT);
}

static void on_session(Zk *zk _unused_, ZkState state, void *userdata) {
        if (state == ZK_EXPIRED)
                lose(userdata, "The session with ZooKeeper is over");
        else if (state == ZK_AUTH_FAILED)
                lose(userdata, "ZooKeeper does not take the credentials in --zk");
}

/* A znode that describes us may be of a session we had before, and ends with that, whatever becomes of
 * this one: nobody leads by it. */
static bool is_by_our_znode(const Leadership *l) {
        return streq_ptr(detector_node(l->detector), contender_node(l->contender));
}

static void on_leader(const MasterAddress *leader, void *userdata) {
        Leadership *l = userdata;
        Master *m = l->master;

        if (!leader) {
                log_notice("No master leads");
                if (m->phase != MASTER_STANDBY)
                        lose(l, "Nobody is seen to lead");
        } else if (!streq(leader->id, m->id)) {
                log_notice("The leading master is %s", leader->pid.text);
                if (m->phase != MASTER_STANDBY)
                        lose(l, "Another master leads");
        } else if (!is_by_our_znode(l)) {
                log_notice("The first znode, %s, is not that of this session", detector_node(l->detector));
                if (m->phase != MASTER_STANDBY)
                        lose(l, "The znode of a former session leads");
        } else if (m->phase == MASTER_STANDBY)
                master_elected(m);
}

/* That our znode leads may be seen before we hear that it is ours. */
static void on_candidacy(ContenderState state, const char *node, void *userdata) {
        Leadership *l = userdata;
        const MasterAddress *leader = detector_leader(l->detector);

        if (state == CONTENDER_LOST) {
                lose(l, "Our candidacy is gone");
                return;
        }

        log_info("Candidate for leading master by znode %s", node);
        if (leader && is_by_our_znode(l))
                on_leader(leader, l);
}

/* The session is there first, so that the registry of a master that is elected finds it. */
static int begin_campaign(Leadership *l) {
        static const ZkObserver observer = { .state_changed = on_session };
        const MasterConfig *config = l->master->config;
        int r;

        r = zk_new(l->master->event, config->zk, config->zk_session_timeout_usec, &l->zk);
        if (r >= 0)
                r = zk_observe(l->zk, &observer, l);
        if (r >= 0)
                r = contender_new(l->zk, l->info, on_candidacy, l, &l->contender);
        if (r >= 0)
                r = detector_new_shared(l->zk, on_leader, l, &l->detector);
        return r;
}

static int on_campaign(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        Leadership *l = userdata;
        int r;

        if (!l->master->config->zk) {
                master_elected(l->master);
                return 0;
        }

        r = begin_campaign(l);
        if (r < 0)
                master_fail(l->master, r, "Cannot take part in the election");
        return 0;
}

static int make_info(Leadership *l) {
        Buffer b = BUFFER_INIT(INFO_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        int r;

        json_put_message(&w, NULL, &l->master->info->base);
        r = json_finish(&w);
        if (r >= 0) {
                l->info = strndup(buffer_data(&b), buffer_size(&b));
                r = l->info ? 0 : -ENOMEM;
        }

        buffer_deinit(&b);
        return r;
}

int leadership_new(Master *m, Leadership **ret) {
        _cleanup_(leadership_freep) Leadership *l = NULL;
        int r;

        assert(m);
        assert(ret);

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        l->master = m;
        r = make_info(l);
        if (r >= 0)
                r = sd_event_add_time(m->event, &l->campaign_source, CLOCK_MONOTONIC, 0, 1, on_campaign, l);
        if (r < 0)
                return r;

        /* Before the first client is heard: with us alone, it need not be told to come again. */
        r = sd_event_source_set_priority(l->campaign_source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

Leadership *leadership_free(Leadership *l) {
        if (!l)
                return NULL;

        end_campaign(l);
        sd_event_source_disable_unref(l->campaign_source);
        free(l->info);
        free(l);
        return NULL;
}

Zk *leadership_zk(const Leadership *l) {
        return l->zk;
}

size_t leadership_n_masters(const Leadership *l) {
        return l->detector ? detector_n_candidates(l->detector) : 0;
}

bool leadership_find(const Master *m, const char **ret_hostname, uint16_t *ret_port) {
        const MasterAddress *leader;

        if (m->phase == MASTER_LEADING) {
                *ret_hostname = m->config->hostname;
                *ret_port = m->self.port;
                return true;
        }

        leader = m->leadership->detector ? detector_leader(m->leadership->detector) : NULL;
        if (!leader || streq(leader->id, m->id)) /* we do not, or not yet */
                return false;

        *ret_hostname = leader->hostname;
        *ret_port = leader->port;
        return true;
}

/* What every master answers, whoever leads: about the process, not about the cluster. */
static bool is_about_process(const char *path) {
        static const char *const paths[] = { "/health", "/version", "/flags", "/metrics/snapshot", "/redirect",
                                             "/system/stats.json", "/registrar(1)/registry" };
        static const char *const trees[] = { "/files/", "/logging/" };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (streq(path, paths[i]))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(trees); i++)
                if (startswith(path, trees[i]))
                        return true;

        return false;
}

/* Libprocess messages are one-way: nobody reads an answer. The receiver drops them (agent_link.c). */
static bool is_message(const char *path) {
        return startswith(path, "/mesos.");
}

/* As Mesos has it: below /master, whichever of the two paths was asked for. */
static void redirect(HttpRequest *r, const char *hostname, uint16_t port) {
        const char *target = http_request_target(r);
        _cleanup_free_ char *location = NULL;

        if (asprintf(&location, "//%s:%u%s%s", hostname, port, startswith(target, "/master") ? "" : "/master",
                     target) < 0) {
                http_request_answer_text(r, 500, "Out of memory");
                return;
        }

        (void) http_request_add_header(r, "Location", location);
        http_request_answer(r, 307, NULL, NULL, 0);
}

bool leadership_gate(HttpRequest *r, void *userdata) {
        const Master *m = userdata;
        const char *path = http_request_path(r), *below = startswith(path, "/master"), *hostname;
        uint16_t port;

        if (m->phase == MASTER_LEADING)
                return false;

        if (below && *below == '/')
                path = below;
        if (is_about_process(path) || is_message(path))
                return false;

        if (m->phase == MASTER_RECOVERING)
                http_request_answer_text(r, 503, "Master has not finished recovery");
        else if (leadership_find(m, &hostname, &port))
                redirect(r, hostname, port);
        else
                http_request_answer_text(r, 503, "No leader elected");
        return true;
}
