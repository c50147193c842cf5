#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Options: the values of the agent's flags, as they were given. See options.c. */

#include "common/base/flags.h"
#include "common/base/usec.h"

/* Named after their flags; texts are NULL where neither the operator nor a default gave one. */
typedef struct Options {
        char *master, *ip, *advertise_ip, *ip_discovery_command, *hostname, *work_dir,
                        *runtime_dir, *launcher_dir, *frameworks_home, *domain_socket_location,
                        *resources, *default_role, *attributes, *domain, *recover,
                        *reconfiguration_policy, *launcher, *isolation, *cgroups_root,
                        *systemd_runtime_directory, *systemd_scope,
                        *executor_environment_variables, *effective_capabilities,
                        *bounding_capabilities, *seccomp_config_dir, *seccomp_profile_name,
                        *logging_level, *containerizers, *dry_run, *inspect,
                        *host_path_volume_force_creation, *network_bridge, *network_subnet,
                        *allowed_devices, *io_max, *cpuset_cpus, *container_ports_isolated_range;
        uint64_t default_container_shm_size, port, advertise_port, max_completed_executors,
                        pids_max, io_weight;
        usec_t registration_backoff_factor, zk_session_timeout, recovery_timeout, executor_registration_timeout,
                        executor_reregistration_timeout, executor_shutdown_grace_period,
                        fetcher_stall_timeout, gc_delay, disk_watch_interval,
                        container_disk_watch_interval, container_ports_watch_interval;
        double gc_disk_headroom;
        bool hostname_lookup, quiet, switch_user, strict, systemd_enable_support,
                        http_executor_domain_sockets, cgroups_enable_cfs, cgroups_limit_swap,
                        cgroups_count_processes, verify_executors, revocable_cpu_low_priority,
                        enforce_container_disk_quota, disallow_sharing_ipc, disallow_sharing_pid,
                        enforce_container_ports, check_agent_port_range_only;
} Options;

/* Returns what flags_parse() does. *ret belongs to options_done(), as the table does. */
int options_parse(int argc, char **argv, const Options **ret, char **reterr_message);
const FlagTable *options_table(void);
void options_done(void);
