/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Containers
 *
 * One view serves /containers, /monitor/statistics and GET_CONTAINERS. What containers use is read
 * at that moment, by the isolators of --isolation: from one walk over /proc, and from the cgroups
 * of those that have one. Nothing is remembered, so a restarted agent answers as completely as one
 * that has run for months: what a container was asked for is in the checkpoint, where it lives too,
 * and its first process the launcher tells. Only what its sandbox occupies is measured beforehand
 * (disk_watch.c). A figure that cannot be had is left out.
 *
 * ResourceStatistics is Mesos's, to the letter. What the kernel tells besides stands in
 * "holdfast_statistics" beside it, of /containers alone.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "agent/container.h"
#include "agent/container_view.h"
#include "agent/disk_watch.h"
#include "agent/isolation.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "isolator/cgroup.h"

/* Some 120 bytes for each interface of the host. */
#define INTERFACES_MAX_BYTES (16U << 20)

/* Where figures come from, opened once for all containers. */
typedef struct Sources {
        ProcessTable *processes;    /* owned; NULL: none */
        int cgroup_mount_fd;        /* -EBADF: none */
        IsolatorCapacity host;
        char *interfaces;           /* owned; NULL: containers have the host's network */
} Sources;

static IsolatorCapacity read_host(void) {
        struct sysinfo info = {};

        (void) sysinfo(&info);
        return (IsolatorCapacity) {
                .cpus = (double) sysconf(_SC_NPROCESSORS_ONLN),
                .mem_bytes = (uint64_t) info.totalram * info.mem_unit,
        };
}

static void sources_open(const Agent *a, Sources *s) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        *s = (Sources) { .cgroup_mount_fd = -EBADF, .host = read_host() };
        r = proc_fd < 0 ? -errno : process_table_new(proc_fd, &s->processes);
        if (r < 0)
                log_debug_errno(r,
                                "Failed to read /proc, figures of containers are incomplete: %m");
        if (proc_fd >= 0)
                s->cgroup_mount_fd = cgroup_open_mount(proc_fd);
        if (proc_fd >= 0 && a->addresses)
                (void) file_read_at(proc_fd, "self/net/dev", INTERFACES_MAX_BYTES, &s->interfaces, NULL);
}

static void sources_close(Sources *s) {
        s->processes = process_table_free(s->processes);
        free(s->interfaces);
        s->cgroup_mount_fd = fd_close(s->cgroup_mount_fd);
}

