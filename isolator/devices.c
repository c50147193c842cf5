/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups/devices, linux/devices
 *
 * Which devices a container may open: those that any program counts on, and those that the operator
 * allows (--allowed_devices). Nodes of any device may be made, which archives and packages contain,
 * but not opened. linux/devices puts the operator's devices into containers that have a root of
 * their own, where else they would be missing: the host's nodes, with the host's owner and mode.
 *
 * The operator names devices by path. Numbers may change with a driver, so they are looked up for
 * each container.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "isolator/device_program.h"
#include "isolator/isolator.h"

#define READ_WRITE_MKNOD (DEVICE_READ | DEVICE_WRITE | DEVICE_MKNOD)

/* As Mesos; the numbers are Linux's own, Documentation/admin-guide/devices.txt. */
static const DeviceRule default_rules[] = {
        { false, DEVICE_MKNOD, DEVICE_ANY, DEVICE_ANY },
        { true, DEVICE_MKNOD, DEVICE_ANY, DEVICE_ANY },
        { false, READ_WRITE_MKNOD, 5, 1 },              /* console */
        { false, READ_WRITE_MKNOD, 4, 0 },              /* tty0 */
        { false, READ_WRITE_MKNOD, 4, 1 },              /* tty1 */
        { false, READ_WRITE_MKNOD, 136, DEVICE_ANY },   /* pts/… */
        { false, READ_WRITE_MKNOD, 5, 2 },              /* ptmx */
        { false, READ_WRITE_MKNOD, 10, 200 },           /* net/tun */
        { false, READ_WRITE_MKNOD, 1, 3 },              /* null */
        { false, READ_WRITE_MKNOD, 1, 5 },              /* zero */
        { false, READ_WRITE_MKNOD, 1, 7 },              /* full */
        { false, READ_WRITE_MKNOD, 5, 0 },              /* tty */
        { false, READ_WRITE_MKNOD, 1, 9 },              /* urandom */
        { false, READ_WRITE_MKNOD, 1, 8 },              /* random */
};

#define N_ALLOWED_MAX 128

static size_t n_allowed(const IsolatorConfig *config) {
        return config->allowed_devices ? config->allowed_devices->n_allowed_devices : 0;
}

static unsigned access_of(const Mesos__V1__DeviceAccess__Access *a) {
        return (a->read ? DEVICE_READ : 0) | (a->write ? DEVICE_WRITE : 0) | (a->mknod ? DEVICE_MKNOD : 0);
}

/* The rule that an allowed device stands for now. */
static int rule_of(const Mesos__V1__DeviceAccess *allowed, DeviceRule *ret, char **reterr_message) {
        const char *path = allowed->device->path;
        struct stat st;

        if (!path || path[0] != '/')
                return isolator_refuse(reterr_message, "--allowed_devices: each device needs an absolute 'path'");
        if (access_of(allowed->access) == 0)
                return isolator_refuse(reterr_message, "--allowed_devices: '%s' is allowed nothing", path);
        if (stat(path, &st) < 0)
                return isolator_refuse(reterr_message, "--allowed_devices: cannot find '%s': %s", path,
                                       strerror(errno));
        if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
                return isolator_refuse(reterr_message, "--allowed_devices: '%s' is not a device", path);

        *ret = (DeviceRule) { S_ISBLK(st.st_mode), access_of(allowed->access), major(st.st_rdev), minor(st.st_rdev) };
        return ISOLATOR_OK;
}

static int check_allowed(const IsolatorConfig *config, char **reterr_message) {
        int r = ISOLATOR_OK;

        if (n_allowed(config) > N_ALLOWED_MAX)
                return isolator_refuse(reterr_message, "--allowed_devices: more than %d devices", N_ALLOWED_MAX);

        for (size_t i = 0; r == ISOLATOR_OK && i < n_allowed(config); i++) {
                DeviceRule rule;

                r = rule_of(config->allowed_devices->allowed_devices[i], &rule, reterr_message);
        }

        return r;
}

static int try_to_load(char **reterr_message) {
        _cleanup_free_ void *program = NULL;
        size_t n;
        int fd;

        if (device_program_make(NULL, 0, &program, &n) < 0)
                return -ENOMEM;

        fd = device_program_load(program, n);
        if (fd >= 0) {
                (void) close(fd);
                return ISOLATOR_OK;
        }

        if (fd == -EPERM)
                return isolator_refuse(reterr_message,
                                       "cgroups/devices needs the right to load BPF programs (root, or CAP_BPF with "
                                       "CAP_NET_ADMIN, and no security module that forbids it)");

        return isolator_refuse(reterr_message,
                               "cgroups/devices needs BPF programs for devices: Linux 4.15 with CONFIG_CGROUP_BPF (%s)",
                               strerror(-fd));
}

static int cgroup_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        int r;

        if (!host->cgroups)
                return isolator_refuse(reterr_message,
                                       "cgroups/devices needs a cgroup2 hierarchy and --launcher=linux");

        r = try_to_load(reterr_message);
        return r == ISOLATOR_OK ? check_allowed(config, reterr_message) : r;
}

static int cgroup_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                       char **reterr_message) {
        DeviceRule rules[ELEMENTSOF(default_rules) + N_ALLOWED_MAX];
        size_t n = ELEMENTSOF(default_rules);
        void *program;
        int r;

        (void) request;
        memcpy(rules, default_rules, sizeof(default_rules));
        for (size_t i = 0; i < n_allowed(config); i++) {
                r = rule_of(config->allowed_devices->allowed_devices[i], &rules[n++], reterr_message);
                if (r != ISOLATOR_OK)
                        return r;
        }

        r = device_program_make(rules, n, &program, &c->device_program.len);
        if (r < 0)
                return r;

        c->has_device_program = true;
        c->device_program.data = program;
        return ISOLATOR_OK;
}

const IsolatorOps isolator_cgroups_devices = {
        .name = "cgroups/devices",
        .probe = cgroup_probe,
        .plan = cgroup_plan,
};

static int linux_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        if (!host->root)
                return isolator_refuse(reterr_message, "linux/devices needs root");

        return check_allowed(config, reterr_message);
}

/* Where the root is the host's, its devices are there already. */
static int linux_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                      char **reterr_message) {
        int r = ISOLATOR_OK;

        (void) request;
        for (size_t i = 0; c->root && r == ISOLATOR_OK && i < n_allowed(config); i++) {
                const Mesos__V1__DeviceAccess *allowed = config->allowed_devices->allowed_devices[i];
                Mount node = HOLDFAST__LAUNCHER__MOUNT__INIT;
                DeviceRule rule;

                r = rule_of(allowed, &rule, reterr_message);
                if (r != ISOLATOR_OK)
                        return r;

                node.source = node.target = allowed->device->path;
                node.has_make_target = node.make_target = true;
                r = confinement_add_mount(c, &node);
        }

        return r;
}

const IsolatorOps isolator_linux_devices = {
        .name = "linux/devices",
        .probe = linux_probe,
        .plan = linux_plan,
};
