/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-agent
 *
 * Reads the flags into a const AgentConfig, makes an Agent and runs the loop. Signals: SIGTERM and
 * SIGINT end the agent and leave everything that runs alone; SIGUSR1 kills everything and unregisters.
 * The agent's own unit needs nothing else, and no option file or variable is read below this file.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "agent/address_pool.h"
#include "agent/agent.h"
#include "agent/dry_run.h"
#include "agent/inspect.h"
#include "agent/ports_watch.h"
#include "agent/resources_probe.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/convert.h"
#include "common/model/version.h"
#include "common/net/address.h"
#include "common/net/pbjson.h"
#include "isolator/cgroup.h"
#include "isolator/registry.h"
#include "isolator/seccomp_profiles.h"

/* Descriptors for executors' streams and launchers' sockets; what tasks get is the launcher's business. */
#define N_FDS_WANTED 65536

static char *arg_master, *arg_ip, *arg_advertise_ip, *arg_ip_discovery_command, *arg_hostname, *arg_work_dir,
                *arg_runtime_dir, *arg_launcher_dir, *arg_frameworks_home, *arg_domain_socket_location, *arg_resources,
                *arg_default_role, *arg_attributes, *arg_domain, *arg_recover, *arg_reconfiguration_policy,
                *arg_launcher, *arg_isolation, *arg_cgroups_root, *arg_systemd_runtime_directory, *arg_systemd_scope,
                *arg_executor_environment_variables, *arg_effective_capabilities, *arg_bounding_capabilities,
                *arg_seccomp_config_dir, *arg_seccomp_profile_name,
                *arg_logging_level, *arg_containerizers, *arg_dry_run,
                *arg_inspect, *arg_host_path_volume_force_creation, *arg_network_bridge, *arg_network_subnet;
static uint64_t arg_default_container_shm_size, arg_port, arg_advertise_port, arg_max_completed_executors, arg_pids_max;
static usec_t arg_registration_backoff_factor, arg_recovery_timeout, arg_executor_registration_timeout,
                arg_executor_reregistration_timeout, arg_executor_shutdown_grace_period, arg_fetcher_stall_timeout,
                arg_gc_delay, arg_disk_watch_interval, arg_container_disk_watch_interval;
static double arg_gc_disk_headroom;
static bool arg_hostname_lookup, arg_quiet, arg_switch_user, arg_strict, arg_systemd_enable_support,
                arg_http_executor_domain_sockets, arg_cgroups_enable_cfs, arg_cgroups_limit_swap,
                arg_cgroups_count_processes, arg_verify_executors, arg_revocable_cpu_low_priority, arg_enforce_container_disk_quota,
                arg_disallow_sharing_ipc, arg_disallow_sharing_pid;

static char *arg_allowed_devices, *arg_io_max, *arg_cpuset_cpus;
static uint64_t arg_io_weight;

/* Of what the agent watches containers for. */
static char *arg_container_ports_isolated_range;
static usec_t arg_container_ports_watch_interval;
static bool arg_enforce_container_ports, arg_check_agent_port_range_only;

#define UNUSED(flag_name, flag_kind, flag_default, flag_help)                                                          \
        { .name = (flag_name), .kind = (flag_kind), .default_text = (flag_default), .help = (flag_help), .ignored = true }

