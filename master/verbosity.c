/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Verbosity
 *
 * An operator who looks into something raises the level of detail for some minutes, and cannot
 * forget to lower it again. Mesos has levels above 1; here any level above 0 shows debug messages,
 * and the number is kept to be told back.
 */

#include "common/base/log.h"
#include "master/master.h"
#include "master/verbosity.h"

unsigned verbosity_get(const Master *m) {
        return m->verbosity;
}

static void apply(Master *m, unsigned level) {
        m->verbosity = level;
        log_set_max_level(level > 0 ? LOG_DEBUG : m->config->log_level);
}

static int on_over(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        apply(userdata, 0);
        return 0;
}

int verbosity_set(Master *m, unsigned level, usec_t duration_usec) {
        int r;

        m->verbosity_source = sd_event_source_disable_unref(m->verbosity_source);
        r = sd_event_add_time(m->event, &m->verbosity_source, CLOCK_MONOTONIC,
                              usec_add(master_now(m), duration_usec), 0, on_over, m);
        if (r < 0)
                return r;

        apply(m, level);
        return 0;
}
