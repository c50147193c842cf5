/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ports watch
 *
 * The agent's half of network/ports. Every --container_ports_watch_interval one helper process lists
 * what the containers' processes listen on:
 *
 *     tick ─▶ holdfast-worker ports CGROUP… ─▶ index, port ─▶ less the ports resource ─▶ something is left
 *
 * What is left is logged once, and with --enforce_container_ports ends the container. Ports out of
 * the isolated range are nobody's business; where there is such a range, that is.
 *
 * Containers with a network of their own are listed, too, and never found: the kernel lists the
 * sockets of the host's network only.
 */

#include <fcntl.h>
#include <stdio.h>

#include "agent/container.h"
#include "agent/executors.h"
#include "agent/ports_watch.h"
#include "agent/worker.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/value.h"
#include "isolator/cgroup.h"

/* The arguments of one process have a bound, too; the rest is the next one's. */
#define N_CONTAINERS_MAX 1024

/* 65536 ports, each its own range. */
#define PORTS_TEXT_MAX_BYTES ((size_t) 16 * 65536)

/* "holdfast-worker", "ports", and the end. */
#define N_OTHER_ARGUMENTS 3

typedef struct Watched {
        char container_id[37];
        char *cgroup;               /* owned; where its processes are */
        Value ports;                /* ranges: what it was found to listen on */
} Watched;

struct PortsWatch {
        Agent *agent;               /* borrowed */
        char *program;              /* owned; path of holdfast-worker */
        char *mount;                /* owned; of cgroup2 */
        sd_event_source *timer;     /* NULL before ports_watch_start() */
        Worker *worker;             /* owned; while it lists */
        Watched *watched;           /* owned; of this round */
        size_t n_watched;
        size_t begin, end;          /* those that the worker looks at */
};

static void look_at_next(PortsWatch *w);

static void forget_round(PortsWatch *w) {
        for (size_t i = 0; i < w->n_watched; i++) {
                free(w->watched[i].cgroup);
                value_deinit(&w->watched[i].ports);
        }
        free(TAKE_PTR(w->watched));
        w->n_watched = w->begin = w->end = 0;
}

int ports_from_resources(const Resources *resources, Value *ret) {
        _cleanup_(value_deinit) Value sum = { .kind = VALUE_RANGES };
        Mesos__V1__Resource **list;
        size_t n;
        int r;

        r = resources_to_pb(resources, RESOURCE_FORMAT_NEW, &list, &n);
        if (r < 0)
                return r;

        for (size_t i = 0; r == 0 && i < n; i++) {
                _cleanup_(value_deinit) Value ports = VALUE_NULL;

                if (!streq(list[i]->name, "ports") || !list[i]->ranges)
                        continue;

                r = value_from_ranges_pb(list[i]->ranges, &ports);
                if (r == 0)
                        r = value_add(&sum, &ports);
        }

        resources_free_pb(list, n);
        if (r < 0)
                return r;

        *ret = sum;
        sum = VALUE_NULL;
        return 0;
}

static char *format(const char *before, const Value *ports) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(PORTS_TEXT_MAX_BYTES);

        if (buffer_append_text(&b, before) < 0 || value_format(ports, &b) < 0)
                return NULL;

        return buffer_take_text(&b);
}

/* In Mesos's words; the resources that were exceeded are the ports that are not its own. */
static void exceeded(PortsWatch *w, Executor *e, const Value *ports) {
        _cleanup_free_ char *text = format("", ports), *as_flag = format("ports:", ports), *message = NULL;
        _cleanup_free_ char *why = NULL;
        _cleanup_(resources_freep) Resources *met = NULL;
        const LogContext context = { .framework_id = e->framework->id, .container_id = e->container_id };

        if (!text || !as_flag ||
            asprintf(&message, "Container %s is listening on unallocated port(s): %s", e->container_id, text) < 0) {
                message = NULL;
                (void) log_oom();
                return;
        }

        if (!streq_ptr(e->foreign_ports, text)) {
                log_info_ctx(&context, "%s", message);
                free(e->foreign_ports);
                e->foreign_ports = TAKE_PTR(text);
        }

        if (w->agent->config->enforce_container_ports && resources_parse(as_flag, "*", &met, &why) == RESOURCES_OK)
                executors_exceeded(w->agent, e, MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LIMITATION, message,
                                   met);
}

static void judge(PortsWatch *w, Watched *x) {
        Executor *e = x->ports.n > 0 ? executors_find_live(w->agent, x->container_id) : NULL;
        _cleanup_(resources_freep) Resources *used = e ? executor_used_resources(e) : NULL;
        _cleanup_(value_deinit) Value own = VALUE_NULL;

        if (!used || ports_from_resources(used, &own) < 0 || value_subtract(&x->ports, &own) < 0)
                return;

        if (x->ports.n > 0)
                exceeded(w, e, &x->ports);
}

static bool is_isolated(const PortsWatch *w, uint64_t port) {
        const Value *range = w->agent->config->isolated_ports;
        ValueRange one = { port, port };
        const Value v = { .kind = VALUE_RANGES, .n = 1, .ranges = &one };

        return !range || value_contains(range, &v);
}

