/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Disk watch
 *
 * The agent's half of disk/du. Every --container_disk_watch_interval the sandbox of each running
 * container is due, and each of its persistent volumes; helper processes measure them, a few at a
 * time:
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
#include "agent/disk_quota.h"
#include "agent/disk_watch.h"
#include "agent/executors.h"
#include "agent/worker.h"
#include "common/base/buffer.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/convert.h"

/* Some trees may be slow; the others should not wait for them. */
#define N_WORKERS_MAX 4

/* As du -k: what frameworks and operators compare it with. */
#define UNIT_BYTES 1024

typedef struct Measurement {
        DiskWatch *watch;               /* borrowed: the owner */
        char *key;                      /* owned; "<container id> <directory>" */
        char container_id[37];
        const char *directory;          /* in the key */
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
        Measurement *measurements;      /* uthash by key; owned */
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
        free(m->key);
        free(m);
        return NULL;
}

static char *make_message(uint64_t used_bytes, uint64_t limit_bytes) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(256);

        if (buffer_append_text(&b, "Disk usage (") < 0 || buffer_append_size(&b, used_bytes) < 0 ||
            buffer_append_text(&b, ") exceeds quota (") < 0 || buffer_append_size(&b, limit_bytes) < 0 ||
            buffer_append_text(&b, ")") < 0)
                return NULL;

        return buffer_take_text(&b);
}

static void judge(DiskWatch *w, Executor *e, const Measurement *m) {
        _cleanup_(disk_quotas_deinit) DiskQuotas quotas = {};
        _cleanup_(resources_freep) Resources *met = NULL;
        _cleanup_free_ char *message = NULL, *why = NULL;
        const DiskQuota *q;

        if (!w->agent->config->enforce_container_disk_quota ||
            disk_quotas_make(w->agent->config, e, &quotas) < 0)
                return;

        q = disk_quotas_find(&quotas, m->directory);
        if (!q || !disk_quota_is_limited(q) || !q->enforced || m->used_bytes <= q->limit_bytes ||
            resources_from_pb(q->resources, q->n_resources, &met, &why) != RESOURCES_OK)
                return;

        message = make_message(m->used_bytes, q->limit_bytes);
        executors_exceeded(w->agent, e, MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LIMITATION_DISK,
                           message ?: "Disk usage exceeds quota", met);
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
                log_warning("'%s' is too large or too deep to be measured in time: it occupies %" PRIu64
                            " bytes at least.", m->directory, m->found_bytes);
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
                judge(w, e, m);
        }

        run(w);
}

static const WorkerOps worker_ops = { .line = on_line, .ended = on_ended };

/* Its parent is the agent's, so that nobody can put another in its place. */
static void start(DiskWatch *w, Measurement *m) {
        char *argv[] = { (char *) "holdfast-worker", (char *) "usage", (char *) m->directory, (char *) ".", NULL };
        int r;

        /* To the end, so that everyone's turn comes where there is more to do than time. */
        HASH_DEL(w->measurements, m);
        HASH_ADD_KEYPTR(hh, w->measurements, m->key, strlen(m->key), m);

        m->due = false;
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

static char *make_key(const char *container_id, const char *directory) {
        char *key;

        return asprintf(&key, "%s %s", container_id, directory) < 0 ? NULL : key;
}

static Measurement *find(const DiskWatch *w, const Executor *e, const char *directory) {
        _cleanup_free_ char *key = make_key(e->container_id, directory);
        Measurement *m = NULL;

        if (key)
                HASH_FIND_STR(w->measurements, key, m);
        return m;
}

static Measurement *find_or_add(DiskWatch *w, const Executor *e, const char *directory) {
        Measurement *m = find(w, e, directory);

        if (m)
                return m;

        m = calloc(1, sizeof(*m));
        if (!m)
                return NULL;

        m->key = make_key(e->container_id, directory);
        if (!m->key) {
                free(m);
                return NULL;
        }

        m->watch = w;
        memcpy(m->container_id, e->container_id, sizeof(m->container_id));
        m->directory = strchr(m->key, ' ') + 1;
        HASH_ADD_KEYPTR(hh, w->measurements, m->key, strlen(m->key), m);
        return m;
}

static void note_container(DiskWatch *w, const Executor *e) {
        _cleanup_(disk_quotas_deinit) DiskQuotas quotas = {};

        if (disk_quotas_make(w->agent->config, e, &quotas) < 0) {
                (void) log_oom();
                return;
        }

        for (size_t i = 0; i < quotas.n; i++) {
                Measurement *m = find_or_add(w, e, quotas.quotas[i].directory);

                if (!m)
                        continue;

                m->alive = true;
                m->due = m->due || now(w) >= m->not_before_usec;
        }
}

/* A container that has no process yet, or none any more, writes nothing. */
static void note_due(DiskWatch *w) {
        Measurement *m, *next;

        for (const Framework *f = w->agent->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next)
                        if (e->container && container_executor_pid(e->container) > 0)
                                note_container(w, e);

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

/* A source and a persistence are of the volume, whichever of its resources is asked. */
static Mesos__V1__DiskStatistics *make_statistics(const DiskQuota *q, const Measurement *m) {
        const Mesos__V1__Resource__DiskInfo *disk = q->resources[0]->disk;
        Mesos__V1__DiskStatistics s = MESOS__V1__DISK_STATISTICS__INIT;

        if (disk && disk->persistence) {
                s.source = disk->source;
                s.persistence = disk->persistence;
        }
        s.has_limit_bytes = true;
        s.limit_bytes = q->limit_bytes;
        s.has_used_bytes = m && m->known;
        s.used_bytes = s.has_used_bytes ? m->used_bytes : 0;
        return message_copy(&s);
}

static void add_one(const DiskQuota *q, const Measurement *m, Mesos__V1__ResourceStatistics *s) {
        Mesos__V1__DiskStatistics **p = reallocarray(s->disk_statistics, s->n_disk_statistics + 1, sizeof(*p));

        if (!p)
                return;

        s->disk_statistics = p;
        p[s->n_disk_statistics] = make_statistics(q, m);
        s->n_disk_statistics += p[s->n_disk_statistics] != NULL;
}

void disk_watch_add_usage(const DiskWatch *w, const Executor *e, Mesos__V1__ResourceStatistics *s) {
        _cleanup_(disk_quotas_deinit) DiskQuotas quotas = {};
        const Measurement *m;

        if (!w || disk_quotas_make(w->agent->config, e, &quotas) < 0)
                return;

        m = find(w, e, quotas.quotas[0].directory);
        s->has_disk_limit_bytes = disk_quota_is_limited(&quotas.quotas[0]);
        s->disk_limit_bytes = quotas.quotas[0].limit_bytes;
        s->has_disk_used_bytes = m && m->known;
        s->disk_used_bytes = s->has_disk_used_bytes ? m->used_bytes : 0;

        for (size_t i = 0; i < quotas.n; i++)
                if (disk_quota_is_limited(&quotas.quotas[i]))
                        add_one(&quotas.quotas[i], find(w, e, quotas.quotas[i].directory), s);
}
