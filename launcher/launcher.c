/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The launcher
 *
 * One stays by each container, from before its first process to after its last. It outlives the
 * agent that made it, so it is the one witness of how the container ended:
 *
 *      WAITING ──Go──▶ FETCHING ──exit 0──▶ RUNNING
 *         │               │                    │ the command has ended
 *         │ agent left,   │ fetcher failed,    ▼
 *         │ Release,      │ a step failed   ENDING   the rest is being killed
 *         │ SIGTERM       └───────────────▶    │ nothing is left
 *         └──────────────────────────────▶ ENDED ──record safe──▶ exit
 *
 * Rules it lives by:
 *   - Nothing is started before Go; an agent that leaves before Go has never asked for anything.
 *   - The exit record is on disk before anyone is told. If the disk refuses, agents are told that
 *     it is not recorded, and the launcher stays and tries again, until it is or an agent says that
 *     it has the record safe (Release), or somebody stops it. Nobody makes a status up.
 *   - The record is written when the command ends, the killing of what it left behind comes after:
 *     whoever kills the launcher in between loses no status.
 *   - SIGTERM is no reason to go (a stopped scope sends it to all alike, and the command is
 *     entitled to end in its own time); but before systemd's patience ends the container is killed
 *     here, so that its end is still witnessed.
 *   - It is a subreaper: whatever loses its parent in the container becomes its child.
 *
 * It is small on purpose, one process per container for months: poll(), no event library, and the
 * plan is forgotten once the command runs. All it holds then are some descriptors and four texts.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "launcher/confine.h"
#include "launcher/control_socket.h"
#include "launcher/exit_record.h"
#include "launcher/launcher.h"
#include "launcher/output.h"
#include "launcher/payload.h"
#include "launcher/self.h"
#include "launcher/spawn.h"
#include "launcher/wire.h"

/* What cannot be killed for this long hangs in the kernel; the agent is told that it was left
 * behind. */
#define KILL_TIMEOUT_USEC (30 * USEC_PER_SEC)

/* How often a container that is being killed is looked at, besides when a child of ours ends. */
#define KILL_POLL_USEC (50 * USEC_PER_MSEC)

/* Between attempts to write the exit record: doubled each time, up to the maximum. */
#define RECORD_RETRY_MIN_USEC (1 * USEC_PER_SEC)
#define RECORD_RETRY_MAX_USEC USEC_PER_MINUTE

struct Launcher {
        LaunchPlan *plan;              /* owned; NULL once the command runs */
        char *container_id;            /* owned, as the next */
        char *exit_record_path;
        char *cgroup_path;             /* owned; as Go gave it, or NULL */
        char *address;                 /* owned; of its network, or NULL */

        char boot_id[37];
        uint64_t start_time_ticks;
        int self_pid_fd;
        int proc_fd;
        int record_dir_fd;             /* of exit_record_path; negative where it was not there yet */
        int signal_fd;
        ControlSocket control_socket;
        int control_fd;                /* the agent; negative while there is none */
        int stdout_fd, stderr_fd;      /* of the container */
        Payload payload;

        LauncherState state;
        pid_t main_pid;                /* the fetcher, then the command; 0 when there is none */
        uint64_t main_start_time_ticks;
        int main_pid_fd;
        int status_fd;                 /* until the program is executed, or not */
        int exit_fd;                   /* main_pid is an init, which tells here how the program ended; or negative */
        int memory_fd;                 /* POLLPRI: the container met its memory limit; or negative */
        ChildFailure failure;          /* error is 0 unless the child reported one */

        ExitRecord record;             /* from ENDING on */
        bool recorded;
        bool told;                     /* the agent was told of the end */
        bool left_behind;
        bool released;
        usec_t stop_deadline_usec;     /* SIGTERM: when to kill the container ourselves */
        usec_t kill_deadline_usec;
        usec_t next_kill_usec;
        usec_t record_retry_usec;      /* when to try again */
        unsigned n_record_failures;
};

