#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Drain: the agent is to become empty. See drain.c. */

#include "agent/agent.h"

typedef struct Drain Drain;

int drain_new(Agent *a, Drain **ret);
Drain *drain_free(Drain *d);
DEFINE_CLEANUP(Drain *, drain_free)

/* From the master, perhaps not for the first time. Copies the config. */
void drain_begin(Drain *d, const Mesos__V1__DrainConfig *config);

/* Whether no new task may begin. */
bool drain_has_begun(const Drain *d);

/* To be shown: NULL while the agent is not draining, or might forget it in a crash. */
const Mesos__V1__DrainConfig *drain_config(const Drain *d);
usec_t drain_started_usec(const Drain *d);     /* CLOCK_REALTIME */

/* A status of a task of `f` that is about to be recorded: why it was killed. */
void drain_explain(const Drain *d, const Framework *f, Mesos__V1__TaskStatus *status);

/* Something has ended: perhaps it was the last. */
void drain_check(Drain *d);

/* What is stored; and once recovery is complete, what the last life may not have got to. */
int drain_recover(Drain *d);
void drain_resume(Drain *d);
