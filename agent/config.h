#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* AgentConfig: everything main.c was told, parsed and constant from then on. */

#include "common/base/flags.h"
#include "common/base/usec.h"
#include "common/model/resources.h"
#include "common/model/value.h"
#include "common/net/peer.h"
#include "isolator/registry.h"

typedef enum LauncherKind {
        LAUNCHER_POSIX,     /* no cgroup limits; a scope of its own under systemd all the same */
        LAUNCHER_LINUX,     /* a cgroup per container */
} LauncherKind;

typedef struct AgentConfig {
        const char *master;               /* where to register: HOST:PORT or a URL of ZooKeeper */
        usec_t zk_session_timeout_usec;
        Upid self;                        /* slave(1)@ip:port as others see us */
        const char *bind_ip;              /* NULL: any */
        uint16_t port;
        int listen_fd;                    /* from systemd, or -1 */
        const char *hostname;

        const char *work_dir;             /* absolute */
        const char *runtime_dir;          /* absolute */
        const char *launcher_dir;         /* where holdfast-launcher and its kin are */
        const char *frameworks_home;
        const char *domain_socket;        /* NULL: executors come over TCP */

        const Resources *resources;
        Mesos__V1__Attribute *const *attributes;
        size_t n_attributes;
        const Mesos__V1__DomainInfo *domain;

        bool switch_user;
        bool verify_executors;            /* who speaks for an executor must be in its container */
        bool strict;
        bool reconnect;                   /* --recover=reconnect; false: cleanup */
        bool reconfiguration_additive;

        LauncherKind launcher;
        bool systemd;                     /* scopes */
        bool systemd_user;                /* of the caller's own manager */
        bool one_scope;                   /* --systemd_scope=agent: one for all containers */
        const char *cgroups_root;
        const IsolatorSet *isolators;
        const char *network_subnet;       /* "10.88.0.0/16"; NULL: containers have the host's network */

        usec_t registration_backoff_factor_usec;
        usec_t recovery_timeout_usec;
        usec_t executor_registration_timeout_usec;
        usec_t executor_reregistration_timeout_usec;
        usec_t executor_shutdown_grace_period_usec;
        usec_t fetcher_stall_timeout_usec;
        uint64_t max_completed_executors;

        usec_t container_disk_watch_interval_usec;
        bool enforce_container_disk_quota;
        usec_t container_ports_watch_interval_usec;
        bool enforce_container_ports;
        const Value *isolated_ports;      /* ranges; NULL: all ports */

        usec_t gc_delay_usec;
        double gc_disk_headroom;
        usec_t disk_watch_interval_usec;

        char *const *executor_environment;   /* "NAME=value", NULL-terminated; or NULL */
        const FlagTable *flags;              /* for /flags */
} AgentConfig;
