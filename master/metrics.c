/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics
 *
 * Counters count as things happen; everything else (how many agents, what is used, by whom) is
 * counted at the moment somebody asks, from the objects themselves, so it cannot be wrong. Names
 * are Mesos's, `slave` included: dashboards key on them.
 *
 * A snapshot is gathered whole, sorted by name, then handed out. Of things measured again and again
 * the last thousand values are kept for their percentiles.
 */

#include <math.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <uthash.h>

#include "common/base/log.h"
#include "master/allocator.h"
#include "master/framework.h"
#include "master/leadership.h"
#include "master/master.h"
#include "master/metrics.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/role_view.h"
#include "master/task.h"
#include "proto/scheduler.pb-c.h"

#define MAX_SAMPLES 1000U

/* Longest name we make: prefix, framework name and id, and what is counted. */
#define NAME_MAX_BYTES 1200U

struct ReasonCount {
        char *name;
        uint64_t count;
        UT_hash_handle hh;
};

static const char *const counter_names[_COUNTER_MAX] = {
#define X(name, text) [COUNTER_##name] = "master/" text,
        MASTER_COUNTERS(X)
#undef X
};

void metrics_deinit(MasterMetrics *m) {
        ReasonCount *c, *next;

        HASH_ITER(hh, m->reasons, c, next) {
                HASH_DELETE(hh, m->reasons, c);
                free(c->name);
                free(c);
        }

        free(m->allocation_run.values_ms);
        free(m->allocation_run_latency.values_ms);
        free(m->registry_store.values_ms);
}

void metrics_count(Master *m, MasterCounter counter) {
        m->metrics.counters[counter]++;
}

void metrics_count_call(Framework *f, int type) {
        if (type >= 0 && type < METRICS_MAX_CALL)
                f->metrics.calls[type]++;
}

void metrics_count_event(Framework *f, int type) {
        if (type >= 0 && type < METRICS_MAX_EVENT)
                f->metrics.events[type]++;
}

void metrics_count_operation(Framework *f, int type) {
        if (type >= 0 && type < METRICS_MAX_OPERATION)
                f->metrics.operations[type]++;
}

/* "TASK_FAILED" to "task_failed"; AGENT becomes SLAVE, as these names have it. */
static void append_lower(char **p, const char *end, const char *text) {
        while (*text && *p < end) {
                const char *rest = startswith(text, "AGENT");

                if (rest && *p + 5 <= end) {
                        memcpy(*p, "slave", 5);
                        *p += 5;
                        text = rest;
                        continue;
                }

                *(*p)++ = *text >= 'A' && *text <= 'Z' ? (char) (*text - 'A' + 'a') : *text;
                text++;
        }
}

static void count_reason(MasterMetrics *m, TaskState state, int source, int reason) {
        char name[160] = "master/", *p = name + strlen(name);
        const char *end = name + sizeof(name) - 2;
        ReasonCount *c;

        append_lower(&p, end, task_state_name(state));
        *p++ = '/';
        append_lower(&p, end, task_source_name(source));
        *p++ = '/';
        append_lower(&p, end, task_reason_name(reason));
        *p = '\0';

        HASH_FIND_STR(m->reasons, name, c);
        if (!c) {
                c = calloc(1, sizeof(*c));
                if (!c)
                        return;
                c->name = strdup(name);
                if (!c->name) {
                        free(c);
                        return;
                }
                HASH_ADD_KEYPTR(hh, m->reasons, c->name, strlen(c->name), c);
        }

        c->count++;
}

void metrics_count_terminal(Master *m, Framework *f, TaskState state, int source, int reason) {
        if ((unsigned) state < METRICS_MAX_TASK_STATE) {
                m->metrics.terminal_tasks[state]++;
                if (f)
                        f->metrics.terminal_tasks[state]++;
        }

        if (source >= 0 && reason >= 0)
                count_reason(&m->metrics, state, source, reason);
}

