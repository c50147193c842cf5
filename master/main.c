/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-master
 *
 * Reads the flags into a const MasterConfig, makes a Master and runs the loop. SIGTERM and SIGINT
 * end it; agents and frameworks notice by themselves and wait for the next one. No option file or
 * variable is read below this file.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "common/base/file.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/net/address.h"
#include "master/master.h"
#include "master/minimum.h"

/* Connections of agents and frameworks: two for each agent. */
#define N_FDS_WANTED 524288

static char *arg_ip, *arg_advertise_ip, *arg_ip_discovery_command, *arg_hostname, *arg_work_dir,
                *arg_zk, *arg_registry, *arg_cluster, *arg_min_allocatable_resources,
                *arg_fair_sharing_excluded_resource_names, *arg_roles, *arg_weights,
                *arg_role_sorter, *arg_framework_sorter, *arg_allocator, *arg_logging_level,
                *arg_domain, *arg_authenticators, *arg_credentials;
static uint64_t arg_port, arg_advertise_port, arg_max_agent_ping_timeouts,
                arg_registry_max_agent_count, arg_max_completed_frameworks, arg_max_completed_tasks,
                arg_max_unreachable_tasks, arg_max_operator_streams;
static usec_t arg_agent_ping_timeout, arg_agent_reregister_timeout, arg_registry_gc_interval,
                arg_registry_max_agent_age, arg_allocation_interval, arg_offer_timeout;
static bool arg_hostname_lookup, arg_quiet, arg_filter_gpu_resources, arg_root_submissions,
                arg_publish_per_framework_metrics, arg_registry_strict, arg_authenticate_frameworks,
                arg_authenticate_http_frameworks, arg_authenticate_agents,
                arg_authenticate_http_readonly, arg_authenticate_http_readwrite,
                arg_require_agent_domain;

#define UNUSED(flag_name, flag_kind, flag_default, flag_help)                                      \
        {                                                                                          \
                .name = (flag_name), .kind = (flag_kind), .default_text = (flag_default),          \
                .help = (flag_help), .ignored = true                                               \
        }