/* "<index> <port>" */
static void on_line(char *line, void *userdata) {
        PortsWatch *w = userdata;
        char *second = strchr(line, ' ');
        ValueRange one;
        const Value v = { .kind = VALUE_RANGES, .n = 1, .ranges = &one };
        uint64_t index, port;

        if (!second)
                return;

        *second++ = '\0';
        if (parse_u64(line, &index) < 0 || index >= w->end - w->begin || parse_u64(second, &port) < 0 ||
            port > UINT16_MAX || !is_isolated(w, port))
                return;

        one = (ValueRange) { port, port };
        if (value_add(&w->watched[w->begin + index].ports, &v) < 0)
                (void) log_oom();
}

static void on_ended(ExitStatus status, void *userdata) {
        PortsWatch *w = userdata;

        w->worker = worker_free(w->worker);
        if (!exit_status_is_success(status))
                log_warning("Cannot find out on which ports containers listen; that is tried again.");
        else
                for (size_t i = w->begin; i < w->end; i++)
                        judge(w, &w->watched[i]);

        look_at_next(w);
}

static const WorkerOps worker_ops = { .line = on_line, .ended = on_ended };

static int start_worker(PortsWatch *w) {
        _cleanup_free_ char **argv = NULL;
        size_t n = 0;

        argv = calloc(w->end - w->begin + N_OTHER_ARGUMENTS, sizeof(*argv));
        if (!argv)
                return -ENOMEM;

        argv[n++] = (char *) "holdfast-worker";
        argv[n++] = (char *) "ports";
        for (size_t i = w->begin; i < w->end; i++)
                argv[n++] = w->watched[i].cgroup;

        return worker_start(w->agent->event, w->program, argv, &worker_ops, w, &w->worker);
}

static void look_at_next(PortsWatch *w) {
        int r;

        w->begin = w->end;
        if (w->begin == w->n_watched) {
                forget_round(w);
                return;
        }

        w->end = MIN(w->n_watched, w->begin + N_CONTAINERS_MAX);
        r = start_worker(w);
        if (r < 0) {
                (void) log_warning_errno(r, "Cannot start '%s': %m", w->program);
                forget_round(w);
        }
}

static bool is_watched(const Executor *e) {
        return e->container && container_executor_pid(e->container) > 0 && container_cgroup(e->container);
}

static size_t count_containers(const Agent *a) {
        size_t n = 0;

        for (const Framework *f = a->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next)
                        n += is_watched(e);

        return n;
}

static int begin_round(PortsWatch *w) {
        size_t n = count_containers(w->agent);

        if (n == 0)
                return 0;

        w->watched = calloc(n, sizeof(*w->watched));
        if (!w->watched)
                return -ENOMEM;

        for (const Framework *f = w->agent->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next) {
                        Watched *x = &w->watched[w->n_watched];

                        if (!is_watched(e))
                                continue;

                        x->ports.kind = VALUE_RANGES;
                        memcpy(x->container_id, e->container_id, sizeof(x->container_id));
                        if (asprintf(&x->cgroup, "%s%s/payload", w->mount, container_cgroup(e->container)) < 0) {
                                x->cgroup = NULL;
                                return -ENOMEM;
                        }
                        w->n_watched++;
                }

        look_at_next(w);
        return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        PortsWatch *w = userdata;

        (void) usec;
        if (!w->watched && begin_round(w) < 0) {
                forget_round(w);
                (void) log_oom();
        }

        (void) sd_event_source_set_time_relative(source, w->agent->config->container_ports_watch_interval_usec);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int ports_watch_new(Agent *a, PortsWatch **ret) {
        _cleanup_(ports_watch_freep) PortsWatch *w = calloc(1, sizeof(*w));
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (!w)
                return -ENOMEM;

        w->agent = a;
        if (asprintf(&w->program, "%s/holdfast-worker", a->config->launcher_dir) < 0) {
                w->program = NULL;
                return -ENOMEM;
        }

        r = proc_fd < 0 ? -errno : cgroup_find_mount(proc_fd, &w->mount);
        if (r < 0)
                return log_error_errno(r, "Cannot find the cgroup2 hierarchy: %m");

        *ret = TAKE_PTR(w);
        return 0;
}

PortsWatch *ports_watch_free(PortsWatch *w) {
        if (!w)
                return NULL;

        sd_event_source_disable_unref(w->timer);
        worker_free(w->worker);
        forget_round(w);
        free(w->mount);
        free(w->program);
        free(w);
        return NULL;
}

void ports_watch_start(PortsWatch *w) {
        int r;

        if (!w)
                return;

        r = sd_event_add_time_relative(w->agent->event, &w->timer, CLOCK_MONOTONIC,
                                       w->agent->config->container_ports_watch_interval_usec, 0, on_tick, w);
        if (r < 0)
                (void) log_error_errno(r, "Cannot watch the ports of containers: %m");
        else
                (void) sd_event_source_set_description(w->timer, "ports-watch");
}
