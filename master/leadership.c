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
 * cluster is out of date, and a process that starts anew cannot hold any of it by mistake. Without
 * ZooKeeper there is nobody to vote with, and the one master leads from the start.
 *
 * A standby tells clients where the leader is, and answers itself only what is about itself.
 */

#include <stdio.h>

#include "common/base/log.h"
#include "master/leadership.h"
#include "master/master.h"

struct Leadership {
        Master *master;
        sd_event_source *alone_source;     /* the election of the only one there is */
};

static int on_alone(sd_event_source *s _unused_, void *userdata) {
        master_elected(userdata);
        return 0;
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
        r = sd_event_add_defer(m->event, &l->alone_source, on_alone, m);
        if (r < 0)
                return r;

        /* Before the first client is heard: it need not be told to come again. */
        r = sd_event_source_set_priority(l->alone_source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

Leadership *leadership_free(Leadership *l) {
        if (!l)
                return NULL;

        sd_event_source_disable_unref(l->alone_source);
        free(l);
        return NULL;
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

bool leadership_gate(HttpRequest *r, void *userdata) {
        const Master *m = userdata;
        const char *path = http_request_path(r), *below = startswith(path, "/master");

        if (m->phase == MASTER_LEADING)
                return false;

        if (below && *below == '/')
                path = below;
        if (is_about_process(path) || is_message(path))
                return false;

        http_request_answer_text(r, 503, m->phase == MASTER_RECOVERING
                                                 ? "Master has not finished recovery"
                                                 : "No leader elected");
        return true;
}
