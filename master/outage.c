/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Outages
 *
 * An operator has announced that a host will be away. Each framework that uses an agent there is
 * asked whether that suits it, one question at a time:
 *
 *     ──▶ asked ──▶ accepted or declined ──until the end of its refusal──▶ asked again …
 *             └───▶ withdrawn: as if never asked
 *
 * The answer is for the operator to see and changes nothing by itself. The last one stands while
 * the framework is asked again, until another outage is announced or the framework is gone.
 */

#include <uthash.h>

#include "master/outage.h"

typedef struct Party {
        char *framework_id;            /* owned */
        bool asked;
        OutageAnswer answer;
        usec_t answered_usec;          /* wall clock */
        usec_t refused_until_usec;     /* 0: it refuses no question */
        UT_hash_handle hh;
} Party;

struct Outage {
        Party *parties;                /* owned */
};

int outage_new(Outage **ret) {
        Outage *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;

        *ret = o;
        return 0;
}

static void party_free(Outage *o, Party *p) {
        HASH_DEL(o->parties, p);
        free(p->framework_id);
        free(p);
}

Outage *outage_free(Outage *o) {
        Party *p, *next;

        if (!o)
                return NULL;

        HASH_ITER(hh, o->parties, p, next)
                party_free(o, p);
        free(o);
        return NULL;
}

static Party *find(const Outage *o, const char *framework_id) {
        Party *p;

        HASH_FIND_STR(o->parties, framework_id, p);
        return p;
}

static int find_or_make(Outage *o, const char *framework_id, Party **ret) {
        Party *p = find(o, framework_id);

        if (!p) {
                p = calloc(1, sizeof(*p));
                if (!p)
                        return -ENOMEM;

                p->framework_id = strdup(framework_id);
                if (!p->framework_id) {
                        free(p);
                        return -ENOMEM;
                }

                HASH_ADD_KEYPTR(hh, o->parties, p->framework_id, strlen(p->framework_id), p);
        }

        *ret = p;
        return 0;
}

bool outage_is_askable(const Outage *o, const char *framework_id, usec_t now_usec) {
        const Party *p = find(o, framework_id);

        return !p || (!p->asked && p->refused_until_usec <= now_usec);
}

int outage_ask(Outage *o, const char *framework_id) {
        Party *p;
        int r;

        r = find_or_make(o, framework_id, &p);
        if (r < 0)
                return r;

        p->asked = true;
        p->refused_until_usec = 0;
        return 0;
}

int outage_answer(Outage *o, const char *framework_id, OutageAnswer answer, usec_t wall_clock_usec,
                  usec_t refused_until_usec) {
        Party *p;
        int r;

        r = find_or_make(o, framework_id, &p);
        if (r < 0)
                return r;

        p->asked = false;
        p->answer = answer;
        p->answered_usec = wall_clock_usec;
        p->refused_until_usec = refused_until_usec;
        return 0;
}

void outage_withdraw(Outage *o, const char *framework_id) {
        Party *p = find(o, framework_id);

        if (p)
                p->asked = false;
}

void outage_lift_refusal(Outage *o, const char *framework_id) {
        Party *p = find(o, framework_id);

        if (p)
                p->refused_until_usec = 0;
}

void outage_forget(Outage *o, const char *framework_id) {
        Party *p = find(o, framework_id);

        if (p)
                party_free(o, p);
}

bool outage_end_refusals(Outage *o, usec_t now_usec, usec_t *ret_next_usec) {
        bool ended = false;

        *ret_next_usec = USEC_INFINITY;
        for (Party *p = o->parties; p; p = p->hh.next) {
                if (p->refused_until_usec == 0)
                        continue;

                if (p->refused_until_usec > now_usec)
                        *ret_next_usec = MIN(*ret_next_usec, p->refused_until_usec);
                else {
                        p->refused_until_usec = 0;
                        ended = true;
                }
        }

        return ended;
}

int outage_foreach_answer(const Outage *o, OutageVisitor visit, void *userdata) {
        int r = 0;

        for (const Party *p = o->parties; r == 0 && p; p = p->hh.next)
                if (p->answer != OUTAGE_UNANSWERED)
                        r = visit(p->framework_id, p->answer, p->answered_usec, userdata);

        return r;
}