Launcher *launcher_free(Launcher *l) {
        if (!l)
                return NULL;

        launch_plan_free(l->plan);
        free(l->container_id);
        free(l->exit_record_path);
        free(l->cgroup_path);
        free(l->address);
        exit_record_deinit(&l->record);
        payload_deinit(&l->payload);
        control_socket_deinit(&l->control_socket);
        (void) fd_close(l->self_pid_fd);
        (void) fd_close(l->proc_fd);
        (void) fd_close(l->record_dir_fd);
        (void) fd_close(l->signal_fd);
        (void) fd_close(l->control_fd);
        (void) fd_close(l->stdout_fd);
        (void) fd_close(l->stderr_fd);
        (void) fd_close(l->memory_fd);
        (void) fd_close(l->main_pid_fd);
        (void) fd_close(l->status_fd);
        (void) fd_close(l->exit_fd);
        free(l);
        return NULL;
}

/* From here on signals are read, not suffered; except those that say that we are broken. */
static int open_signal_fd(void) {
        sigset_t set;
        int fd, r;

        r = process_reset_signals();
        if (r < 0)
                return r;

        (void) sigfillset(&set);
        (void) sigdelset(&set, SIGSEGV);
        (void) sigdelset(&set, SIGBUS);
        (void) sigdelset(&set, SIGFPE);
        (void) sigdelset(&set, SIGILL);
        (void) sigdelset(&set, SIGABRT);
        if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
                return -errno;

        fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

static int launcher_copy_texts(Launcher *l) {
        l->container_id = strdup(l->plan->container_id);
        l->exit_record_path = strdup(l->plan->exit_record_path);
        if (l->plan->confinement && l->plan->confinement->network) {
                l->address = strdup(l->plan->confinement->network->address);
                if (!l->address)
                        return -ENOMEM;
        }

        return l->container_id && l->exit_record_path ? 0 : -ENOMEM;
}

/* The path is absolute. That of a directory which is not there is no error: it may be there when it is needed. */
static int open_record_directory(const char *path) {
        _cleanup_free_ char *directory = strndup(path, (size_t) (strrchr(path, '/') - path) + 1);

        return directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
}

static int launcher_open_files(Launcher *l) {
        l->self_pid_fd = process_pidfd_open(getpid());
        if (l->self_pid_fd < 0)
                return l->self_pid_fd;

        l->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (l->proc_fd < 0)
                return -errno;

        l->record_dir_fd = open_record_directory(l->exit_record_path);
        l->payload = PAYLOAD_INIT(l->proc_fd);
        l->signal_fd = open_signal_fd();
        if (l->signal_fd < 0)
                return l->signal_fd;

        return control_socket_init(&l->control_socket, l->plan->runtime_directory);
}

/* Takes the plan and control_fd in any case. The caller has a umask of 077 and three standard
 * streams. */
int launcher_new(LaunchPlan *plan, int control_fd, Launcher **ret) {
        _cleanup_(launcher_freep) Launcher *l = NULL;
        int r;

        l = malloc(sizeof(*l));
        if (!l) {
                launch_plan_free(plan);
                (void) fd_close(control_fd);
                return -ENOMEM;
        }

        *l = (Launcher) {
                .plan = plan,
                .control_fd = control_fd,
                .self_pid_fd = -EBADF,
                .proc_fd = -EBADF,
                .record_dir_fd = -EBADF,
                .signal_fd = -EBADF,
                .stdout_fd = -EBADF,
                .stderr_fd = -EBADF,
                .main_pid_fd = -EBADF,
                .status_fd = -EBADF,
                .exit_fd = -EBADF,
                .memory_fd = -EBADF,
                .control_socket = CONTROL_SOCKET_NULL,
                .payload = PAYLOAD_INIT(-EBADF),
                .state = LAUNCHER_WAITING,
                .stop_deadline_usec = USEC_INFINITY,
        };

        r = launcher_copy_texts(l);
        if (r < 0)
                return r;

        r = self_protect();
        if (r < 0)
                return r;

        r = process_boot_id(l->boot_id);
        if (r < 0)
                return r;

        r = process_start_time(getpid(), &l->start_time_ticks);
        if (r < 0)
                return r;

        r = launcher_open_files(l);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

/* Telling is best effort throughout: for an agent that cannot hear, the record and the next
 * Hello say the same. */
static void launcher_tell(Launcher *l, const LauncherEvent *e) {
        _cleanup_free_ void *data = NULL;
        size_t n;
        int r;

        if (l->control_fd < 0)
                return;

        CRASH_POINT("tell");
        r = launcher_event_encode(e, &data, &n);
        if (r >= 0)
                r = fd_send(l->control_fd, data, n, NULL, 0);
        CRASH_POINT("told");
        if (r < 0)
                log_debug_errno(r, "Failed to tell the agent: %m");
}

static void launcher_tell_hello(Launcher *l) {
        LauncherEvent e = {
                .kind = LAUNCHER_EVENT_HELLO,
                .hello = {
                        .version = LAUNCHER_VERSION,
                        .container_id = l->container_id,
                        .pid = getpid(),
                        .start_time_ticks = l->start_time_ticks,
                        .state = l->state,
                        .main_pid = l->state == LAUNCHER_RUNNING ? l->main_pid : 0,
                        .main_start_time_ticks = l->main_start_time_ticks,
                        .cgroup = l->cgroup_path,
                        .address = l->address,
                        .exit = l->state >= LAUNCHER_ENDING ? &l->record : NULL,
                        .exit_recorded = l->recorded,
                },
        };

        strcpy(e.hello.boot_id, l->boot_id);
        launcher_tell(l, &e);
}

static void launcher_tell_ended(Launcher *l) {
        const LauncherEvent e = {
                .kind = LAUNCHER_EVENT_ENDED,
                .exit = l->record,
                .recorded = l->recorded,
                .left_behind = l->left_behind,
        };

        launcher_tell(l, &e);
}

static void launcher_try_record(Launcher *l) {
        int r;

        CRASH_POINT("record");
        r = exit_record_write(AT_FDCWD, l->exit_record_path, &l->record);

        /* The way to it may lead through somebody's home, and no longer be open to us. */
        if (r == -EACCES && l->record_dir_fd >= 0)
                r = exit_record_write(l->record_dir_fd, strrchr(l->exit_record_path, '/') + 1, &l->record);
        CRASH_POINT("recorded");
        if (r >= 0) {
                l->recorded = true;
                return;
        }

        if (l->n_record_failures == 0)
                log_error_errno(r, "Failed to write the exit record '%s', trying again: %m",
                                l->exit_record_path);

        l->record_retry_usec = usec_now(CLOCK_MONOTONIC) +
                               usec_backoff(RECORD_RETRY_MIN_USEC, RECORD_RETRY_MAX_USEC,
                                            l->n_record_failures++);
}

static void launcher_check_empty(Launcher *l) {
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);

        if (!payload_is_empty(&l->payload)) {
                if (now_usec < l->next_kill_usec)
                        return;

                if (now_usec < l->kill_deadline_usec) {
                        payload_kill_strays(&l->payload);
                        l->next_kill_usec = now_usec + KILL_POLL_USEC;
                        return;
                }

                log_warning("Something in the container resists SIGKILL, leaving it behind");
                l->left_behind = true;
        }

        l->state = LAUNCHER_ENDED;
}

/* The record's other fields are the caller's. */
static void launcher_end(Launcher *l) {
        strcpy(l->record.boot_id, l->boot_id);
        l->record.container_id = strdup(l->container_id);
        l->record.oom_killed = payload_was_oom_killed(&l->payload);
        if (!l->record.limitation && payload_met_memory_limit(&l->payload))
                l->record.limitation = payload_describe_memory(&l->payload, &l->record.memory_max_bytes);
        l->record.ended_usec = usec_now(CLOCK_REALTIME);

        l->main_pid = 0;
        l->state = LAUNCHER_ENDING;

        /* Recorded first: the status is known now, and killing may take long. */
        launcher_try_record(l);
        (void) payload_kill(&l->payload);
        CRASH_POINT("remains-killed");
        l->kill_deadline_usec = usec_now(CLOCK_MONOTONIC) + KILL_TIMEOUT_USEC;
        l->next_kill_usec = usec_now(CLOCK_MONOTONIC) + KILL_POLL_USEC;
        launcher_check_empty(l);
}

static void launcher_end_unstarted(Launcher *l) {
        l->record.kind = EXIT_RECORD_NEVER_STARTED;
        launcher_end(l);
}

/* `message` is taken; without memory for it the step and the error must do. */
static void launcher_fail(Launcher *l, const char *step, int error, ExitStatus status,
                          char *message) {
        l->record.kind = EXIT_RECORD_FAILED;
        l->record.step = strdup(step);
        l->record.error = error;
        l->record.status = status;
        l->record.message = message;
        log_info("Launch failed at step '%s': %s", step, message ? message : "out of memory");
        launcher_end(l);
}

static char *make_text(const char *format, ...) _printf_(1, 2);
static char *make_text(const char *format, ...) {
        va_list ap;
        char *text;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        return n < 0 ? NULL : text;
}

static void launcher_fail_step(Launcher *l, const char *step, int r) {
        launcher_fail(l, step, -r, EXIT_STATUS_UNKNOWN,
                      make_text("Failed to %s: %s", step, strerror(-r)));
}

static void launcher_start(Launcher *l, LauncherState state, const LaunchCommand *command) {
        const SpawnPlace place = {
                .proc_fd = l->proc_fd,
                .cgroup_fd = l->payload.cgroup.main_fd,
                /* After the fetcher: launcher_on_main_exit(). */
                .cgroup_was_killed = state == LAUNCHER_RUNNING && l->plan->fetcher,
                .stdout_fd = l->stdout_fd,
                .stderr_fd = l->stderr_fd,
                .launcher_pid_fd = l->self_pid_fd,
        };
        _cleanup_free_ char *why = NULL;
        SpawnedChild child;
        int r;

        l->state = state;
        CRASH_POINT("child-start");
        r = spawn(l->plan, command, &place, &child, &why);
        CRASH_POINT("child-started");
        if (r == SPAWN_E_NETWORK) {
                launcher_fail(l, "set up the network", 0, EXIT_STATUS_UNKNOWN,
                              make_text("Failed to set up the network: %s", why ? why : "out of memory"));
                return;
        }
        if (r < 0) {
                launcher_fail_step(l, "start a process", r);
                return;
        }

        l->main_pid = child.pid;
        l->main_pid_fd = child.pid_fd;
        l->status_fd = child.status_fd;
        l->exit_fd = child.exit_fd;
        (void) process_start_time(child.pid, &l->main_start_time_ticks);
}

static void launcher_start_command(Launcher *l) {
        l->record.started_usec = usec_now(CLOCK_REALTIME);
        launcher_start(l, LAUNCHER_RUNNING, l->plan->command);
}

static void launcher_go(Launcher *l, const char *cgroup) {
        _cleanup_free_ char *step = NULL;
        int r;

        /* Repeated by an agent that didn't see what became of the first one. */
        if (l->state != LAUNCHER_WAITING)
                return;

        if (cgroup) {
                l->cgroup_path = strdup(cgroup);
                r = l->cgroup_path ? payload_enter_cgroup(&l->payload, cgroup) : -ENOMEM;
                if (r < 0) {
                        launcher_fail_step(l, "prepare the cgroup", r);
                        return;
                }
        }

        r = confine_devices(&l->payload.cgroup, l->plan->confinement, &step);
        if (r == 0)
                r = confine_cgroup(&l->payload.cgroup, l->plan->confinement, &step);
        if (r < 0) {
                launcher_fail_step(l, step ? step : "confine the cgroup", r);
                return;
        }

        r = confine_files(l->control_socket.directory_fd, l->plan->confinement, &step);
        if (r < 0) {
                launcher_fail_step(l, step ? step : "write the container's files", r);
                return;
        }

        l->memory_fd = payload_open_memory_events(&l->payload);

        CRASH_POINT("outputs-open");
        r = output_open(l->plan->sandbox_directory, l->plan->uid, l->plan->gid, &l->stdout_fd,
                        &l->stderr_fd);
        if (r < 0) {
                launcher_fail_step(l, "open stdout and stderr in the sandbox", r);
                return;
        }

        if (l->plan->fetcher)
                launcher_start(l, LAUNCHER_FETCHING, l->plan->fetcher);
        else
                launcher_start_command(l);
}

/* What only starting needed is given back: this process may stay for months. */
static void launcher_shed(Launcher *l) {
        l->plan = launch_plan_free(l->plan);
        l->stdout_fd = fd_close(l->stdout_fd);
        l->stderr_fd = fd_close(l->stderr_fd);
        self_shed();
}

/* Both are paths, and at most as long as one can be. */
static char *describe_mount(const Confinement *c, int32_t i, const char *text) {
        const Mount *m = c && (size_t) i < c->n_mounts ? c->mounts[i] : NULL;

        if (!m)
                return make_text("Failed to mount: %s", text);

        return make_text("Failed to mount '%s%s%s' at '%s%s%s': %s", m->source_below ?: "", m->source_below ? "/" : "",
                         m->source ?: m->type ?: "none", m->target_below ?: "", m->target_below ? "/" : "", m->target,
                         text);
}

static void launcher_fail_child(Launcher *l) {
        const char *step = child_step_name(l->failure.step), *text = strerror(l->failure.error);
        const LaunchCommand *c = l->plan->command;
        char *message;

        if (l->state == LAUNCHER_FETCHING)
                c = l->plan->fetcher;

        /* A name longer than any path can be is cut, so that a record always fits in its bounds. */
        if (l->failure.item >= 0)
                message = describe_mount(l->plan->confinement, l->failure.item, text);
        else if (streq(step, "execute"))
                message = make_text("Failed to execute '%.4096s': %s", c->file, text);
        else
                message = make_text("Failed to %s: %s", step, text);

        launcher_fail(l, step, l->failure.error, EXIT_STATUS_UNKNOWN, message);
}

static void launcher_fail_fetch(Launcher *l, ExitStatus status) {
        _cleanup_free_ char *how = exit_status_describe(status);

        launcher_fail(l, "fetch", 0, status,
                      make_text("Failed to fetch all URIs for container '%s': %s", l->container_id,
                                how ? how : "out of memory"));
}

/* The pipe from the child: the end of the file says that the program is executed. */
static void launcher_on_status(Launcher *l) {
        ssize_t n;
        int r;

        n = read(l->status_fd, &l->failure, sizeof(l->failure));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;

        CRASH_POINT("child-executed");
        l->status_fd = fd_close(l->status_fd);
        if (n != 0 || l->state != LAUNCHER_RUNNING)
                return;

        l->failure.error = 0;
        launcher_tell(l, &(LauncherEvent) {
                .kind = LAUNCHER_EVENT_STARTED,
                .pid = l->main_pid,
                .start_time_ticks = l->main_start_time_ticks,
        });
        launcher_shed(l);

        /* Nothing is started from here on. */
        r = self_confine(l->proc_fd, l->main_pid);
        if (r < 0)
                log_warning_errno(r, "Cannot give up all rights that are not needed, ignoring: %m");
}

static void launcher_on_main_exit(Launcher *l, ExitStatus status) {
        CRASH_POINT("main-exit");

        /* The child is dead and so is its end of the pipe: whatever it said can be read now. */
        if (l->status_fd >= 0)
                launcher_on_status(l);

        l->main_pid = 0;
        l->main_pid_fd = fd_close(l->main_pid_fd);
        l->exit_fd = fd_close(l->exit_fd);

        if (l->failure.error != 0)
                launcher_fail_child(l);
        else if (l->state == LAUNCHER_RUNNING) {
                l->record.kind = EXIT_RECORD_EXITED;
                l->record.status = status;
                launcher_end(l);
        } else if (exit_status_is_success(status)) {
                /* Nothing that a fetcher left behind runs beside the command. */
                (void) payload_kill(&l->payload);
                launcher_start_command(l);
        } else
                launcher_fail_fetch(l, status);
}

/* From the init. A pipe that ended without a word is the init's end, which waitpid() will tell. */
static bool launcher_read_exit(Launcher *l, ExitStatus *ret) {
        int wait_status;
        ssize_t n;

        if (l->exit_fd < 0)
                return false;

        n = read(l->exit_fd, &wait_status, sizeof(wait_status));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;

        l->exit_fd = fd_close(l->exit_fd);
        if (n != sizeof(wait_status))
                return false;

        *ret = (ExitStatus) { true, wait_status };
        return true;
}

/* The init's own end follows, and that of all it leaves: neither is waited for to record this one. */
static void launcher_on_exit(Launcher *l) {
        ExitStatus status;

        if (launcher_read_exit(l, &status))
                launcher_on_main_exit(l, status);
}

static void launcher_reap(Launcher *l) {
        for (;;) {
                int wait_status;
                pid_t pid;

                pid = waitpid(-1, &wait_status, WNOHANG);
                if (pid < 0 && errno == EINTR)
                        continue;
                if (pid <= 0)
                        return;

                if (pid == l->main_pid) {
                        ExitStatus status = { true, wait_status };

                        (void) launcher_read_exit(l, &status);
                        launcher_on_main_exit(l, status);
                }
        }
}

static void launcher_on_stop(Launcher *l) {
        if (l->state == LAUNCHER_WAITING)
                launcher_end_unstarted(l);
        else if (l->state == LAUNCHER_ENDED)
                /* Its record could not be written, and SIGKILL would be next. */
                l->released = true;
        else if (l->stop_deadline_usec == USEC_INFINITY)
                l->stop_deadline_usec = usec_now(CLOCK_MONOTONIC) + LAUNCHER_STOP_GRACE_USEC;
}

static void launcher_on_signal(Launcher *l) {
        struct signalfd_siginfo si;

        while (read(l->signal_fd, &si, sizeof(si)) == sizeof(si))
                if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT || si.ssi_signo == SIGHUP)
                        launcher_on_stop(l);

        /* Whatever the signal was: one SIGCHLD may stand for many. */
        launcher_reap(l);
}