static Flag flags[] = {
        { .name = "advertise_ip", .kind = FLAG_STRING, .value = &arg_advertise_ip, .metavar = "IP",
          .help = "Address told to masters and executors, if not the one bound." },
        { .name = "advertise_port", .kind = FLAG_U64, .value = &arg_advertise_port, .metavar = "PORT",
          .help = "Port told to masters and executors, if not the one bound." },
        UNUSED("agent_features", FLAG_STRING, NULL, "JSON list of capabilities."),
        { .name = "allowed_devices", .kind = FLAG_STRING, .value = &arg_allowed_devices, .metavar = "JSON",
          .help = "Devices for containers besides the usual, a DeviceWhitelist as JSON, with cgroups/devices." },
        UNUSED("appc_simple_discovery_uri_prefix", FLAG_STRING, "http://", "Prefix of Appc images."),
        UNUSED("appc_store_dir", FLAG_PATH, "/tmp/mesos/store/appc", "Store of Appc images."),
        { .name = "attributes", .kind = FLAG_STRING, .value = &arg_attributes, .metavar = "TEXT",
          .help = "Attributes of this machine, such as rack:a;zone:b." },
        UNUSED("authenticate_http_readonly", FLAG_BOOL, "false", "Authenticate read-only requests."),
        UNUSED("authenticate_http_readwrite", FLAG_BOOL, "false", "Authenticate other requests."),
        UNUSED("authenticatee", FLAG_STRING, "crammd5", "How to authenticate with the master."),
        UNUSED("authentication_backoff_factor", FLAG_DURATION, "1secs", "First delay between attempts to authenticate."),
        UNUSED("authentication_timeout_max", FLAG_DURATION, "1mins", "Longest wait for an authentication."),
        UNUSED("authentication_timeout_min", FLAG_DURATION, "5secs", "First wait for an authentication."),
        UNUSED("authorizer", FLAG_STRING, "local", "Authorizer to use."),
        { .name = "bounding_capabilities", .kind = FLAG_STRING, .value = &arg_bounding_capabilities, .metavar = "JSON",
          .help = "The most capabilities that a container may get, a CapabilityInfo, with linux/capabilities." },
        { .name = "cgroups_cpu_enable_pids_and_tids_count", .kind = FLAG_BOOL, .value = &arg_cgroups_count_processes,
          .default_text = "false", .help = "Count the processes and threads of containers with cgroups/cpu." },
        UNUSED("cgroups_destroy_timeout", FLAG_DURATION, "1mins", "Time to destroy a cgroup."),
        { .name = "cgroups_enable_cfs", .kind = FLAG_BOOL, .value = &arg_cgroups_enable_cfs, .default_text = "false",
          .help = "What was asked for is the limit of cpu time too, with cgroups/cpu." },
        UNUSED("cgroups_hierarchy", FLAG_PATH, "/sys/fs/cgroup", "Where cgroups are; found by itself."),
        { .name = "cgroups_limit_swap", .kind = FLAG_BOOL, .value = &arg_cgroups_limit_swap, .default_text = "false",
          .help = "Of cgroup v1; refused." },
        { .name = "cgroups_root", .kind = FLAG_STRING, .value = &arg_cgroups_root, .default_text = "mesos", .metavar = "NAME",
          .help = "Cgroup below which containers are placed when systemd does not place them." },
        { .name = "check_agent_port_range_only", .kind = FLAG_BOOL, .value = &arg_check_agent_port_range_only,
          .default_text = "false", .help = "With network/ports: only the ports that the agent offers matter." },
        { .name = "container_disk_watch_interval", .kind = FLAG_DURATION, .value = &arg_container_disk_watch_interval,
          .default_text = "15secs", .metavar = "DURATION",
          .help = "How often what sandboxes and volumes occupy is measured, with disk/du." },
        { .name = "container_ports_isolated_range", .kind = FLAG_STRING, .value = &arg_container_ports_isolated_range,
          .metavar = "RANGES", .help = "With network/ports: only these ports matter, as [31000-32000] (default: all)." },
        { .name = "container_ports_watch_interval", .kind = FLAG_DURATION, .value = &arg_container_ports_watch_interval,
          .default_text = "30secs", .metavar = "DURATION",
          .help = "How often the ports that containers listen on are looked at, with network/ports." },
        { .name = "containerizers", .kind = FLAG_STRING, .value = &arg_containerizers, .default_text = "mesos",
          .metavar = "NAME", .help = "Containerizers; only mesos is there." },
        { .name = "default_container_shm_size", .kind = FLAG_BYTES, .value = &arg_default_container_shm_size,
          .metavar = "SIZE", .help = "Size of a container's own /dev/shm where it names none (default: half the memory)." },
        { .name = "default_role", .kind = FLAG_STRING, .value = &arg_default_role, .default_text = "*", .metavar = "ROLE",
          .help = "Role of resources in --resources that name none." },
        { .name = "disallow_sharing_agent_ipc_namespace", .kind = FLAG_BOOL, .value = &arg_disallow_sharing_ipc,
          .default_text = "false", .help = "Every container has its own IPC and /dev/shm, with namespaces/ipc." },
        { .name = "disallow_sharing_agent_pid_namespace", .kind = FLAG_BOOL, .value = &arg_disallow_sharing_pid,
          .default_text = "false", .help = "Every container has its own processes, with namespaces/pid." },
        { .name = "disk_watch_interval", .kind = FLAG_DURATION, .value = &arg_disk_watch_interval, .default_text = "1mins",
          .metavar = "DURATION", .help = "How often the disk is looked at, to remove old sandboxes sooner." },
        UNUSED("docker", FLAG_STRING, "docker", "Docker command."),
        UNUSED("docker_ignore_runtime", FLAG_BOOL, "false", "Ignore the runtime configuration of images."),
        UNUSED("docker_kill_orphans", FLAG_BOOL, "true", "Kill docker containers nobody knows."),
        UNUSED("docker_registry", FLAG_STRING, "https://registry-1.docker.io", "Registry of images."),
        UNUSED("docker_remove_delay", FLAG_DURATION, "6hrs", "Delay before docker containers are removed."),
        UNUSED("docker_socket", FLAG_PATH, "/var/run/docker.sock", "Docker's socket."),
        UNUSED("docker_stop_timeout", FLAG_DURATION, "0ns", "Time docker containers have to stop."),
        UNUSED("docker_store_dir", FLAG_PATH, "/tmp/mesos/store/docker", "Store of docker images."),
        UNUSED("docker_volume_checkpoint_dir", FLAG_PATH, "/var/run/mesos/isolators/docker/volume", "Docker volume state."),
        UNUSED("docker_volume_chown", FLAG_BOOL, "false", "Give docker volumes to the task's user."),
        { .name = "domain", .kind = FLAG_STRING, .value = &arg_domain, .metavar = "JSON",
          .help = "Fault domain of this machine, a DomainInfo as JSON." },
        { .name = "domain_socket_location", .kind = FLAG_PATH, .value = &arg_domain_socket_location, .metavar = "PATH",
          .help = "Socket for --http_executor_domain_sockets (default: agent.sock in --runtime_dir)." },
        { .name = "dry-run", .kind = FLAG_PATH, .value = &arg_dry_run, .metavar = "FILE",
          .help = "Print the launch plan of the TaskInfo in the JSON file (-: standard input), start nothing." },
        { .name = "effective_capabilities", .alias = "allowed_capabilities", .kind = FLAG_STRING,
          .value = &arg_effective_capabilities, .metavar = "JSON",
          .help = "Capabilities of containers that ask for none, a CapabilityInfo, with linux/capabilities." },
        { .name = "enforce_container_disk_quota", .kind = FLAG_BOOL, .value = &arg_enforce_container_disk_quota,
          .default_text = "false", .help = "End containers that exceed their disk resources, with disk/du." },
        { .name = "enforce_container_ports", .kind = FLAG_BOOL, .value = &arg_enforce_container_ports,
          .default_text = "false", .help = "End containers that listen on ports that are not theirs, with network/ports." },
        { .name = "executor_environment_variables", .kind = FLAG_STRING, .value = &arg_executor_environment_variables,
          .metavar = "JSON", .help = "Variables for every executor's environment, a JSON object of texts." },
        { .name = "executor_registration_timeout", .kind = FLAG_DURATION, .value = &arg_executor_registration_timeout,
          .default_text = "1mins", .metavar = "DURATION", .help = "Time from an executor's launch to its subscription." },
        { .name = "executor_reregistration_timeout", .kind = FLAG_DURATION, .value = &arg_executor_reregistration_timeout,
          .default_text = "2secs", .metavar = "DURATION",
          .help = "Time executors have to subscribe again after a restart of the agent; at most 15secs." },
        { .name = "executor_shutdown_grace_period", .kind = FLAG_DURATION, .value = &arg_executor_shutdown_grace_period,
          .default_text = "5secs", .metavar = "DURATION", .help = "Time an executor has to shut down before it is killed." },
        UNUSED("fetcher_cache_dir", FLAG_PATH, "/tmp/mesos/fetch", "Cache of fetched files."),
        UNUSED("fetcher_cache_size", FLAG_BYTES, "2GB", "Size of the cache of fetched files."),
        { .name = "fetcher_stall_timeout", .kind = FLAG_DURATION, .value = &arg_fetcher_stall_timeout, .default_text = "1mins",
          .metavar = "DURATION", .help = "A download that stands still for so long fails." },
        { .name = "frameworks_home", .kind = FLAG_PATH, .value = &arg_frameworks_home, .default_text = "", .metavar = "DIR",
          .help = "Directory that relative URIs are below." },
        { .name = "gc_delay", .kind = FLAG_DURATION, .value = &arg_gc_delay, .default_text = "1weeks", .metavar = "DURATION",
          .help = "How long sandboxes of ended executors are kept; less as the disk fills up." },
        { .name = "gc_disk_headroom", .kind = FLAG_DOUBLE, .value = &arg_gc_disk_headroom, .default_text = "0.1",
          .metavar = "FRACTION", .help = "Fraction of the disk to keep free: with no more left, no old sandbox is kept." },
        UNUSED("gc_non_executor_container_sandboxes", FLAG_BOOL, "false", "Collect sandboxes of nested containers too."),
        { .name = "holdfast_cpuset_cpus", .kind = FLAG_STRING, .value = &arg_cpuset_cpus, .metavar = "LIST",
          .help = "Processors that containers may run on, as 0-3,5, with cgroups/cpuset (default: all)." },
        { .name = "holdfast_io_max", .kind = FLAG_STRING, .value = &arg_io_max, .metavar = "LIMITS",
          .help = "What each container may do to disks in a second, with cgroups/blkio: DEVICE rbps=10MB wiops=50; ..." },
        { .name = "holdfast_io_weight", .kind = FLAG_U64, .value = &arg_io_weight, .default_text = "0", .metavar = "N",
          .help = "Share of busy disks for each cpu that was asked for, with cgroups/blkio (default: 100 a container)." },
        { .name = "holdfast_network_bridge", .kind = FLAG_STRING, .value = &arg_network_bridge, .default_text = "holdfast0",
          .metavar = "NAME", .help = "The host's bridge that containers are connected to, with network/bridge." },
        { .name = "holdfast_network_subnet", .kind = FLAG_STRING, .value = &arg_network_subnet,
          .default_text = "10.88.0.0/16", .metavar = "NETWORK", .help = "Addresses of containers, with network/bridge." },
        { .name = "holdfast_pids_max", .kind = FLAG_U64, .value = &arg_pids_max, .default_text = "8192", .metavar = "N",
          .help = "Processes and threads that a container may have, with cgroups/pids." },
        { .name = "holdfast_verify_executors", .kind = FLAG_BOOL, .value = &arg_verify_executors, .default_text = "true",
          .help = "Whoever speaks for an executor must be in its container, as far as the kernel can tell." },
        { .name = "host_path_volume_force_creation", .kind = FLAG_STRING, .value = &arg_host_path_volume_force_creation,
          .metavar = "DIR:DIR", .help = "Directories below which volumes of the host are made if they are not there." },
        { .name = "hostname", .kind = FLAG_STRING, .value = &arg_hostname, .metavar = "NAME",
          .help = "Name told to masters and frameworks (default: the address looked up)." },
        { .name = "hostname_lookup", .kind = FLAG_BOOL, .value = &arg_hostname_lookup, .default_text = "true",
          .help = "Look the address up for a name; else the address is the name." },
        UNUSED("http_command_executor", FLAG_BOOL, "false", "The command executor always speaks the v1 API."),
        { .name = "http_executor_domain_sockets", .kind = FLAG_BOOL, .value = &arg_http_executor_domain_sockets,
          .default_text = "false", .help = "Executors connect to a Unix socket instead of the port." },
        UNUSED("http_heartbeat_interval", FLAG_DURATION, "30secs", "Heartbeats on container output streams."),
        UNUSED("initialize_driver_logging", FLAG_BOOL, "true", "Of drivers."),
        { .name = "inspect", .kind = FLAG_STRING, .value = &arg_inspect, .metavar = "FORMAT",
          .bare_text = "text", .excuses = true,
          .help = "Print what is stored in --work_dir, as text or json, and do nothing else." },
        { .name = "ip", .kind = FLAG_STRING, .value = &arg_ip, .metavar = "IP", .help = "Address to bind (default: all)." },
        { .name = "ip_discovery_command", .kind = FLAG_STRING, .value = &arg_ip_discovery_command, .metavar = "COMMAND",
          .help = "Command that prints the address to bind." },
        { .name = "isolation", .kind = FLAG_STRING, .value = &arg_isolation, .default_text = "posix/cpu,posix/mem",
          .metavar = "LIST", .help = "What containers are kept from; holdfast-agent(8) has the names." },
        { .name = "launcher", .kind = FLAG_STRING, .value = &arg_launcher, .metavar = "KIND",
          .help = "linux (a cgroup per container) or posix (default: linux as root where cgroup2 is mounted)." },
        { .name = "launcher_dir", .kind = FLAG_PATH, .value = &arg_launcher_dir, .metavar = "DIR",
          .help = "Where holdfast-launcher and its kin are." },
        UNUSED("logbufsecs", FLAG_U64, "0", "Delay of log writes."),
        { .name = "logging_level", .kind = FLAG_STRING, .value = &arg_logging_level, .default_text = "INFO", .metavar = "LEVEL",
          .help = "INFO, WARNING, ERROR; DEBUG is ours." },
        { .name = "master", .kind = FLAG_STRING, .value = &arg_master, .metavar = "HOST:PORT",
          .help = "The master, or file:///path of a file that names it.", .required = true },
        { .name = "max_completed_executors_per_framework", .kind = FLAG_U64, .value = &arg_max_completed_executors,
          .default_text = "150", .metavar = "N", .help = "Ended executors remembered for each framework." },
        UNUSED("memory_profiling", FLAG_BOOL, "false", "Of libprocess."),
        UNUSED("network_cni_metrics", FLAG_BOOL, "true", "Metrics of CNI networks."),
        UNUSED("network_cni_root_dir_persist", FLAG_BOOL, "false", "Keep CNI state across reboots."),
        UNUSED("oversubscribed_resources_interval", FLAG_DURATION, "15secs", "Interval of oversubscription estimates."),
        UNUSED("perf_duration", FLAG_DURATION, "10secs", "Length of a perf sample."),
        UNUSED("perf_interval", FLAG_DURATION, "1mins", "Interval of perf samples."),
        { .name = "port", .kind = FLAG_U64, .value = &arg_port, .default_text = "5051", .metavar = "PORT",
          .help = "Port to listen on; 0: any." },
        UNUSED("qos_correction_interval_min", FLAG_DURATION, "0ns", "Interval of oversubscription corrections."),
        { .name = "quiet", .kind = FLAG_BOOL, .value = &arg_quiet, .default_text = "false", .help = "Log errors only." },
        { .name = "reconfiguration_policy", .kind = FLAG_STRING, .value = &arg_reconfiguration_policy, .default_text = "equal",
          .metavar = "POLICY", .help = "Which changes of resources and attributes keep the agent's id: equal, additive." },
        { .name = "recover", .kind = FLAG_STRING, .value = &arg_recover, .default_text = "reconnect", .metavar = "HOW",
          .help = "What becomes of executors found at start: reconnect, cleanup." },
        { .name = "recovery_timeout", .kind = FLAG_DURATION, .value = &arg_recovery_timeout, .default_text = "15mins",
          .metavar = "DURATION", .help = "How long executors wait for the agent to come back." },
        { .name = "registration_backoff_factor", .kind = FLAG_DURATION, .value = &arg_registration_backoff_factor,
          .default_text = "1secs", .metavar = "DURATION", .help = "First delay between attempts to register." },
        { .name = "resources", .kind = FLAG_STRING, .value = &arg_resources, .metavar = "TEXT",
          .help = "What this machine offers, cpus:8;mem:1024;ports:[31000-32000] or JSON (default: what it has)." },
        { .name = "revocable_cpu_low_priority", .kind = FLAG_BOOL, .value = &arg_revocable_cpu_low_priority,
          .default_text = "true", .help = "Revocable cpus weigh a hundredth of others, with cgroups/cpu." },
        { .name = "runtime_dir", .kind = FLAG_PATH, .value = &arg_runtime_dir, .metavar = "DIR",
          .help = "State that a reboot clears: launchers' sockets (default: /run/holdfast/agent)." },
        UNUSED("sandbox_directory", FLAG_PATH, "/mnt/mesos/sandbox", "Where containers with an image see their sandbox."),
        { .name = "seccomp_config_dir", .kind = FLAG_PATH, .value = &arg_seccomp_config_dir, .metavar = "DIR",
          .help = "Where the profiles of linux/seccomp are (default: those that came with this program)." },
        { .name = "seccomp_profile_name", .kind = FLAG_STRING, .value = &arg_seccomp_profile_name, .metavar = "FILE",
          .help = "Profile of tasks that name none, with linux/seccomp (default: default.json, if --seccomp_config_dir is not given)." },
        { .name = "strict", .kind = FLAG_BOOL, .value = &arg_strict, .default_text = "true",
          .help = "Damaged stored state is an error; else what cannot be read is left out." },
        { .name = "switch_user", .kind = FLAG_BOOL, .value = &arg_switch_user, .default_text = "true",
          .help = "Run executors as the user their framework names." },
        { .name = "systemd_enable_support", .kind = FLAG_BOOL, .value = &arg_systemd_enable_support, .default_text = "true",
          .help = "Each container is a scope of systemd, where systemd runs." },
        { .name = "systemd_runtime_directory", .kind = FLAG_PATH, .value = &arg_systemd_runtime_directory,
          .default_text = "/run/systemd/system", .metavar = "DIR", .help = "Exists where systemd runs." },
        { .name = "systemd_scope", .kind = FLAG_STRING, .value = &arg_systemd_scope, .default_text = "container",
          .metavar = "WHOSE", .help = "A scope for each container, or one for the agent's all: container, agent." },
        { .name = "work_dir", .kind = FLAG_PATH, .value = &arg_work_dir, .metavar = "DIR",
          .help = "Sandboxes and the agent's stored state.", .required = true },
        UNUSED("zk_session_timeout", FLAG_DURATION, "10secs", "ZooKeeper's session timeout."),
        UNUSED("acls", FLAG_STRING, NULL, "Access control lists."),
        UNUSED("agent_subsystems", FLAG_STRING, NULL, "Cgroup subsystems of the agent itself."),
        UNUSED("credential", FLAG_STRING, NULL, "Credential for the master."),
        UNUSED("default_container_info", FLAG_STRING, NULL, "ContainerInfo for executors without one."),
        UNUSED("external_log_file", FLAG_PATH, NULL, "Log file shown in web pages."),
        UNUSED("firewall_rules", FLAG_STRING, NULL, "Endpoints that are off."),
        UNUSED("hadoop_home", FLAG_PATH, NULL, "Where hadoop is."),
        UNUSED("http_authenticators", FLAG_STRING, NULL, "Authenticators of HTTP requests."),
        UNUSED("http_credentials", FLAG_STRING, NULL, "Credentials of HTTP requests."),
        UNUSED("image_providers", FLAG_STRING, NULL, "Kinds of images."),
        UNUSED("log_dir", FLAG_PATH, NULL, "Directory of log files; the journal has the log."),
        UNUSED("modules", FLAG_STRING, NULL, "Modules."),
        UNUSED("modules_dir", FLAG_PATH, NULL, "Directory of modules."),
        UNUSED("cgroups_net_cls_primary_handle", FLAG_STRING, NULL, "Of cgroups/net_cls."),
        UNUSED("cgroups_net_cls_secondary_handles", FLAG_STRING, NULL, "Of cgroups/net_cls."),
        UNUSED("network_cni_config_dir", FLAG_PATH, NULL, "Of network/cni."),
        UNUSED("network_cni_plugins_dir", FLAG_PATH, NULL, "Of network/cni."),
        UNUSED("nvidia_gpu_devices", FLAG_STRING, NULL, "Of gpu/nvidia."),
        UNUSED("perf_events", FLAG_STRING, NULL, "Of cgroups/perf_event."),
        UNUSED("xfs_kill_containers", FLAG_BOOL, "false", "Of disk/xfs."),
        UNUSED("xfs_project_range", FLAG_STRING, "[5000-10000]", "Of disk/xfs."),
        UNUSED("xfs_quota_headroom", FLAG_BYTES, "10MB", "Of disk/xfs."),
};

