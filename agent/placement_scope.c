/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Placement in one scope
 *
 * For hosts that start more containers than systemd can make scopes: one scope for all, whose inside
 * is delegated to us, and in it a directory per container.
 *
 *     <manager>/holdfast.slice/holdfast-containers.scope     holds no process
 *     ├── keeper                                             a process that does nothing, but stays
 *     └── <container id>/…                                   inside is the launcher's: isolator/cgroup.c
 *
 * A scope ends with its last process, so the keeper is there when no container is; like the scope it
 * is nobody's: it outlives the agent, and the agent that comes after finds both. Which means that it
 * also tells whether the scope is one to put a container in: when somebody stops the scope the
 * keeper is gone at once, while containers take their time. The next container waits for the end of
 * that scope and begins a new one.
 *
 * Making the scope is a matter for placement_systemd.c: to it the keeper is a container's launcher.
 */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "agent/placement_ops.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "isolator/cgroup.h"

#define SCOPE_ID "containers"
#define SCOPE_UNIT "holdfast-" SCOPE_ID ".scope"
#define SLICE "holdfast.slice"

typedef struct ScopePlacement {
        Placement base;
        Placement *systemd;                /* owned */
        char *launcher;                    /* the program that is the keeper; owned */
        char *path;                        /* of the scope's cgroup; owned */
        int keeper_fd;                     /* a pidfd, while the scope is being made; else -EBADF */
        pid_t keeper_pid;
} ScopePlacement;

static ScopePlacement *scope(Placement *p) {
        return CONTAINER_OF(p, ScopePlacement, base);
}

static int open_scope(const ScopePlacement *s) {
        return cgroup_open(s->base.mount_fd, s->path);
}

static bool is_kept(const ScopePlacement *s) {
        _cleanup_fd_ int fd = open_scope(s), keeper_fd = -EBADF;

        if (fd < 0)
                return false;

        keeper_fd = cgroup_open(fd, "keeper");
        return keeper_fd >= 0 && cgroup_is_populated(keeper_fd) > 0;
}

static void make_place(ScopePlacement *s, PlacementJob *job) {
        _cleanup_fd_ int fd = open_scope(s);
        int r = fd < 0 ? fd : 0;

        if (r == 0 && mkdirat(fd, job->container_id, 0755) < 0 && errno != EEXIST)
                r = -errno;
        if (r == 0 && asprintf(&job->cgroup, "%s/%s", s->path, job->container_id) < 0) {
                job->cgroup = NULL;
                r = -ENOMEM;
        }
        if (r < 0) {
                placement_job_finish(job, r, "Failed to create cgroup '%s/%s': %s", s->path, job->container_id,
                                     strerror(-r));
                return;
        }

        /* For people; a container goes on without. */
        job->unit = strdup(SCOPE_UNIT);
        placement_job_finish(job, 0, NULL);
}

static int on_keeper_exit(sd_event_source *source, int fd, uint32_t revents _unused_, void *userdata _unused_) {
        ExitStatus status;

        (void) process_pidfd_reap(fd, &status);
        return sd_event_source_set_floating(source, false);
}

/* From here on the keeper is on its own: if it ends before we do it is reaped, and that is all. */
static void let_go(ScopePlacement *s) {
        sd_event_source *source = NULL;

        if (sd_event_add_io(s->base.event, &source, s->keeper_fd, EPOLLIN, on_keeper_exit, NULL) < 0) {
                s->keeper_fd = fd_close(s->keeper_fd);
                return;
        }

        (void) sd_event_source_set_description(source, "placement-keeper");
        if (sd_event_source_set_io_fd_own(source, true) < 0)
                (void) fd_close(s->keeper_fd);
        (void) sd_event_source_set_floating(source, true);
        sd_event_source_unref(source);
        s->keeper_fd = -EBADF;
}

/* Controllers can be enabled only once no process is in the scope itself. */
static int settle_keeper(ScopePlacement *s) {
        _cleanup_fd_ int fd = open_scope(s);
        char text[16];
        int r;

        if (fd < 0)
                return fd;
        if (mkdirat(fd, "keeper", 0755) < 0 && errno != EEXIST)
                return -errno;

        (void) snprintf(text, sizeof(text), "%i", s->keeper_pid);
        r = file_write_at(fd, "keeper/cgroup.procs", text);
        return r < 0 ? r : cgroup_enable_controllers(fd);
}

static void finish_waiting(ScopePlacement *s, int error, const char *message) {
        PlacementJob *job;

        DL_FOREACH(s->base.jobs, job)
                if (job->state != PLACEMENT_JOB_QUEUED)
                        continue;
                else if (error < 0)
                        placement_job_finish(job, error, "No scope to put the container in: %s", message);
                else
                        make_place(s, job);
}

static void on_scope(const char *id _unused_, int error, const char *message, const PlacementResult *result,
                     void *userdata) {
        ScopePlacement *s = userdata;

        if (error == 0 && !streq(result->cgroup, s->path)) {
                char *path = strdup(result->cgroup);

                if (path) {
                        free(s->path);
                        s->path = path;
                }
        }

        /* Where it failed because the scope is there, and has lost nothing but its keeper, that can be
         * mended without systemd. */
        if (error == 0 || error == -ETIMEDOUT) {
                int r = settle_keeper(s);

                if (r == 0)
                        error = 0;
                else if (error == 0) {
                        error = r;
                        message = strerror(-r);
                }
        }

        if (error < 0)
                (void) process_pidfd_signal(s->keeper_fd, SIGKILL);
        let_go(s);
        finish_waiting(s, error, message);
}