static int launcher_on_kill(Launcher *l, const LauncherRequest *request) {
        if (request->signal_number < 1 || request->signal_number > SIGRTMAX)
                return -EINVAL;

        switch (l->state) {
        case LAUNCHER_WAITING:
                return -ESRCH;
        case LAUNCHER_FETCHING:
        case LAUNCHER_RUNNING:
                if (request->main_only)
                        return process_pidfd_signal(l->main_pid_fd, request->signal_number);

                return payload_signal(&l->payload, request->signal_number);
        case LAUNCHER_ENDING:
        case LAUNCHER_ENDED:
                return 0;
        }

        return -EINVAL;
}

static void launcher_on_release(Launcher *l) {
        if (l->state == LAUNCHER_WAITING)
                launcher_end_unstarted(l);
        else if (l->state == LAUNCHER_ENDED)
                l->released = true;
}

static int launcher_on_update(Launcher *l, const LauncherRequest *request) {
        if (l->state == LAUNCHER_WAITING)
                return -ESRCH;
        if (l->state >= LAUNCHER_ENDING)
                return 0;

        return confine_update(&l->payload.cgroup, request->settings, request->n_settings);
}

/* The limit is the whole container's, and so is the end, whatever process the kernel chose. */
static void launcher_on_memory(Launcher *l) {
        char consumed[512];

        /* The file counts lesser events, too; until it is read here, it stays ready. */
        if (pread(l->memory_fd, consumed, sizeof(consumed), 0) < 0) {
                l->memory_fd = fd_close(l->memory_fd);
                return;
        }

        if (!payload_met_memory_limit(&l->payload))
                return;

        l->memory_fd = fd_close(l->memory_fd);
        if (l->state >= LAUNCHER_ENDING)
                return;

        CRASH_POINT("memory-limit");
        l->record.limitation = payload_describe_memory(&l->payload, &l->record.memory_max_bytes);
        log_info("The container met its memory limit, killing it");
        (void) payload_kill(&l->payload);
}

