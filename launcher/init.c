/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The init of a container
 *
 * The first process of a pid namespace is its init: orphans become its children, signals without a
 * handler don't reach it, and all others die with it. Few programs expect that of themselves, so
 * the child stays behind as the init, and the command is a child of it:
 *
 *      launcher ──clone──▶ init (1) ──fork──▶ command (2) ──▶ …
 *         ▲                  │ reaps all, passes signals on to the command
 *         └──wait status─────┘ ends when the command does, and with it everything
 *
 * Its own exit status cannot say how the command ended: process 1 cannot die of a signal of its
 * own. So the status goes up a pipe, whole. A pipe that ends without one means that the init was
 * killed, and then how the init ended is the truth.
 *
 * It executes nothing: there is no program to be found, or replaced, in the container. It is a copy
 * of the launcher and has its rights at first; what it keeps is the one to signal a command that
 * has changed its user. Descriptors are closed but for the pipe, the heap is dropped, and nobody in
 * the container may trace it. It reads nothing from anybody.
 */

#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/process.h"
#include "launcher/init.h"

/* The mappings of a launcher are some forty lines; the heap is among the first. */
#define MAPS_MAX 4096

/* A hexadecimal number; *p is moved behind it. */
static uintptr_t child_parse_hex(const char **p) {
        uintptr_t n = 0;

        for (;; (*p)++)
                if (**p >= '0' && **p <= '9')
                        n = n << 4 | (uintptr_t) (**p - '0');
                else if (**p >= 'a' && **p <= 'f')
                        n = n << 4 | (uintptr_t) (**p - 'a' + 10);
                else
                        return n;
}

/* "55d0c8e00000-55d0c8e21000 rw-p 00000000 00:00 0    [heap]" */
static void child_drop_heap(const char *maps) {
        for (const char *line = maps; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                const char *p = line;
                uintptr_t start, end;

                start = child_parse_hex(&p);
                if (*p++ != '-')
                        return;
                end = child_parse_hex(&p);
                p += strcspn(p, "[\n");
                if (!startswith(p, "[heap]"))
                        continue;

                (void) madvise((void *) start, end - start, MADV_DONTNEED);
                return;
        }
}

/* The plan with its environment, secrets among it, is of no use here, and would be a copy of this
 * process alone once the launcher has given its own back. */
static void child_forget_plan(int proc_fd) {
        char maps[MAPS_MAX + 1];
        ssize_t n;
        int fd;

        fd = openat(proc_fd, "self/maps", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;

        n = read(fd, maps, sizeof(maps) - 1);
        (void) close(fd);
        if (n > 0) {
                maps[n] = '\0';
                child_drop_heap(maps);
        }
}

/* Nobody is told when one of these fails: the container is none the worse for it. */
static void child_shed(int proc_fd, int exit_fd) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        child_forget_plan(proc_fd);
        (void) syscall(SYS_close_range, 0U, (unsigned) exit_fd - 1, 0U);
        (void) syscall(SYS_close_range, (unsigned) exit_fd + 1, ~0U, 0U);
        (void) setsid();
        (void) prctl(PR_SET_NAME, "holdfast-init", 0, 0, 0);
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

        data[0].permitted = data[0].effective = 1U << CAP_KILL;
        (void) syscall(SYS_capset, &header, data);
}

/* Whatever ended. Returns whether the command is among it. */
static bool child_reap(pid_t command_pid, int *ret_wait_status) {
        for (;;) {
                int wait_status;
                pid_t pid;

                pid = waitpid(-1, &wait_status, WNOHANG);
                if (pid < 0 && errno == EINTR)
                        continue;
                if (pid <= 0)
                        return false;

                if (pid == command_pid) {
                        *ret_wait_status = wait_status;
                        return true;
                }
        }
}

/* All signals are blocked: they are fetched one by one. */
_noreturn_ static void child_be_init(pid_t command_pid, int exit_fd) {
        sigset_t all;

        (void) sigfillset(&all);

        for (;;) {
                int wait_status, number;
                ssize_t n;

                number = sigwaitinfo(&all, NULL);
                if (number > 0 && number != SIGCHLD)
                        (void) kill(command_pid, number);
                if (!child_reap(command_pid, &wait_status))
                        continue;

                /* Without a reader there is no launcher, and we are about to be killed. */
                n = write(exit_fd, &wait_status, sizeof(wait_status));
                _exit(n == sizeof(wait_status) ? 0 : 1);
        }
}

/* If the launcher died before we asked, nobody would tell us. */
static int child_tie_to_launcher(int launcher_pid_fd) {
        struct pollfd p = { .fd = launcher_pid_fd, .events = POLLIN };
        int n;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;

        n = poll(&p, 1, 0);
        if (n < 0)
                return -errno;

        return n > 0 ? -EOWNERDEAD : 0;
}

int child_start_below_init(const ChildContext *c) {
        sigset_t all;
        pid_t pid;
        int r;

        if (c->exit_fd < 0)
                return 0;

        r = child_tie_to_launcher(c->place.launcher_pid_fd);
        if (r < 0)
                return r;

        if (chdir("/") < 0)
                return -errno;

        /* Before there is anybody to send any: none is lost. */
        (void) sigfillset(&all);
        if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
                return -errno;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                return process_reset_signals();

        child_shed(c->place.proc_fd, c->exit_fd);
        child_be_init(pid, c->exit_fd);
}
