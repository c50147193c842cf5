#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Reconciliation: what a framework that asks for its tasks is told. See reconciliation.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "master/reconcile.h"
#include "proto/scheduler.pb-c.h"

typedef struct Framework Framework;
typedef struct Master Master;

/* NULL: none is named. *ret_unreachable_usec, if wanted, is set when it is that. */
AgentStanding reconciliation_standing(const Master *m, const char *agent_id,
                                      usec_t *ret_unreachable_usec);

/* Tells of one task what can be told. agent_id may be NULL. */
void reconciliation_answer(Framework *f, const char *task_id, const char *agent_id);

/* Tells of the tasks that the call names, or of each it has, as fast as it reads; of the latter, when
 * asked again meanwhile, from the first on. The framework must be connected. */
void reconciliation_ask(Framework *f, const Mesos__V1__Scheduler__Call__Reconcile *r);

/* Its stream ends. */
void reconciliation_stop(Framework *f);
