/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Placement by systemd
 *
 * Each container is a transient scope, "holdfast-<container id>.scope" in holdfast.slice, with the
 * launcher as its first process. A scope belongs to the manager and not to the agent's unit:
 * nothing that happens to the agent, nor its unit's KillMode=, reaches what is in it.
 *
 *     StartTransientUnit ──reply: job──▶ JobRemoved ──▶ InvocationID ──▶ placed
 *            │ no reply                     │ lost
 *            ▼                              ▼
 *     is the launcher in the scope? does the unit exist?  then go on from there, else try again
 *
 * The manager may be re-executing itself at any moment: replies and signals get lost then, and so
 * does the connection. What counts is the fact: /proc/PID/cgroup says whether the launcher is in
 * its scope. It is looked at each second, and there is one deadline over everything: how often a call
 * gets lost does not matter, for the next one is made only where the one before has left nothing.
 *
 * No Subscribe(): the manager tells whoever queued a job about its end anyway, and subscribing
 * makes it report every change of every unit on the bus. No daemon-reload, ever.
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "agent/placement_ops.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "isolator/cgroup.h"
#include "launcher/wire.h"

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"

#define JOB_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define CHECK_INTERVAL_USEC USEC_PER_SEC
#define RECONNECT_DELAY_USEC USEC_PER_SEC

/* Containers on their way at once; the others queue. Each has one call at most that awaits its reply,
 * of which D-Bus allows 128 to a connection; and the manager does one after the other anyway. */
#define JOBS_MAX 64

/* While a stop is under way, of the slice or of the host, nothing may be started. That of the slice is
 * over soon; on a host that goes down the agent will be stopped next. To refuse at once would only make
 * a framework try the same again, many times each second. */
#define STOP_PATIENCE_USEC (5 * USEC_PER_SEC)

/* A launcher that is told to stop kills its container after its grace; then it has a record to
 * write. */
#define STOP_TIMEOUT_USEC (LAUNCHER_STOP_GRACE_USEC + 10 * USEC_PER_SEC)

typedef struct SystemdPlacement {
        Placement base;
        bool user;
        char *slice;                          /* owned */
        usec_t timeout_usec;
        int proc_fd;
        sd_bus *bus;                          /* NULL while there is no connection */
        sd_event_source *reconnect_source;
        sd_event_source *next_source;         /* there may be room for a job that is queued */
} SystemdPlacement;

static SystemdPlacement *systemd(Placement *p) {
        return CONTAINER_OF(p, SystemdPlacement, base);
}

static void job_submit(PlacementJob *job);
static void job_verify(PlacementJob *job);

/* The cgroup2 line of /proc/PID/cgroup, if it is that of the job's unit: then the launcher is in
 * place. */
static bool job_is_placed(PlacementJob *job) {
        _cleanup_free_ char *text = NULL;
        char path[32], *saved = NULL;

        (void) snprintf(path, sizeof(path), "%i/cgroup", job->launcher_pid);
        if (file_read_at(systemd(job->placement)->proc_fd, path, 65536, &text, NULL) < 0)
                return false;

        for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
                const char *cgroup = startswith(line, "0::"),
                           *name = cgroup ? strrchr(cgroup, '/') : NULL;

                if (!name || !streq(name + 1, job->unit))
                        continue;

                free(job->cgroup);
                job->cgroup = strdup(cgroup);
                return job->cgroup != NULL;
        }

        return false;
}

static int on_invocation_id(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_) {
        PlacementJob *job = userdata;
        const uint8_t *id;
        size_t n;

        /* It is for operators, who find the scope's log by it; a container runs without. */
        if (!sd_bus_message_is_method_error(m, NULL) &&
            sd_bus_message_enter_container(m, 'v', "ay") >= 0 &&
            sd_bus_message_read_array(m, 'y', (const void **) &id, &n) >= 0 && n == 16) {
                job->invocation_id = calloc(1, 33);
                for (size_t i = 0; job->invocation_id && i < n; i++)
                        (void) snprintf(job->invocation_id + 2 * i, 3, "%02x", id[i]);
        }

        placement_job_finish(job, 0, NULL);
        return 0;
}