static FlagTable table = {
        .program = "holdfast-agent",
        .summary = "Runs the tasks of frameworks on this machine, each under a launcher that outlives the agent.",
        .env_prefix = "MESOS_",
        .flags = flags,
        .n_flags = ELEMENTSOF(flags),
};

/* What main() owns besides the flags' values. */
typedef struct Settings {
        AgentConfig config;
        Resources *resources;
        Value isolated_ports;
        Mesos__V1__Attribute **attributes;
        ProtobufCMessage *domain, *effective_capabilities, *bounding_capabilities, *allowed_devices;
        char **executor_environment;
        IsolatorConfig isolator_config;
        SeccompProfiles *seccomp_profiles;
        IsolatorSet *isolators;
        char *hostname, *domain_socket, *socket_dir, *cgroup_mount,
                        *work_dir, *runtime_dir, *launcher_dir, *network_gateway, *network_helper;
} Settings;

static void settings_deinit(Settings *s) {
        for (size_t i = 0; i < s->config.n_attributes; i++)
                message_free(s->attributes[i]);
        for (char **p = s->executor_environment; p && *p; p++)
                free(*p);
        free(s->attributes);
        free(s->executor_environment);
        pb_free(s->domain);
        pb_free(s->allowed_devices);
        pb_free(s->effective_capabilities);
        pb_free(s->bounding_capabilities);
        resources_free(s->resources);
        value_deinit(&s->isolated_ports);
        isolator_set_free(s->isolators);
        seccomp_profiles_free(s->seccomp_profiles);
        free(s->hostname);
        free(s->domain_socket);
        free(s->socket_dir);
        free(s->cgroup_mount);
        free(s->work_dir);
        free(s->runtime_dir);
        free(s->launcher_dir);
        free(s->network_gateway);
        free(s->network_helper);
}

