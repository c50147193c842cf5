#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Allocator: who is offered which free resources. See allocator.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/model/resources.h"
#include "master/minimum.h"
#include "master/outage.h"

/*
 * The allocator is pure: it knows no sockets and no clock, and does nothing on its own. The master
 * tells it what happens and calls allocator_run() when allocator_next_due() says so:
 *
 *     agent registered           allocator_agent_add()      with what its tasks and executors use
 *     agent (dis)connected       allocator_agent_activate() / _deactivate()
 *     agent gone, unreachable    allocator_agent_remove()   nothing needs to be recovered then
 *     framework subscribed       allocator_framework_add(), later ones _update(), _activate()
 *     framework disconnected     allocator_framework_deactivate()
 *     framework removed          allocator_framework_remove()
 *     SUPPRESS, REVIVE           allocator_suppress(), allocator_revive()
 *     maintenance scheduled      allocator_agent_set_outage()
 *     offer declined             allocator_recover(…, ALLOCATOR_DECLINED, refuse_usec, now)
 *     offer accepted             allocator_recover(…, ALLOCATOR_UNUSED, …) of the rest
 *     offer rescinded            allocator_recover(…, ALLOCATOR_FREED, 0, now)
 *     task or executor ended     the same
 *     used without an offer      allocator_charge(): an agent registered with tasks, or came back
 *
 * What was offered stays taken until it is recovered, whether it is an offer or a task by then.
 * Ids are borrowed for the call. Resources of offers, and those that come back, have their
 * allocation role set; totals of agents have none.
 */
typedef struct Allocator Allocator;

typedef struct AllocatorConfig {
        usec_t allocation_interval_usec;      /* no filter is shorter; 0: 1 s */
        const Minimums *minimums;             /* NULL: MINIMUMS_DEFAULT */
        const char *const *excluded_names;    /* not for fairness; NULL, or ends with NULL */
        bool offer_gpus_to_all;               /* --no-filter_gpu_resources */
} AllocatorConfig;

enum {
        ALLOCATOR_OK = 0,
        ALLOCATOR_E_UNKNOWN,           /* no such agent, framework or role: nothing was changed */
        ALLOCATOR_E_EXISTS,
};

/* Copies what it keeps. */
int allocator_new(const AllocatorConfig *config, Allocator **ret);
Allocator *allocator_free(Allocator *a);
DEFINE_CLEANUP(Allocator *, allocator_free)

/* Weight of a role (path); 1 where nobody said otherwise. Must be > 0. */
int allocator_set_weight(Allocator *a, const char *role, double weight);

/* ---- agents ---- */

/* Added active, and with nothing used: what is used is to be charged before the next run. Whoever
 * is told of an offer is told `owner` as well. */
int allocator_agent_add(Allocator *a, const char *agent_id, const Resources *total,
                        bool remote_region, void *owner);

/* Rescinds nothing and recovers nothing: offers and tasks on it are simply forgotten. */
int allocator_agent_remove(Allocator *a, const char *agent_id);

/*
 * More or less than before (restart with other --resources, oversubscription, reservations made).
 */
int allocator_agent_set_total(Allocator *a, const char *agent_id, const Resources *total);

/* An inactive agent is not offered; what is used on it stays used. */
int allocator_agent_activate(Allocator *a, const char *agent_id);
int allocator_agent_deactivate(Allocator *a, const char *agent_id);

/* All frameworks look at the agent anew: its attributes changed. */
int allocator_agent_clear_filters(Allocator *a, const char *agent_id);

/* ---- frameworks ---- */

typedef enum AllocatorCapability {
        ALLOCATOR_REVOCABLE_RESOURCES = 1 << 0,
        ALLOCATOR_GPU_RESOURCES = 1 << 1,
        ALLOCATOR_SHARED_RESOURCES = 1 << 2,
        ALLOCATOR_RESERVATION_REFINEMENT = 1 << 3,
        ALLOCATOR_REGION_AWARE = 1 << 4,
} AllocatorCapability;

typedef struct AllocatorRole {
        const char *name;
        bool suppressed;
        const Minimums *minimums;    /* of its offer_filters; NULL: those of the configuration */
} AllocatorRole;

typedef struct AllocatorFramework {
        unsigned capabilities;         /* AllocatorCapability or-ed */
        const AllocatorRole *roles;    /* "*" for one that names none and isn't MULTI_ROLE */
        size_t n_roles;
} AllocatorFramework;

