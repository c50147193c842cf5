/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The isolators
 *
 * Each is one aspect, in a file of its own, chosen by name in --isolation. They work in two halves.
 * Here, in the agent, they decide: whether they can work on this host (probe), what a container is
 * confined by (plan), what changes with its demands (update), what it consumes (usage). The other
 * half, to carry it out in the right order, to undo it when a step fails and to tidy up, is the
 * launcher's, and needs no isolator: only what was decided.
 *
 * The order of the table is the order of deciding, whatever order the operator's list has: what the
 * container sees (filesystem) before what it may use, and what restricts system calls last, since
 * all before may need some.
 */

#include <stdarg.h>
#include <stdio.h>

#include "isolator/registry.h"

static const IsolatorOps *const isolators[] = {
        &isolator_filesystem_posix,
        &isolator_filesystem_linux,
        &isolator_volume_host_path,
        &isolator_volume_sandbox_path,
        &isolator_namespaces_pid,
        &isolator_namespaces_ipc,
        &isolator_posix_cpu,
        &isolator_posix_mem,
        &isolator_disk_du,
        &isolator_network_ports,
        &isolator_cgroups_cpu,
        &isolator_cgroups_mem,
        &isolator_cgroups_pids,
        &isolator_cgroups_blkio,
        &isolator_cgroups_cpuset,
        &isolator_cgroups_hugetlb,
        &isolator_cgroups_devices,
        &isolator_linux_devices,
        &isolator_network_bridge,
        &isolator_posix_rlimits,
        &isolator_linux_capabilities,
        &isolator_filesystem_kernel,
        &isolator_linux_nnp,
        &isolator_environment_secret,
        &isolator_linux_seccomp,
};

static const struct {
        const char *name;
        const char *names;
} aliases[] = {
        { "process", "posix/cpu,posix/mem" },
        { "cgroups", "cgroups/cpu,cgroups/mem" },
        { "posix/disk", "disk/du" },
        { "cgroups/io", "cgroups/blkio" },
};

/* What cgroups/all stands for, as far as the host can do it. */
static const char *const all_cgroups[] = {
        "cgroups/cpu", "cgroups/mem", "cgroups/pids", "cgroups/blkio", "cgroups/cpuset", "cgroups/hugetlb",
        "cgroups/devices",
};

/* Names of Mesos that are not in the table above. */
static const struct {
        const char *name;
        const char *why;
} absent[] = {
        { "cgroups/net_cls", "is of cgroup v1 only; with cgroup2 packet filters match cgroups by path" },
        { "cgroups/net_prio", "is of cgroup v1 only; with cgroup2 packet filters match cgroups by path" },
        { "cgroups/perf_event", "is not in this version; perf stat --for-each-cgroup counts events of a container's cgroup" },
        { "disk/xfs", "is not in this version; disk/du is" },
        { "filesystem/shared", "is not in this version; Mesos, too, has it for old frameworks only" },
        { "network/cni", "is not in this version; network/bridge gives containers a network of their own" },
        { "network/port_mapping", "is not in this version; network/ports and network/bridge are" },
        { "docker/runtime", "is not in this version: there are no images yet" },
        { "appc/runtime", "is not in this version: there are no images yet" },
        { "volume/image", "is not in this version: there are no images yet" },
        { "docker/volume", "is not in this version" },
        { "volume/csi", "is not in this version" },
        { "volume/secret", "is not in this version; secrets with a value reach containers in the environment" },
        { "gpu/nvidia", "is not in this version; cgroups/devices with --allowed_devices gives devices to all containers" },
};

/* Those of two families that would decide the same. */
static const char *const rivals[][2] = {
        { "filesystem/posix", "filesystem/linux" },
        { "posix/cpu", "cgroups/cpu" },
        { "posix/mem", "cgroups/mem" },
};

/* Those that come along: when the second is chosen, or no other of the first's family. */
static const char *const companions[][2] = {
        { "filesystem/posix", NULL },
        { "volume/host_path", "filesystem/linux" },
        { "volume/sandbox_path", "filesystem/linux" },
        { "filesystem/kernel", "filesystem/linux" },
};

/* Those that mount something. */
static const char *const with_mounts[] = { "volume/host_path", "volume/sandbox_path", "namespaces/pid", "namespaces/ipc" };

struct IsolatorSet {
        const IsolatorConfig *config;        /* borrowed */
        bool chosen[ELEMENTSOF(isolators)];
};

int isolator_refuse(char **reterr_message, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(reterr_message, format, ap);
        va_end(ap);
        if (n < 0) {
                *reterr_message = NULL;
                return -ENOMEM;
        }

        return ISOLATOR_E_REFUSED;
}

/* Whether a blank-separated list has the word of n bytes. */
static bool has_word(const char *list, const char *word, size_t n) {
        for (const char *p = list; *p; p += strspn(p, " ")) {
                size_t k = strcspn(p, " ");

                if (k == n && strncmp(p, word, n) == 0)
                        return true;

                p += k;
        }

        return false;
}

