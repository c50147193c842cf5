/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Limits
 *
 * What the agent's unit sets (LimitNOFILE= and its kin) is meant for the agent, and tasks would
 * inherit it. They get what the plan says, and for the rest what a process of this host starts
 * with: the limits of PID 1, except for the two that systemd raises for itself at boot and does not
 * give to services. Without a readable PID 1 (hidepid=) the kernel's own defaults stand in.
 */

#include <stdio.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "launcher/limits.h"

#define MIB (UINT64_C(1) << 20)

static const struct {
        const char *name;            /* in /proc/PID/limits */
        bool from_pid1;
        bool has_default;            /* the kernel's; systemd's for those not from PID 1 */
        struct rlimit by_default;
} table[RLIM_NLIMITS] = {
        [RLIMIT_CPU] = { "Max cpu time", true, true, { RLIM_INFINITY, RLIM_INFINITY } },
        [RLIMIT_FSIZE] = { "Max file size", true, true, { RLIM_INFINITY, RLIM_INFINITY } },
        [RLIMIT_DATA] = { "Max data size", true, true, { RLIM_INFINITY, RLIM_INFINITY } },
        [RLIMIT_STACK] = { "Max stack size", true, true, { 8 * MIB, RLIM_INFINITY } },
        [RLIMIT_CORE] = { "Max core file size", true, true, { 0, RLIM_INFINITY } },
        [RLIMIT_RSS] = { "Max resident set", true, true, { RLIM_INFINITY, RLIM_INFINITY } },
        [RLIMIT_NPROC] = { "Max processes", true, false, {} },
        /* Soft 1,024 because of select(); the hard limit is systemd's since version 240. */
        [RLIMIT_NOFILE] = { "Max open files", false, true, { 1024, 524288 } },
        [RLIMIT_MEMLOCK] = { "Max locked memory", false, true, { 8 * MIB, 8 * MIB } },
        [RLIMIT_AS] = { "Max address space", true, true, { RLIM_INFINITY, RLIM_INFINITY } },
        [RLIMIT_LOCKS] = { "Max file locks", true, true, { RLIM_INFINITY, RLIM_INFINITY } },
        [RLIMIT_SIGPENDING] = { "Max pending signals", true, false, {} },
        [RLIMIT_MSGQUEUE] = { "Max msgqueue size", true, true, { 819200, 819200 } },
        [RLIMIT_NICE] = { "Max nice priority", true, true, { 0, 0 } },
        [RLIMIT_RTPRIO] = { "Max realtime priority", true, true, { 0, 0 } },
        [RLIMIT_RTTIME] = { "Max realtime timeout", true, true, { RLIM_INFINITY, RLIM_INFINITY } },
};

static int parse_limit(char **saved, rlim_t *ret) {
        const char *word = strtok_r(NULL, " ", saved);
        uint64_t value;
        int r;

        if (!word)
                return -EBADMSG;

        if (streq(word, "unlimited")) {
                *ret = RLIM_INFINITY;
                return 0;
        }

        r = parse_u64(word, &value);
        if (r < 0)
                return r;

        *ret = value;
        return 0;
}

/* "Max cpu time              unlimited            unlimited            seconds" */
static void read_line(char *line, Limits *l) {
        for (size_t i = 0; i < RLIM_NLIMITS; i++) {
                size_t n = strlen(table[i].name);
                char *saved = line + n;
                struct rlimit limit;

                if (!table[i].from_pid1 || strncmp(line, table[i].name, n) != 0 || line[n] != ' ')
                        continue;

                if (parse_limit(&saved, &limit.rlim_cur) >= 0 &&
                    parse_limit(&saved, &limit.rlim_max) >= 0)
                        l->limits[i] = (Limit) { .rlimit = limit, .known = true };
                return;
        }
}

static void read_pid1(int proc_fd, Limits *l) {
        _cleanup_free_ char *text = NULL;
        char *saved = NULL;

        if (file_read_at(proc_fd, "1/limits", 16384, &text, NULL) < 0)
                return;

        for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
                read_line(line, l);
}

/* `proc_fd` is /proc. */
void limits_resolve(int proc_fd, const Confinement *c, Limits *ret) {
        Limits l = {};

        for (size_t i = 0; i < RLIM_NLIMITS; i++)
                l.limits[i] = (Limit) { .rlimit = table[i].by_default,
                                        .known = table[i].has_default };

        read_pid1(proc_fd, &l);

        for (size_t i = 0; c && i < c->n_rlimits; i++)
                l.limits[c->rlimits[i]->resource] = (Limit) {
                        .rlimit = { .rlim_cur = c->rlimits[i]->soft,
                                    .rlim_max = c->rlimits[i]->hard },
                        .known = true,
                        .planned = true,
                };

        *ret = l;
}

static int apply(int resource, const Limit *limit) {
        struct rlimit wanted = limit->rlimit, current;

        if (setrlimit((__rlimit_resource_t) resource, &wanted) >= 0)
                return 0;
        if (errno != EPERM || limit->planned)
                return -errno;

        /* Not ours to raise (no CAP_SYS_RESOURCE, or above fs.nr_open): as near as we may. */
        if (getrlimit((__rlimit_resource_t) resource, &current) < 0)
                return -errno;

        wanted.rlim_max = MIN(wanted.rlim_max, current.rlim_max);
        wanted.rlim_cur = MIN(wanted.rlim_cur, wanted.rlim_max);
        return setrlimit((__rlimit_resource_t) resource, &wanted) < 0 ? -errno : 0;
}

/* In the child, before it gives up the right to raise limits: system calls only. */
int child_apply_limits(const Limits *l) {
        for (int i = 0; i < RLIM_NLIMITS; i++)
                if (l->limits[i].known) {
                        int r;

                        r = apply(i, &l->limits[i]);
                        if (r < 0)
                                return r;
                }

        return 0;
}