/* The launcher is in its scope; the last thing to know is the scope's invocation. */
static void job_learn(PlacementJob *job) {
        SystemdPlacement *s = systemd(job->placement);
        _cleanup_free_ char *path = NULL;
        int r;

        job->state = PLACEMENT_JOB_LEARNING;
        job->slot = sd_bus_slot_unref(job->slot);

        r = sd_bus_path_encode(MANAGER_PATH "/unit", job->unit, &path);
        if (r >= 0)
                r = sd_bus_call_method_async(s->bus, &job->slot, MANAGER, path,
                                             "org.freedesktop.DBus.Properties", "Get",
                                             on_invocation_id, job, "ss", MANAGER ".Unit",
                                             "InvocationID");
        if (r < 0)
                placement_job_finish(job, 0, NULL);
}

static int on_unit_found(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_) {
        PlacementJob *job = userdata;

        job->slot = sd_bus_slot_unref(job->slot);

        /* It exists: its job is under way, or done. The next look at /proc will tell. */
        if (!sd_bus_message_is_method_error(m, NULL)) {
                job->state = PLACEMENT_JOB_STARTING;
                return 0;
        }

        if (sd_bus_message_is_method_error(m, MANAGER ".NoSuchUnit"))
                job_submit(job);
        else
                job->state = PLACEMENT_JOB_WAITING;

        return 0;
}

/* Nobody knows what became of the call: the facts first, then the manager, then once more. */
static void job_verify(PlacementJob *job) {
        SystemdPlacement *s = systemd(job->placement);

        job->slot = sd_bus_slot_unref(job->slot);
        if (job_is_placed(job)) {
                job_learn(job);
                return;
        }

        job->state = PLACEMENT_JOB_SUBMITTED;
        if (!s->bus ||
            sd_bus_call_method_async(s->bus, &job->slot, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                     "GetUnit", on_unit_found, job, "s", job->unit) < 0)
                job->state = PLACEMENT_JOB_WAITING;
}

static bool is_lost(const sd_bus_message *m) {
        static const char *const names[] = {
                SD_BUS_ERROR_NO_REPLY,
                SD_BUS_ERROR_TIMEOUT,
                SD_BUS_ERROR_DISCONNECTED,
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                "org.freedesktop.systemd1.UnitExists",   /* by a call of ours, its reply lost */
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (sd_bus_message_is_method_error((sd_bus_message *) m, names[i]))
                        return true;

        return false;
}

static bool is_worth_waiting(PlacementJob *job, const sd_bus_message *m) {
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);

        if (!sd_bus_message_is_method_error((sd_bus_message *) m, MANAGER ".TransactionIsDestructive"))
                return false;

        if (job->patience_usec == 0)
                job->patience_usec = usec_add(now_usec, STOP_PATIENCE_USEC);
        return now_usec < job->patience_usec;
}

static int on_submitted(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_) {
        PlacementJob *job = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);

        job->slot = sd_bus_slot_unref(job->slot);
        if (!error) {
                job->state = PLACEMENT_JOB_STARTING;
                return 0;
        }

        if (is_lost(m) || is_worth_waiting(job, m))
                job->state = PLACEMENT_JOB_WAITING;    /* the next check finds out */
        else
                placement_job_finish(job, -sd_bus_error_get_errno(error),
                                     "Failed to start scope '%s': %s", job->unit,
                                     error->message ? error->message : error->name);
        return 0;
}