static Flag flags[] = {
        UNUSED("acls", FLAG_STRING, NULL, "Access control lists."),
        { .name = "advertise_ip",
          .kind = FLAG_STRING,
          .value = &arg_advertise_ip,
          .metavar = "IP",
          .help = "Address told to agents and frameworks, if not the one bound." },
        { .name = "advertise_port",
          .kind = FLAG_U64,
          .value = &arg_advertise_port,
          .metavar = "PORT",
          .help = "Port told to agents and frameworks, if not the one bound." },
        { .name = "agent_ping_timeout",
          .alias = "slave_ping_timeout",
          .kind = FLAG_DURATION,
          .value = &arg_agent_ping_timeout,
          .default_text = "15secs",
          .metavar = "DURATION",
          .help = "Time an agent has to answer a ping; 1secs to 15mins." },
        UNUSED("agent_removal_rate_limit", FLAG_STRING, NULL,
               "How many agents may be given up in which time."),
        { .name = "agent_reregister_timeout",
          .alias = "slave_reregister_timeout",
          .kind = FLAG_DURATION,
          .value = &arg_agent_reregister_timeout,
          .default_text = "10mins",
          .metavar = "DURATION",
          .help = "Time an agent has to come back after its link broke, or after this master "
                  "started." },
        { .name = "allocation_interval",
          .kind = FLAG_DURATION,
          .value = &arg_allocation_interval,
          .default_text = "1secs",
          .metavar = "DURATION",
          .help = "Shortest time for which declined resources are kept from a framework; offers "
                  "themselves do not wait." },
        { .name = "allocator",
          .kind = FLAG_STRING,
          .value = &arg_allocator,
          .default_text = "hierarchical",
          .metavar = "NAME",
          .help = "Allocator; only hierarchical is there." },
        UNUSED("allocator_agent_recovery_factor", FLAG_DOUBLE, "0.8",
               "Share of agents to wait for when there is quota."),
        UNUSED("allocator_recovery_timeout", FLAG_DURATION, "10mins", "How long to wait for them."),
        { .name = "authenticate_agents",
          .alias = "authenticate_slaves",
          .kind = FLAG_BOOL,
          .value = &arg_authenticate_agents,
          .default_text = "false",
          .help = "Not there yet: true is refused." },
        { .name = "authenticate_frameworks",
          .alias = "authenticate",
          .kind = FLAG_BOOL,
          .value = &arg_authenticate_frameworks,
          .default_text = "false",
          .help = "Not there yet: true is refused." },
        { .name = "authenticate_http_frameworks",
          .kind = FLAG_BOOL,
          .value = &arg_authenticate_http_frameworks,
          .default_text = "false",
          .help = "Not there yet: true is refused." },
        { .name = "authenticate_http_readonly",
          .kind = FLAG_BOOL,
          .value = &arg_authenticate_http_readonly,
          .default_text = "false",
          .help = "Not there yet: true is refused." },
        { .name = "authenticate_http_readwrite",
          .kind = FLAG_BOOL,
          .value = &arg_authenticate_http_readwrite,
          .default_text = "false",
          .help = "Not there yet: true is refused." },
        UNUSED("authentication_v0_timeout", FLAG_DURATION, "15secs",
               "Longest authentication of an agent or driver."),
        { .name = "authenticators",
          .kind = FLAG_STRING,
          .value = &arg_authenticators,
          .default_text = "crammd5",
          .metavar = "LIST",
          .help = "Authenticators of agents and drivers; crammd5 is the only name.",
          .ignored = true },
        UNUSED("authorizers", FLAG_STRING, "local", "Authorizers."),
        { .name = "cluster",
          .kind = FLAG_STRING,
          .value = &arg_cluster,
          .metavar = "NAME",
          .help = "What the cluster is called where people look at it." },
        { .name = "credentials",
          .kind = FLAG_PATH,
          .value = &arg_credentials,
          .metavar = "PATH",
          .help = "Secrets of frameworks and agents, as JSON.",
          .secret = true,
          .ignored = true },
        { .name = "domain",
          .kind = FLAG_STRING,
          .value = &arg_domain,
          .metavar = "JSON",
          .help = "Not there yet: a fault domain is refused." },
        UNUSED("external_log_file", FLAG_PATH, NULL, "Log file shown in web pages."),
        { .name = "fair_sharing_excluded_resource_names",
          .kind = FLAG_STRING,
          .value = &arg_fair_sharing_excluded_resource_names,
          .metavar = "LIST",
          .help = "Resources that do not count for fairness, separated by commas." },
        { .name = "filter_gpu_resources",
          .kind = FLAG_BOOL,
          .value = &arg_filter_gpu_resources,
          .default_text = "true",
          .help = "Agents with GPUs are offered only to frameworks with GPU_RESOURCES." },
        UNUSED("firewall_rules", FLAG_STRING, NULL, "Endpoints that are off."),
        { .name = "framework_sorter",
          .kind = FLAG_STRING,
          .value = &arg_framework_sorter,
          .default_text = "drf",
          .metavar = "NAME",
          .help = "Order of frameworks; only drf is there." },
        UNUSED("hooks", FLAG_STRING, NULL, "Hook modules."),
        { .name = "hostname",
          .kind = FLAG_STRING,
          .value = &arg_hostname,
          .metavar = "NAME",
          .help = "Name told to agents and frameworks (default: the address looked up)." },
        { .name = "hostname_lookup",
          .kind = FLAG_BOOL,
          .value = &arg_hostname_lookup,
          .default_text = "true",
          .help = "Look the address up for a name; else the address is the name." },
        UNUSED("http_authenticators", FLAG_STRING, "basic", "Authenticators of HTTP requests."),
        UNUSED("http_framework_authenticators", FLAG_STRING, NULL,
               "Authenticators of HTTP frameworks."),
        UNUSED("initialize_driver_logging", FLAG_BOOL, "true", "Of drivers."),
        { .name = "ip",
          .kind = FLAG_STRING,
          .value = &arg_ip,
          .metavar = "IP",
          .help = "Address to bind (default: all)." },
        { .name = "ip_discovery_command",
          .kind = FLAG_STRING,
          .value = &arg_ip_discovery_command,
          .metavar = "COMMAND",
          .help = "Command that prints the address to bind." },
        UNUSED("log_auto_initialize", FLAG_BOOL, "true", "Of the replicated log."),
        UNUSED("log_dir", FLAG_PATH, NULL, "Directory of log files; the journal has the log."),
        UNUSED("logbufsecs", FLAG_U64, "0", "Delay of log writes."),
        { .name = "logging_level",
          .kind = FLAG_STRING,
          .value = &arg_logging_level,
          .default_text = "INFO",
          .metavar = "LEVEL",
          .help = "INFO, WARNING, ERROR; DEBUG is ours." },
        UNUSED("master_contender", FLAG_STRING, NULL, "Module that takes part in elections."),
        UNUSED("master_detector", FLAG_STRING, NULL, "Module that finds the leader."),
        { .name = "max_agent_ping_timeouts",
          .alias = "max_slave_ping_timeouts",
          .kind = FLAG_U64,
          .value = &arg_max_agent_ping_timeouts,
          .default_text = "5",
          .metavar = "N",
          .help = "Pings in a row an agent may miss before it is unreachable." },
        { .name = "max_completed_frameworks",
          .kind = FLAG_U64,
          .value = &arg_max_completed_frameworks,
          .default_text = "50",
          .metavar = "N",
          .help = "Removed frameworks remembered." },
        { .name = "max_completed_tasks_per_framework",
          .kind = FLAG_U64,
          .value = &arg_max_completed_tasks,
          .default_text = "1000",
          .metavar = "N",
          .help = "Ended tasks remembered for each framework." },
        UNUSED("max_executors_per_agent", FLAG_U64, NULL,
               "Executors on one agent, with port mapping."),
        { .name = "max_operator_event_stream_subscribers",
          .kind = FLAG_U64,
          .value = &arg_max_operator_streams,
          .default_text = "1000",
          .metavar = "N",
          .help = "Operators subscribed at a time; the oldest has to go." },
        { .name = "max_unreachable_tasks_per_framework",
          .kind = FLAG_U64,
          .value = &arg_max_unreachable_tasks,
          .default_text = "1000",
          .metavar = "N",
          .help = "Unreachable tasks remembered for each framework." },
        UNUSED("memory_profiling", FLAG_BOOL, "false", "Of libprocess."),
        { .name = "min_allocatable_resources",
          .kind = FLAG_STRING,
          .value = &arg_min_allocatable_resources,
          .default_text = MINIMUMS_DEFAULT,
          .metavar = "TEXT",
          .help = "What an offer must at least hold: quantities joined by ;, alternatives by |." },
        UNUSED("modules", FLAG_STRING, NULL, "Modules."),
        UNUSED("modules_dir", FLAG_PATH, NULL, "Directory of modules."),
        UNUSED("offer_constraints_re2_max_mem", FLAG_BYTES, "4KB",
               "Memory of one regular expression."),
        UNUSED("offer_constraints_re2_max_program_size", FLAG_U64, "100",
               "Size of one regular expression."),
        { .name = "offer_timeout",
          .kind = FLAG_DURATION,
          .value = &arg_offer_timeout,
          .metavar = "DURATION",
          .help = "Time after which an unanswered offer is withdrawn (default: never)." },
        { .name = "port",
          .kind = FLAG_U64,
          .value = &arg_port,
          .default_text = "5050",
          .metavar = "PORT",
          .help = "Port to listen on; 0: any, the log says which." },
        { .name = "publish_per_framework_metrics",
          .kind = FLAG_BOOL,
          .value = &arg_publish_per_framework_metrics,
          .default_text = "true",
          .help = "Metrics of each framework." },
        { .name = "quiet",
          .kind = FLAG_BOOL,
          .value = &arg_quiet,
          .default_text = "false",
          .help = "Log errors only." },
        UNUSED("quorum", FLAG_U64, NULL, "Of the replicated log."),
        UNUSED("rate_limits", FLAG_STRING, NULL, "Of drivers' messages."),
        UNUSED("recovery_agent_removal_limit", FLAG_STRING, "100%",
               "Share of agents that may be given up after a start."),
        { .name = "registry",
          .kind = FLAG_STRING,
          .value = &arg_registry,
          .default_text = "replicated_log",
          .metavar = "KIND",
          .help = "replicated_log (without --zk: a database in --work_dir, which is all that one "
                  "master "
                  "needs) or in_memory." },
        UNUSED("registry_fetch_timeout", FLAG_DURATION, "1mins", "Longest read of the registry."),
        { .name = "registry_gc_interval",
          .kind = FLAG_DURATION,
          .value = &arg_registry_gc_interval,
          .default_text = "15mins",
          .metavar = "DURATION",
          .help = "Interval of the registry's garbage collection." },
        { .name = "registry_max_agent_age",
          .kind = FLAG_DURATION,
          .value = &arg_registry_max_agent_age,
          .default_text = "2weeks",
          .metavar = "DURATION",
          .help = "How long unreachable and gone agents are remembered." },
        { .name = "registry_max_agent_count",
          .kind = FLAG_U64,
          .value = &arg_registry_max_agent_count,
          .default_text = "102400",
          .metavar = "N",
          .help = "How many unreachable, and how many gone agents are remembered." },
        UNUSED("registry_store_timeout", FLAG_DURATION, "20secs", "Longest write of the registry."),
        { .name = "registry_strict",
          .kind = FLAG_BOOL,
          .value = &arg_registry_strict,
          .default_text = "false",
          .help = "Was dropped by Mesos: true is refused." },
        { .name = "require_agent_domain",
          .kind = FLAG_BOOL,
          .value = &arg_require_agent_domain,
          .default_text = "false",
          .help = "Not there yet: true is refused." },
        { .name = "role_sorter",
          .kind = FLAG_STRING,
          .value = &arg_role_sorter,
          .default_text = "drf",
          .metavar = "NAME",
          .help = "Order of roles; only drf is there." },
        { .name = "roles",
          .kind = FLAG_STRING,
          .value = &arg_roles,
          .metavar = "LIST",
          .help = "Roles that frameworks may have, separated by commas (default: any)." },
        { .name = "root_submissions",
          .kind = FLAG_BOOL,
          .value = &arg_root_submissions,
          .default_text = "true",
          .help = "Frameworks may run as root." },
        UNUSED("webui_dir", FLAG_PATH, NULL, "Directory of the web pages."),
        { .name = "weights",
          .kind = FLAG_STRING,
          .value = &arg_weights,
          .metavar = "LIST",
          .help = "Weights of roles, role=2.5,other=1." },
        UNUSED("whitelist", FLAG_PATH, NULL, "File of host names that are offered."),
        { .name = "work_dir",
          .kind = FLAG_PATH,
          .value = &arg_work_dir,
          .metavar = "DIR",
          .help = "Where the registry is kept; not needed with --registry=in_memory." },
        { .name = "zk",
          .kind = FLAG_STRING,
          .value = &arg_zk,
          .metavar = "URL",
          .help = "ZooKeeper for elections: not there yet, refused." },
        UNUSED("zk_session_timeout", FLAG_DURATION, "10secs", "ZooKeeper's session timeout."),
};

