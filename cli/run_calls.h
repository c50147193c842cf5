#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The calls that `holdfast run` makes. See run_calls.c. */

#include "cli/scheduler.h"
#include "cli/task_spec.h"

int call_accept(Scheduler *s, const TaskSpec *spec, const Mesos__V1__Offer *offer,
                Mesos__V1__Resource **resources, size_t n_resources);
int call_decline(Scheduler *s, Mesos__V1__OfferID **offer_ids, size_t n_offer_ids);
int call_acknowledge(Scheduler *s, const Mesos__V1__TaskStatus *status);
int call_kill(Scheduler *s, const char *task_id, const char *agent_id);
int call_reconcile(Scheduler *s, const char *task_id, const char *agent_id);
int call_plain(Scheduler *s, Mesos__V1__Scheduler__Call__Type type);