static int refuse(const char *flag, const char *value, const char *expected) {
        log_error("--%s='%s': expected %s", flag, value ?: "", expected);
        return -EINVAL;
}

static char *absolute_path(const char *path) {
        _cleanup_free_ char *cwd = NULL;
        char *absolute;

        if (path[0] == '/')
                return strdup(path);

        cwd = getcwd(NULL, 0);
        return !cwd || asprintf(&absolute, "%s/%s", cwd, path) < 0 ? NULL : absolute;
}

/* Beside our own binary in a build tree, in libexec once installed. */
static char *find_launcher_dir(void) {
        char self[PATH_MAX] = "";
        _cleanup_free_ char *launcher = NULL;

        if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0) {
                *strrchr(self, '/') = '\0';
                if (asprintf(&launcher, "%s/holdfast-launcher", self) < 0) {
                        launcher = NULL;
                        return NULL;
                }
                if (access(launcher, X_OK) == 0)
                        return strdup(self);
        }

        return strdup(PKGLIBEXECDIR);
}

static int settle_directories(Settings *s) {
        char here[PATH_MAX];
        int r;

        s->work_dir = absolute_path(arg_work_dir);
        s->runtime_dir = absolute_path(arg_runtime_dir ?: geteuid() == 0 ? "/run/holdfast/agent" : "holdfast-agent-runtime");
        s->launcher_dir = arg_launcher_dir ? absolute_path(arg_launcher_dir) : find_launcher_dir();
        if (!s->work_dir || !s->runtime_dir || !s->launcher_dir)
                return log_oom();

        r = file_mkdirs_at(AT_FDCWD, s->work_dir, 0755);
        if (r < 0)
                return log_error_errno(r, "Cannot make --work_dir '%s': %m", s->work_dir);
        if (!realpath(s->work_dir, here))
                return log_error_errno(errno, "Cannot resolve --work_dir '%s': %m", s->work_dir);

        s->config.work_dir = s->work_dir;
        s->config.runtime_dir = s->runtime_dir;
        s->config.launcher_dir = s->launcher_dir;
        s->config.frameworks_home = arg_frameworks_home;

        if (!arg_http_executor_domain_sockets)
                return 0;
        if (arg_domain_socket_location)
                s->domain_socket = absolute_path(arg_domain_socket_location);
        else if (asprintf(&s->domain_socket, "%s/agent.sock", s->runtime_dir) < 0)
                s->domain_socket = NULL;
        s->config.domain_socket = s->domain_socket;
        return s->domain_socket ? 0 : log_oom();
}

