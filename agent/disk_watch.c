/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Disk watch
 *
 * The agent's half of disk/du. Every --container_disk_watch_interval the sandbox of each running
 * container is due; helper processes measure them, a few at a time:
 *
 *     tick ─▶ due ─▶ holdfast-worker usage ─▶ figure ─▶ over the disk resource: the container is ended
 *
 * A tree that takes long to walk is not walked more than half of the time: its next turn comes no
 * sooner after its end than it took. One whose measuring met a bound is at least as large as the
 * figure says.
 *
 * A container is held to the disk that its executor and its unfinished tasks have now, which needs
 * nothing stored: after a restart of the agent it is measured anew.
 */

#include <inttypes.h>
#include <stdio.h>

#include <uthash.h>

#include "agent/container.h"
#include "agent/disk_watch.h"
#include "agent/executors.h"
#include "agent/worker.h"
#include "common/base/buffer.h"
#include "common/base/log.h"
#include "common/base/parse.h"

/* Some trees may be slow; the others should not wait for them. */
#define N_WORKERS_MAX 4

/* As du -k: what frameworks and operators compare it with. */
#define UNIT_BYTES 1024

typedef struct Measurement {
        DiskWatch *watch;               /* borrowed: the owner */
        char container_id[37];
        Worker *worker;                 /* owned; while it is being measured */
        bool due, known, alive;
        bool incomplete;                /* what was found is not all; said once */
        uint64_t found_bytes;           /* what the worker printed */
        uint64_t used_bytes;            /* once known */
        usec_t started_usec, not_before_usec;
        UT_hash_handle hh;
} Measurement;

struct DiskWatch {
        Agent *agent;                   /* borrowed */
        char *program;                  /* owned; path of holdfast-worker */
        sd_event_source *timer;         /* NULL before disk_watch_start() */
        Measurement *measurements;      /* uthash by container; owned */
        unsigned n_workers;
};

static void run(DiskWatch *w);

