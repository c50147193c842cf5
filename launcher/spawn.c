/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Spawning
 *
 * The parent's half: everything that can be decided, opened or allocated for a program of the plan
 * is done here, then the process is made and child.c walks through its steps.
 *
 * clone3() is called without CLONE_VM. Sharing memory until exec would save some 80 µs of copied
 * page tables, but the child changes its user on the way, and from then on a stranger's process
 * could be in the same memory as a launcher that is root. The launcher is small, so the copy is,
 * too.
 */

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/process.h"
#include "launcher/network.h"
#include "launcher/spawn.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void strings_free(char **strings) {
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

static void context_deinit(ChildContext *c) {
        strings_free(c->files);
        free(c->script_argv);
        free(c->mount_fds);
        c->stdin_fd = fd_close(c->stdin_fd);
        c->status_fd = fd_close(c->status_fd);
        c->exit_fd = fd_close(c->exit_fd);
        c->ready_fd = fd_close(c->ready_fd);
        c->ready_write_fd = fd_close(c->ready_write_fd);
}

static const char *environment_path(const LaunchCommand *c) {
        for (char *const *e = c->environment; e && *e; e++) {
                const char *value = startswith(*e, "PATH=");

                if (value)
                        return value;
        }

        return DEFAULT_PATH;
}

static char *join_path(const char *directory, size_t n_directory, const char *file) {
        char *path;

        /* An empty element is the working directory. */
        if (n_directory == 0)
                n_directory = strlen(directory = ".");

        return asprintf(&path, "%.*s/%s", (int) n_directory, directory, file) < 0 ? NULL : path;
}

/* The files to try: the one named, or one in each directory of the program's own PATH. */
static int resolve_files(const LaunchCommand *c, char ***ret) {
        const char *path = environment_path(c);
        size_t n = 0, max = 2;
        char **files;

        for (const char *p = path; *p; p++)
                max += *p == ':';

        files = calloc(max + 1, sizeof(*files));
        if (!files)
                return -ENOMEM;

        if (strchr(c->file, '/'))
                files[n] = strdup(c->file);
        else
                for (const char *p = path;; p++) {
                        size_t k = strcspn(p, ":");

                        files[n] = join_path(p, k, c->file);
                        p += k;
                        if (!files[n] || *p == '\0')
                                break;
                        n++;
                }

        if (!files[n]) {
                strings_free(files);
                return -ENOMEM;
        }

        *ret = files;
        return 0;
}

/* "/bin/sh", the file, the arguments after the first: as execvp() does for what has no "#!". */
static int make_script_argv(const LaunchCommand *c, char ***ret) {
        char **argv;
        size_t n = 0;

        while (c->argv[n])
                n++;

        argv = calloc(n + 2, sizeof(*argv));
        if (!argv)
                return -ENOMEM;

        argv[0] = (char *) "/bin/sh";
        memcpy(argv + 2, c->argv + 1, (n - 1) * sizeof(*argv));
        *ret = argv;
        return 0;
}

static int open_input(const LaunchCommand *c) {
        int fd;

        if (c->input)
                return fd_memfd_sealed("holdfast-input", c->input, c->n_input);

        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static unsigned clone_flags(const Confinement *c) {
        static const unsigned flags_of[] = {
                [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__MOUNT] = CLONE_NEWNS,
                [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__UTS] = CLONE_NEWUTS,
                [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__IPC] = CLONE_NEWIPC,
                [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__PID] = CLONE_NEWPID,
                [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__NETWORK] = CLONE_NEWNET,
                [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__USER] = CLONE_NEWUSER,
                /* Not at birth, when it would show what the launcher's cgroup is in. */
                [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP] = 0,
        };
        unsigned flags = 0;

        /* The kinds were checked with the plan. */
        for (size_t i = 0; c && i < c->n_namespaces; i++)
                flags |= flags_of[c->namespaces[i]];

        return flags;
}

static int make_mount_fds(const Confinement *c, int **ret) {
        size_t n = c ? c->n_mounts : 0;
        int *fds;

        fds = malloc((n + 1) * sizeof(*fds));
        if (!fds)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++)
                fds[i] = -EBADF;

        *ret = fds;
        return 0;
}

/* Returns the pid, 0 in the child, or a negative errno. */
static pid_t clone_child(unsigned flags, int cgroup_fd, int *ret_pid_fd) {
        int pid_fd = -EBADF;
        struct clone_args args = {
                .flags = CLONE_PIDFD | flags,
                .pidfd = (uint64_t) (uintptr_t) &pid_fd,
                .exit_signal = SIGCHLD,
        };
        long pid;

        if (cgroup_fd >= 0) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t) cgroup_fd;
        }

        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
                return -errno;

        *ret_pid_fd = pid_fd;
        return (pid_t) pid;
}