/* Tests and demos let the kernel choose; everybody must be told the port that it chose. */
static int listen_somewhere(const char *bind_ip, uint16_t *ret_port) {
        struct sockaddr_in address = { .sin_family = AF_INET };
        socklen_t n = sizeof(address);
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (bind_ip)
                (void) inet_pton(AF_INET, bind_ip, &address.sin_addr);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, n) < 0 || listen(fd, SOMAXCONN) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &n) < 0)
                return log_error_errno(errno, "Cannot listen on any port: %m");

        *ret_port = ntohs(address.sin_port);
        return TAKE_FD(fd);
}

/* A socket from systemd keeps the port open across restarts; without one a fixed port is bound anew. */
static int settle_own_address(Settings *s) {
        char ip[ADDRESS_IP_MAX], discovered[ADDRESS_IP_MAX];
        const char *bind_ip = arg_ip;
        int r;

        if (arg_port > UINT16_MAX || arg_advertise_port > UINT16_MAX)
                return refuse("port", "", "a number up to 65535");

        if (arg_ip_discovery_command) {
                if (arg_ip)
                        return refuse("ip_discovery_command", arg_ip_discovery_command, "not to be given with --ip");
                r = address_discover_ip(arg_ip_discovery_command, discovered);
                if (r < 0)
                        return refuse("ip_discovery_command", arg_ip_discovery_command, "a command that prints an IPv4 address");
                bind_ip = discovered;
        }

        r = address_own_ip(bind_ip, arg_advertise_ip, ip);
        if (r < 0)
                return refuse(arg_advertise_ip ? "advertise_ip" : "ip", arg_advertise_ip ?: bind_ip, "an IPv4 address");

        s->hostname = address_hostname(arg_hostname, arg_hostname_lookup, ip);
        if (!s->hostname)
                return log_oom();

        s->config.bind_ip = arg_ip_discovery_command ? ip : arg_ip;
        s->config.port = (uint16_t) arg_port;
        s->config.hostname = s->hostname;
        s->config.listen_fd = sd_listen_fds(1) == 1 ? SD_LISTEN_FDS_START : -1;
        if (arg_port == 0 && s->config.listen_fd < 0) {
                s->config.listen_fd = listen_somewhere(s->config.bind_ip, &s->config.port);
                if (s->config.listen_fd < 0)
                        return s->config.listen_fd;
        }

        return upid_make("slave(1)", ip, arg_advertise_port ? (uint16_t) arg_advertise_port : s->config.port,
                         &s->config.self);
}

static int settle_master(Settings *s) {
        _cleanup_free_ char *host = NULL;
        const char *text = arg_master, *at;
        char ip[ADDRESS_IP_MAX];
        uint16_t port;
        int r;

        if (startswith(text, "zk://"))
                return refuse("master", text, "HOST:PORT; this version does not find masters through ZooKeeper");

        at = strchr(text, '@');
        if (at)
                text = at + 1;

        r = parse_host_port(text, &host, &port);
        if (r < 0)
                return refuse("master", arg_master, "HOST:PORT");

        r = address_resolve(host, ip);
        if (r < 0)
                return log_error_errno(r, "Cannot resolve the master's host '%s': %m", host);

        return upid_make("master", ip, port, &s->config.master);
}

