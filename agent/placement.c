/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Placement
 *
 * Where a container's cgroup comes from is one decision of four, taken at the agent's start:
 *
 *     systemd    a transient scope per container; it outlives the agent, and the agent's unit
 *     scope      a directory per container in one such scope for all
 *     subtree    a directory per container below one that is ours
 *     none       no cgroup: a container is what descends from its launcher
 *
 * All answer from the loop and not from the call, so that callers are written once. What is
 * the same for all is here: jobs and their callbacks, and the emergency exit: when a launcher is
 * gone or silent, everything in its container's cgroup is killed from outside.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "agent/placement_ops.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "isolator/cgroup.h"

/* Killed processes end within milliseconds, unless they hang in the kernel. */
#define EMPTY_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define EMPTY_POLL_USEC (20 * USEC_PER_MSEC)

/* A container whose cgroup is being emptied. */
struct PlacementEmptying {
        Placement *placement;        /* borrowed: the owner */
        char *container_id;          /* owned */
        char *cgroup;                /* as it was stored; NULL: it was not; owned */
        int cgroup_fd;               /* negative: there is none, it is empty */
        PlacementEmptied emptied;
        void *userdata;
        usec_t deadline_usec;        /* 0: not begun */
        sd_event_source *source;
        struct PlacementEmptying *prev, *next;
};

static PlacementJob *job_free(PlacementJob *j) {
        if (!j)
                return NULL;

        if (j->placement)
                DL_DELETE(j->placement->jobs, j);

        sd_event_source_disable_unref(j->finish_source);
        sd_event_source_disable_unref(j->check_source);
        sd_bus_slot_unref(j->slot);
        free(j->container_id);
        free(j->description);
        free(j->message);
        free(j->cgroup);
        free(j->unit);
        free(j->invocation_id);
        free(j);
        return NULL;
}
DEFINE_CLEANUP(PlacementJob *, job_free)

static PlacementEmptying *emptying_free(PlacementEmptying *e) {
        if (!e)
                return NULL;

        if (e->placement)
                DL_DELETE(e->placement->emptyings, e);

        sd_event_source_disable_unref(e->source);
        (void) fd_close(e->cgroup_fd);
        free(e->container_id);
        free(e->cgroup);
        free(e);
        return NULL;
}
DEFINE_CLEANUP(PlacementEmptying *, emptying_free)

void placement_init(Placement *p, const PlacementOps *ops, sd_event *event) {
        *p = (Placement) { .ops = ops, .event = sd_event_ref(event), .mount_fd = -EBADF };
}

void placement_deinit(Placement *p) {
        while (p->jobs)
                job_free(p->jobs);
        while (p->emptyings)
                emptying_free(p->emptyings);

        sd_event_source_disable_unref(p->protect_source);
        free(p->parent);
        (void) fd_close(p->mount_fd);
        sd_event_unref(p->event);
}

Placement *placement_free(Placement *p) {
        return p ? p->ops->free(p) : NULL;
}

const char *placement_kind(const Placement *p) {
        return p->ops->kind;
}

static int on_finish(sd_event_source *s _unused_, void *userdata) {
        _cleanup_(job_freep) PlacementJob *j = userdata;
        const PlacementResult result = {
                .cgroup = j->cgroup,
                .unit = j->unit,
                .invocation_id = j->invocation_id,
        };

        /* Out of the list first: the callback may cancel by id, or free the placement. */
        DL_DELETE(j->placement->jobs, j);
        j->placement = NULL;
        j->placed(j->container_id, j->error, j->message, j->error < 0 ? NULL : &result,
                  j->userdata);
        return 0;
}