static FlagTable table = {
        .program = "holdfast-master",
        .summary = "Offers the agents' resources to frameworks and passes their tasks on.",
        .env_prefix = "MESOS_",
        .flags = flags,
        .n_flags = ELEMENTSOF(flags),
};

/* What main() owns besides the flags' values. */
typedef struct Settings {
        MasterConfig config;
        Minimums *minimums;
        char *hostname;
        char bind_ip[ADDRESS_IP_MAX], own_ip[ADDRESS_IP_MAX];
        const char **excluded_names;
        char *excluded_text;
} Settings;

static void settings_deinit(Settings *s) {
        minimums_free(s->minimums);
        free(s->hostname);
        free(s->excluded_names);
        free(s->excluded_text);
}

static int refuse(const char *flag, const char *value, const char *expected) {
        log_error("--%s='%s': expected %s", flag, value ?: "", expected);
        return -EINVAL;
}

/* What would change the meaning of a cluster if it were quietly ignored. */
static int refuse_what_is_not_here(void) {
        const struct {
                bool given;
                const char *flag;
        } table_of_absent[] = {
                { arg_authenticate_frameworks, "authenticate_frameworks" },
                { arg_authenticate_http_frameworks, "authenticate_http_frameworks" },
                { arg_authenticate_agents, "authenticate_agents" },
                { arg_authenticate_http_readonly, "authenticate_http_readonly" },
                { arg_authenticate_http_readwrite, "authenticate_http_readwrite" },
                { arg_require_agent_domain, "require_agent_domain" },
                { arg_registry_strict, "registry_strict" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table_of_absent); i++)
                if (table_of_absent[i].given)
                        return refuse(table_of_absent[i].flag, "true",
                                      "false; this version has no such thing");

        if (arg_zk)
                return refuse("zk", arg_zk,
                              "nothing: this version has no elections yet. Leave --zk out; the "
                              "registry is "
                              "then a database in --work_dir");
        if (arg_domain)
                return refuse("domain", arg_domain, "nothing: this version has no fault domains");

        return 0;
}

