/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Process trees
 *
 * A task is a process and whatever it started, also what left its session and process group. The
 * executor is a subreaper, so even those whose parents have died are still its descendants and are
 * found by walking up from every process in /proc.
 *
 * A pid read from /proc may be somebody else's a moment later: each process is held by a pidfd, and
 * signalled only if it still has the parent that made it one of ours.
 *
 * The cgroup is the launcher's means, which nothing escapes; this is what is polite before, and all
 * there is where there is no cgroup.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/process.h"
#include "executor/process_tree.h"

/* Passes over a tree that forks while it is killed. */
#define KILL_PASSES 64

typedef struct Process {
        pid_t pid, parent;
        bool ours;
        bool alive;
} Process;

/* "123 (name) S 45 …" */
static int read_process(pid_t pid, Process *ret) {
        _cleanup_free_ char *text = NULL;
        char path[64], state;
        const char *p;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%i/stat", pid);
        r = file_read_at(AT_FDCWD, path, 4096, &text, NULL);
        if (r < 0)
                return r;

        *ret = (Process) { .pid = pid };
        p = strrchr(text, ')');
        if (!p || sscanf(p + 1, " %c %i", &state, &ret->parent) != 2)
                return -EBADMSG;

        ret->alive = state != 'Z' && state != 'X';
        return 0;
}

static int list_processes(Process **ret, size_t *ret_n) {
        _cleanup_free_ Process *list = NULL;
        size_t n = 0, n_allocated = 0;
        struct dirent *entry;
        DIR *dir;

        dir = opendir("/proc");
        if (!dir)
                return -errno;

        while ((entry = readdir(dir))) {
                uint64_t pid;

                if (parse_u64(entry->d_name, &pid) < 0)
                        continue;

                if (n == n_allocated) {
                        Process *more = realloc(list, (n_allocated + 256) * sizeof(*list));

                        if (!more) {
                                closedir(dir);
                                return -ENOMEM;
                        }
                        list = more;
                        n_allocated += 256;
                }

                /* One that has just ended is nobody's. */
                if (read_process((pid_t) pid, &list[n]) >= 0)
                        n++;
        }

        closedir(dir);
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

static int compare_pids(const void *a, const void *b) {
        const Process *x = a, *y = b;

        return (x->pid > y->pid) - (x->pid < y->pid);
}

/* Marks the descendants of root. Sorted by pid, a pass or two suffice: parents mostly come first. */
static void mark_descendants(Process *list, size_t n, pid_t root) {
        bool found = true;

        qsort(list, n, sizeof(*list), compare_pids);
        while (found) {
                found = false;
                for (size_t i = 0; i < n; i++) {
                        Process key = { .pid = list[i].parent };
                        const Process *parent;

                        if (list[i].ours)
                                continue;

                        parent = bsearch(&key, list, n, sizeof(*list), compare_pids);
                        if (list[i].parent == root || (parent && parent->ours))
                                list[i].ours = found = true;
                }
        }
}

/* A process whose parent has died since is our own child now. */
static int signal_process(const Process *p, pid_t root, int signal_number) {
        _cleanup_fd_ int pid_fd = -EBADF;
        Process now;

        pid_fd = process_pidfd_open(p->pid);
        if (pid_fd < 0)
                return pid_fd;
        if (read_process(p->pid, &now) < 0 || (now.parent != p->parent && now.parent != root))
                return -ESRCH;

        return process_pidfd_signal(pid_fd, signal_number);
}

/* Returns how many processes below root were signalled; root itself is not. */
int process_tree_signal(pid_t root, int signal_number) {
        _cleanup_free_ Process *list = NULL;
        int r, n_signalled = 0;
        size_t n = 0;

        r = list_processes(&list, &n);
        if (r < 0)
                return r;

        mark_descendants(list, n, root);
        for (size_t i = 0; i < n; i++)
                if (list[i].ours && list[i].alive && signal_process(&list[i], root, signal_number) >= 0)
                        n_signalled++;

        return n_signalled;
}

/* SIGKILL to all below root, also to what they start meanwhile. */
void process_tree_kill(pid_t root) {
        for (unsigned i = 0; i < KILL_PASSES; i++)
                if (process_tree_signal(root, SIGKILL) <= 0)
                        break;
}
