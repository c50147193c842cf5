/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The floor under every launch figure
 *
 * What the kernel alone takes to start a program and see its end: clone3() with a pidfd, exec of
 * /bin/true, waiting on the pidfd, reaping. Measured again with a new cgroup for each, where a cgroup2
 * directory that we may write to is given, and with new namespaces for each, which take their time to
 * end, too. bench/run measures it in the same minutes as our own
 * launches, because only the ratio of the two means something on a busy machine.
 *
 *     floor [--cgroup=DIR] [--namespaces] [COUNT]
 *
 * Prints lines NAME VALUE UNIT.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/macro.h"

static uint64_t now_nsec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static int compare_u64(const void *a, const void *b) {
        uint64_t x, y;

        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return x < y ? -1 : x > y;
}

/* Starts /bin/true, in new namespaces, and in the cgroup if cgroup_fd >= 0; returns its pidfd. */
static int start_true(uint64_t namespaces, int cgroup_fd) {
        int pid_fd = -1;
        struct clone_args args = {
                .flags = CLONE_PIDFD | namespaces | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
                .pidfd = (uint64_t) (uintptr_t) &pid_fd,
                .exit_signal = SIGCHLD,
                .cgroup = cgroup_fd >= 0 ? (uint64_t) cgroup_fd : 0,
        };
        long pid;

        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                execl("/bin/true", "true", (char *) NULL);
                _exit(127);
        }

        return pid_fd;
}

static int reap(int pid_fd) {
        struct pollfd p = { .fd = pid_fd, .events = POLLIN };
        siginfo_t info = {};

        if (poll(&p, 1, -1) < 0 || waitid(P_PIDFD, (id_t) pid_fd, &info, WEXITED) < 0)
                return -errno;

        return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : -EIO;
}

static int launch_once(uint64_t namespaces, int cgroups_fd) {
        int cgroup_fd = -1, pid_fd, r;

        if (cgroups_fd >= 0) {
                if (mkdirat(cgroups_fd, "one", 0755) < 0)
                        return -errno;
                cgroup_fd = openat(cgroups_fd, "one", O_PATH | O_DIRECTORY | O_CLOEXEC);
        }

        pid_fd = start_true(namespaces, cgroup_fd);
        r = pid_fd < 0 ? pid_fd : reap(pid_fd);
        if (pid_fd >= 0)
                (void) close(pid_fd);
        if (cgroup_fd >= 0) {
                (void) close(cgroup_fd);
                (void) unlinkat(cgroups_fd, "one", AT_REMOVEDIR);
        }

        return r;
}

static int measure(const char *name, uint64_t namespaces, int cgroups_fd, size_t n) {
        _cleanup_free_ uint64_t *took_nsec = NULL;
        uint64_t start_nsec = now_nsec();

        took_nsec = calloc(n, sizeof(*took_nsec));
        if (!took_nsec)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                uint64_t begin_nsec = now_nsec();
                int r;

                r = launch_once(namespaces, cgroups_fd);
                if (r < 0)
                        return r;
                took_nsec[i] = now_nsec() - begin_nsec;
        }

        printf("%s_rate %.0f launches/s\n", name, (double) n * 1e9 / (double) (now_nsec() - start_nsec));
        qsort(took_nsec, n, sizeof(*took_nsec), compare_u64);
        printf("%s_p50 %.3f ms\n", name, (double) took_nsec[n / 2] / 1e6);
        printf("%s_p99 %.3f ms\n", name, (double) took_nsec[n * 99 / 100] / 1e6);
        return 0;
}

static int measure_namespaces(size_t n) {
        static const struct {
                const char *name;
                uint64_t flags;
        } kinds[] = {
                { "floor_pid", CLONE_NEWPID },
                { "floor_four", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS },
                { "floor_network", CLONE_NEWNET },
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                int r = measure(kinds[i].name, kinds[i].flags, -1, n);

                if (r < 0)
                        return r;
        }

        return 0;
}

int main(int argc, char **argv) {
        const char *cgroup = NULL;
        bool namespaces = false;
        size_t n = 500;
        int cgroups_fd, r;

        for (int i = 1; i < argc; i++)
                if (startswith(argv[i], "--cgroup="))
                        cgroup = startswith(argv[i], "--cgroup=");
                else if (streq(argv[i], "--namespaces"))
                        namespaces = true;
                else
                        n = strtoul(argv[i], NULL, 10);
        if (n == 0) {
                fprintf(stderr, "Usage: floor [--cgroup=DIR] [--namespaces] [COUNT]\n");
                return 2;
        }

        r = measure("floor", 0, -1, n);
        if (r >= 0 && cgroup) {
                cgroups_fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = cgroups_fd < 0 ? -errno : measure("floor_cgroup", 0, cgroups_fd, n);
        }
        if (r >= 0 && namespaces)
                r = measure_namespaces(n);
        if (r < 0) {
                fprintf(stderr, "floor: %s\n", strerror(-r));
                return 1;
        }

        return 0;
}