void placement_job_finish(PlacementJob *job, int error, const char *format, ...) {
        va_list ap;

        if (job->state == PLACEMENT_JOB_FINISHED)
                return;

        job->state = PLACEMENT_JOB_FINISHED;
        job->error = error;
        job->slot = sd_bus_slot_unref(job->slot);
        if (job->check_source)
                (void) sd_event_source_set_enabled(job->check_source, SD_EVENT_OFF);

        if (format) {
                va_start(ap, format);
                if (vasprintf(&job->message, format, ap) < 0)
                        job->message = NULL;
                va_end(ap);
        }

        if (job->placement->ops->finished)
                job->placement->ops->finished(job->placement);

        /* Made when the job was, so that nothing can fail here. */
        (void) sd_event_source_set_enabled(job->finish_source, SD_EVENT_ONESHOT);
}

int placement_place(Placement *p, const char *container_id, const char *description,
                    pid_t launcher_pid, PlacementPlaced placed, void *userdata) {
        _cleanup_(job_freep) PlacementJob *j = NULL;
        int r;

        j = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;

        j->launcher_pid = launcher_pid;
        j->placed = placed;
        j->userdata = userdata;
        j->container_id = strdup(container_id);
        j->description = strdup(description);
        if (!j->container_id || !j->description)
                return -ENOMEM;

        r = sd_event_add_defer(p->event, &j->finish_source, on_finish, j);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(j->finish_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(j->finish_source, "placement-finish");
        j->placement = p;
        DL_APPEND(p->jobs, j);

        r = p->ops->place(p, j);
        if (r < 0)
                return r;

        (void) TAKE_PTR(j);
        return 0;
}

void placement_cancel(Placement *p, const char *container_id) {
        PlacementEmptying *e, *e_next;
        PlacementJob *j, *j_next;

        DL_FOREACH_SAFE(p->jobs, j, j_next)
                if (streq(j->container_id, container_id)) {
                        if (p->ops->undo)
                                p->ops->undo(p, j);
                        job_free(j);
                        if (p->ops->finished)
                                p->ops->finished(p);
                }

        DL_FOREACH_SAFE(p->emptyings, e, e_next)
                if (streq(e->container_id, container_id))
                        emptying_free(e);
}

static bool is_scope(const char *name) {
        const char *suffix = strrchr(name, '.');

        return suffix && streq(suffix, ".scope");
}

/* By its path rather than by the agent's present way of placing: it may have been another when the container began.
 * A unit's cgroup is systemd's to remove. */
static void remove_directory(Placement *p, const char *container_id, const char *cgroup) {
        _cleanup_free_ char *parent = NULL;
        _cleanup_fd_ int parent_fd = -EBADF;
        const char *name = strrchr(cgroup, '/');
        int r;

        if (!name || p->mount_fd < 0 || is_scope(name))
                return;

        parent = strndup(cgroup, (size_t) (name - cgroup));
        parent_fd = parent ? cgroup_open(p->mount_fd, parent) : -ENOMEM;
        r = parent_fd < 0 ? parent_fd : cgroup_remove(parent_fd, name + 1);
        if (r < 0 && r != -ENOENT)
                log_warning_errno(r, "Cannot remove the cgroup of container '%s': %m", container_id);
}

static int on_emptying(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        _cleanup_(emptying_freep) PlacementEmptying *e = userdata;
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);
        int populated = 0, r;

        if (e->deadline_usec == 0)
                e->deadline_usec = usec_add(now_usec, EMPTY_TIMEOUT_USEC);

        /* Any error says that the cgroup is gone (ENODEV), for which everybody in it had to go
         * first. */
        if (e->cgroup_fd >= 0) {
                (void) cgroup_kill(e->cgroup_fd);
                populated = cgroup_is_populated(e->cgroup_fd);
        }

        if (populated > 0 && now_usec < e->deadline_usec) {
                r = sd_event_source_set_time_relative(s, EMPTY_POLL_USEC);
                if (r >= 0)
                        r = sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
                if (r >= 0)
                        (void) TAKE_PTR(e);
                return r;
        }

        if (populated <= 0) {
                if (e->cgroup_fd >= 0) {
                        (void) cgroup_remove(e->cgroup_fd, "supervisor");
                        (void) cgroup_remove(e->cgroup_fd, "payload");
                }
                if (e->cgroup)
                        remove_directory(e->placement, e->container_id, e->cgroup);
                else if (e->placement->ops->remove)
                        e->placement->ops->remove(e->placement, e->container_id);
        }

        DL_DELETE(e->placement->emptyings, e);
        e->placement = NULL;
        e->emptied(e->container_id, populated > 0 ? -ETIMEDOUT : 0, e->userdata);
        return 0;
}

