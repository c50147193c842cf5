/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Settings of isolation
 *
 * Which isolators there are, what the operator bounds containers by, and whether this host can do it:
 * an agent that was told to confine and cannot does not start.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <jansson.h>

#include "agent/address_pool.h"
#include "agent/ports_watch.h"
#include "agent/settings.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/net/pbjson.h"
#include "isolator/cgroup.h"
#include "isolator/registry.h"

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
        const Options *o = s->options;
        _cleanup_(address_pool_freep) AddressPool *pool = NULL;
        int r;

        r = address_pool_new(o->network_subnet, &pool);
        if (r < 0)
                return settings_refuse("holdfast_network_subnet", o->network_subnet,
                                       "ADDRESS/PREFIX of a network, such as 10.88.0.0/16");

        s->network_gateway = strdup(address_pool_gateway(pool));
        if (!s->network_gateway || asprintf(&s->network_helper, "%s/holdfast-network", s->launcher_dir) < 0)
                return log_oom();

        s->isolator_config.network_bridge = o->network_bridge;
        s->isolator_config.network_gateway = s->network_gateway;
        s->isolator_config.network_helper = s->network_helper;
        return 0;
}

/* An executor in a network of its own has its own 127.0.0.1. */
static int check_reach(const Settings *s) {
        const Options *o = s->options;

        if (!isolator_set_has(s->isolators, "network/bridge"))
                return 0;
        if (startswith(s->config.self.ip, "127.") && !s->config.domain_socket)
                return settings_refuse("isolation", o->isolation,
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
                        r = settings_refuse(flag, text,
                                            "names of capabilities, such as {\"capabilities\": [\"NET_RAW\"]}");
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
        const Options *o = s->options;
        int r;

        r = settle_capability_set("effective_capabilities", o->effective_capabilities, &s->effective_capabilities,
                                  &s->isolator_config.effective_capabilities);
        if (r < 0)
                return r;

        return settle_capability_set("bounding_capabilities", o->bounding_capabilities, &s->bounding_capabilities,
                                     &s->isolator_config.bounding_capabilities);
}

/* {"allowed_devices":[{"device":{"path":"/dev/kvm"},"access":{"read":true}}]} */
static int settle_devices(Settings *s) {
        const Options *o = s->options;
        _cleanup_free_ char *message = NULL;
        int r;

        if (!o->allowed_devices)
                return 0;

        r = pbjson_parse(&mesos__v1__device_whitelist__descriptor, o->allowed_devices, strlen(o->allowed_devices),
                         PB_LIMITS_DEFAULT, &s->allowed_devices, &message);
        if (r != PB_OK)
                return settings_refuse("allowed_devices", o->allowed_devices, message ?: "memory");

        s->isolator_config.allowed_devices = (const Mesos__V1__DeviceWhitelist *) s->allowed_devices;
        return 0;
}

static int settle_seccomp(Settings *s) {
        const Options *o = s->options;

        s->seccomp_profiles = seccomp_profiles_new(o->seccomp_config_dir ?: SECCOMPDIR);
        if (!s->seccomp_profiles)
                return log_oom();

        s->isolator_config.seccomp_profiles = s->seccomp_profiles;
        s->isolator_config.seccomp_profile_name = o->seccomp_profile_name;

        /* As with Mesos, who has profiles of their own says which one is for all. */
        if (!o->seccomp_profile_name && !o->seccomp_config_dir)
                s->isolator_config.seccomp_profile_name = "default.json";

        return 0;
}

/* What containers see of our directories, and where they find us. */
static int settle_filesystem(Settings *s, int proc_fd) {
        const Options *o = s->options;
        IsolatorConfig *c = &s->isolator_config;
        int r;

        c->unprivileged = geteuid() != 0;
        c->work_dir = s->work_dir;
        c->runtime_dir = s->runtime_dir;
        c->host_path_volume_force_creation = o->host_path_volume_force_creation;
        c->disallow_sharing_pid = o->disallow_sharing_pid;
        c->disallow_sharing_ipc = o->disallow_sharing_ipc;
        c->default_shm_bytes = o->default_container_shm_size;

        if (s->domain_socket) {
                s->socket_dir = strdup(s->domain_socket);
                if (!s->socket_dir)
                        return log_oom();
                *strrchr(s->socket_dir, '/') = '\0';
                if (streq(s->socket_dir, s->work_dir))
                        return settings_refuse("domain_socket_location", s->domain_socket,
                                      "another directory than --work_dir, which containers don't see");
                c->socket_dir = s->socket_dir;
        }

        r = s->config.launcher == LAUNCHER_LINUX ? cgroup_find_mount(proc_fd, &s->cgroup_mount) : 0;
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "Cannot find out where cgroups are: %m");

        c->cgroup_mount = s->cgroup_mount;
        return 0;
}

