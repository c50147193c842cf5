#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Agent: the owner of everything in holdfast-agent. See agent.c. */

#include <systemd/sd-event.h>

#include "agent/config.h"
#include "agent/framework.h"
#include "common/base/macro.h"
#include "common/base/store.h"

typedef struct AddressPool AddressPool;
typedef struct AgentResources AgentResources;
typedef struct Checkpoint Checkpoint;
typedef struct DiskWatch DiskWatch;
typedef struct Drain Drain;
typedef struct ExecutorApi ExecutorApi;
typedef struct Gc Gc;
typedef struct HistoryStore HistoryStore;
typedef struct Identities Identities;
typedef struct MasterLink MasterLink;
typedef struct Operations Operations;
typedef struct OperatorApi OperatorApi;
typedef struct Placement Placement;
typedef struct PortsWatch PortsWatch;
typedef struct Recovery Recovery;
typedef struct StatusManager StatusManager;

typedef enum AgentState {
        AGENT_RECOVERING,       /* stored state is read, executors are expected back */
        AGENT_DISCONNECTED,     /* no master knows us */
        AGENT_RUNNING,          /* registered */
        AGENT_TERMINATING,      /* everything is being killed, then we exit */
} AgentState;

/* What /metrics/snapshot counts; gauges are computed from the objects. */
typedef struct AgentCounters {
        uint64_t tasks_finished, tasks_failed, tasks_killed, tasks_lost, tasks_gone;
        uint64_t executors_terminated, executors_preempted;
        uint64_t valid_status_updates, invalid_status_updates;
        uint64_t valid_framework_messages, invalid_framework_messages;
        uint64_t container_launch_errors, recovery_errors;
        uint64_t task_fetches_succeeded, task_fetches_failed;
        usec_t recovery_time_usec;
} AgentCounters;

typedef struct Agent {
        const AgentConfig *config;     /* borrowed */
        sd_event *event;

        /* Owned, in the order of their making; freed in reverse. */
        Store *store;
        Checkpoint *checkpoint;
        AgentResources *resources;
        Operations *operations;
        Drain *drain;
        HistoryStore *history;
        HttpServer *server;
        HttpServer *domain_server;     /* NULL without --http_executor_domain_sockets */
        PeerPool *peers;
        Placement *placement;
        Identities *identities;
        AddressPool *addresses;        /* NULL: containers have the host's network */
        Gc *gc;
        DiskWatch *disk_watch;         /* NULL without disk/du */
        PortsWatch *ports_watch;       /* NULL without network/ports */
        StatusManager *statuses;
        ExecutorApi *executor_api;
        OperatorApi *operator_api;
        MasterLink *master;
        sd_event_source *leave_source; /* once everything has ended in AGENT_TERMINATING */
        sd_event_source *farewell_source; /* once somebody ends us */
        usec_t farewell_deadline_usec;
        Recovery *recovery;            /* only while AGENT_RECOVERING */

        AgentState state;
        char *id;                      /* owned; NULL until a master gave us one */
        Mesos__V1__AgentInfo *info;    /* owned; info->id is set together with id */
        char boot_id[37];
        uint8_t resource_version_uuid[16];
        usec_t start_time_usec;        /* CLOCK_REALTIME */
        uint64_t n_tasks_arrived;      /* gives queued tasks their order */

        Framework *frameworks;         /* uthash by id; owned */
        CompletedFramework *completed; /* utlist, newest first; owned */
        size_t n_completed;
        AgentCounters counters;
} Agent;

int agent_new(sd_event *event, const AgentConfig *config, Agent **ret);
Agent *agent_free(Agent *a);
DEFINE_CLEANUP(Agent *, agent_free)

/* Reads the stored state and begins recovery; the rest happens in the loop. */
int agent_start(Agent *a);

/* Our id, as a master gave it. */
int agent_set_id(Agent *a, const char *id);

/* Leaves the loop; what runs goes on. Ends of tasks that are being told get a moment for it. */
void agent_leave(Agent *a);
bool agent_is_leaving(const Agent *a);

/* Kills everything and leaves the loop when that is done. The agent keeps its id, as Mesos's does: what it
 * was removed for is the operator's to know. */
typedef enum AgentEnd {
        AGENT_END_UNREGISTER,     /* SIGUSR1: the master is told */
        AGENT_END_REMOVED,        /* the master says so */
        AGENT_END_CLEANUP,        /* --recover=cleanup */
} AgentEnd;
void agent_terminate(Agent *a, AgentEnd how, const char *why);

/* A framework that has nothing left to do is history, and may be freed. */
void agent_tidy_framework(Agent *a, Framework *f);
