/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-worker
 *
 * Does for the agent what may take long, one thing per process, so that the agent's loop does not:
 *
 *     holdfast-worker user NAME    who NAME is, asked of NSS, which may ask across the network:
 *                                          uid 1000
 *                                          gid 1000
 *                                          groups 1000 27 100
 *                                          home /home/name
 *     holdfast-worker remove ROOT PATH     removes the directory tree at PATH below ROOT
 *     holdfast-worker volume-make ROOT PATH, volume-remove ROOT PATH, volume-empty ROOT
 *                                          the directory of a persistent volume, durably
 *     holdfast-worker sandboxes WORK_DIR   what may be removed one day, see sandbox_walk.c
 *     holdfast-worker usage ROOT PATH      what the directory tree at PATH below ROOT occupies, in bytes; with
 *                                          the word "incomplete" when that is not all of it
 *     holdfast-worker ports CGROUP…        "<index> <port>" for each TCP port of the host's network that a process
 *                                          of the cgroup, counted from 0, listens on
 *
 * Exits with 0; 2 when there is no such user; 1 when it could not do it. Answers go to stdout,
 * complaints to stderr.
 */

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/disk_usage.h"
#include "agent/port_scan.h"
#include "agent/removal.h"
#include "agent/sandbox_walk.h"
#include "agent/volume_dir.h"
#include "common/base/fd.h"
#include "common/base/macro.h"

#define EXIT_NO_USER 2

/* Whatever hangs in the kernel, such as a directory of a server that is away, is given up: the agent has others waiting.
 * A measurement has a bound of its own, which gives what was found until then. */
#define USAGE_TIMEOUT_SEC (10 * 60)
#define PORTS_TIMEOUT_SEC 60

/* What the kernel allows a process to have. */
#define GROUPS_MAX 65536