static void launcher_reply(Launcher *l, uint32_t serial, int r) {
        launcher_tell(l, &(LauncherEvent) {
                .kind = LAUNCHER_EVENT_REPLY, .serial = serial, .error = r < 0 ? -r : 0 });
}

static void launcher_on_request(Launcher *l, const LauncherRequest *request) {
        switch (request->kind) {
        case LAUNCHER_REQUEST_GO:
                launcher_reply(l, request->serial, 0);
                launcher_go(l, request->cgroup);
                break;
        case LAUNCHER_REQUEST_KILL:
                launcher_reply(l, request->serial, launcher_on_kill(l, request));
                break;
        case LAUNCHER_REQUEST_STATUS:
                launcher_reply(l, request->serial, 0);
                launcher_tell_hello(l);
                break;
        case LAUNCHER_REQUEST_RELEASE:
                launcher_reply(l, request->serial, 0);
                launcher_on_release(l);
                break;
        case LAUNCHER_REQUEST_UPDATE:
                launcher_reply(l, request->serial, launcher_on_update(l, request));
                break;
        case LAUNCHER_REQUEST_UNKNOWN:
                launcher_reply(l, request->serial, -EOPNOTSUPP);
                break;
        }
}

static void launcher_on_agent_left(Launcher *l) {
        l->control_fd = fd_close(l->control_fd);
        if (l->state == LAUNCHER_WAITING)
                launcher_end_unstarted(l);
}

