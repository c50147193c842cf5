#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The allocator at work: the master's events put into its terms, its decisions made into offers.
 * See allocation.c. */

#include "common/base/macro.h"
#include "common/model/resources.h"
#include "master/allocator.h"
#include "proto/mesos.pb-c.h"

typedef struct Framework Framework;
typedef struct Master Master;
typedef struct Node Node;

int allocation_start(Master *m);
void allocation_stop(Master *m);

/* What waited for the end of a pause (allocation_pause.c) is offered. */
void allocation_resume(Master *m);

/* Subscribed, again or for the first time, or changed: makes it known as it is, active, suppressed
 * roles as set. */
void allocation_put_framework(Framework *f);
void allocation_deactivate_framework(Framework *f);
void allocation_remove_framework(Framework *f);

/* role NULL: all of them. */
void allocation_suppress(Framework *f, const char *role);
void allocation_revive(Framework *f, const char *role);

void allocation_add_node(Node *n);
void allocation_activate_node(Node *n);
void allocation_deactivate_node(Node *n);
void allocation_remove_node(Node *n);
void allocation_update_node(Node *n);     /* total or attributes changed */

/* Used without having been offered: tasks that came with their agent. */
void allocation_charge(Framework *f, Node *n, const Resources *resources);

/* Ended, or an offer withdrawn: free for everyone at once. */
void allocation_free(Framework *f, Node *n, const Resources *resources);

/* Its frameworks are to be asked about the time it will be away; NULL: not any more. */
void allocation_set_outage(Node *n, const Mesos__V1__Unavailability *u);
void allocation_answer(Framework *f, Node *n, OutageAnswer answer, const Mesos__V1__Filters *filters);
void allocation_withdraw_question(Framework *f, Node *n);

/* Not wanted: kept from this framework for what `filters` say (NULL: the default of 5 s). */
void allocation_decline(Framework *f, Node *n, const Resources *resources, AllocatorReason reason,
                        const Mesos__V1__Filters *filters);