static int settle_offer(Settings *s) {
        _cleanup_free_ char *message = NULL;
        HostCapacity host;
        int r;

        r = host_capacity_read(s->work_dir, &host);
        if (r < 0)
                return log_error_errno(r, "Cannot find out what this machine has: %m");

        r = resources_probe(arg_resources, arg_default_role, &host, &s->resources, &message);
        if (r != RESOURCES_OK)
                return refuse("resources", arg_resources, message ?: "memory");
        s->config.resources = s->resources;

        if (arg_attributes) {
                r = attributes_parse(arg_attributes, &s->attributes, &s->config.n_attributes, &message);
                if (r != ATTRIBUTES_OK)
                        return refuse("attributes", arg_attributes, message ?: "memory");
                s->config.attributes = s->attributes;
        }

        if (arg_domain) {
                r = pbjson_parse(&mesos__v1__domain_info__descriptor, arg_domain, strlen(arg_domain), PB_LIMITS_DEFAULT,
                                 &s->domain, &message);
                if (r != PB_OK)
                        return refuse("domain", arg_domain, message ?: "memory");
                s->config.domain = (const Mesos__V1__DomainInfo *) s->domain;
        }

        return 0;
}

static bool is_systemd_host(void) {
        struct stat st;

        return stat(arg_systemd_runtime_directory, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_cgroup2(void) {
        _cleanup_free_ char *mounts = NULL;
        size_t n;

        return file_read_at(AT_FDCWD, "/proc/self/mountinfo", 4U << 20, &mounts, &n) == 0 && strstr(mounts, " - cgroup2 ");
}

static int settle_containers(Settings *s) {
        if (!arg_launcher)
                s->config.launcher = geteuid() == 0 && has_cgroup2() ? LAUNCHER_LINUX : LAUNCHER_POSIX;
        else if (streq(arg_launcher, "linux"))
                s->config.launcher = LAUNCHER_LINUX;
        else if (streq(arg_launcher, "posix"))
                s->config.launcher = LAUNCHER_POSIX;
        else
                return refuse("launcher", arg_launcher, "linux or posix");

        if (!streq(arg_containerizers, "mesos"))
                return refuse("containerizers", arg_containerizers, "mesos");
        s->config.systemd = arg_systemd_enable_support && is_systemd_host();
        s->config.systemd_user = geteuid() != 0;
        s->config.one_scope = streq(arg_systemd_scope, "agent");
        if (!s->config.one_scope && !streq(arg_systemd_scope, "container"))
                return refuse("systemd_scope", arg_systemd_scope, "container or agent");
        if (s->config.one_scope && !s->config.systemd)
                return refuse("systemd_scope", arg_systemd_scope, "a host that systemd runs, and --systemd_enable_support");
        s->config.cgroups_root = arg_cgroups_root;
        s->config.switch_user = arg_switch_user;
        s->config.verify_executors = arg_verify_executors;
        return 0;
}

/* Those that a container's cgroup can be given: what the root has; as a user, what the user's manager was given. */
static int read_controllers(const Settings *s, char **ret, bool *ret_io_weights) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
        int r;

        *ret = NULL;
        if (proc_fd < 0)
                return -errno;

        fd = cgroup_open_mount(proc_fd);
        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return fd;

        r = s->config.systemd && s->config.systemd_user ? cgroup_read_user_controllers(proc_fd, fd, ret)
                                                        : file_read_at(fd, "cgroup.controllers", 4096, ret, NULL);
        if (*ret)
                (*ret)[strcspn(*ret, "\n")] = '\0';
        *ret_io_weights = isolator_has_io_weights(fd);
        return r;
}

/* The bridge has the first address of the network. */
static int settle_network(Settings *s) {
        _cleanup_(address_pool_freep) AddressPool *pool = NULL;
        int r;

        r = address_pool_new(arg_network_subnet, &pool);
        if (r < 0)
                return refuse("holdfast_network_subnet", arg_network_subnet, "ADDRESS/PREFIX of a network, such as 10.88.0.0/16");

        s->network_gateway = strdup(address_pool_gateway(pool));
        if (!s->network_gateway || asprintf(&s->network_helper, "%s/holdfast-network", s->launcher_dir) < 0)
                return log_oom();

        s->isolator_config.network_bridge = arg_network_bridge;
        s->isolator_config.network_gateway = s->network_gateway;
        s->isolator_config.network_helper = s->network_helper;
        return 0;
}

/* An executor in a network of its own has its own 127.0.0.1. */
static int check_reach(const Settings *s) {
        if (!isolator_set_has(s->isolators, "network/bridge"))
                return 0;
        if (startswith(s->config.self.ip, "127.") && !s->config.domain_socket)
                return refuse("isolation", arg_isolation,
                              "with network/bridge an --ip that containers can reach, or --http_executor_domain_sockets");

        return 0;
}

/* A name that is unknown would be left out, and what is left out of a list of rights is easily missed. */
static int check_capability_names(const char *flag, const char *text) {
        json_t *object = json_loads(text, 0, NULL), *value;
        size_t i;
        int r = 0;

        json_array_foreach (json_object_get(object, "capabilities"), i, value) {
                const char *name = json_string_value(value);

                if (r == 0 && (!name || !protobuf_c_enum_descriptor_get_value_by_name(
                                                        &mesos__v1__capability_info__capability__descriptor, name)))
                        r = refuse(flag, text, "names of capabilities, such as {\"capabilities\": [\"NET_RAW\"]}");
        }

        json_decref(object);
        return r;
}

static int settle_capability_set(const char *flag, const char *text, ProtobufCMessage **storage,
                                 const Mesos__V1__CapabilityInfo **ret) {
        _cleanup_free_ char *message = NULL;
        int r;

        if (!text)
                return 0;

        r = pbjson_parse(&mesos__v1__capability_info__descriptor, text, strlen(text), PB_LIMITS_DEFAULT, storage, &message);
        if (r != PB_OK) {
                log_error("--%s: %s", flag, message ?: strerror(-r));
                return r < 0 ? r : -EINVAL;
        }

        *ret = (const Mesos__V1__CapabilityInfo *) *storage;
        return check_capability_names(flag, text);
}

static int settle_capabilities(Settings *s) {
        int r;

        r = settle_capability_set("effective_capabilities", arg_effective_capabilities, &s->effective_capabilities,
                                  &s->isolator_config.effective_capabilities);
        if (r < 0)
                return r;

        return settle_capability_set("bounding_capabilities", arg_bounding_capabilities, &s->bounding_capabilities,
                                     &s->isolator_config.bounding_capabilities);
}

/* {"allowed_devices":[{"device":{"path":"/dev/kvm"},"access":{"read":true}}]} */
static int settle_devices(Settings *s) {
        _cleanup_free_ char *message = NULL;
        int r;

        if (!arg_allowed_devices)
                return 0;

        r = pbjson_parse(&mesos__v1__device_whitelist__descriptor, arg_allowed_devices, strlen(arg_allowed_devices),
                         PB_LIMITS_DEFAULT, &s->allowed_devices, &message);
        if (r != PB_OK)
                return refuse("allowed_devices", arg_allowed_devices, message ?: "memory");

        s->isolator_config.allowed_devices = (const Mesos__V1__DeviceWhitelist *) s->allowed_devices;
        return 0;
}

static int settle_seccomp(Settings *s) {
        s->seccomp_profiles = seccomp_profiles_new(arg_seccomp_config_dir ?: SECCOMPDIR);
        if (!s->seccomp_profiles)
                return log_oom();

        s->isolator_config.seccomp_profiles = s->seccomp_profiles;
        s->isolator_config.seccomp_profile_name = arg_seccomp_profile_name;

        /* As with Mesos, who has profiles of their own says which one is for all. */
        if (!arg_seccomp_profile_name && !arg_seccomp_config_dir)
                s->isolator_config.seccomp_profile_name = "default.json";

        return 0;
}

/* What containers see of our directories, and where they find us. */
static int settle_filesystem(Settings *s, int proc_fd) {
        IsolatorConfig *c = &s->isolator_config;
        int r;

        c->unprivileged = geteuid() != 0;
        c->work_dir = s->work_dir;
        c->runtime_dir = s->runtime_dir;
        c->host_path_volume_force_creation = arg_host_path_volume_force_creation;
        c->disallow_sharing_pid = arg_disallow_sharing_pid;
        c->disallow_sharing_ipc = arg_disallow_sharing_ipc;
        c->default_shm_bytes = arg_default_container_shm_size;

        if (s->domain_socket) {
                s->socket_dir = strdup(s->domain_socket);
                if (!s->socket_dir)
                        return log_oom();
                *strrchr(s->socket_dir, '/') = '\0';
                if (streq(s->socket_dir, s->work_dir))
                        return refuse("domain_socket_location", s->domain_socket,
                                      "another directory than --work_dir, which containers don't see");
                c->socket_dir = s->socket_dir;
        }

        r = s->config.launcher == LAUNCHER_LINUX ? cgroup_find_mount(proc_fd, &s->cgroup_mount) : 0;
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "Cannot find out where cgroups are: %m");

        c->cgroup_mount = s->cgroup_mount;
        return 0;
}

