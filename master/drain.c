/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Draining
 *
 *     active ──DRAIN_AGENT──▶ DRAINING ──last task acknowledged──▶ DRAINED, or gone for good
 *       ▲ └───DEACTIVATE_AGENT──▶ deactivated                         │
 *       └──────────REACTIVATE_AGENT──────┴────────────────────────────┘
 *
 * A deactivated agent is not offered, however often it or we restart; what runs there runs on. A
 * draining one is deactivated too, and ends its tasks when it is told (agent/drain.c); it is told
 * again whenever it comes back, since it may have missed that. All of it is in the registry first,
 * also for agents that are not here: an unreachable one drains when it returns.
 *
 * The registry is told the whole of an agent's state each time. Changes still on their way count,
 * or two that come together would undo each other.
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/departure.h"
#include "master/drain.h"
#include "master/machine.h"
#include "master/maintenance.h"
#include "master/master.h"
#include "master/node.h"
#include "master/promise.h"

typedef Mesos__V1__DrainInfo DrainInfo;

/* What an agent's state becomes, until the registry has it. */
struct DrainChange {
        Master *master;
        Promise promise;
        char *agent_id;            /* owned */
        DrainInfo *info;           /* owned; NULL: not draining */
        bool deactivated;
        bool commands;             /* the agent is to be told to drain */
        DrainChange *prev, *next;  /* in master->drain_changes, oldest first */
};

static DrainChange *drain_change_free(DrainChange *c) {
        if (!c)
                return NULL;

        if (c->info)
                pb_free(&c->info->base);
        free(c->agent_id);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(DrainChange *, drain_change_free)

void drain_stop(Master *m) {
        DrainChange *c, *next;

        DL_FOREACH_SAFE(m->drain_changes, c, next) {
                DL_DELETE(m->drain_changes, c);
                drain_change_free(c);
        }
}

static bool is_known(const Master *m, const char *agent_id) {
        return registry_find_agent(m->registry, agent_id) ||
               registry_find_unreachable(m->registry, agent_id);
}

const DrainInfo *drain_find(const Master *m, const char *agent_id) {
        const RegistrySlave *agent = registry_find_agent(m->registry, agent_id);
        const RegistryUnreachable *unreachable;

        if (agent)
                return agent->drain_info;

        unreachable = registry_find_unreachable(m->registry, agent_id);
        return unreachable ? unreachable->drain_info : NULL;
}

bool drain_is_deactivated(const Master *m, const char *agent_id) {
        const RegistrySlave *agent = registry_find_agent(m->registry, agent_id);
        const RegistryUnreachable *unreachable;

        if (agent)
                return agent->deactivated;

        unreachable = registry_find_unreachable(m->registry, agent_id);
        return unreachable && unreachable->deactivated;
}

/* What holds when all that is under way is recorded. */
static const DrainInfo *find_latest(const Master *m, const char *agent_id, bool *ret_deactivated) {
        const DrainInfo *info = drain_find(m, agent_id);
        const DrainChange *c;

        *ret_deactivated = drain_is_deactivated(m, agent_id);
        DL_FOREACH(m->drain_changes, c)
                if (streq(c->agent_id, agent_id)) {
                        info = c->info;
                        *ret_deactivated = c->deactivated;
                }

        return info;
}

static void deactivate(Node *n) {
        n->deactivated = true;
        if (!n->active)
                return;

        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Agent '%s' at %s (%s) is deactivated",
                     n->id, n->pid.text, n->info->hostname);
        n->active = false;
        allocation_deactivate_node(n);
        departure_return_node_offers(n, true);
}

static void reactivate(Node *n) {
        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Agent '%s' at %s (%s) is reactivated",
                     n->id, n->pid.text, n->info->hostname);
        n->deactivated = false;
        n->drain_started_usec = 0;
        if (!n->connected || n->active)
                return;

        n->active = true;
        allocation_activate_node(n);
}

static void command(Node *n, const DrainInfo *info) {
        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Agent '%s' at %s (%s) is to drain",
                     n->id, n->pid.text, n->info->hostname);
        agent_message_drain(n, info->config);
        n->drain_started_usec = master_wall_clock(n->master);
}

static void on_recorded(int error, void *userdata) {
        _cleanup_(drain_change_freep) DrainChange *c = userdata;
        Master *m = c->master;
        Node *n;

        DL_DELETE(m->drain_changes, c);
        if (error < 0) {
                promise_break(&c->promise, 500, strerror(-error));
                master_fail(m, error, "Cannot record the state of an agent");
                return;
        }

        n = node_find(&m->nodes, c->agent_id);
        if (n && !n->leaving) {
                if (c->deactivated)
                        deactivate(n);
                else
                        reactivate(n);
                if (c->commands)
                        command(n, c->info);
                drain_check(n);
        }

        /* Whoever reactivates an agent may rely on it: not on one that was removed meanwhile. */
        if (!c->deactivated && !is_known(m, c->agent_id))
                promise_break(&c->promise, 409, "Agent removed while processing the call");
        else
                promise_keep(&c->promise, 200);
}

