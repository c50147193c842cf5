/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Links
 *
 * The agent's end of one launcher. A new launcher is a child of the agent, born with one end of a
 * socket pair; one of an earlier life of the agent is somebody else's child by now and is found by
 * the socket it listens on. From there on both are the same: a connection that says what happens,
 * and a pidfd that says when the process is gone.
 *
 * The end comes in this order: the launcher's last words on the connection, the end of the
 * connection, the pidfd. To keep it, the pidfd's source has a lower priority than the connection's:
 * what was said before the end is always heard before gone() is called.
 *
 * The agent may have much memory, so a launcher is made by posix_spawn(), which shares the address
 * space until exec instead of copying its page tables. It inherits nothing: empty environment,
 * three times /dev/null, its plan and its connection, a session of its own.
 */

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "launcher/link.h"

/* Answers come at once, except while the launcher waits for a slow disk to take its exit record. */
#define REPLY_TIMEOUT_USEC (60 * USEC_PER_SEC)

/* From the end of the connection to the end of the process there is nothing left to do but to
 * exit. */
#define EXIT_TIMEOUT_USEC (10 * USEC_PER_SEC)

/* Where a launcher finds what it is born with. */
#define PLAN_FD 3
#define CONTROL_FD 4

struct LauncherLink {
        sd_event *event;                  /* referenced */
        const LauncherLinkOps *ops;       /* borrowed */
        void *userdata;

        int socket_fd;                    /* -EBADF once the connection has ended */
        int pid_fd;
        pid_t pid;
        uint64_t start_time_ticks;
        bool is_child;                    /* of ours, to be reaped */
        int error;                        /* for gone() */

        uint32_t last_serial;
        uint32_t update_serial;        /* of the latest update */
        unsigned n_unanswered;
        sd_event_source *socket_source;
        sd_event_source *pid_source;
        sd_event_source *deadline_source;
};

static int on_orphan_exit(sd_event_source *s, int fd, uint32_t revents _unused_,
                          void *userdata _unused_) {
        ExitStatus status;

        (void) process_pidfd_reap(fd, &status);
        return sd_event_source_set_floating(s, false);
}

/* Leaves a launcher to the loop, which does no more than reap it. */
static void link_abandon_child(LauncherLink *l) {
        sd_event_source *s = NULL;

        if (sd_event_add_io(l->event, &s, l->pid_fd, EPOLLIN, on_orphan_exit, NULL) < 0)
                return;

        (void) sd_event_source_set_description(s, "launcher-orphan");
        if (sd_event_source_set_io_fd_own(s, true) >= 0)
                l->pid_fd = -EBADF;
        (void) sd_event_source_set_floating(s, true);
        sd_event_source_unref(s);
}

LauncherLink *launcher_link_free(LauncherLink *l) {
        if (!l)
                return NULL;

        sd_event_source_disable_unref(l->deadline_source);
        sd_event_source_disable_unref(l->socket_source);
        sd_event_source_disable_unref(l->pid_source);
        if (l->is_child && l->pid_fd >= 0)
                link_abandon_child(l);

        (void) fd_close(l->socket_fd);
        (void) fd_close(l->pid_fd);
        sd_event_unref(l->event);
        free(l);
        return NULL;
}

pid_t launcher_link_pid(const LauncherLink *l) {
        return l->pid;
}

uint64_t launcher_link_start_time_ticks(const LauncherLink *l) {
        return l->start_time_ticks;
}

static void link_gone(LauncherLink *l, int error) {
        sd_event_source_disable_unref(TAKE_PTR(l->deadline_source));
        sd_event_source_disable_unref(TAKE_PTR(l->socket_source));
        sd_event_source_disable_unref(TAKE_PTR(l->pid_source));
        l->socket_fd = fd_close(l->socket_fd);
        if (l->ops->gone)
                l->ops->gone(l, error, l->userdata);
}

static int on_deadline(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata);

