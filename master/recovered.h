#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Recovered agents: in the registry, and not back since this master leads. See recovered.c. */

#include <systemd/sd-event.h>
#include <uthash.h>

#include "common/base/macro.h"
#include "master/removal_limiter.h"
#include "proto/mesos.pb-c.h"

typedef struct Master Master;
typedef struct RecoveredAgent RecoveredAgent;

struct RecoveredAgent {
        Master *master;
        Mesos__V1__AgentInfo *info;      /* owned; as the registry has it */
        RemovalTicket removal;
        UT_hash_handle hh;               /* by info->id */
};

typedef struct RecoveredTable {
        RecoveredAgent *by_id;           /* owned */
        size_t n_at_start;
        bool is_overdue;                 /* those still here are given up */
        sd_event_source *overdue_source;
} RecoveredTable;

/* Takes all agents of the registry for recovered; from now on they are expected. */
int recovered_start(Master *m);
void recovered_stop(Master *m);

RecoveredAgent *recovered_find(const Master *m, const char *agent_id);
size_t recovered_count(const Master *m);

/* It could not be let in again after all: if its time is over, it is given up. */
void recovered_stays_out(Master *m, const char *agent_id);

/* It is back, or recorded as something else. Unknown ids are fine. */
void recovered_forget(Master *m, const char *agent_id);
