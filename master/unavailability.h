#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Agents that are to be away for maintenance: what their frameworks are told and asked. See
 * unavailability.c. */

#include "common/base/macro.h"
#include "master/inverse_offer.h"
#include "master/outage.h"
#include "proto/mesos.pb-c.h"

typedef struct Framework Framework;
typedef struct Master Master;
typedef struct Node Node;

/* When the agent will be away, as the schedule has it now; NULL: it will not. Copied. If that is
 * news, its offers of both kinds are rescinded, and new ones say so. */
void unavailability_set(Node *n, const Mesos__V1__Unavailability *u);

/* Frameworks are asked as the allocator decides: part of its run. */
void unavailability_ask(Master *m);

/* Answers of a framework; what it names and does not have is ignored. */
void unavailability_answer(Framework *f, Mesos__V1__OfferID *const *ids, size_t n_ids,
                           OutageAnswer answer, const Mesos__V1__Filters *filters);

/* The question is void; `rescind` tells the framework. */
void unavailability_withdraw_node(Node *n, bool rescind);
void unavailability_withdraw_framework(Framework *f, bool rescind);