static int link_set_deadline(LauncherLink *l, usec_t delay_usec) {
        int r;

        if (l->deadline_source) {
                r = sd_event_source_set_time_relative(l->deadline_source, delay_usec);
                if (r >= 0)
                        r = sd_event_source_set_enabled(l->deadline_source, SD_EVENT_ONESHOT);
        } else {
                r = sd_event_add_time_relative(l->event, &l->deadline_source, CLOCK_MONOTONIC,
                                               delay_usec, USEC_EXACT, on_deadline, l);
                if (r >= 0)
                        (void) sd_event_source_set_description(l->deadline_source,
                                                               "launcher-deadline");
        }

        return r < 0 ? r : 0;
}

/*
 * Unanswered requests: the launcher hangs, and is killed; its main process dies with it. A
 * connection that has ended is another matter: the process may be talking to somebody else, who
 * came after us, and isn't ours to kill.
 */
static int on_deadline(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        LauncherLink *l = userdata;

        if (l->socket_fd < 0 || l->error == -ETIMEDOUT) {
                link_gone(l, l->error < 0 ? l->error : -ECONNRESET);
                return 0;
        }

        l->error = -ETIMEDOUT;
        (void) process_pidfd_signal(l->pid_fd, SIGKILL);
        return link_set_deadline(l, EXIT_TIMEOUT_USEC);
}

static int link_disconnected(LauncherLink *l, int error) {
        if (l->error == 0)
                l->error = error;

        sd_event_source_disable_unref(TAKE_PTR(l->socket_source));
        l->socket_fd = fd_close(l->socket_fd);
        return link_set_deadline(l, EXIT_TIMEOUT_USEC);
}

/* A refusal of anything but an update needs no handling: what was asked for did not happen, and
 * nothing is said of it. */
static int link_replied(LauncherLink *l, const LauncherEvent *e) {
        if (l->n_unanswered > 0 && --l->n_unanswered == 0 && l->deadline_source)
                (void) sd_event_source_set_enabled(l->deadline_source, SD_EVENT_OFF);

        if (e->error != 0 && e->serial == l->update_serial && l->ops->update_failed)
                l->ops->update_failed(l, -e->error, l->userdata);

        return 0;
}

static int link_dispatch(LauncherLink *l, const LauncherEvent *e) {
        const LauncherLinkOps *ops = l->ops;

        switch (e->kind) {
        case LAUNCHER_EVENT_HELLO:
                if (ops->hello)
                        ops->hello(l, &e->hello, l->userdata);
                break;
        case LAUNCHER_EVENT_STARTED:
                if (ops->started)
                        ops->started(l, e->pid, e->start_time_ticks, l->userdata);
                break;
        case LAUNCHER_EVENT_ENDED:
                if (e->exit.kind != EXIT_RECORD_EXITED) {
                        if (ops->failed)
                                ops->failed(l, &e->exit, e->recorded, l->userdata);
                } else if (ops->exited)
                        ops->exited(l, &e->exit, e->recorded, e->left_behind, l->userdata);
                break;
        case LAUNCHER_EVENT_REPLY:
                return link_replied(l, e);
        case LAUNCHER_EVENT_UNKNOWN:
                break;
        }

        return 0;
}

static int on_socket(sd_event_source *s _unused_, int fd, uint32_t revents _unused_,
                     void *userdata) {
        _cleanup_(launcher_event_deinit) LauncherEvent e = { .kind = LAUNCHER_EVENT_UNKNOWN };
        _cleanup_free_ char *data = NULL;
        LauncherLink *l = userdata;
        ssize_t n;
        int r;

        data = malloc(LAUNCHER_MESSAGE_MAX_BYTES);
        if (!data)
                return link_disconnected(l, -ENOMEM);

        n = fd_recv(fd, data, LAUNCHER_MESSAGE_MAX_BYTES, NULL, 0, NULL);
        if (n == -EAGAIN)
                return 0;
        if (n <= 0)
                return link_disconnected(l, (int) n);

        r = launcher_event_decode(data, (size_t) n, &e);
        if (r < 0)
                return link_disconnected(l, r);

        CRASH_POINT("launcher-event");

        /* May free the link. */
        r = link_dispatch(l, &e);
        CRASH_POINT("launcher-event-handled");
        return r;
}

