/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Process trees
 *
 * Where a container has no cgroup, what belongs to it is what descends from its launcher. The
 * launcher is a subreaper: a process whose parent dies becomes the launcher's child, so that
 * nothing leaves the tree by forking twice or by starting a session.
 *
 * Where the kernel lists children (task/<tid>/children), only the tree itself is walked. Without that
 * every process of the host has to be asked for its parent, which with a thousand containers ending
 * at once is a million files.
 *
 * /proc is not a snapshot. A process may fork while we look, so killing stops everything first,
 * looks again until nobody new appears, and only then kills: what is stopped cannot fork. And a pid
 * may be somebody else's by the time it is signalled: the start time is compared under a pidfd.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/process.h"
#include "common/base/process_tree.h"

/* A process with more children than fit is looked for the other way. */
#define CHILDREN_MAX_BYTES (1U << 20)

/* Rounds of stopping. Each leaves at most what was forked within it, so that few are enough. */
#define STOP_ROUNDS_MAX 16

void process_tree_deinit(ProcessTree *t) {
        free(t->processes);
        *t = (ProcessTree) {};
}

/* -ESRCH when it is gone by now. */
static int read_process(int proc_fd, pid_t pid, ProcessInfo *ret) {
        _cleanup_free_ char *text = NULL;
        ProcessInfo p = { .pid = pid };
        char path[32], state;
        const char *rest;
        int r;

        (void) snprintf(path, sizeof(path), "%i/stat", pid);
        r = file_read_at(proc_fd, path, 4096, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        /* After the name, which may itself hold parentheses: state, parent, … and start time as
         * the 22nd field. */
        rest = strrchr(text, ')');
        if (!rest || sscanf(rest + 1,
                            " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                            "%*d %*d %" SCNu64,
                            &state, &p.parent_pid, &p.start_time_ticks) != 3)
                return -EBADMSG;

        p.is_zombie = state == 'Z';
        *ret = p;
        return 0;
}

static int add_process(ProcessTree *t, size_t *n_allocated, const ProcessInfo *p) {
        if (t->n_processes == *n_allocated) {
                size_t wanted = MAX(*n_allocated * 2, (size_t) 256);
                ProcessInfo *grown = reallocarray(t->processes, wanted, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;

                t->processes = grown;
                *n_allocated = wanted;
        }

        t->processes[t->n_processes++] = *p;
        return 0;
}

static int scan_all(int proc_fd, ProcessTree *t) {
        size_t n_allocated = 0;
        int fd, r = 0;
        DIR *d;

        fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        d = fdopendir(fd);
        if (!d) {
                r = -errno;
                (void) fd_close(fd);
                return r;
        }

        for (struct dirent *e; r >= 0 && (errno = 0, e = readdir(d));) {
                ProcessInfo p;
                uint64_t pid;

                if (parse_u64(e->d_name, &pid) >= 0 && read_process(fd, (pid_t) pid, &p) >= 0)
                        r = add_process(t, &n_allocated, &p);
        }

        if (r >= 0)
                r = -errno;

        (void) closedir(d);
        return r;
}

static int compare_pids(const void *a, const void *b) {
        const ProcessInfo *x = a, *y = b;

        return (x->pid > y->pid) - (x->pid < y->pid);
}

static const ProcessInfo *find(const ProcessTree *t, pid_t pid) {
        const ProcessInfo key = { .pid = pid };

        if (t->n_processes == 0)
                return NULL;

        return bsearch(&key, t->processes, t->n_processes, sizeof(key), compare_pids);
}

/* Marks what descends from the root, pass by pass: most children have a higher pid than their
 * parent. */
static void mark_members(ProcessTree *t, pid_t root_pid) {
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; i < t->n_processes; i++) {
                        ProcessInfo *p = &t->processes[i];
                        const ProcessInfo *parent;

                        if (p->is_member || p->pid == root_pid)
                                continue;

                        parent = p->parent_pid == root_pid ? NULL : find(t, p->parent_pid);
                        if (p->parent_pid == root_pid || (parent && parent->is_member))
                                p->is_member = again = true;
                }
        }
}

static int scan_for_members(int proc_fd, pid_t root_pid, ProcessTree *t) {
        size_t n = 0;
        int r;

        r = scan_all(proc_fd, t);
        if (r < 0)
                return r;

        if (t->n_processes > 0)
                qsort(t->processes, t->n_processes, sizeof(*t->processes), compare_pids);

        mark_members(t, root_pid);
        for (size_t i = 0; i < t->n_processes; i++)
                if (t->processes[i].is_member)
                        t->processes[n++] = t->processes[i];

        t->n_processes = n;
        return 0;
}

