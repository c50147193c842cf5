#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* History: what agents remember of work that is over. See history.c. */

#include "master/master.h"
#include "proto/internal.pb-c.h"

/* Whether the task is among those of its framework that are over: its agent died before it heard so. */
bool history_has(const Framework *f, const Task *t);

/* Takes over what an agent that was not among ours reports. */
void history_learn(Master *m, Node *n, const Mesos__Internal__ReregisterSlaveMessage *r);
