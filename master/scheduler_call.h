#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What a subscribed framework asks for, call by call. See scheduler_call.c. */

#include "common/base/macro.h"
#include "proto/scheduler.pb-c.h"

typedef struct Framework Framework;

/* Carries a checked call of the framework out; it was answered
 * already. `f` may be gone afterwards. */
void scheduler_call_process(Framework *f, Mesos__V1__Scheduler__Call *c);