static void launcher_on_control(Launcher *l) {
        _cleanup_(launcher_request_deinit) LauncherRequest request = {};
        char data[16384];
        ssize_t n;

        /* The largest request is a Go with a path, or an update of all that can be set. */
        n = fd_recv(l->control_fd, data, sizeof(data), NULL, 0, NULL);
        if (n == -EAGAIN)
                return;

        if (n <= 0 || launcher_request_decode(data, (size_t) n, &request) < 0) {
                launcher_on_agent_left(l);
                return;
        }

        CRASH_POINT("request");
        launcher_on_request(l, &request);
        CRASH_POINT("request-handled");
}

/* The newest connection wins: its agent is alive, the one before may be a dead one's. */
static void launcher_on_connection(Launcher *l) {
        int fd;

        fd = control_socket_accept(&l->control_socket);
        if (fd < 0) {
                if (fd != -EAGAIN)
                        (void) log_warning_errno(fd, "Refusing a connection: %m");
                return;
        }

        (void) fd_close(l->control_fd);
        l->control_fd = fd;
        CRASH_POINT("connected");
        launcher_tell_hello(l);
}

/* That nothing was started is all that a missing record would hide: not worth staying for. */
static bool launcher_is_done(const Launcher *l) {
        return l->state == LAUNCHER_ENDED && l->told &&
               (l->recorded || l->released || l->record.kind == EXIT_RECORD_NEVER_STARTED);
}