static int on_exit_of_launcher(sd_event_source *s _unused_, int fd, uint32_t revents _unused_,
                               void *userdata) {
        LauncherLink *l = userdata;
        ExitStatus status;

        if (l->is_child) {
                (void) process_pidfd_reap(fd, &status);
                l->is_child = false;
        }

        CRASH_POINT("launcher-gone");
        link_gone(l, l->error == -ETIMEDOUT ? -ETIMEDOUT : 0);
        return 0;
}

/* Takes socket_fd in any case. */
static int link_new(sd_event *event, int socket_fd, const LauncherLinkOps *ops, void *userdata,
                    LauncherLink **ret) {
        _cleanup_(launcher_link_freep) LauncherLink *l = NULL;
        int r;

        l = malloc(sizeof(*l));
        if (!l) {
                (void) fd_close(socket_fd);
                return -ENOMEM;
        }

        *l = (LauncherLink) {
                .event = sd_event_ref(event),
                .ops = ops,
                .userdata = userdata,
                .socket_fd = socket_fd,
                .pid_fd = -EBADF,
        };

        r = sd_event_add_io(event, &l->socket_source, socket_fd, EPOLLIN, on_socket, l);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(l->socket_source, "launcher-socket");
        *ret = TAKE_PTR(l);
        return 0;
}

static int link_watch_process(LauncherLink *l, pid_t pid) {
        int r;

        l->pid = pid;
        l->pid_fd = process_pidfd_open(pid);
        if (l->pid_fd < 0)
                return l->pid_fd;

        r = process_start_time(pid, &l->start_time_ticks);
        if (r < 0)
                return r;

        r = sd_event_add_io(l->event, &l->pid_source, l->pid_fd, EPOLLIN, on_exit_of_launcher, l);
        if (r < 0)
                return r;

        r = sd_event_source_set_priority(l->pid_source, SD_EVENT_PRIORITY_NORMAL + 10);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(l->pid_source, "launcher-process");
        return 0;
}

