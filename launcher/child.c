/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The child, between clone and exec
 *
 * A copy of the launcher that is to become a stranger's program. Everything was decided before
 * (ChildContext); here it is only carried out, step by step. This is a hostile place: no malloc, no
 * stdio, no locks, no log; only system calls on memory that is already there. A step that fails
 * ends it: the step's number and the errno go up a close-on-exec pipe, so that the end of the
 * pipe's file, without a word, means that exec happened.
 *
 * Two kinds of things are undone here: what the launcher made for itself (blocked signals, its
 * session, its descriptors), and what the agent's unit may have set and children inherit (limits,
 * priorities, affinity, memory policy, personality, OOM score, keyring). What cannot be undone by
 * anybody is no_new_privs, seccomp filters, a narrowed bounding set of capabilities, and the mount
 * namespace: the unit must not set those.
 */

#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/process.h"
#include "launcher/init.h"
#include "launcher/mounts.h"
#include "launcher/rights.h"
#include "launcher/spawn.h"

/* Since Linux 6.4; not in the headers we build with. */
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

/* What init starts with, in nanoseconds; 0 would mean "as our parent had it". */
#define TIMER_SLACK_DEFAULT_NSEC 50000UL

/* From <linux/mempolicy.h>, which libnuma's headers usually stand in for. */
#define MPOL_DEFAULT_ 0

/* The most that Linux can be built for. */
#define CPUS_MAX 8192

typedef struct ChildStep {
        const char *name;        /* completes "Failed to …" */
        int (*run)(const ChildContext *c);
} ChildStep;

static int child_reset_signals(const ChildContext *c) {
        (void) c;
        return process_reset_signals();
}