static int make_child(ChildContext *c, SpawnedChild *ret) {
        int pid_fd = -EBADF;
        pid_t pid;

        /* Linux compares with the wrong cgroup (6.15 and later, kill_seq) and kills what is born into one that was
         * ever killed. What moves there is left alone. */
        c->join_cgroup = c->place.cgroup_fd >= 0 && c->place.cgroup_was_killed;
        pid = clone_child(c->clone_flags, c->join_cgroup ? -EBADF : c->place.cgroup_fd, &pid_fd);
        if (pid < 0 && c->place.cgroup_fd >= 0 && !c->join_cgroup && pid != -EAGAIN && pid != -ENOMEM) {
                /* Some kernels and some sandboxes refuse only that: the child then moves itself. */
                c->join_cgroup = true;
                pid = clone_child(c->clone_flags, -EBADF, &pid_fd);
        }

        if (pid < 0)
                return pid;
        if (pid == 0)
                child_run(c);

        ret->pid = pid;
        ret->pid_fd = pid_fd;
        return 0;
}

/*
 * A launcher that isn't root runs everything as itself, which is what the plan must say then: its
 * agent had no right to promise anybody else. Supplementary groups are then those it has.
 */
static int decide_user(const LaunchPlan *p, bool *ret_switch) {
        if (geteuid() == 0) {
                *ret_switch = true;
                return 0;
        }

        if (p->uid != getuid() || p->gid != getgid())
                return -EPERM;

        *ret_switch = false;
        return 0;
}

/* For the parent not to wait. */
static int make_pipe(int *ret_read_fd, int *ret_write_fd) {
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;

        *ret_read_fd = fds[0];
        *ret_write_fd = fds[1];
        r = fd_set_nonblock(fds[0], true);
        return r < 0 ? r : 0;
}

static int open_ready_pipe(ChildContext *c) {
        int fds[2];

        if (!c->plan->confinement || !c->plan->confinement->network)
                return 0;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;

        c->ready_fd = fds[0];
        c->ready_write_fd = fds[1];
        return 0;
}

/* A child that was made but must not be: nothing of it has run. */
static void undo_child(SpawnedChild *child) {
        ExitStatus status;

        (void) process_pidfd_signal(child->pid_fd, SIGKILL);
        (void) process_pidfd_reap(child->pid_fd, &status);
        child->pid_fd = fd_close(child->pid_fd);
}

/* Has made for the child what only others can, and lets it go on. */
static int release_child(const ChildContext *c, SpawnedChild *child, char **reterr_message) {
        if (c->ready_write_fd < 0)
                return SPAWN_OK;

        if (network_set_up(c->plan->confinement->network, child->pid, reterr_message) < 0 ||
            write(c->ready_write_fd, "", 1) != 1) {
                undo_child(child);
                return SPAWN_E_NETWORK;
        }

        return SPAWN_OK;
}

/* Starts a program of the plan. On success the child is on its way to exec; on failure there is
 * none. */
int spawn(const LaunchPlan *plan, const LaunchCommand *command, const SpawnPlace *place,
          SpawnedChild *ret, char **reterr_message) {
        _cleanup_(context_deinit) ChildContext c = {
                .plan = plan,
                .command = command,
                .place = *place,
                .clone_flags = clone_flags(plan->confinement),
                .stdin_fd = -EBADF,
                .status_fd = -EBADF,
                .exit_fd = -EBADF,
                .ready_fd = -EBADF,
                .ready_write_fd = -EBADF,
        };
        _cleanup_fd_ int status_fd = -EBADF, exit_fd = -EBADF;
        int r;

        r = decide_user(plan, &c.switch_user);
        if (r < 0)
                return r;

        r = resolve_files(command, &c.files);
        if (r < 0)
                return r;

        r = make_script_argv(command, &c.script_argv);
        if (r < 0)
                return r;

        c.stdin_fd = open_input(command);
        if (c.stdin_fd < 0)
                return c.stdin_fd;

        r = make_mount_fds(plan->confinement, &c.mount_fds);
        if (r < 0)
                return r;

        limits_resolve(place->proc_fd, plan->confinement, &c.limits);

        r = make_pipe(&status_fd, &c.status_fd);
        if (r < 0)
                return r;

        r = c.clone_flags & CLONE_NEWPID ? make_pipe(&exit_fd, &c.exit_fd) : 0;
        if (r < 0)
                return r;

        r = open_ready_pipe(&c);
        if (r < 0)
                return r;

        r = make_child(&c, ret);
        if (r < 0)
                return r;

        r = release_child(&c, ret, reterr_message);
        if (r != SPAWN_OK)
                return r;

        ret->status_fd = TAKE_FD(status_fd);
        ret->exit_fd = TAKE_FD(exit_fd);
        return SPAWN_OK;
}