int settings_make_isolation(Settings *s) {
        const Options *o = s->options;
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *controllers = NULL, *message = NULL;
        IsolatorHost host = {
                .root = geteuid() == 0,
                .cgroups = s->config.launcher == LAUNCHER_LINUX,
                .proc_fd = proc_fd,
        };
        int r;

        s->isolator_config = (IsolatorConfig) {
                .enable_cfs = o->cgroups_enable_cfs,
                .revocable_low_priority = o->revocable_cpu_low_priority,
                .count_processes = o->cgroups_count_processes,
                .pids_max = o->pids_max,
                .io_max = o->io_max,
                .io_weight = o->io_weight,
                .cpuset_cpus = o->cpuset_cpus,
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
        if (o->pids_max == 0)
                return settings_refuse("holdfast_pids_max", "0", "at least 1");
        if (o->cgroups_limit_swap)
                return settings_refuse("cgroups_limit_swap", "true", "false; Mesos, too, has this for cgroup v1 only");

        r = read_controllers(s, &controllers, &host.io_weights);
        if (r < 0)
                return log_error_errno(r, "Cannot find out which cgroup controllers there are: %m");

        host.controllers = controllers ?: "";
        r = isolator_set_new(o->isolation, &host, &s->isolator_config, &s->isolators, &message);
        if (r != ISOLATOR_OK) {
                log_error("--isolation='%s': %s", o->isolation, message ?: "out of memory");
                return -EINVAL;
        }

        s->config.isolators = s->isolators;
        if (isolator_set_has(s->isolators, "network/bridge"))
                s->config.network_subnet = o->network_subnet;
        return check_reach(s);
}

/* Which ports matter to network/ports; all, unless somebody said less. */
static int settle_isolated_ports(Settings *s) {
        const Options *o = s->options;
        _cleanup_free_ char *message = NULL;
        int r;

        if (!o->container_ports_isolated_range && !o->check_agent_port_range_only)
                return 0;
        if (o->container_ports_isolated_range && o->check_agent_port_range_only)
                return settings_refuse("container_ports_isolated_range", o->container_ports_isolated_range,
                              "not to be given with --check_agent_port_range_only");

        r = o->check_agent_port_range_only
                            ? ports_from_resources(s->resources, &s->isolated_ports)
                            : value_parse(o->container_ports_isolated_range, &s->isolated_ports, &message);
        if (r < 0)
                return log_oom();
        if (r != VALUE_OK || s->isolated_ports.kind != VALUE_RANGES)
                return settings_refuse("container_ports_isolated_range", o->container_ports_isolated_range,
                              message ?: "ranges such as [31000-32000]");

        s->config.isolated_ports = &s->isolated_ports;
        return 0;
}

int settings_make_watches(Settings *s) {
        const Options *o = s->options;

        if (o->container_disk_watch_interval == 0)
                return settings_refuse("container_disk_watch_interval", "0", "a duration such as 15secs");

        s->config.container_disk_watch_interval_usec = o->container_disk_watch_interval;
        s->config.enforce_container_disk_quota = o->enforce_container_disk_quota;
        if (o->container_ports_watch_interval == 0)
                return settings_refuse("container_ports_watch_interval", "0", "a duration such as 30secs");

        s->config.container_ports_watch_interval_usec = o->container_ports_watch_interval;
        s->config.enforce_container_ports = o->enforce_container_ports;
        return settle_isolated_ports(s);
}