/* The children of one thread, "12 345 6789 ". -ENOENT: the thread is gone, or the kernel has no such list. */
static int add_children(int proc_fd, pid_t pid, const char *tid, ProcessTree *t, size_t *n_allocated) {
        _cleanup_free_ char *text = NULL;
        char path[64], *p, *word;
        int r;

        (void) snprintf(path, sizeof(path), "%i/task/%.16s/children", pid, tid);
        r = file_read_at(proc_fd, path, CHILDREN_MAX_BYTES, &text, NULL);
        if (r < 0)
                return r;

        p = text;
        while ((word = strsep(&p, " \n"))) {
                ProcessInfo info;
                uint64_t child;

                if (parse_u64(word, &child) < 0 || read_process(proc_fd, (pid_t) child, &info) < 0)
                        continue;

                info.is_member = true;
                r = add_process(t, n_allocated, &info);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* A process has the children of all its threads. */
static int add_children_of(int proc_fd, pid_t pid, ProcessTree *t, size_t *n_allocated) {
        char path[32];
        int fd, r = -ENOENT;
        DIR *d;

        (void) snprintf(path, sizeof(path), "%i/task", pid);
        fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        d = fdopendir(fd);
        if (!d) {
                r = -errno;
                (void) fd_close(fd);
                return r;
        }

        for (struct dirent *e; (e = readdir(d));) {
                if (e->d_name[0] == '.')
                        continue;

                r = add_children(proc_fd, pid, e->d_name, t, n_allocated);
                if (r < 0 && r != -ENOENT)
                        break;
        }

        (void) closedir(d);
        return r;
}

/* What is found is itself looked into: the list grows while it is walked. */
static int scan_by_children(int proc_fd, pid_t root_pid, ProcessTree *t) {
        size_t n_allocated = 0;
        int r;

        r = add_children_of(proc_fd, root_pid, t, &n_allocated);
        if (r < 0)
                return r;

        for (size_t i = 0; i < t->n_processes; i++) {
                r = add_children_of(proc_fd, t->processes[i].pid, t, &n_allocated);
                if (r < 0 && r != -ENOENT && r != -ESRCH)
                        return r;
        }

        if (t->n_processes > 0)
                qsort(t->processes, t->n_processes, sizeof(*t->processes), compare_pids);
        return 0;
}

/* Finds the descendants of a process, without itself. `proc_fd` is /proc. */
int process_tree_scan(int proc_fd, pid_t root_pid, ProcessTree *ret) {
        _cleanup_(process_tree_deinit) ProcessTree t = {};
        int r;

        r = scan_by_children(proc_fd, root_pid, &t);
        if (r < 0) {
                process_tree_deinit(&t);
                r = scan_for_members(proc_fd, root_pid, &t);
        }
        if (r < 0)
                return r;

        *ret = t;
        t = (ProcessTree) {};
        return 0;
}

static int signal_process(const ProcessInfo *p, int signal_number) {
        _cleanup_fd_ int pid_fd = -EBADF;
        uint64_t start_time_ticks;
        int r;

        pid_fd = process_pidfd_open(p->pid);
        if (pid_fd < 0)
                return pid_fd;

        /* With the pidfd open the process may end, but its pid is not given away unnoticed. */
        r = process_start_time(p->pid, &start_time_ticks);
        if (r < 0)
                return r;
        if (start_time_ticks != p->start_time_ticks)
                return -ESRCH;

        return process_pidfd_signal(pid_fd, signal_number);
}

/* Signals all of the tree that still live; returns how many. */
size_t process_tree_signal(const ProcessTree *t, int signal_number) {
        size_t n = 0;

        for (size_t i = 0; i < t->n_processes; i++)
                if (!t->processes[i].is_zombie &&
                    signal_process(&t->processes[i], signal_number) >= 0)
                        n++;

        return n;
}

static bool has_newcomers(const ProcessTree *before, const ProcessTree *now) {
        for (size_t i = 0; i < now->n_processes; i++) {
                const ProcessInfo *p = find(before, now->processes[i].pid);

                if (!p || p->start_time_ticks != now->processes[i].start_time_ticks)
                        return true;
        }

        return false;
}

/* Kills the descendants of a process. They have not ended yet when this returns. */
int process_tree_kill(int proc_fd, pid_t root_pid) {
        _cleanup_(process_tree_deinit) ProcessTree stopped = {};

        for (unsigned i = 0; i < STOP_ROUNDS_MAX; i++) {
                ProcessTree now = {};
                bool newcomers;
                int r;

                r = process_tree_scan(proc_fd, root_pid, &now);
                if (r < 0)
                        return r;

                newcomers = has_newcomers(&stopped, &now);
                if (newcomers)
                        (void) process_tree_signal(&now, SIGSTOP);

                process_tree_deinit(&stopped);
                stopped = now;
                if (!newcomers)
                        break;
        }

        (void) process_tree_signal(&stopped, SIGKILL);
        return 0;
}
