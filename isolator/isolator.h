#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Isolator: one aspect of what a container is kept from. See registry.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "isolator/confinement.h"
#include "isolator/usage.h"
#include "proto/mesos.pb-c.h"

/* What the host has; found out once, when the agent starts. */
typedef struct IsolatorHost {
        bool root;
        bool cgroups;                /* each container has a cgroup2 of its own: --launcher=linux */
        const char *controllers;     /* "cpu io memory pids": those its cgroup can have; "": none */
        int proc_fd;                 /* /proc; borrowed */
        bool io_weights;             /* disks can be shared by weight */
} IsolatorHost;

/* What the operator said; constant. */
typedef struct IsolatorConfig {
        bool enable_cfs;             /* --cgroups_enable_cfs */
        bool revocable_low_priority; /* --revocable_cpu_low_priority */
        bool count_processes;        /* --cgroups_cpu_enable_pids_and_tids_count */
        uint64_t pids_max;           /* --holdfast_pids_max */
        const char *io_max;          /* --holdfast_io_max; NULL: none */
        uint64_t io_weight;          /* --holdfast_io_weight; 0: not set */
        const char *cpuset_cpus;     /* --holdfast_cpuset_cpus; NULL: all */
        const Mesos__V1__DeviceWhitelist *allowed_devices;   /* --allowed_devices; NULL: none */
        const Mesos__V1__CapabilityInfo *effective_capabilities, *bounding_capabilities;   /* NULL: not given */
        struct SeccompProfiles *seccomp_profiles;   /* of --seccomp_config_dir; borrowed */
        const char *seccomp_profile_name;           /* NULL: of those that ask for one alone */
        bool unprivileged;           /* the agent isn't root */
        const char *work_dir;
        const char *runtime_dir;
        const char *socket_dir;      /* where executors find the agent; NULL: not by a Unix socket */
        const char *cgroup_mount;    /* where a container's own cgroup is shown; NULL: it has none */
        const char *host_path_volume_force_creation;
        bool disallow_sharing_pid;   /* --disallow_sharing_agent_pid_namespace */
        bool disallow_sharing_ipc;
        uint64_t default_shm_bytes;  /* --default_container_shm_size; 0: the kernel's choice */
        const char *network_bridge;  /* --holdfast_network_bridge */
        const char *network_gateway; /* its address, "10.88.0.1/16" */
        const char *network_helper;  /* path of holdfast-network */
} IsolatorConfig;

#define DEMAND_UNLIMITED INT64_MAX

/* Of one resource, in thousandths of a cpu or of a megabyte. */
typedef struct IsolatorDemand {
        int64_t request_milli;
        int64_t limit_milli;         /* DEMAND_UNLIMITED: no bound; negative: none was given */
} IsolatorDemand;

/* A container, as far as isolators are concerned. All is borrowed. */
typedef struct IsolatorRequest {
        const char *container_id;
        const char *sandbox;                        /* on the host */
        const char *runtime_directory;              /* of its launcher; of no meaning in update() and usage() */
        uid_t uid;                                  /* who it runs as; of no meaning in update() and usage() */
        gid_t gid;
        IsolatorDemand cpus, mem;
        bool revocable_cpus;
        const char *address;                        /* "10.88.0.5/16" for it; NULL: none is to be had */
        char *const *exposed;                       /* what it needs of the work directory besides the sandbox; NULL: nothing */
        const Mesos__V1__ContainerInfo *info;       /* NULL: nothing was asked for */
} IsolatorRequest;

enum {
        ISOLATOR_OK = 0,
        ISOLATOR_E_REFUSED,          /* *reterr_message says why, for people */
};

typedef struct IsolatorOps {
        const char *name;            /* in --isolation */
        const char *controllers;     /* of cgroup2, that it cannot do without: "cpu memory"; NULL: none */

        /* Whether it can work here at all; at start. NULL: where its controllers are, it can. */
        int (*probe)(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message);

        /* Adds what it decides for a container that is to be started. NULL: nothing. */
        int (*plan)(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                    char **reterr_message);

        /* Adds the cgroup settings of a container that runs and whose demands may have changed. NULL: none do. */
        int (*update)(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c);

        /* Adds figures. What cannot be read is left out: no value is better than a wrong one. NULL: it has none. */
        void (*usage)(const IsolatorConfig *config, const UsageSource *source, Mesos__V1__ResourceStatistics *s);
} IsolatorOps;

extern const IsolatorOps isolator_filesystem_posix;
extern const IsolatorOps isolator_filesystem_kernel;
extern const IsolatorOps isolator_filesystem_linux;
extern const IsolatorOps isolator_volume_host_path;
extern const IsolatorOps isolator_volume_sandbox_path;
extern const IsolatorOps isolator_namespaces_pid;
extern const IsolatorOps isolator_namespaces_ipc;
extern const IsolatorOps isolator_posix_cpu;
extern const IsolatorOps isolator_posix_mem;
extern const IsolatorOps isolator_disk_du;
extern const IsolatorOps isolator_network_ports;
extern const IsolatorOps isolator_cgroups_cpu;
extern const IsolatorOps isolator_cgroups_mem;
extern const IsolatorOps isolator_cgroups_pids;
extern const IsolatorOps isolator_cgroups_devices;
extern const IsolatorOps isolator_cgroups_blkio;
extern const IsolatorOps isolator_cgroups_cpuset;
extern const IsolatorOps isolator_cgroups_hugetlb;
extern const IsolatorOps isolator_linux_devices;
extern const IsolatorOps isolator_environment_secret;
extern const IsolatorOps isolator_network_bridge;
extern const IsolatorOps isolator_posix_rlimits;
extern const IsolatorOps isolator_linux_capabilities;
extern const IsolatorOps isolator_linux_nnp;
extern const IsolatorOps isolator_linux_seccomp;

/* Of the kernel; `cgroup_mount_fd` is the root of cgroup2. */
bool isolator_has_io_weights(int cgroup_mount_fd);

int isolator_refuse(char **reterr_message, const char *format, ...) _printf_(2, 3);
