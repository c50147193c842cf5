#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Schedulers: simulated frameworks of the v1 API. See schedulers.c. */

#include "bench/line.h"

typedef struct Schedulers Schedulers;

typedef struct SchedulersConfig {
        unsigned n_schedulers;
        unsigned n_roles; /* they are spread over */
} SchedulersConfig;

/* Subscribed when this returns. They keep what they are offered. */
Schedulers *schedulers_new(Lines *lines, const struct sockaddr_in *master,
                           const SchedulersConfig *config);

/* Closes their connections, whatever runs. */
Schedulers *schedulers_free(Schedulers *s);
DEFINE_CLEANUP(Schedulers *, schedulers_free)

size_t schedulers_offers(const Schedulers *s);

/* All offers are declined at once, with filters that last so long. */
void schedulers_decline(Schedulers *s, double refuse_secs);

/* Each keeps so many tasks in flight, launching at most so many with one ACCEPT. */
void schedulers_start(Schedulers *s, unsigned max_in_flight, unsigned max_per_accept);

/* What is in flight goes on to its end. */
void schedulers_stop(Schedulers *s);
uint64_t schedulers_in_flight(const Schedulers *s);

/* Tasks that went the whole way, the acknowledgement of their end included. */
uint64_t schedulers_finished(const Schedulers *s);

/* The time from ACCEPT to TASK_RUNNING that so many in a hundred tasks did not exceed. */
usec_t schedulers_latency(const Schedulers *s, unsigned percent);
