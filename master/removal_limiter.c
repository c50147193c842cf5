/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removal limiter
 *
 * When many agents stop answering at once it is mostly not they who are broken but the network, or
 * we. With --agent_removal_rate_limit they are given up slowly, so that there is time to come back,
 * or for an operator to step in:
 *
 *     missed all pings ──┐
 *     not back in time ──┼─▶ queue ── one each interval ──▶ unreachable
 *     recovered, absent ─┘     │
 *                              └── a pong, a re-registration ──▶ cancelled, and takes nobody's turn
 *
 * The first after a quiet time goes at once; turns that nobody wanted are not saved up.
 */

#include <stdio.h>
#include <utlist.h>

#include "common/base/parse.h"
#include "master/removal_limiter.h"

struct RemovalLimiter {
        sd_event *event;
        usec_t interval_usec;
        usec_t next_usec;               /* nobody's turn comes before */
        RemovalTicket *waiting;         /* in the order they came; not owned */
        sd_event_source *turn_source;
};

static usec_t limiter_now(const RemovalLimiter *l) {
        uint64_t now_usec = 0;

        (void) sd_event_now(l->event, CLOCK_MONOTONIC, &now_usec);
        return now_usec;
}

static int wait_for_turn(RemovalLimiter *l) {
        int r;

        r = sd_event_source_set_time(l->turn_source, l->next_usec);
        if (r < 0)
                return r;

        return sd_event_source_set_enabled(l->turn_source, SD_EVENT_ONESHOT);
}

static void take_turn(RemovalLimiter *l, RemovalTurn turn, void *userdata) {
        l->next_usec = usec_add(limiter_now(l), l->interval_usec);
        turn(userdata);
}

static int on_turn(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        RemovalLimiter *l = userdata;
        RemovalTicket *t = l->waiting;
        int r = 0;

        if (!t)
                return 0;

        (void) removal_ticket_cancel(t);
        take_turn(l, t->turn, t->userdata);
        if (l->waiting)
                r = wait_for_turn(l);
        return r;
}

int removal_limiter_new(sd_event *event, usec_t interval_usec, RemovalLimiter **ret) {
        _cleanup_(removal_limiter_freep) RemovalLimiter *l = NULL;
        int r;

        assert(event);
        assert(ret);

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        l->event = sd_event_ref(event);
        l->interval_usec = interval_usec;

        r = sd_event_add_time(event, &l->turn_source, CLOCK_MONOTONIC, USEC_INFINITY,
                              USEC_PER_MSEC, on_turn, l);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(l->turn_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(l->turn_source, "agent-removal");
        *ret = TAKE_PTR(l);
        return 0;
}

RemovalLimiter *removal_limiter_free(RemovalLimiter *l) {
        if (!l)
                return NULL;

        assert(!l->waiting);

        sd_event_source_disable_unref(l->turn_source);
        sd_event_unref(l->event);
        free(l);
        return NULL;
}

int removal_limiter_queue(RemovalLimiter *l, RemovalTicket *t, RemovalTurn turn, void *userdata) {
        assert(!t->limiter);

        if (l->interval_usec == 0 || (!l->waiting && l->next_usec <= limiter_now(l))) {
                take_turn(l, turn, userdata);
                return 0;
        }

        *t = (RemovalTicket) { .limiter = l, .turn = turn, .userdata = userdata };
        DL_APPEND(l->waiting, t);
        return l->waiting == t ? wait_for_turn(l) : 0;
}

bool removal_ticket_cancel(RemovalTicket *t) {
        if (!t->limiter)
                return false;

        DL_DELETE(t->limiter->waiting, t);
        t->limiter = NULL;
        return true;
}

bool removal_ticket_is_waiting(const RemovalTicket *t) {
        return t->limiter;
}

int removal_rate_parse(const char *text, usec_t *ret_interval_usec) {
        const char *slash = strchr(text, '/');
        _cleanup_free_ char *count = NULL;
        usec_t duration_usec;
        uint64_t n;
        int r;

        if (!slash)
                return -EINVAL;

        count = strndup(text, (size_t) (slash - text));
        if (!count)
                return -ENOMEM;

        r = parse_u64(count, &n);
        if (r >= 0)
                r = parse_duration(slash + 1, &duration_usec);
        if (r < 0)
                return r;
        if (n == 0 || duration_usec == 0 || duration_usec / n == 0)
                return -EINVAL;

        *ret_interval_usec = duration_usec / n;
        return 0;
}

int removal_share_parse(const char *text, double *ret_percent) {
        size_t n = strlen(text);
        _cleanup_free_ char *number = NULL;
        double percent;
        int r;

        if (n == 0 || text[n - 1] != '%')
                return -EINVAL;

        number = strndup(text, n - 1);
        if (!number)
                return -ENOMEM;

        r = parse_double(number, &percent);
        if (r < 0)
                return r;
        if (!(percent >= 0 && percent <= 100))
                return -EINVAL;

        *ret_percent = percent;
        return 0;
}