/* The whole container is below payload/, without its launcher. */
static int open_payload(const Sources *s, const Executor *e) {
        const char *path = container_cgroup(e->container);
        _cleanup_fd_ int cgroup_fd = -EBADF;

        if (s->cgroup_mount_fd < 0 || !path)
                return -ENOENT;

        cgroup_fd = cgroup_open(s->cgroup_mount_fd, path);
        return cgroup_fd < 0 ? cgroup_fd : openat(cgroup_fd, "payload", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int fill_statistics(const Agent *a, const Sources *s, const Executor *e, usec_t now_usec,
                           ContainerEntry *entry) {
        _cleanup_fd_ int payload_fd = open_payload(s, e);
        const UsageSource source = {
                .container_id = e->container_id,
                .payload_fd = payload_fd,
                .processes = s->processes,
                .pid = container_executor_pid(e->container),
                .interfaces = s->interfaces,
        };
        IsolatorRequest request;
        int r;

        r = isolation_request(e, NULL, &request);
        if (r < 0)
                return r;

        mesos__v1__resource_statistics__init(&entry->statistics);
        entry->statistics.timestamp = usec_to_secs(now_usec);
        isolator_set_usage(a->config->isolators, &request, &source, &s->host, &entry->statistics);
        disk_watch_add_usage(a->disk_watch, e, &entry->statistics);
        if (payload_fd >= 0)
                entry->more = usage_read_more(payload_fd);
        return 0;
}

/* Of a container in a network of its own; one in the host's has none here, as in Mesos. */
static void fill_network(const Executor *e, ContainerEntry *entry) {
        if (!*e->address)
                return;

        mesos__v1__network_info__init(&entry->network);
        mesos__v1__network_info__ipaddress__init(&entry->address);
        snprintf(entry->address_text, sizeof(entry->address_text), "%.*s", (int) strcspn(e->address, "/"), e->address);
        entry->address.ip_address = entry->address_text;
        entry->addresses = &entry->address;
        entry->network.n_ip_addresses = 1;
        entry->network.ip_addresses = &entry->addresses;
        entry->networks = &entry->network;
        entry->status.n_network_infos = 1;
        entry->status.network_infos = &entry->networks;
}

static int fill_entry(const Agent *a, const Sources *s, const Executor *e, usec_t now_usec,
                      ContainerEntry *entry) {
        pid_t pid = container_executor_pid(e->container);

        entry->executor = e;
        mesos__v1__framework_id__init(&entry->framework_id);
        mesos__v1__executor_id__init(&entry->executor_id);
        mesos__v1__container_id__init(&entry->container_id);
        mesos__v1__container_status__init(&entry->status);
        mesos__v1__agent__response__get_containers__container__init(&entry->pb);

        entry->framework_id.value = e->framework->id;
        entry->executor_id.value = e->id;
        entry->container_id.value = (char *) e->container_id;
        entry->status.container_id = &entry->container_id;
        entry->status.has_executor_pid = pid > 0;
        entry->status.executor_pid = (uint32_t) pid;
        fill_network(e, entry);

        entry->pb.framework_id = &entry->framework_id;
        entry->pb.executor_id = &entry->executor_id;
        entry->pb.executor_name = e->info->name ?: (char *) "";
        entry->pb.container_id = &entry->container_id;
        entry->pb.container_status = &entry->status;
        entry->pb.resource_statistics = &entry->statistics;
        return fill_statistics(a, s, e, now_usec, entry);
}

static size_t count_containers(const Agent *a) {
        const Framework *f;
        const Executor *e;
        size_t n = 0;

        for (f = a->frameworks; f; f = f->hh.next)
                for (e = f->executors; e; e = e->hh.next)
                        n += e->container != NULL;

        return n;
}

static int fill_entries(const Agent *a, const Sources *s, usec_t now_usec, ContainerView *v) {
        const Framework *f;
        const Executor *e;
        int r = 0;

        for (f = a->frameworks; f; f = f->hh.next)
                for (e = f->executors; r == 0 && e; e = e->hh.next) {
                        if (!e->container)
                                continue;

                        r = fill_entry(a, s, e, now_usec, &v->entries[v->n]);
                        v->list[v->n] = &v->entries[v->n].pb;
                        v->n++;
                }

        return r;
}

int container_view_take(const Agent *a, usec_t now_usec, ContainerView *ret) {
        _cleanup_(container_view_deinit) ContainerView v = {};
        size_t n = count_containers(a);
        Sources s;
        int r;

        if (n > 0) {
                v.entries = calloc(n, sizeof(*v.entries));
                v.list = calloc(n, sizeof(*v.list));
                if (!v.entries || !v.list)
                        return -ENOMEM;

                sources_open(a, &s);
                r = fill_entries(a, &s, now_usec, &v);
                sources_close(&s);
                if (r < 0)
                        return r;
        }

        *ret = v;
        v = (ContainerView) {};
        return 0;
}

void container_view_deinit(ContainerView *v) {
        for (size_t i = 0; v->entries && i < v->n; i++)
                usage_deinit(&v->entries[i].statistics);
        free(v->entries);
        free(v->list);
        *v = (ContainerView) {};
}

static void print_owner(JsonWriter *w, const ContainerEntry *entry) {
        const Executor *e = entry->executor;

        json_put_string(w, "executor_id", e->id);
        json_put_string(w, "executor_name", entry->pb.executor_name);
        json_put_string(w, "framework_id", e->framework->id);
        json_put_string(w, "source", e->info->source ?: "");
        json_put_message(w, "statistics", &entry->statistics.base);
}

static void print_pressure(JsonWriter *w, const char *key, const UsagePressure *p) {
        if (!p->known)
                return;

        json_object_begin(w, key);
        json_put_double(w, "some_avg10", p->some_avg10);
        json_put_double(w, "some_total_secs", usec_to_secs(p->some_usec));
        json_put_double(w, "full_avg10", p->full_avg10);
        json_put_double(w, "full_total_secs", usec_to_secs(p->full_usec));
        json_object_end(w);
}

static void print_mem_events(JsonWriter *w, const UsageMore *m) {
        json_object_begin(w, "mem_events");
        json_put_uint(w, "low", m->mem_low);
        json_put_uint(w, "high", m->mem_high);
        json_put_uint(w, "max", m->mem_max);
        json_put_uint(w, "oom", m->mem_oom);
        json_put_uint(w, "oom_kill", m->mem_oom_kill);
        json_object_end(w);
}

static bool has_more(const UsageMore *m) {
        return m->cpu.known || m->memory.known || m->io.known || m->has_mem_peak || m->has_mem_events || m->has_pids;
}

static void print_more(JsonWriter *w, const UsageMore *m) {
        if (!has_more(m))
                return;

        json_object_begin(w, "holdfast_statistics");
        print_pressure(w, "cpu_pressure", &m->cpu);
        print_pressure(w, "io_pressure", &m->io);
        if (m->has_mem_events)
                print_mem_events(w, m);
        if (m->has_mem_peak)
                json_put_uint(w, "mem_peak_bytes", m->mem_peak_bytes);
        print_pressure(w, "mem_pressure", &m->memory);
        if (m->has_pids)
                json_put_uint(w, "pids", m->pids);
        if (m->has_pids_denied)
                json_put_uint(w, "pids_denied", m->pids_denied);
        if (m->has_pids_max)
                json_put_uint(w, "pids_limit", m->pids_max);
        json_object_end(w);
}

void container_view_print(const ContainerView *v, JsonWriter *w) {
        json_array_begin(w, NULL);
        for (size_t i = 0; i < v->n; i++) {
                json_object_begin(w, NULL);
                json_put_string(w, "container_id", v->entries[i].executor->container_id);
                print_owner(w, &v->entries[i]);
                json_put_message(w, "status", &v->entries[i].status.base);
                print_more(w, &v->entries[i].more);
                json_object_end(w);
        }
        json_array_end(w);
}

void container_view_print_statistics(const ContainerView *v, JsonWriter *w) {
        json_array_begin(w, NULL);
        for (size_t i = 0; i < v->n; i++) {
                json_object_begin(w, NULL);
                print_owner(w, &v->entries[i]);
                json_object_end(w);
        }
        json_array_end(w);
}
