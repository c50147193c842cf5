/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The agent's settings
 *
 * What the operator said is judged here, completed by what the host says, and becomes the const
 * AgentConfig that everything else is given. Nothing below reads a flag, a variable or an option
 * file. A value that cannot be is refused before anything is started, with what was expected.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <systemd/sd-daemon.h>

#include "agent/resources_probe.h"
#include "agent/settings.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/convert.h"
#include "common/net/address.h"
#include "common/net/pbjson.h"
#include "common/net/zk_url.h"

void settings_deinit(Settings *s) {
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

int settings_refuse(const char *flag, const char *value, const char *expected) {
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
        const Options *o = s->options;
        char here[PATH_MAX];
        int r;

        s->work_dir = absolute_path(o->work_dir);
        s->runtime_dir = absolute_path(o->runtime_dir ?: geteuid() == 0 ? "/run/holdfast/agent" : "holdfast-agent-runtime");
        s->launcher_dir = o->launcher_dir ? absolute_path(o->launcher_dir) : find_launcher_dir();
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
        s->config.frameworks_home = o->frameworks_home;

        if (!o->http_executor_domain_sockets)
                return 0;
        if (o->domain_socket_location)
                s->domain_socket = absolute_path(o->domain_socket_location);
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
        const Options *o = s->options;
        char ip[ADDRESS_IP_MAX], discovered[ADDRESS_IP_MAX];
        const char *bind_ip = o->ip;
        int r;

        if (o->port > UINT16_MAX || o->advertise_port > UINT16_MAX)
                return settings_refuse("port", "", "a number up to 65535");

        if (o->ip_discovery_command) {
                if (o->ip)
                        return settings_refuse("ip_discovery_command", o->ip_discovery_command,
                                               "not to be given with --ip");
                r = address_discover_ip(o->ip_discovery_command, discovered);
                if (r < 0)
                        return settings_refuse("ip_discovery_command", o->ip_discovery_command,
                                               "a command that prints an IPv4 address");
                bind_ip = discovered;
        }

        r = address_own_ip(bind_ip, o->advertise_ip, ip);
        if (r < 0)
                return settings_refuse(o->advertise_ip ? "advertise_ip" : "ip", o->advertise_ip ?: bind_ip,
                                       "an IPv4 address");

        s->hostname = address_hostname(o->hostname, o->hostname_lookup, ip);
        if (!s->hostname)
                return log_oom();

        s->config.bind_ip = o->ip_discovery_command ? ip : o->ip;
        s->config.port = (uint16_t) o->port;
        s->config.hostname = s->hostname;
        s->config.listen_fd = sd_listen_fds(1) == 1 ? SD_LISTEN_FDS_START : -1;
        if (o->port == 0 && s->config.listen_fd < 0) {
                s->config.listen_fd = listen_somewhere(s->config.bind_ip, &s->config.port);
                if (s->config.listen_fd < 0)
                        return s->config.listen_fd;
        }

        return upid_make("slave(1)", ip, o->advertise_port ? (uint16_t) o->advertise_port : s->config.port,
                         &s->config.self);
}

/* Whether it may be one; who leads is found out when the agent runs. */
static int settle_master(Settings *s) {
        const Options *o = s->options;
        _cleanup_free_ char *host = NULL, *message = NULL;
        _cleanup_(zk_url_deinit) ZkUrl url = {};
        const char *at = strchr(o->master, '@');
        uint16_t port;

        s->config.master = o->master;
        s->config.zk_session_timeout_usec = o->zk_session_timeout;
        if (o->zk_session_timeout < USEC_PER_SEC)
                return settings_refuse("zk_session_timeout", "", "at least 1secs");

        if (zk_url_is_one(o->master)) {
                _cleanup_free_ char *shown = zk_url_redact(o->master);

                if (zk_url_parse(o->master, &url, &message) < 0)
                        return settings_refuse("master", shown, message ?: "a URL of ZooKeeper");
                return 0;
        }

        if (parse_host_port(at ? at + 1 : o->master, &host, &port) < 0)
                return settings_refuse("master", o->master, "HOST:PORT or zk://HOST:PORT/PATH");
        return 0;
}

static int settle_offer(Settings *s) {
        const Options *o = s->options;
        _cleanup_free_ char *message = NULL;
        HostCapacity host;
        int r;

        r = host_capacity_read(s->work_dir, &host);
        if (r < 0)
                return log_error_errno(r, "Cannot find out what this machine has: %m");

        r = resources_probe(o->resources, o->default_role, &host, &s->resources, &message);
        if (r != RESOURCES_OK)
                return settings_refuse("resources", o->resources, message ?: "memory");
        s->config.resources = s->resources;

        if (o->attributes) {
                r = attributes_parse(o->attributes, &s->attributes, &s->config.n_attributes, &message);
                if (r != ATTRIBUTES_OK)
                        return settings_refuse("attributes", o->attributes, message ?: "memory");
                s->config.attributes = s->attributes;
        }

        if (o->domain) {
                r = pbjson_parse(&mesos__v1__domain_info__descriptor, o->domain, strlen(o->domain), PB_LIMITS_DEFAULT,
                                 &s->domain, &message);
                if (r != PB_OK)
                        return settings_refuse("domain", o->domain, message ?: "memory");
                s->config.domain = (const Mesos__V1__DomainInfo *) s->domain;
        }

        return 0;
}

static bool is_systemd_host(const Options *o) {
        struct stat st;

        return stat(o->systemd_runtime_directory, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_cgroup2(void) {
        _cleanup_free_ char *mounts = NULL;
        size_t n;

        return file_read_at(AT_FDCWD, "/proc/self/mountinfo", 4U << 20, &mounts, &n) == 0 && strstr(mounts, " - cgroup2 ");
}

static int settle_containers(Settings *s) {
        const Options *o = s->options;

        if (!o->launcher)
                s->config.launcher = geteuid() == 0 && has_cgroup2() ? LAUNCHER_LINUX : LAUNCHER_POSIX;
        else if (streq(o->launcher, "linux"))
                s->config.launcher = LAUNCHER_LINUX;
        else if (streq(o->launcher, "posix"))
                s->config.launcher = LAUNCHER_POSIX;
        else
                return settings_refuse("launcher", o->launcher, "linux or posix");

        if (!streq(o->containerizers, "mesos"))
                return settings_refuse("containerizers", o->containerizers, "mesos");
        s->config.systemd = o->systemd_enable_support && is_systemd_host(o);
        s->config.systemd_user = geteuid() != 0;
        s->config.one_scope = streq(o->systemd_scope, "agent");
        if (!s->config.one_scope && !streq(o->systemd_scope, "container"))
                return settings_refuse("systemd_scope", o->systemd_scope, "container or agent");
        if (s->config.one_scope && !s->config.systemd)
                return settings_refuse("systemd_scope", o->systemd_scope,
                                       "a host that systemd runs, and --systemd_enable_support");
        s->config.cgroups_root = o->cgroups_root;
        s->config.switch_user = o->switch_user;
        s->config.verify_executors = o->verify_executors;
        return 0;
}

static int settle_recovery(Settings *s) {
        const Options *o = s->options;

        if (!streq(o->recover, "reconnect") && !streq(o->recover, "cleanup"))
                return settings_refuse("recover", o->recover, "reconnect or cleanup");
        if (!streq(o->reconfiguration_policy, "equal") && !streq(o->reconfiguration_policy, "additive"))
                return settings_refuse("reconfiguration_policy", o->reconfiguration_policy, "equal or additive");
        if (o->executor_reregistration_timeout > 15 * USEC_PER_SEC)
                return settings_refuse("executor_reregistration_timeout", "", "at most 15secs");

        s->config.reconnect = streq(o->recover, "reconnect");
        s->config.reconfiguration_additive = streq(o->reconfiguration_policy, "additive");
        s->config.strict = o->strict;
        s->config.registration_backoff_factor_usec = o->registration_backoff_factor;
        s->config.recovery_timeout_usec = o->recovery_timeout;
        s->config.executor_registration_timeout_usec = o->executor_registration_timeout;
        s->config.executor_reregistration_timeout_usec = o->executor_reregistration_timeout;
        s->config.executor_shutdown_grace_period_usec = o->executor_shutdown_grace_period;
        s->config.fetcher_stall_timeout_usec = o->fetcher_stall_timeout;
        s->config.max_completed_executors = o->max_completed_executors;
        return 0;
}

static int settle_gc(Settings *s) {
        const Options *o = s->options;

        if (!(o->gc_disk_headroom >= 0 && o->gc_disk_headroom <= 1))
                return settings_refuse("gc_disk_headroom", "", "a number from 0 to 1");
        if (o->disk_watch_interval == 0)
                return settings_refuse("disk_watch_interval", "0", "a duration such as 1mins");

        s->config.gc_delay_usec = o->gc_delay;
        s->config.gc_disk_headroom = o->gc_disk_headroom;
        s->config.disk_watch_interval_usec = o->disk_watch_interval;
        return 0;
}

/* {"NAME":"value", …} */
static int settle_executor_environment(Settings *s) {
        const Options *o = s->options;
        static const char expected[] = "a JSON object of texts, such as {\"TZ\":\"UTC\"}";
        const char *name, *text = o->executor_environment_variables;
        json_t *object, *value;
        size_t n = 0;

        if (!text)
                return 0;

        object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(object)) {
                json_decref(object);
                return settings_refuse("executor_environment_variables", text, expected);
        }

        s->executor_environment = calloc(json_object_size(object) + 1, sizeof(char *));
        s->config.executor_environment = s->executor_environment;
        json_object_foreach (object, name, value)
                if (!s->executor_environment || !json_is_string(value) || !*name || strchr(name, '=') ||
                    asprintf(&s->executor_environment[n++], "%s=%s", name, json_string_value(value)) < 0) {
                        json_decref(object);
                        return settings_refuse("executor_environment_variables", text, expected);
                }

        json_decref(object);
        return 0;
}

int settings_make(const Options *options, Settings *s) {
        int r;

        *s = (Settings) { .options = options };
        s->config.flags = options_table();
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
                r = settings_make_isolation(s);
        if (r == 0)
                r = settings_make_watches(s);
        if (r == 0)
                r = settle_recovery(s);
        if (r == 0)
                r = settle_gc(s);
        if (r == 0)
                r = settle_executor_environment(s);
        return r;
}