void metrics_add_sample(MetricSamples *s, usec_t value_usec) {
        double *grown;

        s->last_ms = (double) value_usec / USEC_PER_MSEC;
        s->n_total++;

        if (s->n_values < MAX_SAMPLES && (s->n_values & (s->n_values - 1)) == 0) {
                grown = reallocarray(s->values_ms, MIN(MAX(s->n_values * 2, 8U), MAX_SAMPLES),
                                     sizeof(*grown));
                if (!grown)
                        return;
                s->values_ms = grown;
        }

        if (s->n_values < MAX_SAMPLES) {
                s->values_ms[s->n_values++] = s->last_ms;
                return;
        }

        s->values_ms[s->next] = s->last_ms;
        s->next = (s->next + 1) % MAX_SAMPLES;
}

typedef struct Metric {
        char *name;
        double value;
} Metric;

/* A snapshot while it is gathered. */
typedef struct Snapshot {
        Metric *metrics;
        size_t n, n_allocated;
        int error;
} Snapshot;

static void add(Snapshot *s, double value, const char *format, ...) _printf_(3, 4);

static void add(Snapshot *s, double value, const char *format, ...) {
        char name[NAME_MAX_BYTES];
        va_list ap;

        if (s->error < 0)
                return;

        if (s->n == s->n_allocated) {
                size_t n = MAX(s->n_allocated * 2, (size_t) 512);
                Metric *p = reallocarray(s->metrics, n, sizeof(*p));

                if (!p) {
                        s->error = -ENOMEM;
                        return;
                }
                s->metrics = p;
                s->n_allocated = n;
        }

        va_start(ap, format);
        vsnprintf(name, sizeof(name), format, ap);
        va_end(ap);

        s->metrics[s->n] = (Metric) { .name = strdup(name), .value = value };
        if (!s->metrics[s->n].name)
                s->error = -ENOMEM;
        else
                s->n++;
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

/* Between the two neighbours of the rank, in proportion. */
static double percentile(const double *sorted, unsigned n, double p) {
        double rank = p * (n - 1);
        unsigned below = (unsigned) floor(rank);

        if (below + 1 >= n)
                return sorted[n - 1];

        return sorted[below] + (rank - below) * (sorted[below + 1] - sorted[below]);
}

static void add_samples(Snapshot *s, const MetricSamples *samples, const char *name) {
        static const struct {
                const char *name;
                double p;
        } percentiles[] = {
                { "p50", 0.5 },  { "p90", 0.9 },    { "p95", 0.95 },
                { "p99", 0.99 }, { "p999", 0.999 }, { "p9999", 0.9999 },
        };
        _cleanup_free_ double *sorted = NULL;
        unsigned n = samples->n_values;

        add(s, samples->last_ms, "%s", name);
        if (n < 2)
                return;

        sorted = malloc(n * sizeof(*sorted));
        if (!sorted) {
                s->error = -ENOMEM;
                return;
        }

        memcpy(sorted, samples->values_ms, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare_doubles);

        add(s, n, "%s/count", name);
        add(s, sorted[0], "%s/min", name);
        add(s, sorted[n - 1], "%s/max", name);
        for (size_t i = 0; i < ELEMENTSOF(percentiles); i++)
                add(s, percentile(sorted, n, percentiles[i].p), "%s/%s", name, percentiles[i].name);
}

static void add_tasks(Snapshot *s, Master *m) {
        static const struct {
                const char *name;
                TaskState state;
        } live[] = {
                { "staging", MESOS__V1__TASK_STATE__TASK_STAGING },
                { "starting", MESOS__V1__TASK_STATE__TASK_STARTING },
                { "running", MESOS__V1__TASK_STATE__TASK_RUNNING },
                { "killing", MESOS__V1__TASK_STATE__TASK_KILLING },
        }, ended[] = {
                { "finished", MESOS__V1__TASK_STATE__TASK_FINISHED },
                { "failed", MESOS__V1__TASK_STATE__TASK_FAILED },
                { "killed", MESOS__V1__TASK_STATE__TASK_KILLED },
                { "lost", MESOS__V1__TASK_STATE__TASK_LOST },
                { "error", MESOS__V1__TASK_STATE__TASK_ERROR },
                { "dropped", MESOS__V1__TASK_STATE__TASK_DROPPED },
                { "gone", MESOS__V1__TASK_STATE__TASK_GONE },
                { "gone_by_operator", MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR },
        };
        uint64_t by_state[METRICS_MAX_TASK_STATE] = {};
        unsigned n_unreachable = 0;
        Framework *f, *next;
        ReasonCount *c, *next_reason;

        HASH_ITER(hh, m->frameworks.by_id, f, next) {
                n_unreachable += framework_count_unreachable(f);
                for (const Task *t = f->tasks; t; t = t->hh.next)
                        if ((unsigned) t->state < METRICS_MAX_TASK_STATE)
                                by_state[t->state]++;
        }

        for (size_t i = 0; i < ELEMENTSOF(live); i++)
                add(s, (double) by_state[live[i].state], "master/tasks_%s", live[i].name);
        for (size_t i = 0; i < ELEMENTSOF(ended); i++)
                add(s, (double) m->metrics.terminal_tasks[ended[i].state], "master/tasks_%s",
                    ended[i].name);
        add(s, n_unreachable, "master/tasks_unreachable");

        HASH_ITER(hh, m->metrics.reasons, c, next_reason)
                add(s, (double) c->count, "%s", c->name);
}

typedef struct Totals {
        int64_t total_milli[4], used_milli[4], revocable_total_milli[4], revocable_used_milli[4],
                        taken_milli[4];
} Totals;

static const char *const scalar_names[] = { "cpus", "gpus", "mem", "disk" };

typedef struct ScalarSum {
        int64_t *plain_milli, *revocable_milli;
} ScalarSum;

static void sum_scalar(const ResourceView *v, int64_t milli, const char *text _unused_,
                       void *userdata) {
        ScalarSum *sum = userdata;

        for (size_t i = 0; i < ELEMENTSOF(scalar_names); i++)
                if (v->scalar && streq(v->name, scalar_names[i])) {
                        if (v->revocable)
                                sum->revocable_milli[i] += milli;
                        else
                                sum->plain_milli[i] += milli;
                }
}

static void add_resources(Snapshot *s, Master *m) {
        static const size_t allocated[] = { 0, 3, 2 };
        Totals t = {};

        for (const Node *n = m->nodes.by_id; n; n = n->hh.next) {
                (void) resources_foreach(n->total, sum_scalar,
                                         &(ScalarSum) { t.total_milli, t.revocable_total_milli });
                (void) resources_foreach(n->used, sum_scalar,
                                         &(ScalarSum) { t.used_milli, t.revocable_used_milli });
                for (const Offer *o = n->offers; o; o = o->node_next)
                        (void) resources_foreach(o->resources, sum_scalar,
                                                 &(ScalarSum) { t.taken_milli, t.taken_milli });
        }

        for (size_t i = 0; i < ELEMENTSOF(scalar_names); i++) {
                double total = (double) t.total_milli[i], used = (double) t.used_milli[i];
                double r_total = (double) t.revocable_total_milli[i],
                       r_used = (double) t.revocable_used_milli[i];

                add(s, total / 1000, "master/%s_total", scalar_names[i]);
                add(s, used / 1000, "master/%s_used", scalar_names[i]);
                add(s, total > 0 ? used / total : 0, "master/%s_percent", scalar_names[i]);
                add(s, r_total / 1000, "master/%s_revocable_total", scalar_names[i]);
                add(s, r_used / 1000, "master/%s_revocable_used", scalar_names[i]);
                add(s, r_total > 0 ? r_used / r_total : 0, "master/%s_revocable_percent",
                    scalar_names[i]);
        }

        for (size_t i = 0; i < ELEMENTSOF(allocated); i++) {
                size_t k = allocated[i];

                add(s, (double) t.total_milli[k] / 1000, "allocator/mesos/resources/%s/total",
                    scalar_names[k]);
                add(s,
                    (double) (t.used_milli[k] + t.revocable_used_milli[k] + t.taken_milli[k]) /
                                    1000,
                    "allocator/mesos/resources/%s/offered_or_allocated", scalar_names[k]);
        }
}

static void add_peers(Snapshot *s, Master *m) {
        unsigned n_connected = 0, n_active = 0, n_frameworks_connected = 0, n_frameworks_active = 0;
        size_t n_nodes = node_count(&m->nodes), n_frameworks = framework_count(&m->frameworks);

        for (const Node *n = m->nodes.by_id; n; n = n->hh.next) {
                n_connected += n->connected;
                n_active += n->active;
        }
        for (const Framework *f = m->frameworks.by_id; f; f = f->hh.next) {
                n_frameworks_connected += f->state == FRAMEWORK_CONNECTED;
                n_frameworks_active += f->active;
        }

        add(s, n_connected, "master/slaves_connected");
        add(s, (double) (n_nodes - n_connected), "master/slaves_disconnected");
        add(s, n_active, "master/slaves_active");
        add(s, (double) (n_nodes - n_active), "master/slaves_inactive");
        add(s, (double) registry_count_unreachable(m->registry), "master/slaves_unreachable");
        add(s, n_frameworks_connected, "master/frameworks_connected");
        add(s, (double) (n_frameworks - n_frameworks_connected), "master/frameworks_disconnected");
        add(s, n_frameworks_active, "master/frameworks_active");
        add(s, (double) (n_frameworks - n_frameworks_active), "master/frameworks_inactive");
        add(s, (double) offer_count(&m->offers), "master/outstanding_offers");
        add(s, m->n_operator_streams, "master/operator_event_stream_subscribers");
}

/* Operations are refused at once, so the counts of those carried out are all zero. */
static void add_operations(Snapshot *s) {
        static const char *const types[] = {
                "create",      "create_disk", "destroy",       "destroy_disk",
                "grow_volume", "reserve",     "shrink_volume", "unreserve",
        };
        static const char *const states[] = {
                "dropped", "error",      "failed", "finished",    "gone_by_operator",
                "pending", "recovering", "total",  "unreachable",
        };

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                add(s, 0, "master/operations/%s", states[i]);
                for (size_t j = 0; j < ELEMENTSOF(types); j++)
                        add(s, 0, "master/operations/%s/%s", types[j], states[i]);
        }
}

