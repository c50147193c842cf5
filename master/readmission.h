#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Readmission: what a returning agent reports and what we have are made one. See readmission.c. */

#include "proto/internal.pb-c.h"

typedef struct Node Node;
typedef struct Task Task;

/* Does the report make sense by itself? To be asked before the registry is told. REJECTED. */
int readmission_judge(const Mesos__Internal__ReregisterSlaveMessage *r, char **reterr_message);

/* Takes in all that an agent which was no node of ours reports. `message` is for the frameworks of
 * its tasks; NULL: silent. */
void readmission_learn(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r,
                       const char *message);

/* Answers a node of ours that came back, and settles where it and we differ. */
void readmission_reconcile(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r);

/* After any return: frameworks that were removed meanwhile end there too, the others are as we know
 * them now. */
void readmission_settle_frameworks(Node *n, const Mesos__Internal__ReregisterSlaveMessage *r);

/* An agent has said what becomes of this task: that tells of its executor, too, where it was in doubt. */
void readmission_settle_executor(const Task *t);
