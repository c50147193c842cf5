/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Garbage collection
 *
 * A sandbox outlives its container, so that its owner can read what happened. It goes when it is
 * --gc_delay old, or sooner when the disk fills up:
 *
 *     executor gone, acknowledged ──▶ GcSchedule ─of age─▶ holdfast-worker remove ─▶ empty parents
 *     found on the disk, unowned ───▶     │
 *                          each --disk_watch_interval, and when the oldest comes of age
 *
 * What is scheduled is not written down: the modification time of the directory is touched instead,
 * and a walk of the tree finds it again, after a restart and once a day (a removal that failed is
 * tried again that way). Everything is found that no executor here owns: also what earlier agent
 * ids left, and exit records nobody asked for.
 *
 * Never removed: the sandbox of an executor that is live, recovered, or has updates to be
 * acknowledged. That is asked of the objects themselves, when a path is scheduled and again in the
 * turn in which its removal begins; after that nobody can come to own it, since a run's name is
 * never used twice.
 *
 * Trees are walked and removed by a helper process, one removal at a time.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/gc.h"
#include "agent/gc_schedule.h"
#include "agent/history.h"
#include "agent/sandbox.h"
#include "agent/worker.h"
#include "common/base/log.h"
#include "common/base/parse.h"

#define WALK_INTERVAL_USEC USEC_PER_DAY

/* slaves/A/frameworks/F/executors/E/runs/C has so many; paths that hold no run are shorter. */
#define N_SLASHES_RUN 7
#define N_SLASHES_EXECUTOR 5
#define N_SLASHES_FRAMEWORK 3
#define N_SLASHES_AGENT 1

struct Gc {
        Agent *agent;  /* borrowed */
        char *program; /* owned; path of holdfast-worker */
        GcSchedule *schedule;
        sd_event_source *timer; /* NULL before gc_start() */
        Worker *removal, *walk; /* while they run */
        char *removing;         /* owned; what `removal` removes */
        usec_t next_watch_usec, next_walk_usec;
        GcFigures figures;
};

static void run(Gc *g);