static int print_user(const struct passwd *user) {
        _cleanup_free_ gid_t *groups = NULL;
        int n = GROUPS_MAX;

        groups = calloc(GROUPS_MAX, sizeof(gid_t));
        if (!groups)
                return -ENOMEM;

        if (getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
                return -E2BIG;

        printf("uid %u\ngid %u\ngroups", user->pw_uid, user->pw_gid);
        for (int i = 0; i < n; i++)
                printf(" %u", groups[i]);
        printf("\nhome %s\n", user->pw_dir && !strchr(user->pw_dir, '\n') ? user->pw_dir : "");

        return fflush(stdout) == 0 ? 0 : -errno;
}

static int lookup_user(const char *name) {
        const struct passwd *user;
        int r;

        errno = 0;
        user = getpwnam(name);

        /* "Not found" is reported in several ways, by getpwnam(3). */
        if (!user &&
            (errno == 0 || errno == ENOENT || errno == ESRCH || errno == EBADF || errno == EPERM))
                return EXIT_NO_USER;

        r = user ? print_user(user) : -errno;
        if (r < 0) {
                fprintf(stderr, "holdfast-worker: Failed to look up user '%s': %s\n", name,
                        strerror(-r));
                return EXIT_FAILURE;
        }

        return EXIT_SUCCESS;
}

static int complain(const char *what, const char *path, const char *why) {
        fprintf(stderr, "holdfast-worker: Cannot %s '%s': %s\n", what, path, why);
        return EXIT_FAILURE;
}

/* Nobody waits for it, and the tasks need the disk. */
static void step_back(void) {
        (void) setpriority(PRIO_PROCESS, 0, 10);
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static int remove_tree(const char *root, const char *path) {
        int r;

        step_back();
        r = removal_run(root, path);
        if (r == REMOVAL_E_MOUNTED)
                return complain("remove", path, "something is mounted in it");

        return r < 0 ? complain("remove", path, strerror(-r)) : EXIT_SUCCESS;
}

/* Somebody waits for these. */
static int tell_volume(const char *what, const char *root, const char *path, int r) {
        char *whole;

        if (r == 0)
                return EXIT_SUCCESS;

        if (asprintf(&whole, "%s%s%s", root, path ? "/" : "", path ?: "") < 0)
                return EXIT_FAILURE;

        (void) complain(what, whole, r == REMOVAL_E_MOUNTED ? "something is mounted in it" : strerror(-r));
        free(whole);
        return EXIT_FAILURE;
}

static int list_sandboxes(const char *work_dir) {
        int r = sandbox_walk(work_dir, stdout);

        return r < 0 ? complain("walk", work_dir, strerror(-r)) : EXIT_SUCCESS;
}

static int print_usage(const char *root, const char *path) {
        uint64_t bytes;
        int r;

        step_back();
        (void) alarm(USAGE_TIMEOUT_SEC);
        r = disk_usage_measure(root, path, DISK_USAGE_BOUNDS_DEFAULT, &bytes);
        if (r < 0)
                return complain("measure", path, strerror(-r));

        printf("%" PRIu64 "%s\n", bytes, r == DISK_USAGE_E_INCOMPLETE ? " incomplete" : "");
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A container that has ended meanwhile listens on nothing. */
static int print_ports(char *const *cgroups, size_t n) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(port_scan_freep) PortScan *s = NULL;
        int r;

        (void) setpriority(PRIO_PROCESS, 0, 10);
        (void) alarm(PORTS_TIMEOUT_SEC);
        r = proc_fd < 0 ? -errno : port_scan_new(proc_fd, &s);
        if (r < 0)
                return complain("list", "the sockets that listen", strerror(-r));

        for (size_t i = 0; i < n; i++) {
                _cleanup_fd_ int fd = open(cgroups[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                r = fd < 0 ? -errno : port_scan_cgroup(s, fd, (unsigned) i, stdout);
                if (r < 0 && r != -ENOENT && r != -ENODEV)
                        (void) complain("look into", cgroups[i], strerror(-r));
        }

        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
        if (argc == 3 && streq(argv[1], "user"))
                return lookup_user(argv[2]);
        if (argc == 4 && streq(argv[1], "remove"))
                return remove_tree(argv[2], argv[3]);
        if (argc == 4 && streq(argv[1], "volume-make"))
                return tell_volume("make the volume", argv[2], argv[3], volume_dir_make(argv[2], argv[3]));
        if (argc == 4 && streq(argv[1], "volume-remove"))
                return tell_volume("remove the volume", argv[2], argv[3], volume_dir_remove(argv[2], argv[3]));
        if (argc == 3 && streq(argv[1], "volume-empty"))
                return tell_volume("empty the volume", argv[2], NULL, volume_dir_empty(argv[2]));
        if (argc == 3 && streq(argv[1], "sandboxes"))
                return list_sandboxes(argv[2]);
        if (argc == 4 && streq(argv[1], "usage"))
                return print_usage(argv[2], argv[3]);
        if (argc >= 3 && streq(argv[1], "ports"))
                return print_ports(argv + 2, (size_t) argc - 2);

        fprintf(stderr, "Usage: holdfast-worker user NAME\n"
                        "       holdfast-worker remove ROOT PATH\n"
                        "       holdfast-worker volume-make ROOT PATH\n"
                        "       holdfast-worker volume-remove ROOT PATH\n"
                        "       holdfast-worker volume-empty ROOT\n"
                        "       holdfast-worker sandboxes WORK_DIR\n"
                        "       holdfast-worker usage ROOT PATH\n"
                        "       holdfast-worker ports CGROUP...\n"
                        "A helper of holdfast-agent: prints who a user is, removes a directory "
                        "tree below ROOT, makes, removes\n"
                        "or empties the directory of a persistent volume, lists what may be "
                        "removed one day, measures\n"
                        "a directory tree, lists ports that are listened on.\n");
        return EXIT_FAILURE;
}