static int settle_isolation(Settings *s) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *controllers = NULL, *message = NULL;
        IsolatorHost host = {
                .root = geteuid() == 0,
                .cgroups = s->config.launcher == LAUNCHER_LINUX,
                .proc_fd = proc_fd,
        };
        int r;

        s->isolator_config = (IsolatorConfig) {
                .enable_cfs = arg_cgroups_enable_cfs,
                .revocable_low_priority = arg_revocable_cpu_low_priority,
                .count_processes = arg_cgroups_count_processes,
                .pids_max = arg_pids_max,
                .io_max = arg_io_max,
                .io_weight = arg_io_weight,
                .cpuset_cpus = arg_cpuset_cpus,
        };
        r = settle_capabilities(s);
        if (r == 0)
                r = settle_devices(s);
        if (r == 0)
                r = settle_seccomp(s);
        if (r < 0)
                return r;

        r = settle_network(s);
        if (r == 0)
                r = settle_filesystem(s, proc_fd);
        if (r < 0)
                return r;
        if (arg_pids_max == 0)
                return refuse("holdfast_pids_max", "0", "at least 1");
        if (arg_cgroups_limit_swap)
                return refuse("cgroups_limit_swap", "true", "false; Mesos, too, has this for cgroup v1 only");

        r = read_controllers(s, &controllers, &host.io_weights);
        if (r < 0)
                return log_error_errno(r, "Cannot find out which cgroup controllers there are: %m");

        host.controllers = controllers ?: "";
        r = isolator_set_new(arg_isolation, &host, &s->isolator_config, &s->isolators, &message);
        if (r != ISOLATOR_OK) {
                log_error("--isolation='%s': %s", arg_isolation, message ?: "out of memory");
                return -EINVAL;
        }

        s->config.isolators = s->isolators;
        if (isolator_set_has(s->isolators, "network/bridge"))
                s->config.network_subnet = arg_network_subnet;
        return check_reach(s);
}

/* Which ports matter to network/ports; all, unless somebody said less. */
static int settle_isolated_ports(Settings *s) {
        _cleanup_free_ char *message = NULL;
        int r;

        if (!arg_container_ports_isolated_range && !arg_check_agent_port_range_only)
                return 0;
        if (arg_container_ports_isolated_range && arg_check_agent_port_range_only)
                return refuse("container_ports_isolated_range", arg_container_ports_isolated_range,
                              "not to be given with --check_agent_port_range_only");

        r = arg_check_agent_port_range_only
                            ? ports_from_resources(s->resources, &s->isolated_ports)
                            : value_parse(arg_container_ports_isolated_range, &s->isolated_ports, &message);
        if (r < 0)
                return log_oom();
        if (r != VALUE_OK || s->isolated_ports.kind != VALUE_RANGES)
                return refuse("container_ports_isolated_range", arg_container_ports_isolated_range,
                              message ?: "ranges such as [31000-32000]");

        s->config.isolated_ports = &s->isolated_ports;
        return 0;
}

static int settle_watches(Settings *s) {
        if (arg_container_disk_watch_interval == 0)
                return refuse("container_disk_watch_interval", "0", "a duration such as 15secs");

        s->config.container_disk_watch_interval_usec = arg_container_disk_watch_interval;
        s->config.enforce_container_disk_quota = arg_enforce_container_disk_quota;
        if (arg_container_ports_watch_interval == 0)
                return refuse("container_ports_watch_interval", "0", "a duration such as 30secs");

        s->config.container_ports_watch_interval_usec = arg_container_ports_watch_interval;
        s->config.enforce_container_ports = arg_enforce_container_ports;
        return settle_isolated_ports(s);
}