static int check_controllers(const IsolatorOps *ops, const IsolatorHost *host, char **reterr_message) {
        if (!ops->controllers)
                return ISOLATOR_OK;
        if (!host->cgroups)
                return isolator_refuse(reterr_message,
                                       "%s needs a cgroup2 hierarchy and --launcher=linux", ops->name);

        for (const char *p = ops->controllers; *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");

                if (!has_word(host->controllers, p, n))
                        return isolator_refuse(reterr_message,
                                               "%s needs the cgroup2 controller '%.*s', which this host does not give "
                                               "(it gives: %s). A controller that a cgroup v1 hierarchy holds is not "
                                               "there for cgroup2: boot with systemd.unified_cgroup_hierarchy=1",
                                               ops->name, (int) n, p, *host->controllers ? host->controllers : "none");
                p += n;
        }

        return ISOLATOR_OK;
}

static bool is_name(const char *known, const char *name, size_t n) {
        return strlen(known) == n && strncmp(known, name, n) == 0;
}

static int choose(IsolatorSet *s, const char *name, size_t n, const IsolatorHost *host, char **reterr_message) {
        int r;

        for (size_t i = 0; i < ELEMENTSOF(isolators); i++) {
                const IsolatorOps *ops = isolators[i];

                if (!is_name(ops->name, name, n))
                        continue;
                if (s->chosen[i])
                        return isolator_refuse(reterr_message, "%s is given twice", ops->name);

                r = check_controllers(ops, host, reterr_message);
                if (r == ISOLATOR_OK && ops->probe)
                        r = ops->probe(host, s->config, reterr_message);
                if (r == ISOLATOR_OK)
                        s->chosen[i] = true;
                return r;
        }

        for (size_t i = 0; i < ELEMENTSOF(absent); i++)
                if (is_name(absent[i].name, name, n))
                        return isolator_refuse(reterr_message, "%s %s", absent[i].name, absent[i].why);

        return isolator_refuse(reterr_message, "'%.*s' is not an isolator", (int) n, name);
}

/* What cannot work here is left out; that nothing can is no answer to "all". */
static int choose_all_cgroups(IsolatorSet *s, const IsolatorHost *host, char **reterr_message) {
        bool any = false;

        for (size_t i = 0; i < ELEMENTSOF(all_cgroups); i++) {
                _cleanup_free_ char *message = NULL;
                int r;

                if (isolator_set_has(s, all_cgroups[i]))
                        return isolator_refuse(reterr_message, "%s is given twice, since cgroups/all has it", all_cgroups[i]);

                r = choose(s, all_cgroups[i], strlen(all_cgroups[i]), host, &message);
                if (r < 0)
                        return r;
                any = any || r == ISOLATOR_OK;
        }

        return any ? ISOLATOR_OK
                   : isolator_refuse(reterr_message,
                                     "cgroups/all: nothing of it can work here; a name such as cgroups/mem says why");
}

static int choose_list(IsolatorSet *s, const char *text, const IsolatorHost *host, char **reterr_message);

/* An alias stands for a list without aliases. */
static int choose_name(IsolatorSet *s, const char *name, size_t n, const IsolatorHost *host, char **reterr_message) {
        for (size_t i = 0; i < ELEMENTSOF(aliases); i++)
                if (is_name(aliases[i].name, name, n))
                        return choose_list(s, aliases[i].names, host, reterr_message);

        if (is_name("cgroups/all", name, n))
                return choose_all_cgroups(s, host, reterr_message);

        return choose(s, name, n, host, reterr_message);
}

static int choose_list(IsolatorSet *s, const char *text, const IsolatorHost *host, char **reterr_message) {
        for (const char *p = text; *p; p += strspn(p, ",")) {
                size_t n = strcspn(p, ",");
                int r = n > 0 ? choose_name(s, p, n, host, reterr_message) : ISOLATOR_OK;

                if (r != ISOLATOR_OK)
                        return r;
                p += n;
        }

        return ISOLATOR_OK;
}

static bool has_family(const IsolatorSet *s, const char *name) {
        size_t n = (size_t) (strchr(name, '/') - name) + 1;

        for (size_t i = 0; i < ELEMENTSOF(isolators); i++)
                if (s->chosen[i] && strncmp(isolators[i]->name, name, n) == 0)
                        return true;

        return false;
}

static int choose_companions(IsolatorSet *s, const IsolatorHost *host, char **reterr_message) {
        int r = ISOLATOR_OK;

        for (size_t i = 0; r == ISOLATOR_OK && i < ELEMENTSOF(companions); i++) {
                const char *name = companions[i][0], *with = companions[i][1];

                if (isolator_set_has(s, name) || (with ? !isolator_set_has(s, with) : has_family(s, name)))
                        continue;

                r = choose(s, name, strlen(name), host, reterr_message);
        }

        return r;
}

