/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Containers
 *
 * One view serves /containers, /monitor/statistics and GET_CONTAINERS. What containers use is read
 * at that moment: their process trees from one walk over /proc, and for those with a cgroup the
 * kernel's own figures. A figure that cannot be had is left out.
 */

#include <fcntl.h>
#include <unistd.h>

#include "agent/container.h"
#include "agent/container_view.h"
#include "agent/usage.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "isolator/cgroup.h"

/* Where figures come from, opened once for all containers. */
typedef struct Sources {
        ProcessTable *processes;    /* owned; NULL: none */
        int cgroup_mount_fd;        /* -EBADF: none */
} Sources;

static void sources_open(Sources *s) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        *s = (Sources) { .cgroup_mount_fd = -EBADF };
        r = proc_fd < 0 ? -errno : process_table_new(proc_fd, &s->processes);
        if (r < 0)
                log_debug_errno(r,
                                "Failed to read /proc, figures of containers are incomplete: %m");
        if (proc_fd >= 0)
                s->cgroup_mount_fd = cgroup_open_mount(proc_fd);
}

static void sources_close(Sources *s) {
        s->processes = process_table_free(s->processes);
        s->cgroup_mount_fd = fd_close(s->cgroup_mount_fd);
}

/* The whole container is below payload/, without its launcher. */
static void read_cgroup(const Sources *s, const char *path,
                        Mesos__V1__ResourceStatistics *statistics) {
        _cleanup_fd_ int cgroup_fd = -EBADF, payload_fd = -EBADF;
        int r;

        cgroup_fd = cgroup_open(s->cgroup_mount_fd, path);
        if (cgroup_fd < 0)
                return;

        payload_fd = openat(cgroup_fd, "payload", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (payload_fd < 0)
                return;

        r = usage_add_cgroup(payload_fd, statistics);
        if (r < 0)
                log_debug_errno(r, "Failed to read figures of cgroup '%s', leaving them out: %m",
                                path);
}

static int fill_statistics(const Sources *s, const Executor *e, usec_t now_usec,
                           ContainerEntry *entry) {
        _cleanup_(resources_freep) Resources *allowed = executor_used_resources(e);
        const char *cgroup = container_cgroup(e->container);
        pid_t pid = container_executor_pid(e->container);

        if (!allowed)
                return -ENOMEM;

        mesos__v1__resource_statistics__init(&entry->statistics);
        entry->statistics.timestamp = usec_to_secs(now_usec);
        usage_add_limits(allowed, &entry->statistics);
        if (s->processes && pid > 0)
                usage_add_tree(s->processes, pid, &entry->statistics);
        if (s->cgroup_mount_fd >= 0 && cgroup)
                read_cgroup(s, cgroup, &entry->statistics);
        return 0;
}

static int fill_entry(const Sources *s, const Executor *e, usec_t now_usec, ContainerEntry *entry) {
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

        entry->pb.framework_id = &entry->framework_id;
        entry->pb.executor_id = &entry->executor_id;
        entry->pb.executor_name = e->info->name ?: (char *) "";
        entry->pb.container_id = &entry->container_id;
        entry->pb.container_status = &entry->status;
        entry->pb.resource_statistics = &entry->statistics;
        return fill_statistics(s, e, now_usec, entry);
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

                        r = fill_entry(s, e, now_usec, &v->entries[v->n]);
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

                sources_open(&s);
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

void container_view_print(const ContainerView *v, JsonWriter *w) {
        json_array_begin(w, NULL);
        for (size_t i = 0; i < v->n; i++) {
                json_object_begin(w, NULL);
                json_put_string(w, "container_id", v->entries[i].executor->container_id);
                print_owner(w, &v->entries[i]);
                json_put_message(w, "status", &v->entries[i].status.base);
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
