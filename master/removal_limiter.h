#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Removal limiter: agents are given up one after the other. See removal_limiter.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct RemovalLimiter RemovalLimiter;
typedef struct RemovalTicket RemovalTicket;

typedef void (*RemovalTurn)(void *userdata);

/* A place in the queue, embedded in what waits there. */
struct RemovalTicket {
        RemovalLimiter *limiter;        /* NULL: not in the queue */
        RemovalTurn turn;
        void *userdata;
        RemovalTicket *prev, *next;
};

/* One each `interval_usec`, or as many as come when that is 0. */
int removal_limiter_new(sd_event *event, usec_t interval_usec, RemovalLimiter **ret);

/* Nobody may be waiting any more. */
RemovalLimiter *removal_limiter_free(RemovalLimiter *l);
DEFINE_CLEANUP(RemovalLimiter *, removal_limiter_free)

/* `turn` is called once, from here when nobody has to wait. The ticket must not be in the queue. */
int removal_limiter_queue(RemovalLimiter *l, RemovalTicket *t, RemovalTurn turn, void *userdata);

/* True when it was waiting, and does not any more. */
bool removal_ticket_cancel(RemovalTicket *t);
bool removal_ticket_is_waiting(const RemovalTicket *t);

/* "1/10mins": agents in a time; the interval that makes. -EINVAL. */
int removal_rate_parse(const char *text, usec_t *ret_interval_usec);

/* "25%", of agents. -EINVAL. */
int removal_share_parse(const char *text, double *ret_percent);