/* Only where CLONE_INTO_CGROUP was refused. "0" is the writer itself. */
static int child_join_cgroup(const ChildContext *c) {
        ssize_t n;
        int fd;

        if (!c->join_cgroup)
                return 0;

        fd = openat(c->place.cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        n = write(fd, "0", 1);
        return n < 0 ? -errno : 0;
}

static int child_start_session(const ChildContext *c) {
        (void) c;
        return setsid() < 0 ? -errno : 0;
}

/* Its root is the cgroup that we are in by now. */
static int child_hide_cgroups(const ChildContext *c) {
        if (!confinement_has_namespace(c->plan->confinement, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP))
                return 0;

        return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

static int child_write_proc(const ChildContext *c, const char *file, const char *text) {
        ssize_t n;
        int fd;

        fd = openat(c->place.proc_fd, file, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        n = write(fd, text, strlen(text));
        if (n < 0)
                n = -errno;
        (void) close(fd);
        return n < 0 ? (int) n : 0;
}

/* Who is mapped by us has no say in groups: nobody could take a group's denial of something away. */
static int child_map_users(const ChildContext *c) {
        const Confinement *confinement = c->plan->confinement;
        int r;

        if (!(c->clone_flags & CLONE_NEWUSER))
                return 0;

        /* The launcher isn't dumpable, and these files are root's as long as we aren't, either. */
        if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
                return -errno;

        r = child_write_proc(c, "self/setgroups", "deny");
        if (r == 0 && confinement->uid_map)
                r = child_write_proc(c, "self/uid_map", confinement->uid_map);
        if (r == 0 && confinement->gid_map)
                r = child_write_proc(c, "self/gid_map", confinement->gid_map);
        return r;
}

static int child_set_hostname(const ChildContext *c) {
        const Confinement *confinement = c->plan->confinement;

        if (!confinement || !confinement->hostname)
                return 0;

        return sethostname(confinement->hostname, strlen(confinement->hostname)) < 0 ? -errno : 0;
}

/* The launcher lets us go, or is gone itself. */
static int child_wait_for_network(const ChildContext *c) {
        ssize_t n;
        char byte;

        if (c->ready_fd < 0)
                return 0;

        (void) close(c->ready_write_fd);
        do
                n = read(c->ready_fd, &byte, 1);
        while (n < 0 && errno == EINTR);

        return n == 1 ? 0 : -EOWNERDEAD;
}

static int child_set_limits(const ChildContext *c) {
        return child_apply_limits(&c->limits);
}

static int child_reset_scheduling(const ChildContext *c) {
        static const struct sched_param none = {};
        unsigned long all_cpus[CPUS_MAX / (8 * sizeof(unsigned long))];
        int r;

        (void) c;

        /* Without SCHED_RESET_ON_FORK, which would otherwise stay. */
        r = child_unless_forbidden(sched_setscheduler(0, SCHED_OTHER, &none));
        if (r < 0)
                return r;

        r = child_unless_forbidden(setpriority(PRIO_PROCESS, 0, 0));
        if (r < 0)
                return r;

        r = child_unless_forbidden((int) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                                           IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0)));
        if (r < 0)
                return r;

        /* The kernel takes those of them that our cpuset has. */
        memset(all_cpus, 0xff, sizeof(all_cpus));
        r = child_unless_forbidden((int) syscall(SYS_sched_setaffinity, 0, sizeof(all_cpus), all_cpus));
        if (r < 0)
                return r;

        return child_unless_forbidden(prctl(PR_SET_TIMERSLACK, TIMER_SLACK_DEFAULT_NSEC, 0, 0, 0));
}

static int child_reset_memory_policy(const ChildContext *c) {
        int r;

        (void) c;
        r = child_unless_forbidden((int) syscall(SYS_set_mempolicy, MPOL_DEFAULT_, NULL, 0));
        if (r < 0)
                return r;

        r = child_unless_forbidden(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
        if (r < 0)
                return r;

        return child_unless_forbidden(prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0));
}

static int child_reset_oom_score(const ChildContext *c) {
        ssize_t n;
        int fd;

        /* The launcher isn't dumpable, so that its /proc files are root's; we are the task's
         * from here. */
        if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
                return -errno;

        fd = openat(c->place.proc_fd, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return child_unless_forbidden(fd);

        n = write(fd, "0", 1);
        return n < 0 ? child_unless_forbidden(-1) : 0;
}

static int child_reset_personality(const ChildContext *c) {
        (void) c;
        return personality(PER_LINUX) < 0 ? -errno : 0;
}

/* A new one: what the agent's session holds is not for tasks. At a full quota it is the old one
 * that stays. */
static int child_start_keyring(const ChildContext *c) {
        (void) c;
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 && errno != EDQUOT)
                return child_unless_forbidden(-1);

        return 0;
}

static int child_open_streams(const ChildContext *c) {
        const int from[] = { c->stdin_fd, c->place.stdout_fd, c->place.stderr_fd };

        /* All three are above 2, since the launcher has its own streams open. */
        for (int i = 0; i < (int) ELEMENTSOF(from); i++)
                if (dup2(from[i], i) < 0)
                        return -errno;

        return 0;
}

static int child_set_umask(const ChildContext *c) {
        (void) umask(c->plan->umask);
        return 0;
}

/* System calls directly: the libc's wrappers would first look for other threads to change with
 * us. */
static int child_change_groups(const ChildContext *c) {
        if (!c->switch_user)
                return 0;
        if (syscall(SYS_setgroups, c->plan->n_groups, c->plan->groups) < 0)
                return -errno;

        return syscall(SYS_setresgid, c->plan->gid, c->plan->gid, c->plan->gid) < 0 ? -errno : 0;
}

static int child_change_user(const ChildContext *c) {
        if (!c->switch_user)
                return 0;

        return syscall(SYS_setresuid, c->plan->uid, c->plan->uid, c->plan->uid) < 0 ? -errno : 0;
}

/* Changing the user has cleared an earlier one. If the launcher died before we asked, nobody
 * would tell us. */
static int child_die_with_launcher(const ChildContext *c) {
        struct pollfd p = { .fd = c->place.launcher_pid_fd, .events = POLLIN };
        int n;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;

        n = poll(&p, 1, 0);
        if (n < 0)
                return -errno;

        return n > 0 ? -EOWNERDEAD : 0;
}

/* With the launcher's rights, since a work directory may well lie below one that only root may
 * pass. */
static int child_approach_directory(const ChildContext *c) {
        if (chdir(c->plan->working_directory) >= 0)
                return 0;
        if (errno != EACCES)
                return -errno;

        /* NFS keeps root out where the user may go. */
        return chdir("/") < 0 ? -errno : 0;
}

static bool child_is_at_root(void) {
        struct stat here, root;

        return stat(".", &here) < 0 || stat("/", &root) < 0 ||
               (here.st_dev == root.st_dev && here.st_ino == root.st_ino);
}

/* As the user. Where the way is barred it is enough that we are there, and that the directory
 * itself lets them in. */
static int child_change_directory(const ChildContext *c) {
        if (chdir(c->plan->working_directory) >= 0)
                return 0;
        if (errno != EACCES)
                return -errno;

        return child_is_at_root() || access(".", X_OK) < 0 ? -EACCES : 0;
}

/* Marked rather than closed: the pipe is among them, and still needed until exec. */
static int child_close_descriptors(const ChildContext *c) {
        (void) c;
        return syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

/* As execvp() does, but with everything allocated before. Returns only when nothing could be
 * executed. */
static int child_execute(const ChildContext *c) {
        static char *const empty[] = { NULL };
        char *const *environment = c->command->environment ? c->command->environment : empty;
        int error = ENOENT;

        for (char **file = c->files; *file; file++) {
                (void) execve(*file, c->command->argv, environment);

                if (errno == ENOEXEC) {
                        c->script_argv[1] = *file;
                        (void) execve(c->script_argv[0], c->script_argv, environment);
                        return -ENOEXEC;
                }

                if (errno == EACCES)
                        error = EACCES;
                else if (errno != ENOENT && errno != ENOTDIR)
                        return -errno;
        }

        return -error;
}

static const ChildStep steps[] = {
        { "reset signals", child_reset_signals },
        { "join the container's cgroup", child_join_cgroup },
        { "map users", child_map_users },
        { "hide other cgroups", child_hide_cgroups },
        { "open the source of a mount", child_open_sources },
        { "separate mounts", child_enter_mounts },
        { "mount", child_mount },
        { "change the root", child_change_root },
        { "set the hostname", child_set_hostname },
        { "wait for the network", child_wait_for_network },
        /* As soon as the namespaces are as they will be: what follows is the command's own. */
        { "start below an init", child_start_below_init },
        { "start a session", child_start_session },
        /* These need the launcher's rights, and so come before the change of user. */
        { "reset scheduling", child_reset_scheduling },
        { "reset memory policy", child_reset_memory_policy },
        { "reset the OOM score", child_reset_oom_score },
        { "reset personality", child_reset_personality },
        { "start a keyring", child_start_keyring },
        /* Before the change of user: with securebits set, that would keep capabilities. */
        { "reset capabilities", child_reset_capabilities },
        { "open standard streams", child_open_streams },
        { "set the umask", child_set_umask },
        /* The last to need those rights: a limit of few descriptors must not stop the steps
         * above. */
        { "set limits", child_set_limits },
        { "enter the working directory", child_approach_directory },
        /* Around the change of user, and in this order: see rights.c. */
        { "bound capabilities", child_bound_capabilities },
        { "keep capabilities", child_keep_capabilities },
        /* Groups first: without root there is no changing them. */
        { "change groups", child_change_groups },
        { "change user", child_change_user },
        { "take capabilities", child_take_capabilities },
        /* After the change of user, which clears it. */
        { "die with the launcher", child_die_with_launcher },
        { "enter the working directory", child_change_directory },
        { "close descriptors", child_close_descriptors },
        { "forbid new privileges", child_forbid_new_privileges },
        /* The last: it may forbid what the others need. */
        { "filter system calls", child_filter_system_calls },
        { "execute", child_execute },
};

const char *child_step_name(uint32_t step) {
        return step < ELEMENTSOF(steps) ? steps[step].name : "take an unknown step";
}

void child_run(ChildContext *c) {
        int32_t failed_item = -1;
        int root_fd = -EBADF;

        c->failed_item = &failed_item;
        c->root_fd = &root_fd;
        for (uint32_t i = 0; i < ELEMENTSOF(steps); i++) {
                int r;

                CRASH_POINT(steps[i].name);
                r = steps[i].run(c);
                if (r < 0) {
                        ChildFailure failure = { .step = i, .error = -r, .item = failed_item };
                        ssize_t n;

                        /* Nobody is left to tell when this fails, too. */
                        n = write(c->status_fd, &failure, sizeof(failure));
                        _exit(n == sizeof(failure) ? 127 : 126);
                }
        }

        _exit(126);
}
