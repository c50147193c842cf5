/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The master's settings
 *
 * What the operator said is judged here and becomes the const MasterConfig that everything else is
 * given. Nothing below reads a flag, a variable or an option file. A value that cannot be is refused
 * before anything is started, with what was expected.
 */

#include <fcntl.h>

#include <systemd/sd-daemon.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "master/removal_limiter.h"
#include "master/settings.h"
#include "master/weights.h"

void settings_deinit(Settings *s) {
        minimums_free(s->minimums);
        zk_url_deinit(&s->zk);
        free(s->hostname);
        free(s->excluded_names);
        free(s->excluded_text);
}

static int refuse(const char *flag, const char *value, const char *expected) {
        log_error("--%s='%s': expected %s", flag, value ?: "", expected);
        return -EINVAL;
}

/* What would change the meaning of a cluster if it were quietly ignored. */
static int refuse_what_is_not_here(const Settings *s) {
        const struct {
                bool given;
                const char *flag;
        } table_of_absent[] = {
                { s->options->authenticate_frameworks, "authenticate_frameworks" },
                { s->options->authenticate_http_frameworks, "authenticate_http_frameworks" },
                { s->options->authenticate_agents, "authenticate_agents" },
                { s->options->authenticate_http_readonly, "authenticate_http_readonly" },
                { s->options->authenticate_http_readwrite, "authenticate_http_readwrite" },
                { s->options->require_agent_domain, "require_agent_domain" },
                { s->options->registry_strict, "registry_strict" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table_of_absent); i++)
                if (table_of_absent[i].given)
                        return refuse(table_of_absent[i].flag, "true",
                                      "false; this version has no such thing");

        if (s->options->domain)
                return refuse("domain", s->options->domain, "nothing: this version has no fault domains");

        return 0;
}

static int make_kinds(Settings *s) {
        if (!streq(s->options->allocator, "hierarchical"))
                return refuse("allocator", s->options->allocator, "hierarchical");
        if (!streq(s->options->role_sorter, "drf"))
                return refuse("role_sorter", s->options->role_sorter, "drf");
        if (!streq(s->options->framework_sorter, "drf"))
                return refuse("framework_sorter", s->options->framework_sorter, "drf");

        s->config.registry_in_memory = streq(s->options->registry, "in_memory");
        if (!s->config.registry_in_memory && !streq(s->options->registry, "replicated_log"))
                return refuse("registry", s->options->registry, "replicated_log or in_memory");

        return 0;
}

static int make_zk(Settings *s) {
        _cleanup_free_ char *message = NULL, *shown = NULL;
        int r;

        if (!s->options->zk)
                return 0;

        r = zk_url_parse(s->options->zk, &s->zk, &message);
        if (r != 0) {
                shown = zk_url_redact(s->options->zk);
                return refuse("zk", shown, message ?: "zk://[user:password@]host[:port],…/path");
        }

        if (s->options->zk_session_timeout < USEC_PER_SEC)
                return refuse("zk_session_timeout", "", "1secs or more");

        s->config.zk = &s->zk;
        s->config.zk_session_timeout_usec = s->options->zk_session_timeout;
        return 0;
}

static int make_directory(Settings *s) {
        int r;

        if (s->config.registry_in_memory || s->config.zk)
                return 0;

        if (!s->options->work_dir)
                return refuse("work_dir", NULL,
                              "a directory for the registry, or --registry=in_memory");

        r = file_mkdirs_at(AT_FDCWD, s->options->work_dir, 0755);
        if (r < 0)
                return log_error_errno(r, "Cannot make --work_dir '%s': %m", s->options->work_dir);

        s->config.work_dir = s->options->work_dir;
        return 0;
}

static int make_address(Settings *s) {
        int r;

        if (s->options->port > UINT16_MAX || s->options->advertise_port > UINT16_MAX)
                return refuse("port", "", "a number up to 65535");

        if (s->options->ip_discovery_command) {
                if (s->options->ip)
                        return refuse("ip_discovery_command", s->options->ip_discovery_command,
                                      "not to be given with --ip");
                r = address_discover_ip(s->options->ip_discovery_command, s->bind_ip);
                if (r < 0)
                        return refuse("ip_discovery_command", s->options->ip_discovery_command,
                                      "a command that prints an IPv4 address");
                s->config.ip = s->bind_ip;
        } else
                s->config.ip = s->options->ip;

        r = address_own_ip(s->config.ip, s->options->advertise_ip, s->own_ip);
        if (r < 0)
                return refuse(s->options->advertise_ip ? "advertise_ip" : "ip",
                              s->options->advertise_ip ?: s->config.ip, "an IPv4 address");

        s->hostname = address_hostname(s->options->hostname, s->options->hostname_lookup, s->own_ip);
        if (!s->hostname)
                return log_oom();

        s->config.port = (uint16_t) s->options->port;
        s->config.advertise_ip = s->own_ip;
        s->config.advertise_port = (uint16_t) s->options->advertise_port;
        s->config.hostname = s->hostname;
        s->config.listen_fd = sd_listen_fds(1) == 1 ? SD_LISTEN_FDS_START : -1;
        return 0;
}

/* "gpus,disk" as the allocator wants it: a list that ends with NULL. */
static int make_excluded(Settings *s) {
        size_t n = 0;
        char *rest, *item;

        if (!s->options->fair_sharing_excluded_resource_names)
                return 0;

        s->excluded_text = strdup(s->options->fair_sharing_excluded_resource_names);
        s->excluded_names = calloc(strlen(s->options->fair_sharing_excluded_resource_names) + 2,
                                   sizeof(*s->excluded_names));
        if (!s->excluded_text || !s->excluded_names)
                return log_oom();

        for (rest = s->excluded_text; (item = strsep(&rest, ","));)
                if (*item)
                        s->excluded_names[n++] = item;

        s->config.allocator.excluded_names = s->excluded_names;
        return 0;
}