/* Framework names may hold anything; what would not do in a path is %-escaped. */
static void escape_name(const char *name, char *buf, size_t n) {
        char *end = buf + n - 4;

        for (; *name && buf < end; name++) {
                unsigned char c = (unsigned char) *name;

                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c && strchr("-_.~", c)))
                        *buf++ = *name;
                else
                        buf += snprintf(buf, 4, "%%%02X", c);
        }
        *buf = '\0';
}

/* One number per value of an enum under its lower-case name, and their sum; the value 0 is UNKNOWN
 * everywhere. */
static void add_enum_counts(Snapshot *s, const char *prefix, const char *what,
                            const ProtobufCEnumDescriptor *descriptor, const uint32_t *counts,
                            int n_counts) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < descriptor->n_values; i++) {
                char name[64], *p = name;
                int value = descriptor->values[i].value;

                if (value <= 0 || value >= n_counts)
                        continue;

                sum += counts[value];
                append_lower(&p, name + sizeof(name) - 1, descriptor->values[i].name);
                *p = '\0';
                add(s, counts[value], "%s%s/%s", prefix, what, name);
        }

        add(s, (double) sum, "%s%s", prefix, what);
}

static void add_framework_tasks(Snapshot *s, const Framework *f, const char *prefix) {
        static const TaskState active[] = {
                MESOS__V1__TASK_STATE__TASK_STAGING, MESOS__V1__TASK_STATE__TASK_STARTING,
                MESOS__V1__TASK_STATE__TASK_RUNNING, MESOS__V1__TASK_STATE__TASK_KILLING,
                MESOS__V1__TASK_STATE__TASK_UNREACHABLE, MESOS__V1__TASK_STATE__TASK_UNKNOWN,
        };
        static const TaskState terminal[] = {
                MESOS__V1__TASK_STATE__TASK_FINISHED, MESOS__V1__TASK_STATE__TASK_FAILED,
                MESOS__V1__TASK_STATE__TASK_KILLED, MESOS__V1__TASK_STATE__TASK_ERROR,
                MESOS__V1__TASK_STATE__TASK_LOST, MESOS__V1__TASK_STATE__TASK_DROPPED,
                MESOS__V1__TASK_STATE__TASK_GONE, MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR,
        };
        uint64_t by_state[METRICS_MAX_TASK_STATE] = {};
        char name[64], *p;

        for (const Task *t = f->tasks; t; t = t->hh.next)
                if ((unsigned) t->state < METRICS_MAX_TASK_STATE)
                        by_state[t->state]++;
        by_state[MESOS__V1__TASK_STATE__TASK_UNREACHABLE] += framework_count_unreachable(f);

        for (size_t i = 0; i < ELEMENTSOF(active); i++) {
                p = name;
                append_lower(&p, name + sizeof(name) - 1, task_state_name(active[i]));
                *p = '\0';
                add(s, (double) by_state[active[i]], "%stasks/active/%s", prefix, name);
        }

        for (size_t i = 0; i < ELEMENTSOF(terminal); i++) {
                p = name;
                append_lower(&p, name + sizeof(name) - 1, task_state_name(terminal[i]));
                *p = '\0';
                add(s, f->metrics.terminal_tasks[terminal[i]], "%stasks/terminal/%s", prefix, name);
        }
}