static void launcher_on_time(Launcher *l) {
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);

        if (l->state >= LAUNCHER_ENDING && !l->recorded && now_usec >= l->record_retry_usec)
                launcher_try_record(l);

        if (l->state == LAUNCHER_ENDING)
                launcher_check_empty(l);

        if (l->state < LAUNCHER_ENDING && now_usec >= l->stop_deadline_usec) {
                log_info("Asked to stop %s ago, killing the container",
                         usec_format(LAUNCHER_STOP_GRACE_USEC, (char[USEC_TEXT_MAX]) {}));
                l->stop_deadline_usec = usec_add(now_usec, LAUNCHER_STOP_GRACE_USEC);
                (void) payload_kill(&l->payload);
        }

        if (l->state == LAUNCHER_ENDED && !l->told) {
                l->told = true;
                launcher_tell_ended(l);
        }
}

/* When launcher_on_time() has something to do next. */
static int launcher_timeout_msec(const Launcher *l) {
        usec_t now_usec = usec_now(CLOCK_MONOTONIC), due_usec = USEC_INFINITY;

        if (l->state < LAUNCHER_ENDING)
                due_usec = l->stop_deadline_usec;
        if (l->state == LAUNCHER_ENDING)
                due_usec = now_usec + KILL_POLL_USEC;
        if (l->state >= LAUNCHER_ENDING && !l->recorded)
                due_usec = MIN(due_usec, l->record_retry_usec);

        if (due_usec == USEC_INFINITY)
                return -1;

        return (int) MIN(usec_sub(due_usec, now_usec) / USEC_PER_MSEC + 1, (usec_t) INT32_MAX);
}

