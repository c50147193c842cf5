#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Master: owns every registry of objects and every source of events. See master.c. */

#include <systemd/sd-event.h>

#include "common/base/flags.h"
#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/net/http_server.h"
#include "common/net/peer.h"
#include "common/net/zk_url.h"
#include "master/allocator.h"
#include "master/framework.h"
#include "master/inverse_offer.h"
#include "master/metrics.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/operation.h"
#include "master/recovered.h"
#include "master/registration.h"
#include "master/registry.h"
#include "master/removal_limiter.h"

typedef struct Departure Departure;
typedef struct DrainChange DrainChange;
typedef struct Leadership Leadership;
typedef struct Maintenance Maintenance;
typedef struct OperatorStream OperatorStream;
typedef struct WeightUpdate WeightUpdate;

/* What main.c made of the command line. Strings are borrowed for the life of the process. */
typedef struct MasterConfig {
        const char *ip;                     /* to bind; NULL: any */
        uint16_t port;                      /* 0: the kernel's choice */
        int listen_fd;                      /* from socket activation, instead of both; -1: none */
        const char *advertise_ip;           /* told to others */
        uint16_t advertise_port;            /* 0: the bound one */
        const char *hostname;
        const char *work_dir;               /* NULL with registry_in_memory */
        bool registry_in_memory;
        const ZkUrl *zk;                    /* NULL: this is the only master */
        usec_t zk_session_timeout_usec;
        const char *cluster;

        usec_t agent_ping_timeout_usec;
        unsigned max_agent_ping_timeouts;
        usec_t agent_reregister_timeout_usec;
        usec_t agent_removal_interval_usec;      /* one may be given up each; 0: no limit */
        double recovery_agent_removal_limit_percent;
        usec_t registry_fetch_timeout_usec;
        usec_t registry_store_timeout_usec;
        usec_t registry_gc_interval_usec;
        usec_t registry_max_agent_age_usec;
        uint64_t registry_max_agent_count;

        unsigned max_completed_frameworks;
        unsigned max_completed_tasks_per_framework;
        unsigned max_unreachable_tasks_per_framework;
        unsigned max_operator_event_stream_subscribers;

        AllocatorConfig allocator;
        double allocator_recovery_factor;   /* from 0 to 1: share of agents to wait for */
        usec_t allocator_recovery_timeout_usec;
        usec_t offer_timeout_usec;          /* USEC_INFINITY: none */
        const char *weights;

        const char *roles;
        bool root_submissions;
        bool publish_per_framework_metrics;

        int log_level;
        const FlagTable *flags;             /* for /flags */
} MasterConfig;

typedef enum MasterPhase {
        MASTER_STANDBY,                     /* another leads, or nobody does */
        MASTER_RECOVERING,                  /* elected, the registry is being read */
        MASTER_LEADING,
} MasterPhase;

struct Master {
        const MasterConfig *config;
        sd_event *event;
        HttpServer *http;
        PeerPool *peers;
        Registry *registry;
        Allocator *allocator;

        char id[37];                        /* new with each start: ids we give out begin with it */
        Upid self;
        Mesos__V1__MasterInfo *info;        /* owned */
        usec_t start_usec;                  /* wall clock */
        usec_t elected_usec;
        MasterPhase phase;
        bool ending;                        /* it was said why, and this is the last turn */
        Leadership *leadership;

        FrameworkTable frameworks;
        NodeTable nodes;
        OfferTable offers;
        OperationTable operations;
        InverseOfferTable inverse_offers;
        RegistrationTable registrations;
        RecoveredTable recovered;
        RemovalLimiter *removal_limiter;
        Departure *departures;              /* owned, by agent: the registry is being told */
        DrainChange *drain_changes;         /* owned: the same */
        Maintenance *maintenance;

        WeightUpdate *weight_updates;       /* waiting for the registry */

        OperatorStream *operator_streams;   /* oldest first */
        unsigned n_operator_streams;
        MasterMetrics metrics;

        unsigned verbosity;
        sd_event_source *verbosity_source;
        sd_event_source *allocation_source;
        sd_event_source *allocation_pause_source;     /* while no offers are made */
        usec_t allocation_wanted_usec;      /* since when there is something to do; 0: nothing */
        sd_event_source *
                        overflow_source; /* cuts streams that are too slow, outside of any caller */
        sd_event_source *registry_gc_source;
        sd_event_source *signal_sources[2];
};

int master_new(sd_event *event, const MasterConfig *config, Master **ret);
Master *master_free(Master *m);
DEFINE_CLEANUP(Master *, master_free)

/* This master leads from now on: reads the registry, then serves. */
void master_elected(Master *m);

usec_t master_now(const Master *m);          /* monotonic, of this turn of the loop */
usec_t master_wall_clock(const Master *m);

/* After a failure nothing may go on with: logs and ends the loop with an error. */
void master_fail(Master *m, int error, const char *what);