static int append_scope(SystemdPlacement *s, const PlacementJob *job, sd_bus_message *m) {
        int r;

        r = sd_bus_message_append(m, "ss", job->unit, "fail");
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r < 0)
                return r;

        r = sd_bus_message_append(m, "(sv)(sv)(sv)",
                                  "Description", "s", job->description,
                                  "Slice", "s", s->slice,
                                  "PIDs", "au", 1, (uint32_t) job->launcher_pid);
        if (r < 0)
                return r;

        /* Delegate also stops the manager from ending the whole scope for one OOM kill. The
         * limits are ours to set, below the scope; its default TasksMax would be one. A failed
         * scope leaves nothing. */
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)",
                                  "Delegate", "b", 1,
                                  "CollectMode", "s", "inactive-or-failed",
                                  "TasksMax", "t", UINT64_MAX,
                                  "TimeoutStopUSec", "t", STOP_TIMEOUT_USEC);
        if (r < 0)
                return r;

        /* At shutdown containers end before what they work with is unmounted, and their records
         * with them. That the agent hears of it is the slice's doing, which is ordered after it:
         * with an order of its own each scope would delay the agent's start while it is stopped. */
        if (!s->user) {
                r = sd_bus_message_append(m, "(sv)", "After", "as", 3, "local-fs.target",
                                          "remote-fs.target", "network.target");
                if (r < 0)
                        return r;
        }

        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        return sd_bus_message_append(m, "a(sa(sv))", 0);
}

static void job_submit(PlacementJob *job) {
        SystemdPlacement *s = systemd(job->placement);
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(s->bus, &m, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                           "StartTransientUnit");
        if (r >= 0)
                r = append_scope(s, job, m);
        if (r >= 0)
                r = sd_bus_call_async(s->bus, &job->slot, m, on_submitted, job, 0);

        sd_bus_message_unref(m);
        job->state = r < 0 ? PLACEMENT_JOB_WAITING : PLACEMENT_JOB_SUBMITTED;
}

/* Catches whatever no signal tells: lost replies, lost signals, a lost connection, the end of
 * patience. */
static int on_check(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        PlacementJob *job = userdata;

        if (usec_now(CLOCK_MONOTONIC) >= job->deadline_usec) {
                if (job->state == PLACEMENT_JOB_LEARNING)
                        placement_job_finish(job, 0, NULL);

                placement_job_finish(job, -ETIMEDOUT,
                                     "Failed to start scope '%s': systemd did not do it in time",
                                     job->unit);
                return 0;
        }

        switch (job->state) {
        case PLACEMENT_JOB_WAITING:
                job_verify(job);
                break;
        case PLACEMENT_JOB_STARTING:
                if (job_is_placed(job))
                        job_learn(job);
                else
                        job_verify(job);    /* the unit may be a former one, on its way out */
                break;
        case PLACEMENT_JOB_QUEUED:
        case PLACEMENT_JOB_SUBMITTED:
        case PLACEMENT_JOB_LEARNING:
        case PLACEMENT_JOB_FINISHED:
                break;
        }

        if (job->state == PLACEMENT_JOB_FINISHED)
                return 0;

        (void) sd_event_source_set_time_relative(source, CHECK_INTERVAL_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int job_start(PlacementJob *job) {
        SystemdPlacement *s = systemd(job->placement);
        int r;

        r = sd_event_add_time_relative(s->base.event, &job->check_source, CLOCK_MONOTONIC,
                                       CHECK_INTERVAL_USEC, USEC_EXACT, on_check, job);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(job->check_source, "placement-check");
        job->deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), s->timeout_usec);
        job->state = PLACEMENT_JOB_WAITING;
        if (s->bus)
                job_submit(job);

        return 0;
}

/* Oldest first, for whom there is room. */
static void start_queued(SystemdPlacement *s) {
        unsigned n_under_way = 0;
        PlacementJob *job;

        DL_FOREACH(s->base.jobs, job)
                n_under_way += job->state != PLACEMENT_JOB_QUEUED && job->state != PLACEMENT_JOB_FINISHED;

        DL_FOREACH(s->base.jobs, job) {
                int r;

                if (n_under_way >= JOBS_MAX)
                        break;
                if (job->state != PLACEMENT_JOB_QUEUED)
                        continue;

                r = job_start(job);
                if (r < 0)
                        placement_job_finish(job, r, "Failed to start scope '%s'", job->unit);
                else
                        n_under_way++;
        }
}

static int on_next(sd_event_source *source _unused_, void *userdata) {
        start_queued(userdata);
        return 0;
}