static int spawn_file_actions(posix_spawn_file_actions_t *a, int plan_fd, int control_fd) {
        int r;

        /* Both are above all of the targets, so that none overwrites the other. */
        r = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(a, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(a, STDOUT_FILENO, STDERR_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(a, plan_fd, PLAN_FD);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(a, control_fd, CONTROL_FD);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(a, CONTROL_FD + 1);

        return -r;
}

static int spawn_attributes(posix_spawnattr_t *a) {
        sigset_t all, none;
        int r;

        (void) sigfillset(&all);
        (void) sigemptyset(&none);
        r = posix_spawnattr_setflags(a, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                        POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(a, &all);
        if (r == 0)
                r = posix_spawnattr_setsigmask(a, &none);

        return -r;
}

static int spawn(const char *launcher_path, const char *container_id, int plan_fd, int control_fd,
                 pid_t *ret) {
        /* The id is for those who read ps. */
        char *argv[] = { (char *) "holdfast-launcher", (char *) container_id, NULL };
        char *environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int r;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                (void) posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }

        r = spawn_file_actions(&actions, plan_fd, control_fd);
        if (r >= 0)
                r = spawn_attributes(&attributes);
        if (r >= 0)
                r = -posix_spawn(ret, launcher_path, &actions, &attributes, argv, CRASH_ENVIRONMENT_OR(environment));

        (void) posix_spawnattr_destroy(&attributes);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r;
}

static int seal_plan(const LaunchPlan *plan) {
        _cleanup_free_ void *data = NULL;
        size_t n;
        int r;

        r = launch_plan_encode(plan, &data, &n);
        if (r < 0)
                return r;

        return fd_memfd_sealed("holdfast-launch-plan", data, n);
}

/* Moves a descriptor above those that a launcher is born with. */
static int fd_move_up(int fd) {
        int high_fd = fcntl(fd, F_DUPFD_CLOEXEC, CONTROL_FD + 1);

        if (high_fd < 0)
                high_fd = -errno;

        (void) fd_close(fd);
        return high_fd;
}

/*
 * Returns 0, and the launcher is running: hello() follows. A negative errno leaves no process
 * behind that has started anything: what was spawned sees its connection close and ends.
 */
int launcher_link_spawn(sd_event *event, const char *launcher_path, const LaunchPlan *plan,
                        const LauncherLinkOps *ops, void *userdata, LauncherLink **ret) {
        _cleanup_(launcher_link_freep) LauncherLink *l = NULL;
        _cleanup_fd_ int plan_fd = -EBADF, control_fd = -EBADF;
        int pair[2], r;
        pid_t pid;

        plan_fd = seal_plan(plan);
        if (plan_fd < 0)
                return plan_fd;

        plan_fd = fd_move_up(plan_fd);
        if (plan_fd < 0)
                return plan_fd;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;

        control_fd = fd_move_up(pair[1]);
        r = link_new(event, pair[0], ops, userdata, &l);
        if (r < 0)
                return r;
        if (control_fd < 0)
                return control_fd;

        CRASH_POINT("launcher-spawn");
        r = spawn(launcher_path, plan->container_id, plan_fd, control_fd, &pid);
        if (r < 0)
                return r;

        CRASH_POINT("launcher-spawned");

        l->is_child = true;
        r = link_watch_process(l, pid);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

/* By way of the directory's descriptor, since a socket's address holds 107 bytes and a path may
 * be longer. */
static int connect_in(const char *directory) {
        _cleanup_fd_ int dir_fd = -EBADF, fd = -EBADF;
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%i/%s", dir_fd,
                        LAUNCHER_SOCKET_NAME);
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        return TAKE_FD(fd);
}

int launcher_link_connect(sd_event *event, const char *runtime_directory,
                          const LauncherLinkOps *ops, void *userdata, LauncherLink **ret) {
        _cleanup_(launcher_link_freep) LauncherLink *l = NULL;
        struct ucred peer;
        int fd, r;

        fd = connect_in(runtime_directory);
        if (fd < 0)
                return fd;

        r = link_new(event, fd, ops, userdata, &l);
        if (r < 0)
                return r;

        /* The credentials are those of whoever made the listening socket: the launcher itself. */
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t) { sizeof(peer) }) < 0)
                return -errno;
        if (peer.uid != 0 && peer.uid != geteuid())
                return -EPERM;

        r = link_watch_process(l, peer.pid);
        if (r < 0)
                return r == -ESRCH ? -ECONNREFUSED : r;

        *ret = TAKE_PTR(l);
        return 0;
}

static int link_request(LauncherLink *l, LauncherRequest request) {
        _cleanup_free_ void *data = NULL;
        size_t n;
        int r;

        if (l->socket_fd < 0)
                return -ENOTCONN;

        request.serial = ++l->last_serial;
        r = launcher_request_encode(&request, &data, &n);
        if (r < 0)
                return r;

        CRASH_POINT("launcher-request");
        r = fd_send(l->socket_fd, data, n, NULL, 0);
        if (r < 0)
                return r;

        CRASH_POINT("launcher-request-sent");

        if (l->n_unanswered++ > 0)
                return 0;

        return link_set_deadline(l, REPLY_TIMEOUT_USEC);
}

int launcher_link_go(LauncherLink *l, const char *cgroup) {
        return link_request(l, (LauncherRequest) { .kind = LAUNCHER_REQUEST_GO, .cgroup = cgroup });
}

int launcher_link_kill(LauncherLink *l, int signal_number, bool main_only) {
        return link_request(l, (LauncherRequest) { .kind = LAUNCHER_REQUEST_KILL,
                                                   .signal_number = signal_number,
                                                   .main_only = main_only });
}

int launcher_link_update(LauncherLink *l, CgroupSetting *const *settings, size_t n) {
        int r;

        r = link_request(l, (LauncherRequest) { .kind = LAUNCHER_REQUEST_UPDATE,
                                                .settings = (CgroupSetting **) settings,
                                                .n_settings = n });
        if (r >= 0)
                l->update_serial = l->last_serial;

        return r;
}

int launcher_link_check(LauncherLink *l) {
        return link_request(l, (LauncherRequest) { .kind = LAUNCHER_REQUEST_STATUS });
}

int launcher_link_release(LauncherLink *l) {
        return link_request(l, (LauncherRequest) { .kind = LAUNCHER_REQUEST_RELEASE });
}
