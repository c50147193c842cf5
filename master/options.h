#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Options: the values of the master's flags, as they were given. See options.c. */

#include "common/base/flags.h"
#include "common/base/usec.h"

/* Named after their flags; texts are NULL where neither the operator nor a default gave one. */
typedef struct Options {
        char *ip, *advertise_ip, *ip_discovery_command, *hostname, *work_dir, *zk,
                        *registry, *cluster, *min_allocatable_resources,
                        *fair_sharing_excluded_resource_names, *roles, *weights,
                        *role_sorter, *framework_sorter, *allocator, *logging_level,
                        *domain, *authenticators, *credentials,
                        *agent_removal_rate_limit, *recovery_agent_removal_limit;
        uint64_t port, advertise_port, max_agent_ping_timeouts, registry_max_agent_count,
                        max_completed_frameworks, max_completed_tasks,
                        max_unreachable_tasks, max_operator_streams;
        usec_t agent_ping_timeout, agent_reregister_timeout, registry_gc_interval,
                        registry_max_agent_age, registry_fetch_timeout, registry_store_timeout, allocation_interval, offer_timeout,
                        allocator_recovery_timeout, zk_session_timeout;
        bool hostname_lookup, quiet, filter_gpu_resources, root_submissions,
                        publish_per_framework_metrics, registry_strict,
                        authenticate_frameworks, authenticate_http_frameworks,
                        authenticate_agents, authenticate_http_readonly,
                        authenticate_http_readwrite, require_agent_domain;
        double allocator_agent_recovery_factor;
} Options;

/* Returns what flags_parse() does. *ret belongs to options_done(), as the table does. */
int options_parse(int argc, char **argv, const Options **ret, char **reterr_message);
const FlagTable *options_table(void);
void options_done(void);