static int check_mounting(const IsolatorSet *s, char **reterr_message) {
        for (size_t i = 0; i < ELEMENTSOF(with_mounts); i++)
                if (isolator_set_has(s, with_mounts[i]) && !isolator_set_has(s, "filesystem/linux"))
                        return isolator_refuse(reterr_message, "%s needs filesystem/linux", with_mounts[i]);

        return ISOLATOR_OK;
}

static int check_rivals(const IsolatorSet *s, char **reterr_message) {
        for (size_t i = 0; i < ELEMENTSOF(rivals); i++)
                if (isolator_set_has(s, rivals[i][0]) && isolator_set_has(s, rivals[i][1]))
                        return isolator_refuse(reterr_message, "%s and %s exclude each other", rivals[i][0],
                                               rivals[i][1]);

        return ISOLATOR_OK;
}

int isolator_set_new(const char *text, const IsolatorHost *host, const IsolatorConfig *config, IsolatorSet **ret,
                     char **reterr_message) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->config = config;
        r = choose_list(s, text, host, reterr_message);
        if (r == ISOLATOR_OK)
                r = check_rivals(s, reterr_message);
        if (r == ISOLATOR_OK)
                r = check_mounting(s, reterr_message);
        if (r == ISOLATOR_OK)
                r = choose_companions(s, host, reterr_message);
        if (r != ISOLATOR_OK)
                return r;

        *ret = TAKE_PTR(s);
        return ISOLATOR_OK;
}

IsolatorSet *isolator_set_free(IsolatorSet *s) {
        free(s);
        return NULL;
}

bool isolator_set_has(const IsolatorSet *s, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(isolators); i++)
                if (s->chosen[i] && streq(isolators[i]->name, name))
                        return true;

        return false;
}

int isolator_set_plan(const IsolatorSet *s, const IsolatorRequest *request, Confinement **ret, char **reterr_message) {
        _cleanup_(confinement_freep) Confinement *c = confinement_new();
        int r;

        if (!c)
                return -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(isolators); i++) {
                if (!s->chosen[i] || !isolators[i]->plan)
                        continue;

                r = isolators[i]->plan(s->config, request, c, reterr_message);
                if (r != ISOLATOR_OK)
                        return r;
        }

        /* Each of them may be fine, and all together too much. */
        r = confinement_check(c, reterr_message);
        if (r != CONFINEMENT_OK)
                return r < 0 ? r : ISOLATOR_E_REFUSED;

        *ret = TAKE_PTR(c);
        return ISOLATOR_OK;
}

int isolator_set_update(const IsolatorSet *s, const IsolatorRequest *request, Confinement **ret) {
        _cleanup_(confinement_freep) Confinement *c = confinement_new();
        int r;

        if (!c)
                return -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(isolators); i++) {
                if (!s->chosen[i] || !isolators[i]->update)
                        continue;

                r = isolators[i]->update(s->config, request, c);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(c);
        return 0;
}

static uint64_t bytes_of(int64_t milli, const IsolatorCapacity *host) {
        return milli >= INT64_MAX / (1 << 20) ? host->mem_bytes : (uint64_t) (milli * (1 << 20) / 1000);
}

/* Limits are told whatever enforces them, as Mesos does; a cpu request is one with --cgroups_enable_cfs only. */
static void add_limits(const IsolatorConfig *config, const IsolatorRequest *request, const IsolatorCapacity *host,
                       Mesos__V1__ResourceStatistics *s) {
        int64_t cpus = request->cpus.limit_milli, mem = request->mem.limit_milli;

        if (cpus < 0 && config->enable_cfs && request->cpus.request_milli > 0)
                cpus = request->cpus.request_milli;
        if (mem < 0 && request->mem.request_milli > 0)
                mem = request->mem.request_milli;

        if (request->cpus.request_milli > 0)
                USAGE_SET(s, cpus_soft_limit, (double) request->cpus.request_milli / 1000);
        if (cpus >= 0)
                USAGE_SET(s, cpus_limit, cpus == DEMAND_UNLIMITED ? host->cpus : (double) cpus / 1000);
        if (request->mem.request_milli > 0)
                USAGE_SET(s, mem_soft_limit_bytes, bytes_of(request->mem.request_milli, host));
        if (mem >= 0)
                USAGE_SET(s, mem_limit_bytes, bytes_of(mem, host));
}

void isolator_set_usage(const IsolatorSet *s, const IsolatorRequest *request, const UsageSource *source,
                        const IsolatorCapacity *host, Mesos__V1__ResourceStatistics *statistics) {
        add_limits(s->config, request, host, statistics);
        for (size_t i = 0; i < ELEMENTSOF(isolators); i++)
                if (s->chosen[i] && isolators[i]->usage)
                        isolators[i]->usage(s->config, source, statistics);
}
