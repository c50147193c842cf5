/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Agents that are to be away
 *
 * Of an agent with an outage every framework is asked that has something there, be it only an
 * offer, and is active. Agents get into a queue of their own when that may have changed: the outage
 * is new, something on the agent was charged, the agent or a framework became active. Refusals that
 * end by themselves are looked for once per allocation interval, over all agents with an outage: a
 * whole cluster may be announced at once, and nobody waits for the very second.
 */

#include <utlist.h>

#include "master/allocator_parts.h"

static Agent *find_agent(const Allocator *a, const char *id) {
        Agent *agent;

        assert(id);
        HASH_FIND_STR(a->agents, id, agent);
        return agent;
}

void allocator_outage_touch(Allocator *a, Agent *agent) {
        if (!agent->outage || agent->outage_queued)
                return;

        DL_APPEND2(a->outage_queue, agent, outage_prev, outage_next);
        agent->outage_queued = true;
}

static void unqueue(Allocator *a, Agent *agent) {
        if (!agent->outage_queued)
                return;

        DL_DELETE2(a->outage_queue, agent, outage_prev, outage_next);
        agent->outage_queued = false;
}

void allocator_outage_drop(Allocator *a, Agent *agent) {
        if (!agent->outage)
                return;

        unqueue(a, agent);
        agent->outage = outage_free(agent->outage);
        a->n_outages--;
}

void allocator_outages_framework_active(Allocator *a, const char *framework_id, bool active) {
        Agent *agent, *next;

        if (a->n_outages == 0)
                return;

        HASH_ITER(hh, a->agents, agent, next) {
                if (!agent->outage)
                        continue;

                outage_lift_refusal(agent->outage, framework_id);
                if (active)
                        allocator_outage_touch(a, agent);
        }
}

void allocator_outages_framework_removed(Allocator *a, const char *framework_id) {
        Agent *agent, *next;

        if (a->n_outages == 0)
                return;

        HASH_ITER(hh, a->agents, agent, next)
                if (agent->outage)
                        outage_forget(agent->outage, framework_id);
}

int allocator_agent_set_outage(Allocator *a, const char *agent_id, bool announced) {
        Agent *agent;
        int r;

        assert(a && !a->running);

        agent = find_agent(a, agent_id);
        if (!agent)
                return ALLOCATOR_E_UNKNOWN;

        allocator_outage_drop(a, agent);
        if (!announced)
                return 0;

        r = outage_new(&agent->outage);
        if (r < 0)
                return r;

        a->n_outages++;
        allocator_outage_touch(a, agent);
        return 0;
}

int allocator_outage_answer(Allocator *a, const char *framework_id, const char *agent_id,
                            OutageAnswer answer, usec_t wall_clock_usec, usec_t refuse_usec,
                            usec_t now_usec) {
        Agent *agent = find_agent(a, agent_id);
        usec_t until_usec = usec_add(now_usec, MAX(refuse_usec, a->interval_usec));
        int r;

        assert(!a->running);

        if (!agent || !agent->outage)
                return ALLOCATOR_E_UNKNOWN;

        r = outage_answer(agent->outage, framework_id, answer, wall_clock_usec, until_usec);
        if (r < 0)
                return r;

        a->outage_due_usec = MIN(a->outage_due_usec, MAX(until_usec, a->outage_not_before_usec));
        return 0;
}

int allocator_outage_withdraw(Allocator *a, const char *framework_id, const char *agent_id) {
        Agent *agent = find_agent(a, agent_id);

        assert(!a->running);

        if (!agent || !agent->outage)
                return ALLOCATOR_E_UNKNOWN;

        outage_withdraw(agent->outage, framework_id);
        allocator_outage_touch(a, agent);
        return 0;
}

int allocator_outage_foreach_answer(const Allocator *a, const char *agent_id, OutageVisitor visit,
                                    void *userdata) {
        const Agent *agent = find_agent(a, agent_id);

        return agent && agent->outage ? outage_foreach_answer(agent->outage, visit, userdata) : 0;
}

/* Queues the agents where somebody's refusal is over, and finds out when to look again. */
static void look_for_ended(Allocator *a, usec_t now_usec) {
        usec_t next_usec = USEC_INFINITY;
        Agent *agent, *next;

        HASH_ITER(hh, a->agents, agent, next) {
                usec_t end_usec;

                if (!agent->outage)
                        continue;

                if (outage_end_refusals(agent->outage, now_usec, &end_usec))
                        allocator_outage_touch(a, agent);
                next_usec = MIN(next_usec, end_usec);
        }

        a->outage_not_before_usec = usec_add(now_usec, a->interval_usec);
        a->outage_due_usec = MAX(next_usec, a->outage_not_before_usec);
}

static int ask(Agent *agent, const Framework *framework, usec_t now_usec, AllocatorAsk asked,
               void *userdata) {
        int r;

        if (!framework->active || !outage_is_askable(agent->outage, framework->id, now_usec))
                return 0;

        r = outage_ask(agent->outage, framework->id);
        if (r < 0)
                return r;

        asked(framework->id, agent->id, userdata);
        return 1;
}

static int ask_all(Agent *agent, usec_t now_usec, AllocatorAsk asked, void *userdata) {
        int n = 0, r;

        for (size_t i = 0; i < charges_count(&agent->charges); i++) {
                ChargeParty *party = charges_party(&agent->charges, i);

                r = ask(agent, CONTAINER_OF(party, Client, party)->framework, now_usec, asked,
                        userdata);
                if (r < 0)
                        return r;
                n += r;
        }

        return n;
}

int allocator_run_outages(Allocator *a, usec_t now_usec, AllocatorAsk asked, void *userdata) {
        int n = 0, r = 0;
        Agent *agent;

        assert(a && !a->running);
        assert(asked);

        if (a->outage_due_usec <= now_usec)
                look_for_ended(a, now_usec);

        a->running = true;
        while ((agent = a->outage_queue) && r >= 0) {
                unqueue(a, agent);
                if (!agent->active)
                        continue;

                r = ask_all(agent, now_usec, asked, userdata);
                n += MAX(r, 0);
        }
        a->running = false;

        return r < 0 ? r : n;
}
