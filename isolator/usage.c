/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Usage
 *
 * The kernel's files of a cgroup, for the isolators that say which of them count; and those figures
 * that belong to no isolator and to no field of Mesos's: pressure, peaks, events.
 *
 * All is read in the loop of the agent, of cgroups in which a container may have made more. So there
 * are bounds: what is larger is left out, as is what cannot be read.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/usec.h"
#include "common/model/convert.h"
#include "isolator/usage.h"

/* The kernel's files here have a few hundred bytes; memory.stat has about two thousand. */
#define STAT_MAX_BYTES 16384

/* Of lists of pids: some seven bytes each. */
#define LIST_MAX_BYTES (1U << 20)

/* Cgroups that are walked to count processes; a container with more of them goes without. */
#define N_CGROUPS_MAX 512

char *usage_read(int cgroup_fd, const char *name) {
        char *text;

        return file_read_at(cgroup_fd, name, STAT_MAX_BYTES, &text, NULL) < 0 ? NULL : text;
}

bool usage_find(const char *text, const char *key, uint64_t *ret) {
        size_t n = strlen(key);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, n) == 0 && line[n] == ' ')
                        return sscanf(line + n, " %" SCNu64, ret) == 1;
        }

        return false;
}

void usage_deinit(Mesos__V1__ResourceStatistics *s) {
        for (size_t i = 0; i < s->n_disk_statistics; i++)
                message_free(s->disk_statistics[i]);
        free(s->disk_statistics);
        s->disk_statistics = NULL;
        s->n_disk_statistics = 0;
        s->blkio_statistics = message_free(s->blkio_statistics);
}

bool usage_read_number(int cgroup_fd, const char *name, uint64_t *ret) {
        _cleanup_free_ char *text = usage_read(cgroup_fd, name);

        if (!text)
                return false;

        text[strcspn(text, "\n")] = '\0';
        return parse_u64(text, ret) >= 0;
}

bool usage_add_cpu_times(const char *cpu_stat, Mesos__V1__ResourceStatistics *s) {
        uint64_t user_usec, system_usec;

        if (!usage_find(cpu_stat, "user_usec", &user_usec) || !usage_find(cpu_stat, "system_usec", &system_usec))
                return false;

        USAGE_SET(s, cpus_user_time_secs, usec_to_secs(user_usec));
        USAGE_SET(s, cpus_system_time_secs, usec_to_secs(system_usec));
        return true;
}

static int count_lines(int cgroup_fd, const char *name, uint64_t *total) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = file_read_at(cgroup_fd, name, LIST_MAX_BYTES, &text, NULL);
        if (r < 0)
                return r;

        for (const char *p = text; (p = strchr(p, '\n')); p++)
                (*total)++;

        return 0;
}

static void dir_closep(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

static int count_below(int cgroup_fd, const char *name, unsigned *n_left, uint64_t *total);

static int count_child(int parent_fd, const char *child, const char *name, unsigned *n_left, uint64_t *total) {
        _cleanup_fd_ int fd = openat(parent_fd, child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;     /* it has just been removed */

        return count_below(fd, name, n_left, total);
}

static int count_below(int cgroup_fd, const char *name, unsigned *n_left, uint64_t *total) {
        _cleanup_(dir_closep) DIR *d = NULL;
        const struct dirent *e;
        int fd, r;

        if ((*n_left)-- == 0)
                return -E2BIG;

        r = count_lines(cgroup_fd, name, total);
        if (r < 0)
                return r;

        fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        d = fdopendir(fd);
        if (!d) {
                r = -errno;
                (void) fd_close(fd);
                return r;
        }

        while ((e = readdir(d))) {
                if (e->d_type != DT_DIR || e->d_name[0] == '.')
                        continue;

                r = count_child(fd, e->d_name, name, n_left, total);
                if (r < 0)
                        return r;
        }

        return 0;
}

int usage_count(int cgroup_fd, const char *name, uint64_t *ret) {
        unsigned n_left = N_CGROUPS_MAX;
        uint64_t total = 0;
        int r;

        r = count_below(cgroup_fd, name, &n_left, &total);
        if (r < 0)
                return r;

        *ret = total;
        return 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", then a line of "full", which cpu has since 5.13 only. */
static UsagePressure read_pressure(int cgroup_fd, const char *name) {
        static const char format[] = " avg10=%lf avg60=%*f avg300=%*f total=%" SCNu64;
        _cleanup_free_ char *text = usage_read(cgroup_fd, name);
        const char *some = text ? startswith(text, "some") : NULL, *full = text ? strstr(text, "\nfull") : NULL;
        UsagePressure p = {};

        p.known = some && sscanf(some, format, &p.some_avg10, &p.some_usec) == 2;
        if (full)
                (void) sscanf(full + strlen("\nfull"), format, &p.full_avg10, &p.full_usec);

        return p;
}

/* Until Linux 6.11 it was counted where the process was that asked for another, since then where the bound is. */
static bool read_pids_denied(int cgroup_fd, uint64_t *ret) {
        _cleanup_free_ char *own = usage_read(cgroup_fd, "pids.events"), *below = usage_read(cgroup_fd, "main/pids.events");
        uint64_t n_own, n_below = 0;

        if (!own || !usage_find(own, "max", &n_own))
                return false;

        /* Without the controller below, all is counted here. */
        if (below)
                (void) usage_find(below, "max", &n_below);
        *ret = n_own + n_below;
        return true;
}

UsageMore usage_read_more(int cgroup_fd) {
        _cleanup_free_ char *events = usage_read(cgroup_fd, "memory.events");
        UsageMore m = {
                .cpu = read_pressure(cgroup_fd, "cpu.pressure"),
                .memory = read_pressure(cgroup_fd, "memory.pressure"),
                .io = read_pressure(cgroup_fd, "io.pressure"),
        };

        m.has_mem_peak = usage_read_number(cgroup_fd, "memory.peak", &m.mem_peak_bytes);
        m.has_mem_events = events && usage_find(events, "low", &m.mem_low) && usage_find(events, "high", &m.mem_high) &&
                           usage_find(events, "max", &m.mem_max) && usage_find(events, "oom", &m.mem_oom) &&
                           usage_find(events, "oom_kill", &m.mem_oom_kill);
        m.has_pids = usage_read_number(cgroup_fd, "pids.current", &m.pids);
        m.has_pids_max = usage_read_number(cgroup_fd, "pids.max", &m.pids_max);     /* "max" is no number */
        m.has_pids_denied = read_pids_denied(cgroup_fd, &m.pids_denied);
        return m;
}