static usec_t now(const DiskWatch *w) {
        uint64_t usec = 0;

        (void) sd_event_now(w->agent->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static Measurement *measurement_free(Measurement *m) {
        HASH_DEL(m->watch->measurements, m);
        m->watch->n_workers -= m->worker != NULL;
        worker_free(m->worker);
        free(m);
        return NULL;
}

/* Volumes have directories of their own. */
static bool is_of_sandbox(const ResourceView *v, void *userdata) {
        (void) userdata;
        return v->scalar && !v->persistent_volume && streq(v->name, "disk");
}

/* Of one that asked for no disk there is no limit. */
static bool limit_of(const Executor *e, Resources **ret_disk, uint64_t *ret_bytes) {
        _cleanup_(resources_freep) Resources *used = executor_used_resources(e);
        _cleanup_(resources_freep) Resources *disk = used ? resources_filter(used, is_of_sandbox, NULL) : NULL;
        uint64_t milli;

        if (!disk || resources_is_empty(disk))
                return false;

        milli = (uint64_t) MAX(resources_scalar_milli(disk, "disk"), (int64_t) 0);
        *ret_bytes = milli > UINT64_MAX >> 20 ? UINT64_MAX : (milli << 20) / 1000;
        *ret_disk = TAKE_PTR(disk);
        return true;
}

static char *make_message(uint64_t used_bytes, uint64_t limit_bytes) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(256);

        if (buffer_append_text(&b, "Disk usage (") < 0 || buffer_append_size(&b, used_bytes) < 0 ||
            buffer_append_text(&b, ") exceeds quota (") < 0 || buffer_append_size(&b, limit_bytes) < 0 ||
            buffer_append_text(&b, ")") < 0)
                return NULL;

        return buffer_take_text(&b);
}

static void judge(DiskWatch *w, Executor *e, uint64_t used_bytes) {
        _cleanup_(resources_freep) Resources *disk = NULL;
        _cleanup_free_ char *message = NULL;
        uint64_t limit_bytes;

        if (!w->agent->config->enforce_container_disk_quota || !limit_of(e, &disk, &limit_bytes) ||
            used_bytes <= limit_bytes)
                return;

        message = make_message(used_bytes, limit_bytes);
        executors_exceeded(w->agent, e, MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LIMITATION_DISK,
                           message ?: "Disk usage exceeds quota", disk);
}

/* "<bytes>", and "incomplete" when there is more than that. */
static void on_line(char *line, void *userdata) {
        Measurement *m = userdata;
        char *rest = strchr(line, ' ');
        bool incomplete = rest && streq(rest, " incomplete");

        if (rest)
                *rest = '\0';
        if (parse_u64(line, &m->found_bytes) < 0)
                return;

        if (incomplete && !m->incomplete)
                log_warning("The sandbox of container '%s' is too large or too deep to be measured in time: it occupies "
                            "%" PRIu64 " bytes at least.", m->container_id, m->found_bytes);
        m->incomplete = incomplete;
}

static void on_ended(ExitStatus status, void *userdata) {
        Measurement *m = userdata;
        DiskWatch *w = m->watch;
        usec_t now_usec = now(w);
        Executor *e;

        m->worker = worker_free(m->worker);
        w->n_workers--;
        m->not_before_usec = usec_add(now_usec, usec_sub(now_usec, m->started_usec));

        e = executors_find_live(w->agent, m->container_id);
        if (exit_status_is_success(status) && e) {
                m->used_bytes = (m->found_bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
                m->known = true;
                judge(w, e, m->used_bytes);
        }

        run(w);
}

static const WorkerOps worker_ops = { .line = on_line, .ended = on_ended };

static void start(DiskWatch *w, Measurement *m) {
        const Executor *e = executors_find_live(w->agent, m->container_id);
        char *argv[] = { (char *) "holdfast-worker", (char *) "usage", (char *) w->agent->config->work_dir, NULL, NULL };
        const char *path;
        int r;

        m->due = false;
        path = e ? startswith(e->directory, w->agent->config->work_dir) : NULL;
        if (!path || *path != '/')
                return;

        /* To the end, so that everyone's turn comes where there is more to do than time. */
        HASH_DEL(w->measurements, m);
        HASH_ADD_STR(w->measurements, container_id, m);

        argv[3] = (char *) path + 1;
        m->started_usec = now(w);
        r = worker_start(w->agent->event, w->program, argv, &worker_ops, m, &m->worker);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot start '%s': %m", w->program);
        else
                w->n_workers++;
}

/* Measures what is due, as far as there are workers. */
static void run(DiskWatch *w) {
        Measurement *m, *next;

        HASH_ITER (hh, w->measurements, m, next) {
                if (w->n_workers >= N_WORKERS_MAX)
                        return;
                if (m->due && !m->worker)
                        start(w, m);
        }
}

static Measurement *measurement_of(DiskWatch *w, const Executor *e) {
        Measurement *m = NULL;

        HASH_FIND_STR(w->measurements, e->container_id, m);
        if (m)
                return m;

        m = calloc(1, sizeof(*m));
        if (!m)
                return NULL;

        m->watch = w;
        memcpy(m->container_id, e->container_id, sizeof(m->container_id));
        HASH_ADD_STR(w->measurements, container_id, m);
        return m;
}

/* One that has no process yet, or none any more, writes nothing. */
static void note_due(DiskWatch *w) {
        Measurement *m, *next;

        for (const Framework *f = w->agent->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next) {
                        m = e->container && container_executor_pid(e->container) > 0 ? measurement_of(w, e) : NULL;
                        if (!m)
                                continue;

                        m->alive = true;
                        m->due = m->due || now(w) >= m->not_before_usec;
                }

        HASH_ITER (hh, w->measurements, m, next) {
                if (!m->alive)
                        measurement_free(m);
                else
                        m->alive = false;
        }
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        DiskWatch *w = userdata;

        (void) usec;
        note_due(w);
        run(w);
        (void) sd_event_source_set_time_relative(source, w->agent->config->container_disk_watch_interval_usec);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int disk_watch_new(Agent *a, DiskWatch **ret) {
        _cleanup_(disk_watch_freep) DiskWatch *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;

        w->agent = a;
        if (asprintf(&w->program, "%s/holdfast-worker", a->config->launcher_dir) < 0) {
                w->program = NULL;
                return -ENOMEM;
        }

        *ret = TAKE_PTR(w);
        return 0;
}

DiskWatch *disk_watch_free(DiskWatch *w) {
        Measurement *m, *next;

        if (!w)
                return NULL;

        HASH_ITER (hh, w->measurements, m, next)
                measurement_free(m);

        sd_event_source_disable_unref(w->timer);
        free(w->program);
        free(w);
        return NULL;
}

void disk_watch_start(DiskWatch *w) {
        int r;

        if (!w)
                return;

        r = sd_event_add_time_relative(w->agent->event, &w->timer, CLOCK_MONOTONIC,
                                       w->agent->config->container_disk_watch_interval_usec, 0, on_tick, w);
        if (r < 0)
                (void) log_error_errno(r, "Cannot watch what sandboxes occupy: %m");
        else
                (void) sd_event_source_set_description(w->timer, "disk-watch");
}

void disk_watch_add_usage(const DiskWatch *w, const Executor *e, Mesos__V1__ResourceStatistics *s) {
        _cleanup_(resources_freep) Resources *disk = NULL;
        const Measurement *m = NULL;

        if (!w)
                return;

        if (limit_of(e, &disk, &s->disk_limit_bytes))
                s->has_disk_limit_bytes = true;

        HASH_FIND_STR(w->measurements, e->container_id, m);
        if (m && m->known) {
                s->has_disk_used_bytes = true;
                s->disk_used_bytes = m->used_bytes;
        }
}
