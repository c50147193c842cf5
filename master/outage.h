#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Outage: an agent is to be away for a while; which frameworks were asked, and what they said. See
 * outage.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct Outage Outage;

typedef enum OutageAnswer {
        OUTAGE_UNANSWERED,
        OUTAGE_ACCEPTED,
        OUTAGE_DECLINED,
} OutageAnswer;

int outage_new(Outage **ret);
Outage *outage_free(Outage *o);
DEFINE_CLEANUP(Outage *, outage_free)

/* Whether it is time to ask the framework: no question is open, and it does not refuse one. */
bool outage_is_askable(const Outage *o, const char *framework_id, usec_t now_usec);

/* The question is out; it is answered, or it is taken back. */
int outage_ask(Outage *o, const char *framework_id);
int outage_answer(Outage *o, const char *framework_id, OutageAnswer answer, usec_t wall_clock_usec,
                  usec_t refused_until_usec);
void outage_withdraw(Outage *o, const char *framework_id);

/* What it said stands, but it may be asked again at once; or all of it is forgotten. */
void outage_lift_refusal(Outage *o, const char *framework_id);
void outage_forget(Outage *o, const char *framework_id);

/* Ends the refusals whose time has come: whether there was one, and when the next ends
 * (USEC_INFINITY: there is none). */
bool outage_end_refusals(Outage *o, usec_t now_usec, usec_t *ret_next_usec);

/* Those who answered. */
typedef int (*OutageVisitor)(const char *framework_id, OutageAnswer answer, usec_t wall_clock_usec,
                             void *userdata);
int outage_foreach_answer(const Outage *o, OutageVisitor visit, void *userdata);
