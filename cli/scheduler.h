#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Scheduler: a framework's subscription with a master, kept up, and its calls in order. See scheduler.c. */

#include "common/net/http_fetch.h"
#include "proto/scheduler.pb-c.h"

typedef struct Scheduler Scheduler;

/* Each may free nothing but what is its own; the Scheduler outlives the loop. */
typedef struct SchedulerOps {
        /* SUBSCRIBED came, for the first time or again. */
        void (*subscribed)(Scheduler *s, void *userdata);

        /* Any other event but HEARTBEAT and ERROR. */
        void (*event)(const Mesos__V1__Scheduler__Event *event, void *userdata);

        /* There is no subscription; it will be tried again. */
        void (*disconnected)(const char *why, void *userdata);

        /* It was refused, or ended by ERROR; it will not be tried again. */
        void (*refused)(const char *why, void *userdata);

        /* A call was answered with an error; status is 0 when there was no answer. */
        void (*call_failed)(Mesos__V1__Scheduler__Call__Type type, unsigned status, const char *why,
                            void *userdata);

        /* Every call has been answered. */
        void (*idle)(void *userdata);
} SchedulerOps;

int scheduler_new(sd_event *event, HttpFetcher *fetcher, const char *master_url,
                  const Mesos__V1__FrameworkInfo *info, const SchedulerOps *ops, void *userdata,
                  Scheduler **ret);
Scheduler *scheduler_free(Scheduler *s);
DEFINE_CLEANUP(Scheduler *, scheduler_free)

/* Another master leads: subscribes with that one, by the same id. */
void scheduler_follow(Scheduler *s, const char *master_url);

/* Queues a call, whose framework_id is filled in here. -ENOTCONN without a subscription. */
int scheduler_call(Scheduler *s, const Mesos__V1__Scheduler__Call *call);

/* NULL before the first subscription. */
const char *scheduler_framework_id(const Scheduler *s);
bool scheduler_is_subscribed(const Scheduler *s);