/* Added active. ALLOCATOR_E_EXISTS if known. */
int allocator_framework_add(Allocator *a, const char *framework_id, const AllocatorFramework *info);

/*
 * Roles it left stay charged until what it uses there is recovered; the others keep their filters.
 */
int allocator_framework_update(Allocator *a, const char *framework_id,
                               const AllocatorFramework *info);

/* What it uses stays taken on the agents until recovered, but is nobody's share. */
int allocator_framework_remove(Allocator *a, const char *framework_id);

/* Deactivating drops all its filters; suppressed roles stay suppressed. */
int allocator_framework_activate(Allocator *a, const char *framework_id);
int allocator_framework_deactivate(Allocator *a, const char *framework_id);

/* One role, or all of the framework's if role is NULL. Reviving drops its filters there. */
int allocator_suppress(Allocator *a, const char *framework_id, const char *role);
int allocator_revive(Allocator *a, const char *framework_id, const char *role);

/* ---- resources ---- */

/*
 * Takes them from the agent, more than there is if need be: tasks exist, whatever we think of it.
 */
int allocator_charge(Allocator *a, const char *framework_id, const char *agent_id,
                     const Resources *resources);

typedef enum AllocatorReason {
        ALLOCATOR_FREED,          /* ended or rescinded: refuse_usec doesn't count */
        ALLOCATOR_UNUSED,         /* the rest of an accepted offer: no filter if refuse_usec is 0 */
        ALLOCATOR_DECLINED,       /* with 0 it comes back after the allocation interval */
} AllocatorReason;

/*
 * Gives back what was offered or charged; others are offered it at the next run. A filter
 * (framework, role, agent) keeps from the framework what is no more than these resources, for
 * refuse_usec but not less than the allocation interval. Unknown frameworks and agents are fine:
 * they were removed meanwhile.
 */
int allocator_recover(Allocator *a, const char *framework_id, const char *agent_id,
                      const Resources *resources, AllocatorReason reason, usec_t refuse_usec,
                      usec_t now_usec);

/* ---- outages ---- */

/*
 * The agent is to be away: every active framework with something on it is asked about that, and
 * asked anew when this is called again; or it is not to be away any more. What was asked and not
 * answered before is forgotten.
 */
int allocator_agent_set_outage(Allocator *a, const char *agent_id, bool announced);

/* The framework answered, and is asked again after refuse_usec, but not before the allocation
 * interval. Or the question was taken back. ALLOCATOR_E_UNKNOWN: there is no such outage. */
int allocator_outage_answer(Allocator *a, const char *framework_id, const char *agent_id,
                            OutageAnswer answer, usec_t wall_clock_usec, usec_t refuse_usec,
                            usec_t now_usec);
int allocator_outage_withdraw(Allocator *a, const char *framework_id, const char *agent_id);
int allocator_outage_foreach_answer(const Allocator *a, const char *agent_id, OutageVisitor visit,
                                    void *userdata);

/* ---- running ---- */

/* `offered` belongs to the callee. The allocator must not be called from here. */
typedef void (*AllocatorOffer)(const char *framework_id, const char *role, const char *agent_id,
                               void *agent_owner, Resources *offered, void *userdata);

/*
 * Offers what is free on every agent something has changed for: to the framework with the smallest
 * share first, all it may have of one agent. Returns the number of offers, or a negative errno;
 * offers made before an error hold.
 */
int allocator_run(Allocator *a, usec_t now_usec, AllocatorOffer offer, void *userdata);

/* The frameworks that are to be asked now: one question each about each agent. To be called after
 * allocator_run(), since offers count. Returns their number, or a negative errno. */
typedef void (*AllocatorAsk)(const char *framework_id, const char *agent_id, void *userdata);
int allocator_run_outages(Allocator *a, usec_t now_usec, AllocatorAsk asked, void *userdata);

/* When to call them: 0 at once, USEC_INFINITY when nothing will change by itself. */
usec_t allocator_next_due(const Allocator *a);

/* ---- looking ---- */

/* Borrowed until the next call; NULL if unknown. */
const Resources *allocator_agent_total(const Allocator *a, const char *agent_id);
const Resources *allocator_agent_free(const Allocator *a, const char *agent_id);

/* Dominant share of a framework in a role, of 1; 0 if unknown. */
double allocator_share(Allocator *a, const char *framework_id, const char *role);

/* How many filters the framework has in the role; 0 if unknown. */
size_t allocator_n_filters(const Allocator *a, const char *framework_id, const char *role);