static usec_t now(const Gc *g) {
        uint64_t usec = 0;

        (void) sd_event_now(g->agent->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static const char *below_work_dir(const Gc *g, const char *directory) {
        const char *rest = startswith(directory, g->agent->config->work_dir);

        return rest && *rest == '/' ? rest + 1 : NULL;
}

/* Whether `path` is `top` or below it. */
static bool path_is_in(const char *path, const char *top) {
        const char *rest = startswith(path, top);

        return rest && (*rest == '\0' || *rest == '/');
}

/* Some executor's sandbox or its exit record, or a directory with such a sandbox in it. */
static bool is_owned(const Gc *g, const char *path) {
        const char *record = startswith(path, "meta/exits/");

        for (const Framework *f = g->agent->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next) {
                        const char *directory = below_work_dir(g, e->directory);

                        if (directory && path_is_in(directory, path))
                                return true;
                        if (record && streq(record, e->container_id))
                                return true;
                }

        return false;
}

static unsigned count_slashes(const char *path) {
        unsigned n = 0;

        for (; *path; path++)
                n += *path == '/';
        return n;
}

static void removed(Gc *g, const char *path, bool ok) {
        _cleanup_free_ char *above = strdup(path);

        if (!ok) {
                g->figures.n_failed++;
                log_warning("Cannot remove '%s/%s'; it is tried again within a day.",
                            g->agent->config->work_dir, path);
                return;
        }

        g->figures.n_succeeded++;
        if (!above)
                return;

        *strrchr(above, '/') = '\0';
        sandbox_prune(g->agent->config->work_dir, above);
}

static void on_removed(ExitStatus status, void *userdata) {
        Gc *g = userdata;
        _cleanup_free_ char *path = TAKE_PTR(g->removing);

        g->removal = worker_free(g->removal);
        removed(g, path, exit_status_is_success(status));
        run(g);
}

static const WorkerOps removal_ops = { .ended = on_removed };

/* With the sandbox goes what is stored of its executor. */
static void forget(Gc *g, const char *path) {
        _cleanup_free_ char *directory = NULL;

        if (asprintf(&directory, "%s/%s", g->agent->config->work_dir, path) < 0) {
                directory = NULL;
                return;
        }

        history_forget_sandbox(g->agent, directory);
}

static void start_removal(Gc *g, const char *path) {
        char *argv[] = { (char *) "holdfast-worker", (char *) "remove",
                         (char *) g->agent->config->work_dir, (char *) path, NULL };
        int r;

        g->removing = strdup(path);
        r = -ENOMEM;
        if (g->removing)
                r = worker_start(g->agent->event, g->program, argv, &removal_ops, g, &g->removal);
        gc_schedule_drop(g->schedule, path);
        if (r < 0) {
                (void) log_warning_errno(r, "Cannot start '%s': %m", g->program);
                g->figures.n_failed++;
                free(TAKE_PTR(g->removing));
                return;
        }

        forget(g, g->removing);
}

static void remove_record(Gc *g, const char *path) {
        _cleanup_free_ char *full = NULL;

        if (asprintf(&full, "%s/%s", g->agent->config->work_dir, path) < 0)
                full = NULL;
        if (full && unlink(full) < 0 && errno != ENOENT)
                log_warning("Cannot remove the exit record '%s': %s", full, strerror(errno));
}

/* Removes what is due, as long as nothing has to be waited for. */
static void remove_due(Gc *g) {
        const char *path;

        while (!g->removal &&
               (path = gc_schedule_due(g->schedule, g->figures.max_age_usec, now(g)))) {
                if (is_owned(g, path))
                        gc_schedule_drop(g->schedule, path);
                else if (startswith(path, "meta/exits/")) {
                        remove_record(g, path);
                        gc_schedule_drop(g->schedule, path);
                } else {
                        log_debug("Removing '%s/%s'.", g->agent->config->work_dir, path);
                        start_removal(g, path);
                }
        }
}

static void look_at_disk(Gc *g) {
        const AgentConfig *config = g->agent->config;
        struct statvfs st;
        double usage;

        if (statvfs(config->work_dir, &st) < 0 || st.f_blocks == 0) {
                log_warning("Cannot see how full the disk of '%s' is: %s", config->work_dir,
                            strerror(errno));
                return;
        }

        usage = (double) (st.f_blocks - st.f_bfree) / (double) st.f_blocks;
        g->figures.max_age_usec =
                        gc_max_age_usec(config->gc_delay_usec, config->gc_disk_headroom, usage);
}

/* Modification times are the users' to set: one in the future makes nothing younger than new. */
static usec_t age_from_mtime(uint64_t mtime_sec) {
        return usec_sub(usec_now(CLOCK_REALTIME), usec_from_secs((double) mtime_sec));
}

/* A directory without runs is nobody's: no need to keep it for its contents. */
static void prune_empty(Gc *g, const char *path, const char *below) {
        _cleanup_free_ char *lowest = NULL;

        if (asprintf(&lowest, "%s/%s", path, below) < 0)
                lowest = NULL;
        if (lowest)
                sandbox_prune(g->agent->config->work_dir, lowest);
}

/* What the walk found: "<seconds> <path>". */
static void on_found(char *line, void *userdata) {
        Gc *g = userdata;
        char *path = strchr(line, ' ');
        uint64_t mtime_sec;
        unsigned n_slashes;

        if (!path)
                return;

        *path++ = '\0';
        if (parse_u64(line, &mtime_sec) < 0)
                mtime_sec = 0;

        /* What is being removed this moment may have been seen as well. */
        if (is_owned(g, path) || (g->removing && path_is_in(path, g->removing)))
                return;

        n_slashes = count_slashes(path);
        if (startswith(path, "meta/exits/") || n_slashes == N_SLASHES_RUN)
                (void) gc_schedule_add(g->schedule, path, age_from_mtime(mtime_sec), now(g));
        else if (n_slashes == N_SLASHES_EXECUTOR)
                prune_empty(g, path, "runs");
        else if (n_slashes == N_SLASHES_FRAMEWORK)
                prune_empty(g, path, "executors");
        else if (n_slashes == N_SLASHES_AGENT && !streq_ptr(path + strlen("slaves/"), g->agent->id))
                (void) gc_schedule_add(g->schedule, path, age_from_mtime(mtime_sec), now(g));
}

static void on_walked(ExitStatus status, void *userdata) {
        Gc *g = userdata;

        g->walk = worker_free(g->walk);
        if (!exit_status_is_success(status))
                log_warning("Cannot look for old sandboxes in '%s'; that is tried again in a day.",
                            g->agent->config->work_dir);
        run(g);
}

static const WorkerOps walk_ops = { .line = on_found, .ended = on_walked };

static void start_walk(Gc *g) {
        char *argv[] = { (char *) "holdfast-worker", (char *) "sandboxes",
                         (char *) g->agent->config->work_dir, NULL };
        int r;

        g->next_walk_usec = now(g) + WALK_INTERVAL_USEC;
        r = worker_start(g->agent->event, g->program, argv, &walk_ops, g, &g->walk);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot start '%s': %m", g->program);
}

/* The oldest comes of age at a moment we know; how full the disk is has to be looked at. */
static void arm(Gc *g) {
        usec_t due_usec = g->walk ? g->next_watch_usec : MIN(g->next_watch_usec, g->next_walk_usec);

        if (!g->removal)
                due_usec = MIN(due_usec,
                               gc_schedule_next_due(g->schedule, g->agent->config->gc_delay_usec,
                                                    now(g)));

        (void) sd_event_source_set_time(g->timer, due_usec);
        (void) sd_event_source_set_enabled(g->timer, SD_EVENT_ONESHOT);
}

static void run(Gc *g) {
        remove_due(g);
        arm(g);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Gc *g = userdata;

        (void) source;
        (void) usec;

        if (g->next_watch_usec <= now(g)) {
                look_at_disk(g);
                g->next_watch_usec = usec_add(now(g), g->agent->config->disk_watch_interval_usec);
        }
        if (g->next_walk_usec <= now(g) && !g->walk)
                start_walk(g);

        run(g);
        return 0;
}

int gc_new(Agent *a, Gc **ret) {
        _cleanup_(gc_freep) Gc *g = calloc(1, sizeof(*g));
        int r;

        if (!g)
                return -ENOMEM;

        g->agent = a;
        if (asprintf(&g->program, "%s/holdfast-worker", a->config->launcher_dir) < 0) {
                g->program = NULL;
                return -ENOMEM;
        }

        r = gc_schedule_new(&g->schedule);
        if (r < 0)
                return r;

        /* What cannot be seen is no reason to hurry. */
        g->figures.max_age_usec = a->config->gc_delay_usec;
        look_at_disk(g);
        *ret = TAKE_PTR(g);
        return 0;
}

Gc *gc_free(Gc *g) {
        if (!g)
                return NULL;

        sd_event_source_disable_unref(g->timer);
        worker_free(g->removal);
        worker_free(g->walk);
        gc_schedule_free(g->schedule);
        free(g->removing);
        free(g->program);
        free(g);
        return NULL;
}

void gc_start(Gc *g) {
        int r;

        g->next_watch_usec = usec_add(now(g), g->agent->config->disk_watch_interval_usec);
        r = sd_event_add_time(g->agent->event, &g->timer, CLOCK_MONOTONIC, g->next_watch_usec, 0,
                              on_timer, g);
        if (r < 0) {
                (void) log_error_errno(r, "Cannot watch the disk, old sandboxes stay: %m");
                return;
        }

        (void) sd_event_source_set_description(g->timer, "gc");
        start_walk(g);
        run(g);
}

void gc_sandbox(Gc *g, const char *directory) {
        const char *path = g && directory ? below_work_dir(g, directory) : NULL;

        /* Touched, so that a restarted agent counts from here as well. */
        if (!path || utimensat(AT_FDCWD, directory, NULL, AT_SYMLINK_NOFOLLOW) < 0)
                return;

        if (gc_schedule_add(g->schedule, path, 0, now(g)) < 0)
                log_warning("No memory to schedule the removal of '%s', found again within a day.",
                            directory);
        if (g->timer)
                arm(g);
}

GcFigures gc_figures(const Gc *g) {
        GcFigures figures = g ? g->figures : (GcFigures) {};

        if (g)
                figures.n_pending = gc_schedule_count(g->schedule) + (g->removal != NULL);
        return figures;
}
