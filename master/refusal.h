#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Refusals: who does not want what of which agent, and until when. See refusal.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/model/resources.h"

typedef struct Refusal Refusal;
typedef struct Refused Refused;

/* All of them, by the time they end. Embedded by the allocator. */
typedef struct RefusalQueue {
        Refusal **heap;            /* owned array, of what the parties own */
        size_t n;
        size_t n_allocated;
} RefusalQueue;

/* What every look at an agent reads, in one place: there may be a million of them. */
typedef struct RefusalSlot {
        uint64_t serial;           /* of the client */
        Refused *refused;          /* the refusal's */
        Refusal *refusal;          /* owned */
} RefusalSlot;

/* Those about one agent: embedded by it. */
typedef struct RefusalAgent {
        void *owner;               /* the agent */
        RefusalSlot *slots;        /* owned; sorted by serial */
        size_t n;
        size_t n_allocated;
        Refused *refused;          /* owned list of the distinct bags */
} RefusalAgent;

/* Those of one framework in one role: embedded by it. */
typedef struct RefusalClient {
        uint64_t serial;           /* never used twice */
        Refusal *items;            /* list of what the agents own */
} RefusalClient;

void refusal_queue_deinit(RefusalQueue *q);

/* Resources without allocation role. */
int refusal_add(RefusalQueue *q, RefusalAgent *agent, RefusalClient *client,
                const Resources *resources, usec_t until_usec);

/*
 * Whether one of the client's refusals covers all of the candidate. `version` is another one for
 * every candidate of this agent, so that many clients can ask about the same one cheaply.
 */
bool refusal_covers(const RefusalAgent *agent, const RefusalClient *client,
                    const Resources *candidate, uint64_t version);

size_t refusal_count(const RefusalClient *client);

void refusal_drop_agent(RefusalQueue *q, RefusalAgent *agent);

/* Tells of each agent where the client had refused something; `dropped` may be NULL. */
void refusal_drop_client(RefusalQueue *q, RefusalClient *client,
                         void (*dropped)(void *owner, void *userdata), void *userdata);

/*
 * When the next one ends, USEC_INFINITY if none; and ends it if that is not after now: its agent,
 * else NULL.
 */
usec_t refusal_next(const RefusalQueue *q);
void *refusal_expire(RefusalQueue *q, usec_t now_usec);
