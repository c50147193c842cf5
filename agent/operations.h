#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Operations: what masters do to this agent's resources, and what they are told of it. See operations.c. */

#include "agent/agent.h"
#include "proto/internal.pb-c.h"

typedef struct Operations Operations;

int operations_new(Agent *a, Operations **ret);
Operations *operations_free(Operations *o);
DEFINE_CLEANUP(Operations *, operations_free)

/* From the master; messages are copied where they are kept. */
void operations_apply(Operations *o, const Mesos__Internal__ApplyOperationMessage *m);
void operations_acknowledge(Operations *o, const Mesos__Internal__AcknowledgeOperationStatusMessage *m);
void operations_reconcile(Operations *o, const Mesos__Internal__ReconcileOperationsMessage *m);

/* The same for masters that say the outcome instead of the operation, and want no answer. */
void operations_checkpoint(Operations *o, const Mesos__Internal__CheckpointResourcesMessage *m);

/* What is stored, and what a crash cut off is taken up again. After agent_resources_recover(). */
int operations_recover(Operations *o);

/* A master listens: everything it has not acknowledged is sent now. */
void operations_resume(Operations *o);

/* All that are carried out or wait to be acknowledged; the array is the caller's, what it points at isn't. */
int operations_list(const Operations *o, Mesos__V1__Operation ***ret, size_t *ret_n);
bool operations_are_done(const Operations *o);