static int on_share_set(sd_bus_message *m, void *userdata _unused_, sd_bus_error *ret_error _unused_) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        /* A container may end before it gets its share. */
        if (error && !sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit"))
                log_warning("Cannot set the share of a unit: %s", error->message ? error->message : error->name);
        return 0;
}

static int append_share(const PlacementShare *share, sd_bus_message *m) {
        int r = 0;

        if (share->cpu_weight > 0)
                r = sd_bus_message_append(m, "(sv)", "CPUWeight", "t", share->cpu_weight);
        if (r >= 0 && share->memory_low_bytes > 0)
                r = sd_bus_message_append(m, "(sv)", "MemoryLow", "t", share->memory_low_bytes);
        /* It knows BFQ's too, and what of both the kernel has. */
        if (r >= 0 && share->io_weight > 0)
                r = sd_bus_message_append(m, "(sv)", "IOWeight", "t", share->io_weight);

        return r;
}

/* A scope's own files are systemd's: what we wrote to them would last until its next daemon-reload. */
static void systemd_set_share(Placement *p, const char *unit, const PlacementShare *share) {
        SystemdPlacement *s = systemd(p);
        sd_bus_message *m = NULL;
        int r;

        r = !s->bus ? -ENOTCONN
                    : sd_bus_message_new_method_call(s->bus, &m, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                                     "SetUnitProperties");
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", unit, 1);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = append_share(share, m);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_call_async(s->bus, NULL, m, on_share_set, NULL, 0);

        sd_bus_message_unref(m);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot set the share of scope '%s': %m", unit);
}

int placement_systemd_protect(Placement *p, const char *unit, uint64_t memory_low_bytes) {
        SystemdPlacement *s = systemd(p);

        if (!s->bus)
                return -ENOTCONN;

        return sd_bus_call_method_async(s->bus, NULL, MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "SetUnitProperties",
                                        on_share_set, NULL, "sba(sv)", unit ?: s->slice, 1, 1, "MemoryLow", "t",
                                        memory_low_bytes);
}

static int systemd_protect(Placement *p, uint64_t memory_low_bytes) {
        return placement_systemd_protect(p, NULL, memory_low_bytes);
}

static void systemd_finished(Placement *p) {
        (void) sd_event_source_set_enabled(systemd(p)->next_source, SD_EVENT_ONESHOT);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_) {
        SystemdPlacement *s = userdata;
        const char *unit, *result;
        PlacementJob *job;

        if (sd_bus_message_read(m, "uoss", NULL, NULL, &unit, &result) < 0)
                return 0;

        DL_FOREACH(s->base.jobs, job)
                if (streq(job->unit, unit))
                        break;

        if (!job || (job->state != PLACEMENT_JOB_SUBMITTED && job->state != PLACEMENT_JOB_STARTING))
                return 0;

        if (!streq(result, "done"))
                placement_job_finish(job, -EIO,
                                     "Failed to start scope '%s': the job ended with '%s'", unit,
                                     result);
        else if (job_is_placed(job))
                job_learn(job);
        else
                placement_job_finish(job, -ESRCH,
                                     "Failed to start scope '%s': the launcher is not in it", unit);

        return 0;
}

static int systemd_connect(SystemdPlacement *s);

