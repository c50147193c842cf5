#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ACCEPT: a framework takes offers and says what to do with them. See accept.c. */

#include "common/base/macro.h"
#include "proto/scheduler.pb-c.h"

typedef struct Framework Framework;

/* Works on `accept` in place: tasks get their allocation role and the resource format of their
 * agent. */
void accept_process(Framework *f, Mesos__V1__Scheduler__Call__Accept *accept);