static void add_framework(Snapshot *s, const Framework *f) {
        char name[512], prefix[900];

        escape_name(f->info->name, name, sizeof(name));
        snprintf(prefix, sizeof(prefix), "master/frameworks/%s/%s/", name, f->id);

        add(s, f->state == FRAMEWORK_CONNECTED, "%ssubscribed", prefix);
        add_enum_counts(s, prefix, "calls", &mesos__v1__scheduler__call__type__descriptor,
                        f->metrics.calls, METRICS_MAX_CALL);
        add_enum_counts(s, prefix, "events", &mesos__v1__scheduler__event__type__descriptor,
                        f->metrics.events, METRICS_MAX_EVENT);
        add_enum_counts(s, prefix, "operations", &mesos__v1__offer__operation__type__descriptor,
                        f->metrics.operations, METRICS_MAX_OPERATION);
        add(s, f->metrics.offers_sent, "%soffers/sent", prefix);
        add(s, f->metrics.offers_accepted, "%soffers/accepted", prefix);
        add(s, f->metrics.offers_declined, "%soffers/declined", prefix);
        add(s, f->metrics.offers_rescinded, "%soffers/rescinded", prefix);
        for (size_t i = 0; i < f->n_roles; i++)
                add(s, framework_is_suppressed(f, f->roles[i]), "%sroles/%s/suppressed", prefix,
                    f->roles[i]);
        add_framework_tasks(s, f, prefix);
}