static int set_up_attributes(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions) {
        sigset_t none, all;
        int r = 0;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        r |= posix_spawnattr_setflags(attributes, (short) (POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                           POSIX_SPAWN_SETSIGDEF));
        r |= posix_spawnattr_setsigmask(attributes, &none);
        r |= posix_spawnattr_setsigdefault(attributes, &all);
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                r |= posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
        return r ? -ENOMEM : 0;
}

static int spawn_keeper(ScopePlacement *s) {
        char *argv[] = { (char *) "holdfast-launcher", (char *) "--keep", NULL }, *no_environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int r;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                (void) posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }

        r = set_up_attributes(&attributes, &actions);
        if (r == 0)
                r = -posix_spawn(&s->keeper_pid, s->launcher, &actions, &attributes, argv, no_environment);

        (void) posix_spawnattr_destroy(&attributes);
        (void) posix_spawn_file_actions_destroy(&actions);
        if (r < 0)
                return r;

        s->keeper_fd = process_pidfd_open(s->keeper_pid);
        return s->keeper_fd < 0 ? s->keeper_fd : 0;
}

static int start_scope(ScopePlacement *s) {
        int r;

        r = spawn_keeper(s);
        if (r < 0)
                return r;

        r = placement_place(s->systemd, SCOPE_ID, "Containers of the Holdfast agent", s->keeper_pid, on_scope, s);
        if (r < 0) {
                (void) process_pidfd_signal(s->keeper_fd, SIGKILL);
                let_go(s);
        }

        return r;
}

static int scope_place(Placement *p, PlacementJob *job) {
        ScopePlacement *s = scope(p);

        job->state = PLACEMENT_JOB_QUEUED;
        if (s->keeper_fd >= 0)
                return 0;    /* the scope is being made */
        if (!is_kept(s))
                return start_scope(s);

        make_place(s, job);
        return 0;
}

static void scope_remove(Placement *p, const char *container_id) {
        _cleanup_fd_ int fd = open_scope(scope(p));
        int r = fd < 0 ? 0 : cgroup_remove(fd, container_id);

        if (r < 0)
                log_warning_errno(r, "Cannot remove the cgroup of container '%s': %m", container_id);
}

static void scope_undo(Placement *p, PlacementJob *job) {
        scope_remove(p, job->container_id);
}

static int scope_open(Placement *p, const char *container_id) {
        _cleanup_fd_ int fd = open_scope(scope(p));

        return fd < 0 ? fd : cgroup_open(fd, container_id);
}

/* Both that containers are in. */
static int scope_protect(Placement *p, uint64_t memory_low_bytes) {
        int r;

        r = placement_systemd_protect(scope(p)->systemd, SCOPE_UNIT, memory_low_bytes);
        return r < 0 ? r : placement_systemd_protect(scope(p)->systemd, NULL, memory_low_bytes);
}

static Placement *scope_free(Placement *p) {
        ScopePlacement *s = scope(p);

        /* One that is on its way to its scope gets there, or ends with the attempt. */
        if (s->keeper_fd >= 0)
                let_go(s);
        placement_free(s->systemd);
        placement_deinit(&s->base);
        free(s->launcher);
        free(s->path);
        free(s);
        return NULL;
}

/* The cgroup2 path of a process, up to where `end` begins; all of it without that. */
static char *cgroup_path_of(int proc_fd, const char *process, const char *end) {
        _cleanup_free_ char *text = NULL;
        char *path, *stop;

        if (file_read_at(proc_fd, process, 65536, &text, NULL) < 0)
                return NULL;

        path = startswith(text, "0::") ? text : strstr(text, "\n0::");
        path = path ? strchr(path, '/') : NULL;
        if (!path)
                return NULL;

        path[strcspn(path, "\n")] = '\0';
        stop = strstr(path, end);
        return strndup(path, stop ? (size_t) (stop - path) : strlen(path));
}

/* Where the manager puts our scope: what it was told when it was made, the agent after that must know. A
 * user's manager is user@UID.service; we may be elsewhere, as in a session. */
static int find_path(ScopePlacement *s, bool user) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *top = NULL, *manager = NULL;
        int r;

        if (proc_fd < 0)
                return -errno;

        s->base.mount_fd = cgroup_open_mount(proc_fd);
        if (s->base.mount_fd < 0)
                return s->base.mount_fd;

        top = cgroup_path_of(proc_fd, "1/cgroup", "/init.scope");
        if (!top)
                return -ENOMEM;
        if (streq(top, "/"))
                top[0] = '\0';
        if (user && asprintf(&manager, "%s/user.slice/user-%u.slice/user@%u.service", top, getuid(), getuid()) < 0) {
                manager = NULL;
                return -ENOMEM;
        }

        r = asprintf(&s->path, "%s/" SLICE "/" SCOPE_UNIT, manager ?: top);
        if (r < 0) {
                s->path = NULL;
                return -ENOMEM;
        }

        return 0;
}

int placement_new_scope(sd_event *event, const PlacementSystemdConfig *config, const char *launcher, Placement **ret) {
        static const PlacementOps ops = {
                .kind = "scope",
                .place = scope_place,
                .undo = scope_undo,
                .remove = scope_remove,
                .open = scope_open,
                .protect = scope_protect,
                .free = scope_free,
        };
        _cleanup_(placement_freep) Placement *p = NULL;
        ScopePlacement *s;
        int r;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (ScopePlacement) { .keeper_fd = -EBADF };
        p = &s->base;
        placement_init(p, &ops, event);

        s->launcher = strdup(launcher);
        if (!s->launcher)
                return -ENOMEM;

        r = find_path(s, config->user);
        if (r < 0)
                return r;

        r = placement_new_systemd(event, config, &s->systemd);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(p);
        return 0;
}