static int open_place(Placement *p, const char *container_id, const PlacementResult *result) {
        if (result->cgroup && p->mount_fd >= 0)
                return cgroup_open(p->mount_fd, result->cgroup);

        return p->ops->open ? p->ops->open(p, container_id) : -ENOENT;
}

int placement_kill(Placement *p, const char *container_id, const PlacementResult *result,
                   PlacementEmptied emptied, void *userdata) {
        _cleanup_(emptying_freep) PlacementEmptying *e = NULL;
        int r;

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;

        *e = (PlacementEmptying) { .cgroup_fd = -EBADF, .emptied = emptied, .userdata = userdata };
        e->container_id = strdup(container_id);
        e->cgroup = result->cgroup ? strdup(result->cgroup) : NULL;
        if (!e->container_id || (result->cgroup && !e->cgroup))
                return -ENOMEM;

        e->cgroup_fd = open_place(p, container_id, result);
        if (e->cgroup_fd < 0 && e->cgroup_fd != -ENOENT)
                return e->cgroup_fd;

        r = sd_event_add_time_relative(p->event, &e->source, CLOCK_MONOTONIC, 0, USEC_EXACT, on_emptying, e);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(e->source, "placement-kill");
        e->placement = p;
        DL_APPEND(p->emptyings, e);
        (void) TAKE_PTR(e);
        return 0;
}

static void write_share(int cgroup_fd, const char *container_id, const char *file, uint64_t value) {
        char text[24];
        int r;

        if (value == 0)
                return;

        snprintf(text, sizeof(text), "%" PRIu64, value);
        r = file_write_at(cgroup_fd, file, text);
        if (r < 0 && r != -ENOENT)
                (void) log_warning_errno(r, "Cannot set %s of container '%s': %m", file, container_id);
}

void placement_set_share(Placement *p, const char *container_id, const PlacementResult *result,
                         const PlacementShare *share) {
        _cleanup_fd_ int fd = -EBADF;

        if (share->memory_low_bytes > 0 && result->cgroup)
                placement_protect_parent_of(p, result->cgroup);

        if (p->ops->set_share && result->unit) {
                p->ops->set_share(p, result->unit, share);
                return;
        }

        fd = open_place(p, container_id, result);
        if (fd < 0)
                return;

        write_share(fd, container_id, "cpu.weight", share->cpu_weight);
        write_share(fd, container_id, "memory.low", share->memory_low_bytes);
        write_share(fd, container_id, "io.weight", share->io_weight);
        write_share(fd, container_id, "io.bfq.weight", share->io_bfq_weight);
}

void placement_remove(Placement *p, const char *container_id, const PlacementResult *result) {
        /* A launcher that was never told what to start does not know where it was to be. */
        if (!result->cgroup) {
                if (p->ops->remove)
                        p->ops->remove(p, container_id);
                return;
        }

        remove_directory(p, container_id, result->cgroup);
        placement_protect_parent_of(p, result->cgroup);
}

/* The kind that is none. */

static int none_place(Placement *p _unused_, PlacementJob *job) {
        placement_job_finish(job, 0, NULL);
        return 0;
}

static Placement *none_free(Placement *p) {
        placement_deinit(p);
        free(p);
        return NULL;
}

int placement_new_none(sd_event *event, Placement **ret) {
        static const PlacementOps ops = { .kind = "none", .place = none_place, .free = none_free };
        Placement *p;

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;

        placement_init(p, &ops, event);
        *ret = p;
        return 0;
}
