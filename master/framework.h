#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Framework: a scheduler known to us, present or not, and the table of them. See framework.c. */

#include <systemd/sd-event.h>
#include <uthash.h>

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/net/http_server.h"
#include "common/net/media.h"
#include "master/metrics.h"
#include "master/unreachable.h"
#include "proto/mesos.pb-c.h"
#include "proto/scheduler.pb-c.h"

typedef struct Executor Executor;
typedef struct FrameworkTable FrameworkTable;
typedef struct InverseOffer InverseOffer;
typedef struct Master Master;
typedef struct Offer Offer;
typedef struct ReconcileCall ReconcileCall;
typedef struct Task Task;

typedef enum FrameworkState {
        FRAMEWORK_RECOVERED,        /* agents told of it; it has not subscribed with us yet: waited for */
        FRAMEWORK_CONNECTED,
        FRAMEWORK_DISCONNECTED,     /* its failover timeout runs */
        FRAMEWORK_COMPLETED,        /* removed; kept for people to look at */
        FRAMEWORK_ARCHIVED,         /* agents remember work of it; shown like the former, but it may come */
} FrameworkState;

struct Framework {
        Master *master;
        FrameworkTable *table;
        char *id;
        Mesos__V1__FrameworkInfo *info;     /* owned; with our id in it */
        uint32_t capabilities;              /* 1 << Mesos__V1__FrameworkInfo__Capability__Type */
        char *const *roles;                 /* into info, or at own_role */
        size_t n_roles;
        char *own_role;                     /* info->role or "*", for frameworks of one role */
        Mesos__V1__Scheduler__OfferConstraints *offer_constraints;     /* owned; NULL: none */
        char **suppressed_roles;            /* owned */
        size_t n_suppressed_roles;

        FrameworkState state;
        bool active;                        /* may be sent offers */
        bool unheard_of; /* by agents: we gave it its id, and nothing of it was launched */

        HttpStream *stream;                 /* while connected */
        MediaType stream_type;
        bool stream_overflowed;             /* too slow to read: cut at the end of this turn */
        char stream_id[37];
        sd_event_source *heartbeat_source;
        sd_event_source *failover_source;   /* while there is no stream: failover.c */
        usec_t away_since_usec;             /* monotonic */
        usec_t failover_timeout_usec;
        Task *reconcile_next;               /* in `tasks`: the next it is told of; reconciliation.c */
        ReconcileCall *reconcile_calls;     /* owned; of which not all is answered */
        size_t n_reconcile_tasks;           /* that wait in them */
        sd_event_source *reconcile_source;

        usec_t registered_usec;             /* wall clock, as all three */
        usec_t reregistered_usec;
        usec_t unregistered_usec;

        bool has_strays;                    /* an agent had an update of a task we do not know */
        Task *tasks; /* owned, by id: running or waiting for their last acknowledgement */
        Task *unreachable_tasks;            /* owned, by id, oldest first */
        Task *completed_tasks;              /* owned, oldest first */
        unsigned n_completed_tasks;
        Executor *executors;                /* their agents own them */
        Offer *offers;                      /* the offer table owns them */
        InverseOffer *inverse_offers;       /* their table owns them */

        FrameworkMetrics metrics;
        UT_hash_handle hh;                  /* by id, in table->by_id */
        Framework *prev, *next;             /* in table->completed: completed or archived */
};

struct FrameworkTable {
        Framework *by_id;
        Framework *completed;               /* owned, oldest first */
        unsigned n_completed;
        UnreachableIndex unreachable;       /* the unreachable tasks of all, by agent */
        uint64_t next_number;
};

#define FRAMEWORK_TABLE_NULL ((FrameworkTable) {})

/* Completed frameworks are freed; of the others none may be left. */
void framework_table_deinit(FrameworkTable *t);

/* Copies `info` and enters the framework as FRAMEWORK_RECOVERED. What was archived of it is its own then. */
int framework_new(FrameworkTable *t, const char *id, const Mesos__V1__FrameworkInfo *info,
                  Framework **ret);
Framework *framework_free(Framework *f);
DEFINE_CLEANUP(Framework *, framework_free)

Framework *framework_find(const FrameworkTable *t, const char *id);
Framework *framework_find_completed(const FrameworkTable *t, const char *id);

/* The same, or an archived one. */
Framework *framework_find_over(const FrameworkTable *t, const char *id);
size_t framework_count(const FrameworkTable *t);

/* Moves it among the completed ones, of which max_completed are kept: archived ones go first. */
void framework_complete(Framework *f, unsigned max_completed);

/* Enters a framework, whose id is in `info`, that nobody knows but for work of it that is over. */
enum {
        FRAMEWORK_OK = 0,
        FRAMEWORK_E_FULL,           /* as many are kept as may be */
};
int framework_archive(FrameworkTable *t, const Mesos__V1__FrameworkInfo *info, unsigned max_completed,
                      Framework **ret);

/* Replaces the description, keeping the id. */
int framework_set_info(Framework *f, const Mesos__V1__FrameworkInfo *info);
int framework_set_suppressed(Framework *f, char *const *roles, size_t n);
int framework_set_constraints(Framework *f,
                              const Mesos__V1__Scheduler__OfferConstraints *constraints);

bool framework_has_capability(const Framework *f, Mesos__V1__FrameworkInfo__Capability__Type type);
bool framework_is_partition_aware(const Framework *f);
bool framework_has_role(const Framework *f, const char *role);
bool framework_is_suppressed(const Framework *f, const char *role);

Task *framework_find_task(const Framework *f, const char *task_id);
Task *framework_find_unreachable(const Framework *f, const char *task_id);
unsigned framework_count_unreachable(const Framework *f);

/* Enter a task that is in no collection. The bounds drop the oldest. */
void framework_add_task(Framework *f, Task *t);
void framework_add_unreachable(Framework *f, Task *t, unsigned max);
void framework_add_completed(Framework *f, Task *t, unsigned max);

/* Takes a task out of `tasks` or `unreachable_tasks`; it is the caller's then. */
void framework_remove_task(Framework *f, Task *t);
void framework_remove_unreachable(Framework *f, Task *t);