static int settle_kinds(Settings *s) {
        if (!streq(arg_allocator, "hierarchical"))
                return refuse("allocator", arg_allocator, "hierarchical");
        if (!streq(arg_role_sorter, "drf"))
                return refuse("role_sorter", arg_role_sorter, "drf");
        if (!streq(arg_framework_sorter, "drf"))
                return refuse("framework_sorter", arg_framework_sorter, "drf");

        s->config.registry_in_memory = streq(arg_registry, "in_memory");
        if (!s->config.registry_in_memory && !streq(arg_registry, "replicated_log"))
                return refuse("registry", arg_registry, "replicated_log or in_memory");

        return 0;
}

static int settle_directory(Settings *s) {
        int r;

        if (s->config.registry_in_memory)
                return 0;

        if (!arg_work_dir)
                return refuse("work_dir", NULL,
                              "a directory for the registry, or --registry=in_memory");

        r = file_mkdirs_at(AT_FDCWD, arg_work_dir, 0755);
        if (r < 0)
                return log_error_errno(r, "Cannot make --work_dir '%s': %m", arg_work_dir);

        s->config.work_dir = arg_work_dir;
        return 0;
}

static int settle_address(Settings *s) {
        int r;

        if (arg_port > UINT16_MAX || arg_advertise_port > UINT16_MAX)
                return refuse("port", "", "a number up to 65535");

        if (arg_ip_discovery_command) {
                if (arg_ip)
                        return refuse("ip_discovery_command", arg_ip_discovery_command,
                                      "not to be given with --ip");
                r = address_discover_ip(arg_ip_discovery_command, s->bind_ip);
                if (r < 0)
                        return refuse("ip_discovery_command", arg_ip_discovery_command,
                                      "a command that prints an IPv4 address");
                s->config.ip = s->bind_ip;
        } else
                s->config.ip = arg_ip;

        r = address_own_ip(s->config.ip, arg_advertise_ip, s->own_ip);
        if (r < 0)
                return refuse(arg_advertise_ip ? "advertise_ip" : "ip",
                              arg_advertise_ip ?: s->config.ip, "an IPv4 address");

        s->hostname = address_hostname(arg_hostname, arg_hostname_lookup, s->own_ip);
        if (!s->hostname)
                return log_oom();

        s->config.port = (uint16_t) arg_port;
        s->config.advertise_ip = s->own_ip;
        s->config.advertise_port = (uint16_t) arg_advertise_port;
        s->config.hostname = s->hostname;
        s->config.listen_fd = sd_listen_fds(1) == 1 ? SD_LISTEN_FDS_START : -1;
        return 0;
}