static int settle_recovery(Settings *s) {
        if (!streq(arg_recover, "reconnect") && !streq(arg_recover, "cleanup"))
                return refuse("recover", arg_recover, "reconnect or cleanup");
        if (!streq(arg_reconfiguration_policy, "equal") && !streq(arg_reconfiguration_policy, "additive"))
                return refuse("reconfiguration_policy", arg_reconfiguration_policy, "equal or additive");
        if (arg_executor_reregistration_timeout > 15 * USEC_PER_SEC)
                return refuse("executor_reregistration_timeout", "", "at most 15secs");

        s->config.reconnect = streq(arg_recover, "reconnect");
        s->config.reconfiguration_additive = streq(arg_reconfiguration_policy, "additive");
        s->config.strict = arg_strict;
        s->config.registration_backoff_factor_usec = arg_registration_backoff_factor;
        s->config.recovery_timeout_usec = arg_recovery_timeout;
        s->config.executor_registration_timeout_usec = arg_executor_registration_timeout;
        s->config.executor_reregistration_timeout_usec = arg_executor_reregistration_timeout;
        s->config.executor_shutdown_grace_period_usec = arg_executor_shutdown_grace_period;
        s->config.fetcher_stall_timeout_usec = arg_fetcher_stall_timeout;
        s->config.max_completed_executors = arg_max_completed_executors;
        return 0;
}

static int settle_gc(Settings *s) {
        if (!(arg_gc_disk_headroom >= 0 && arg_gc_disk_headroom <= 1))
                return refuse("gc_disk_headroom", "", "a number from 0 to 1");
        if (arg_disk_watch_interval == 0)
                return refuse("disk_watch_interval", "0", "a duration such as 1mins");

        s->config.gc_delay_usec = arg_gc_delay;
        s->config.gc_disk_headroom = arg_gc_disk_headroom;
        s->config.disk_watch_interval_usec = arg_disk_watch_interval;
        return 0;
}

/* {"NAME":"value", …} */
static int settle_executor_environment(Settings *s) {
        static const char expected[] = "a JSON object of texts, such as {\"TZ\":\"UTC\"}";
        const char *name, *text = arg_executor_environment_variables;
        json_t *object, *value;
        size_t n = 0;

        if (!text)
                return 0;

        object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(object)) {
                json_decref(object);
                return refuse("executor_environment_variables", text, expected);
        }

        s->executor_environment = calloc(json_object_size(object) + 1, sizeof(char *));
        s->config.executor_environment = s->executor_environment;
        json_object_foreach (object, name, value)
                if (!s->executor_environment || !json_is_string(value) || !*name || strchr(name, '=') ||
                    asprintf(&s->executor_environment[n++], "%s=%s", name, json_string_value(value)) < 0) {
                        json_decref(object);
                        return refuse("executor_environment_variables", text, expected);
                }

        json_decref(object);
        return 0;
}

static int settle(Settings *s) {
        int r;

        s->config.flags = &table;
        r = settle_directories(s);
        if (r == 0)
                r = settle_own_address(s);
        if (r == 0)
                r = settle_master(s);
        if (r == 0)
                r = settle_offer(s);
        if (r == 0)
                r = settle_containers(s);
        if (r == 0)
                r = settle_isolation(s);
        if (r == 0)
                r = settle_watches(s);
        if (r == 0)
                r = settle_recovery(s);
        if (r == 0)
                r = settle_gc(s);
        if (r == 0)
                r = settle_executor_environment(s);
        return r;
}

static int settle_log_level(void) {
        static const struct {
                const char *name;
                int level;
        } levels[] = { { "DEBUG", LOG_DEBUG }, { "INFO", LOG_INFO }, { "WARNING", LOG_WARNING }, { "ERROR", LOG_ERR } };

        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (streq(arg_logging_level, levels[i].name)) {
                        log_set_max_level(arg_quiet ? LOG_ERR : levels[i].level);
                        return 0;
                }

        return refuse("logging_level", arg_logging_level, "INFO, WARNING, ERROR or DEBUG");
}

static void raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;

        limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) N_FDS_WANTED);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int on_term(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void) source;
        (void) info;
        agent_leave(userdata);
        return 0;
}

static int on_usr1(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void) source;
        (void) info;
        agent_terminate(userdata, AGENT_END_UNREGISTER, "SIGUSR1");
        return 0;
}

static int run(const AgentConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(agent_freep) Agent *agent = NULL;
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGUSR1);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        (void) signal(SIGPIPE, SIG_IGN);

        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true);
        if (r < 0)
                return log_error_errno(r, "Cannot make the event loop: %m");

        r = agent_new(event, config, &agent);
        if (r < 0)
                return log_error_errno(r, "Cannot set the agent up: %m");
        r = sd_event_add_signal(event, NULL, SIGTERM, on_term, agent);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_term, agent);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGUSR1, on_usr1, agent);
        if (r < 0)
                return log_error_errno(r, "Cannot watch for signals: %m");
        r = agent_start(agent);
        if (r < 0)
                return r;

        (void) sd_notify(0, "READY=1");
        r = sd_event_loop(event);
        (void) sd_notify(0, "STOPPING=1");
        return r;
}

static int inspect_store(void) {
        if (!arg_work_dir)
                return refuse("work_dir", "", "the directory to inspect");
        if (!streq(arg_inspect, "text") && !streq(arg_inspect, "json"))
                return refuse("inspect", arg_inspect, "text or json");

        return inspect(arg_work_dir, streq(arg_inspect, "json"));
}

int main(int argc, char **argv) {
        _cleanup_free_ char *message = NULL;
        _cleanup_(settings_deinit) Settings settings = {};
        int r;

        log_open("holdfast-agent");
        r = flags_parse(&table, argc, argv, environ, NULL, &message);
        if (r == FLAGS_DONE)
                return EXIT_SUCCESS;
        if (r != FLAGS_OK) {
                fprintf(stderr, "%s\n", message ?: "Out of memory");
                return EXIT_FAILURE;
        }

        r = settle_log_level();
        if (r == 0 && arg_inspect)
                r = inspect_store();
        else {
                if (r == 0)
                        r = settle(&settings);
                if (r == 0 && arg_dry_run)
                        r = dry_run(&settings.config, arg_dry_run);
                else if (r == 0) {
                        raise_fd_limit();
                        r = run(&settings.config);
                }
        }

        flags_deinit(&table);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
