/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The log's level
 *
 * Operators turn the log up to look at something and forget about it; so it turns down by itself.
 * Mesos counts verbosity from 0 upwards. We have one step above that: everything.
 */

#include "agent/log_level.h"
#include "common/base/log.h"

struct LogLevel {
        sd_event_source *revert_source;
        int original;          /* of syslog(3) */
        uint32_t level;
};

static void revert(LogLevel *l) {
        l->level = 0;
        log_set_max_level(l->original);
}

static int on_revert(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;

        revert(userdata);
        return 0;
}

int log_level_new(sd_event *event, LogLevel **ret) {
        _cleanup_(log_level_freep) LogLevel *l = NULL;
        int r;

        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;

        *l = (LogLevel) { .original = log_get_max_level() };
        r = sd_event_add_time(event, &l->revert_source, CLOCK_MONOTONIC, 0, 0, on_revert, l);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(l->revert_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(l->revert_source, "log-level-revert");
        *ret = TAKE_PTR(l);
        return 0;
}

LogLevel *log_level_free(LogLevel *l) {
        if (!l)
                return NULL;

        revert(l);
        sd_event_source_disable_unref(l->revert_source);
        free(l);
        return NULL;
}

uint32_t log_level_get(const LogLevel *l) {
        return l->level;
}

int log_level_set(LogLevel *l, uint32_t level, usec_t duration_usec) {
        int r;

        r = sd_event_source_set_time_relative(l->revert_source, duration_usec);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(l->revert_source, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        l->level = level;
        log_set_max_level(level > 0 ? LOG_DEBUG : l->original);
        return 0;
}