/* Returns 0 when the container has come to its end and that is safe; a negative errno only when
 * poll() fails. */
int launcher_run(Launcher *l) {
        launcher_tell_hello(l);

        while (!launcher_is_done(l)) {
                struct pollfd p[] = {
                        { .fd = l->status_fd, .events = POLLIN },
                        { .fd = l->signal_fd, .events = POLLIN },
                        { .fd = l->control_fd, .events = POLLIN },
                        { .fd = l->control_socket.listen_fd, .events = POLLIN },
                        { .fd = l->memory_fd, .events = POLLPRI },
                        { .fd = l->exit_fd, .events = POLLIN },
                };

                if (poll(p, ELEMENTSOF(p), launcher_timeout_msec(l)) < 0 && errno != EINTR)
                        return -errno;

                /* Each handler may close what another was woken for, and then that one finds
                 * nothing. */
                if (p[0].revents && l->status_fd >= 0)
                        launcher_on_status(l);
                if (p[5].revents && l->exit_fd >= 0)
                        launcher_on_exit(l);
                if (p[1].revents)
                        launcher_on_signal(l);
                if (p[2].revents && l->control_fd >= 0)
                        launcher_on_control(l);
                if (p[3].revents)
                        launcher_on_connection(l);
                if (p[4].revents && l->memory_fd >= 0)
                        launcher_on_memory(l);

                launcher_on_time(l);
        }

        CRASH_POINT("tidy");
        payload_remove(&l->payload);
        CRASH_POINT("cgroup-removed");
        control_socket_remove(&l->control_socket);
        return 0;
}