/* "gpus,disk" as the allocator wants it: a list that ends with NULL. */
static int settle_excluded(Settings *s) {
        size_t n = 0;
        char *rest, *item;

        if (!arg_fair_sharing_excluded_resource_names)
                return 0;

        s->excluded_text = strdup(arg_fair_sharing_excluded_resource_names);
        s->excluded_names = calloc(strlen(arg_fair_sharing_excluded_resource_names) + 2,
                                   sizeof(*s->excluded_names));
        if (!s->excluded_text || !s->excluded_names)
                return log_oom();

        for (rest = s->excluded_text; (item = strsep(&rest, ","));)
                if (*item)
                        s->excluded_names[n++] = item;

        s->config.allocator.excluded_names = s->excluded_names;
        return 0;
}

static int settle_allocation(Settings *s) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = minimums_parse(arg_min_allocatable_resources, &s->minimums, &message);
        if (r != MINIMUMS_OK)
                return refuse("min_allocatable_resources", arg_min_allocatable_resources,
                              message ?: "memory");

        s->config.allocator.minimums = s->minimums;
        s->config.allocator.allocation_interval_usec = arg_allocation_interval;
        s->config.allocator.offer_gpus_to_all = !arg_filter_gpu_resources;
        s->config.offer_timeout_usec = arg_offer_timeout > 0 ? arg_offer_timeout : USEC_INFINITY;
        s->config.weights = arg_weights;
        return settle_excluded(s);
}