static int on_reconnect(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        SystemdPlacement *s = userdata;
        int r;

        r = systemd_connect(s);
        if (r >= 0)
                return 0;

        log_debug_errno(r, "Failed to connect to systemd, trying again: %m");
        (void) sd_event_source_set_time_relative(source, RECONNECT_DELAY_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_disconnected(sd_bus_message *m _unused_, void *userdata,
                           sd_bus_error *ret_error _unused_) {
        SystemdPlacement *s = userdata;
        PlacementJob *job;

        log_warning("The connection to systemd has ended, connecting again");
        DL_FOREACH(s->base.jobs, job)
                if (job->state == PLACEMENT_JOB_QUEUED)
                        continue;
                else if (job->state < PLACEMENT_JOB_LEARNING) {
                        job->slot = sd_bus_slot_unref(job->slot);
                        job->state = PLACEMENT_JOB_WAITING;
                } else
                        placement_job_finish(job, 0, NULL);

        s->bus = sd_bus_close_unref(s->bus);
        (void) sd_event_source_set_time_relative(s->reconnect_source, RECONNECT_DELAY_USEC);
        (void) sd_event_source_set_enabled(s->reconnect_source, SD_EVENT_ONESHOT);
        return 0;
}

static int systemd_set_up(SystemdPlacement *s, sd_bus *bus) {
        int r;

        r = sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local",
                                      "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                      "Disconnected", on_disconnected, NULL, s);
        if (r < 0)
                return r;

        /* On the wire before any call that starts a job. */
        r = sd_bus_match_signal_async(bus, NULL, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                      "JobRemoved", on_job_removed, NULL, s);
        if (r < 0)
                return r;

        return sd_bus_attach_event(bus, s->base.event, SD_EVENT_PRIORITY_NORMAL);
}

static int systemd_connect(SystemdPlacement *s) {
        sd_bus *bus = NULL;
        int r;

        /* Neither waits: the handshake goes on in the loop, calls are queued until it is done. */
        r = s->user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
        if (r < 0)
                return r;

        r = systemd_set_up(s, bus);
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }

        s->bus = bus;
        return 0;
}

/* Ids are our own making; a name with other characters than these would need escaping. */
static bool is_unit_name(const char *container_id) {
        static const char good[] = "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

        return container_id[0] && strlen(container_id) < 200 &&
               container_id[strspn(container_id, good)] == '\0';
}

static int systemd_place(Placement *p, PlacementJob *job) {
        if (!is_unit_name(job->container_id))
                return -EINVAL;

        if (asprintf(&job->unit, "holdfast-%s.scope", job->container_id) < 0) {
                job->unit = NULL;
                return -ENOMEM;
        }

        job->state = PLACEMENT_JOB_QUEUED;
        systemd_finished(p);
        return 0;
}

static Placement *systemd_free(Placement *p) {
        SystemdPlacement *s = systemd(p);

        placement_deinit(&s->base);
        sd_event_source_disable_unref(s->next_source);
        sd_event_source_disable_unref(s->reconnect_source);
        sd_bus_close_unref(s->bus);
        (void) fd_close(s->proc_fd);
        free(s->slice);
        free(s);
        return NULL;
}

static int systemd_init(SystemdPlacement *s, const PlacementSystemdConfig *config) {
        int r;

        s->user = config->user;
        s->timeout_usec = config->timeout_usec > 0 ? config->timeout_usec : JOB_TIMEOUT_USEC;
        s->slice = strdup(config->slice ? config->slice : "holdfast.slice");
        if (!s->slice)
                return -ENOMEM;

        s->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->proc_fd < 0)
                return -errno;

        s->base.mount_fd = cgroup_open_mount(s->proc_fd);
        if (s->base.mount_fd < 0)
                return s->base.mount_fd;

        r = sd_event_add_time(s->base.event, &s->reconnect_source, CLOCK_MONOTONIC, 0, 0,
                              on_reconnect, s);
        if (r < 0)
                return r;

        r = sd_event_add_defer(s->base.event, &s->next_source, on_next, s);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(s->next_source, "placement-next");
        r = sd_event_source_set_enabled(s->next_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(s->reconnect_source, "placement-reconnect");
        r = sd_event_source_set_enabled(s->reconnect_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        return systemd_connect(s);
}

/* A scope goes when its last process does: there is nothing to remove, and nothing to undo. */
int placement_new_systemd(sd_event *event, const PlacementSystemdConfig *config, Placement **ret) {
        static const PlacementOps ops = {
                .kind = "systemd",
                .place = systemd_place,
                .finished = systemd_finished,
                .set_share = systemd_set_share,
                .protect = systemd_protect,
                .free = systemd_free,
        };
        _cleanup_(placement_freep) Placement *p = NULL;
        SystemdPlacement *s;
        int r;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (SystemdPlacement) { .proc_fd = -EBADF };
        p = &s->base;
        placement_init(p, &ops, event);

        r = systemd_init(s, config);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(p);
        return 0;
}