static int drain_change_new(Master *m, const char *agent_id, const DrainInfo *info,
                            bool deactivated, DrainChange **ret) {
        _cleanup_(drain_change_freep) DrainChange *c = NULL;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->master = m;
        c->deactivated = deactivated;
        c->agent_id = strdup(agent_id);
        if (!c->agent_id)
                return -ENOMEM;

        if (info) {
                c->info = (DrainInfo *) pb_copy(&info->base);
                if (!c->info)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(c);
        return 0;
}

/* Records the agent's new state; `r` NULL: nobody waits for it. */
static void change(Master *m, HttpRequest *r, const char *agent_id, const DrainInfo *info,
                   bool deactivated, bool commands) {
        DrainChange *c;
        int k;

        k = drain_change_new(m, agent_id, info, deactivated, &c);
        if (k < 0) {
                if (r)
                        http_request_answer_text(r, 500, "%s", strerror(-k));
                return;
        }

        c->commands = commands;
        promise_init(&c->promise, r);
        k = registry_set_drain(m->registry, agent_id, c->info, deactivated, on_recorded, c);
        if (k == REGISTRY_OK) {
                DL_APPEND(m->drain_changes, c);
                return;
        }

        /* It is about to be removed: that is on its way to the registry. */
        if (k > 0)
                promise_break(&c->promise, 400, "Unknown agent");
        else {
                promise_break(&c->promise, 500, strerror(-k));
                master_fail(m, k, "Cannot record the state of an agent");
        }
        drain_change_free(c);
}

/* Saturates; what is less than nothing is nothing. */
static int64_t duration_to_nsec(const Google__Protobuf__Duration *d) {
        int64_t nsec;

        if (d->seconds < 0 || d->nanos < 0)
                return 0;
        if (__builtin_mul_overflow(d->seconds, INT64_C(1000000000), &nsec) ||
            __builtin_add_overflow(nsec, d->nanos, &nsec))
                return INT64_MAX;

        return nsec;
}

/* The two ways of keeping a host free do not mix. */
static bool refuse_drain(Master *m, HttpRequest *r, const char *agent_id) {
        const Node *n = node_find(&m->nodes, agent_id);
        const Mesos__V1__MachineInfo *machine;

        machine = n ? maintenance_find(m->maintenance, n->info->hostname, n->pid.ip) : NULL;
        if (machine)
                http_request_answer_text(
                                r, 400,
                                "Agent %s is part of a maintenance schedule under Machine %s (%s)",
                                agent_id, machine->id->hostname, machine->id->ip);
        else if (n &&
                 !node_has_capability(n, MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__AGENT_DRAINING))
                http_request_answer_text(r, 400, "Agent %s is not capable of draining", agent_id);
        else if (!is_known(m, agent_id))
                http_request_answer_text(r, 400, "Unknown agent");
        else if (departure_is_marking_gone(m, agent_id))
                http_request_answer_text(r, 409, "Agent is currently being marked gone");
        else
                return false;

        return true;
}

void drain_agent(Master *m, HttpRequest *r, const Mesos__V1__Master__Call__DrainAgent *call) {
        DrainInfo info = MESOS__V1__DRAIN_INFO__INIT;
        Mesos__V1__DrainConfig config = MESOS__V1__DRAIN_CONFIG__INIT;
        Mesos__V1__DurationInfo grace = MESOS__V1__DURATION_INFO__INIT;

        if (refuse_drain(m, r, call->agent_id->value))
                return;

        if (call->max_grace_period) {
                grace.nanoseconds = duration_to_nsec(call->max_grace_period);
                config.max_grace_period = &grace;
        }
        config.has_mark_gone = true;
        config.mark_gone = call->mark_gone;
        info.state = MESOS__V1__DRAIN_STATE__DRAINING;
        info.config = &config;

        change(m, r, call->agent_id->value, &info, true, true);
}

void drain_deactivate_agent(Master *m, HttpRequest *r, const char *agent_id) {
        const DrainInfo *info;
        bool deactivated;

        if (!is_known(m, agent_id)) {
                http_request_answer_text(r, 400, "Unknown agent");
                return;
        }

        info = find_latest(m, agent_id, &deactivated);
        change(m, r, agent_id, info, true, false);
}

void drain_reactivate_agent(Master *m, HttpRequest *r, const char *agent_id) {
        const DrainInfo *info;
        bool deactivated;

        info = find_latest(m, agent_id, &deactivated);
        if (!deactivated)
                http_request_answer_text(r, 400, "Agent is not deactivated");
        else if (info && info->state == MESOS__V1__DRAIN_STATE__DRAINING)
                http_request_answer_text(r, 400, "Agent is still in the DRAINING state");
        else
                change(m, r, agent_id, NULL, false, false);
}

void drain_resume(Node *n) {
        const DrainInfo *info = drain_find(n->master, n->id);

        if (!info)
                return;

        command(n, info);
        drain_check(n);
}

/* This version has no operations that could be under way on an agent: only tasks keep it. */
void drain_check(Node *n) {
        Master *m = n->master;
        const DrainInfo *info;
        DrainInfo drained;
        bool deactivated;

        if (!n->deactivated || n->tasks || n->leaving)
                return;

        info = find_latest(m, n->id, &deactivated);
        if (!info || info->state != MESOS__V1__DRAIN_STATE__DRAINING)
                return;

        log_notice("Agent '%s' at %s (%s) is drained%s", n->id, n->pid.text, n->info->hostname,
                   info->config->mark_gone ? " and to be gone" : "");
        if (info->config->mark_gone) {
                departure_mark_gone(m, n->id, NULL);
                return;
        }

        drained = *info;
        drained.state = MESOS__V1__DRAIN_STATE__DRAINED;
        change(m, NULL, n->id, &drained, deactivated, false);
}