static int make_allocation(Settings *s) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = minimums_parse(s->options->min_allocatable_resources, &s->minimums, &message);
        if (r != MINIMUMS_OK)
                return refuse("min_allocatable_resources", s->options->min_allocatable_resources,
                              message ?: "memory");

        s->config.allocator.minimums = s->minimums;
        s->config.allocator.allocation_interval_usec = s->options->allocation_interval;
        s->config.allocator.offer_gpus_to_all = !s->options->filter_gpu_resources;
        s->config.offer_timeout_usec = s->options->offer_timeout > 0 ? s->options->offer_timeout : USEC_INFINITY;
        if (s->options->weights && weights_check_text(s->options->weights) < 0)
                return refuse("weights", s->options->weights, "role=weight,… with positive weights");
        s->config.weights = s->options->weights;
        s->config.allocator_recovery_factor = s->options->allocator_agent_recovery_factor;
        s->config.allocator_recovery_timeout_usec = s->options->allocator_recovery_timeout;
        if (!(s->options->allocator_agent_recovery_factor >= 0 && s->options->allocator_agent_recovery_factor <= 1))
                return refuse("allocator_agent_recovery_factor", "", "a number from 0 to 1");

        return make_excluded(s);
}

static int make_limits(Settings *s) {
        if (s->options->agent_ping_timeout < USEC_PER_SEC || s->options->agent_ping_timeout > 15 * USEC_PER_MINUTE)
                return refuse("agent_ping_timeout", "", "1secs to 15mins");
        if (s->options->max_agent_ping_timeouts < 1 || s->options->max_agent_ping_timeouts > 1000000)
                return refuse("max_agent_ping_timeouts", "", "a number from 1 to 1000000");
        if (s->options->agent_reregister_timeout < 10 * USEC_PER_MINUTE)
                return refuse("agent_reregister_timeout", "", "10mins or more");
        if (s->options->max_completed_frameworks > UINT32_MAX || s->options->max_completed_tasks > UINT32_MAX ||
            s->options->max_unreachable_tasks > UINT32_MAX || s->options->max_operator_streams > UINT32_MAX)
                return refuse("max_…", "", "numbers below 4294967296");

        s->config.agent_ping_timeout_usec = s->options->agent_ping_timeout;
        s->config.max_agent_ping_timeouts = (unsigned) s->options->max_agent_ping_timeouts;
        s->config.agent_reregister_timeout_usec = s->options->agent_reregister_timeout;
        s->config.registry_fetch_timeout_usec = MAX(s->options->registry_fetch_timeout, USEC_PER_SEC);
        s->config.registry_store_timeout_usec = MAX(s->options->registry_store_timeout, USEC_PER_SEC);
        s->config.registry_gc_interval_usec = MAX(s->options->registry_gc_interval, USEC_PER_SEC);
        s->config.registry_max_agent_age_usec = s->options->registry_max_agent_age;
        s->config.registry_max_agent_count = s->options->registry_max_agent_count;
        s->config.max_completed_frameworks = (unsigned) s->options->max_completed_frameworks;
        s->config.max_completed_tasks_per_framework = (unsigned) s->options->max_completed_tasks;
        s->config.max_unreachable_tasks_per_framework = (unsigned) s->options->max_unreachable_tasks;
        s->config.max_operator_event_stream_subscribers = (unsigned) s->options->max_operator_streams;
        return 0;
}

static int make_removals(Settings *s) {
        int r;

        if (s->options->agent_removal_rate_limit) {
                r = removal_rate_parse(s->options->agent_removal_rate_limit,
                                       &s->config.agent_removal_interval_usec);
                if (r < 0)
                        return refuse("agent_removal_rate_limit", s->options->agent_removal_rate_limit,
                                      "a number of agents and a duration, as 1/10mins");
        }

        r = removal_share_parse(s->options->recovery_agent_removal_limit,
                                &s->config.recovery_agent_removal_limit_percent);
        if (r < 0)
                return refuse("recovery_agent_removal_limit", s->options->recovery_agent_removal_limit,
                              "0% to 100%");

        return 0;
}

static int make_log(Settings *s) {
        static const struct {
                const char *name;
                int level;
        } levels[] = {
                { "DEBUG", LOG_DEBUG },
                { "INFO", LOG_INFO },
                { "WARNING", LOG_WARNING },
                { "ERROR", LOG_ERR },
        };

        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (streq(s->options->logging_level, levels[i].name)) {
                        s->config.log_level = s->options->quiet ? LOG_ERR : levels[i].level;
                        log_set_max_level(s->config.log_level);
                        return 0;
                }

        return refuse("logging_level", s->options->logging_level, "DEBUG, INFO, WARNING or ERROR");
}

int settings_make(const Options *options, Settings *s) {
        int r;

        *s = (Settings) { .options = options };

        s->config.cluster = s->options->cluster;
        s->config.roles = s->options->roles;
        s->config.root_submissions = s->options->root_submissions;
        s->config.publish_per_framework_metrics = s->options->publish_per_framework_metrics;
        s->config.flags = options_table();

        r = make_log(s);
        if (r >= 0)
                r = refuse_what_is_not_here(s);
        if (r >= 0)
                r = make_kinds(s);
        if (r >= 0)
                r = make_limits(s);
        if (r >= 0)
                r = make_removals(s);
        if (r >= 0)
                r = make_zk(s);
        if (r >= 0)
                r = make_directory(s);
        if (r >= 0)
                r = make_address(s);
        if (r >= 0)
                r = make_allocation(s);
        return r;
}