static int settle_limits(Settings *s) {
        if (arg_agent_ping_timeout < USEC_PER_SEC || arg_agent_ping_timeout > 15 * USEC_PER_MINUTE)
                return refuse("agent_ping_timeout", "", "1secs to 15mins");
        if (arg_max_agent_ping_timeouts < 1 || arg_max_agent_ping_timeouts > 1000000)
                return refuse("max_agent_ping_timeouts", "", "a number from 1 to 1000000");
        if (arg_agent_reregister_timeout < 10 * USEC_PER_MINUTE)
                return refuse("agent_reregister_timeout", "", "10mins or more");
        if (arg_max_completed_frameworks > UINT32_MAX || arg_max_completed_tasks > UINT32_MAX ||
            arg_max_unreachable_tasks > UINT32_MAX || arg_max_operator_streams > UINT32_MAX)
                return refuse("max_…", "", "numbers below 4294967296");

        s->config.agent_ping_timeout_usec = arg_agent_ping_timeout;
        s->config.max_agent_ping_timeouts = (unsigned) arg_max_agent_ping_timeouts;
        s->config.agent_reregister_timeout_usec = arg_agent_reregister_timeout;
        s->config.registry_gc_interval_usec = MAX(arg_registry_gc_interval, USEC_PER_SEC);
        s->config.registry_max_agent_age_usec = arg_registry_max_agent_age;
        s->config.registry_max_agent_count = arg_registry_max_agent_count;
        s->config.max_completed_frameworks = (unsigned) arg_max_completed_frameworks;
        s->config.max_completed_tasks_per_framework = (unsigned) arg_max_completed_tasks;
        s->config.max_unreachable_tasks_per_framework = (unsigned) arg_max_unreachable_tasks;
        s->config.max_operator_event_stream_subscribers = (unsigned) arg_max_operator_streams;
        return 0;
}

static int settle_log(Settings *s) {
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
                if (streq(arg_logging_level, levels[i].name)) {
                        s->config.log_level = arg_quiet ? LOG_ERR : levels[i].level;
                        log_set_max_level(s->config.log_level);
                        return 0;
                }

        return refuse("logging_level", arg_logging_level, "DEBUG, INFO, WARNING or ERROR");
}

static int settle(Settings *s) {
        int r;

        s->config.cluster = arg_cluster;
        s->config.roles = arg_roles;
        s->config.root_submissions = arg_root_submissions;
        s->config.publish_per_framework_metrics = arg_publish_per_framework_metrics;
        s->config.flags = &table;

        r = settle_log(s);
        if (r >= 0)
                r = refuse_what_is_not_here();
        if (r >= 0)
                r = settle_kinds(s);
        if (r >= 0)
                r = settle_limits(s);
        if (r >= 0)
                r = settle_directory(s);
        if (r >= 0)
                r = settle_address(s);
        if (r >= 0)
                r = settle_allocation(s);
        return r;
}

/* As many as we may have: each agent holds two of our descriptors. */
static void raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;

        limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) N_FDS_WANTED);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(const MasterConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(master_freep) Master *master = NULL;
        int r;

        r = sd_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop: %m");

        r = sd_event_set_watchdog(event, true);
        if (r < 0)
                log_warning_errno(r, "Cannot serve the watchdog, ignoring: %m");

        r = master_new(event, config, &master);
        if (r < 0)
                return log_error_errno(r, "Cannot start: %m");

        (void) sd_notifyf(0, "READY=1\nSTATUS=Listening at %s", master->self.text);
        r = sd_event_loop(event);
        (void) sd_notify(0, "STOPPING=1");
        return r;
}

int main(int argc, char **argv) {
        _cleanup_free_ char *error = NULL;
        Settings settings = {};
        int r;

        log_open("holdfast-master");

        r = flags_parse(&table, argc, argv, environ, NULL, &error);
        if (r == FLAGS_DONE)
                return EXIT_SUCCESS;
        if (r != FLAGS_OK) {
                fprintf(stderr, "holdfast-master: %s\nTry --help.\n", error ?: strerror(-r));
                return EXIT_FAILURE;
        }

        raise_fd_limit();
        r = settle(&settings);
        if (r >= 0)
                r = run(&settings.config);

        settings_deinit(&settings);
        flags_deinit(&table);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
