/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Process table
 *
 * A container that no cgroup of its own measures is the sum over its process tree as it is now, as
 * with posix/cpu and posix/mem of Mesos. The tree is cut from one snapshot of /proc, taken once for
 * all containers: walking /proc costs about 10 us a process.
 *
 * The snapshot is not atomic. A process may be missed or seen below a parent that has just changed;
 * nothing worse can happen, since each process is counted once at most.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "isolator/process_table.h"

/* /proc/PID/stat has a few hundred bytes. */
#define STAT_MAX_BYTES 4096

typedef struct Process {
        pid_t pid, parent_pid;
        uint64_t user_ticks, system_ticks;
        uint64_t rss_pages;
        unsigned counted_in;   /* the last sum it is part of */
} Process;

struct ProcessTable {
        Process *processes;    /* sorted by parent; owned */
        size_t n_processes;
        size_t n_allocated;
        Process **by_pid;      /* the same sorted by pid; owned */
        Process **queue;       /* room for a walk over all of them; owned */
        unsigned n_sums;
};

ProcessTable *process_table_free(ProcessTable *t) {
        if (!t)
                return NULL;

        free(t->queue);
        free(t->by_pid);
        free(t->processes);
        free(t);
        return NULL;
}

static int parse_process(const char *text, Process *ret) {
        Process p = {};
        const char *after_name;
        int64_t rss_pages;

        /* The name stands in parentheses and may hold any character: the last of these ends it. */
        after_name = strrchr(text, ')');
        if (!after_name)
                return -EBADMSG;

        if (sscanf(text, "%d", &p.pid) != 1 ||
            sscanf(after_name + 1,
                   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                   " %*d %*d %*d %*d %*d %*d %*u %*u %" SCNd64,
                   &p.parent_pid, &p.user_ticks, &p.system_ticks, &rss_pages) != 4)
                return -EBADMSG;

        p.rss_pages = (uint64_t) MAX(rss_pages, (int64_t) 0);
        *ret = p;
        return 0;
}

static int add_process(ProcessTable *t, int proc_fd, uint64_t pid) {
        _cleanup_free_ char *text = NULL;
        char path[64];
        Process p;

        (void) snprintf(path, sizeof(path), "%" PRIu64 "/stat", pid);
        if (file_read_at(proc_fd, path, STAT_MAX_BYTES, &text, NULL) < 0 ||
            parse_process(text, &p) < 0)
                return 0; /* it has just ended */

        if (t->n_processes == t->n_allocated) {
                size_t n = MAX(t->n_allocated * 2, (size_t) 256);
                Process *processes = reallocarray(t->processes, n, sizeof(*processes));

                if (!processes)
                        return -ENOMEM;

                t->processes = processes;
                t->n_allocated = n;
        }

        t->processes[t->n_processes++] = p;
        return 0;
}

static int compare_by_parent(const void *a, const void *b) {
        const Process *p = a, *q = b;

        return (p->parent_pid > q->parent_pid) - (p->parent_pid < q->parent_pid);
}

static void dir_closep(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

static int compare_by_pid(const void *a, const void *b) {
        const Process *const *p = a, *const *q = b;

        return ((*p)->pid > (*q)->pid) - ((*p)->pid < (*q)->pid);
}

static int make_indices(ProcessTable *t) {
        size_t n = t->n_processes;

        if (n == 0)
                return 0;

        t->by_pid = calloc(n, sizeof(*t->by_pid));
        t->queue = calloc(n, sizeof(*t->queue));
        if (!t->by_pid || !t->queue)
                return -ENOMEM;

        qsort(t->processes, n, sizeof(*t->processes), compare_by_parent);
        for (size_t i = 0; i < n; i++)
                t->by_pid[i] = &t->processes[i];
        qsort(t->by_pid, n, sizeof(*t->by_pid), compare_by_pid);
        return 0;
}

static int read_processes(ProcessTable *t, int proc_fd) {
        _cleanup_(dir_closep) DIR *d = NULL;
        const struct dirent *entry;
        int fd, r;

        fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        d = fdopendir(fd);
        if (!d) {
                r = -errno;
                (void) fd_close(fd);
                return r;
        }

        while ((entry = readdir(d))) {
                uint64_t pid;

                if (parse_u64(entry->d_name, &pid) < 0)
                        continue;

                r = add_process(t, proc_fd, pid);
                if (r < 0)
                        return r;
        }

        return 0;
}

int process_table_new(int proc_fd, ProcessTable **ret) {
        _cleanup_(process_table_freep) ProcessTable *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;

        r = read_processes(t, proc_fd);
        if (r < 0)
                return r;

        r = make_indices(t);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

static Process *find_process(const ProcessTable *t, pid_t pid) {
        const Process key = { .pid = pid }, *wanted = &key;
        Process **found;

        if (t->n_processes == 0)
                return NULL;

        found = bsearch(&wanted, t->by_pid, t->n_processes, sizeof(*t->by_pid), compare_by_pid);
        return found ? *found : NULL;
}

/* The first of the children of `pid`, which stand side by side. */
static size_t find_children(const ProcessTable *t, pid_t pid) {
        size_t begin = 0, end = t->n_processes;

        while (begin < end) {
                size_t middle = begin + (end - begin) / 2;

                if (t->processes[middle].parent_pid < pid)
                        begin = middle + 1;
                else
                        end = middle;
        }

        return begin;
}

/* Breadth first; each process is in one sum at most once, whatever the parents say. */
static ProcessTreeSum sum_tree(ProcessTable *t, Process *root) {
        uint64_t user_ticks = 0, system_ticks = 0, rss_pages = 0;
        double ticks_per_sec = (double) sysconf(_SC_CLK_TCK);
        unsigned sum_id = ++t->n_sums;
        size_t n = 0;

        root->counted_in = sum_id;
        t->queue[n++] = root;
        for (size_t i = 0; i < n; i++) {
                const Process *p = t->queue[i];

                user_ticks += p->user_ticks;
                system_ticks += p->system_ticks;
                rss_pages += p->rss_pages;

                for (size_t k = find_children(t, p->pid);
                     k < t->n_processes && t->processes[k].parent_pid == p->pid; k++) {
                        if (t->processes[k].counted_in == sum_id)
                                continue;

                        t->processes[k].counted_in = sum_id;
                        t->queue[n++] = &t->processes[k];
                }
        }

        return (ProcessTreeSum) {
                .user_secs = (double) user_ticks / ticks_per_sec,
                .system_secs = (double) system_ticks / ticks_per_sec,
                .rss_bytes = rss_pages * (uint64_t) sysconf(_SC_PAGESIZE),
        };
}

bool process_table_sum(ProcessTable *t, pid_t root, ProcessTreeSum *ret) {
        Process *p = find_process(t, root);

        if (!p)
                return false;

        *ret = sum_tree(t, p);
        return true;
}