static void add_frameworks(Snapshot *s, Master *m) {
        if (!m->config->publish_per_framework_metrics)
                return;

        for (const Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                add_framework(s, f);
        for (const Framework *f = m->frameworks.completed; f; f = f->next)
                if (f->state == FRAMEWORK_COMPLETED)
                        add_framework(s, f);
}

static void add_role(const char *role, const char *what, double value, void *userdata) {
        const char *below = startswith(what, "resources/") ? "quota/roles"
                          : streq(what, "active")          ? "offer_filters/roles"
                                                           : "roles";

        add(userdata, value, "allocator/mesos/%s/%s/%s", below, role, what);
}

static void add_allocator(Snapshot *s, Master *m) {
        int r;

        r = role_view_metrics(m, add_role, s);
        if (r < 0)
                s->error = r;
        add(s, (double) m->metrics.allocation_run.n_total, "allocator/mesos/allocation_runs");
        add(s, 0, "allocator/event_queue_dispatches");
        add(s, 0, "allocator/mesos/event_queue_dispatches");
        add_samples(s, &m->metrics.allocation_run, "allocator/mesos/allocation_run_ms");
        add_samples(s, &m->metrics.allocation_run_latency,
                    "allocator/mesos/allocation_run_latency_ms");
}

/* What was of Mesos's log is of the ensemble that keeps the registry instead: monitors look at it. */
static void add_registrar_log(Snapshot *s, Master *m) {
        size_t n_masters = leadership_n_masters(m->leadership);

        add(s, (double) n_masters, "registrar/log/ensemble_size");
        add(s, n_masters > 0, "registrar/log/recovered");
}

static void add_registrar(Snapshot *s, Master *m) {
        RegistryStats stats;

        if (m->config->zk && !m->config->registry_in_memory)
                add_registrar_log(s, m);
        if (!registry_is_loaded(m->registry)) {
                add(s, 0, "registrar/queued_operations");
                return;
        }

        stats = registry_stats(m->registry);
        add(s, stats.n_queued, "registrar/queued_operations");
        add(s, (double) stats.size_bytes, "registrar/registry_size_bytes");
        add(s, (double) stats.fetch_usec / USEC_PER_MSEC, "registrar/state_fetch_ms");
        add_samples(s, &m->metrics.registry_store, "registrar/state_store_ms");
}

static void add_system(Snapshot *s) {
        struct sysinfo info;
        double loads[3];

        add(s, (double) sysconf(_SC_NPROCESSORS_ONLN), "system/cpus_total");

        if (getloadavg(loads, 3) == 3) {
                add(s, loads[0], "system/load_1min");
                add(s, loads[1], "system/load_5min");
                add(s, loads[2], "system/load_15min");
        }

        if (sysinfo(&info) == 0) {
                add(s, (double) info.totalram * info.mem_unit, "system/mem_total_bytes");
                add(s, (double) info.freeram * info.mem_unit, "system/mem_free_bytes");
        }
}

static int compare_metrics(const void *a, const void *b) {
        return strcmp(((const Metric *) a)->name, ((const Metric *) b)->name);
}

int metrics_foreach(Master *m, MetricVisitor visit, void *userdata) {
        Snapshot s = {};

        for (MasterCounter c = 0; c < _COUNTER_MAX; c++)
                add(&s, (double) m->metrics.counters[c], "%s", counter_names[c]);

        add(&s, usec_to_secs(usec_sub(master_wall_clock(m), m->start_usec)), "master/uptime_secs");
        add(&s, m->phase == MASTER_LEADING, "master/elected");
        add(&s, 0, "master/event_queue_messages");
        add(&s, 0, "master/event_queue_dispatches");
        add(&s, 0, "master/event_queue_http_requests");
        add_peers(&s, m);
        add_tasks(&s, m);
        add_resources(&s, m);
        add_operations(&s);
        add_frameworks(&s, m);
        add_allocator(&s, m);
        add_registrar(&s, m);
        add_system(&s);

        if (s.error == 0) {
                qsort(s.metrics, s.n, sizeof(*s.metrics), compare_metrics);
                for (size_t i = 0; i < s.n; i++)
                        visit(s.metrics[i].name, s.metrics[i].value, userdata);
        }

        for (size_t i = 0; i < s.n; i++)
                free(s.metrics[i].name);
        free(s.metrics);
        return s.error;
}
