/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Processes
 *
 * A pid is a number that means somebody else tomorrow; a pidfd is a process. Numbers are kept
 * together with the start time and the boot id, which tell whether the number still means the same.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/process.h"

/* The size of the kernel's signal set, which is not that of the libc's. */
#define KERNEL_SIGSET_BYTES 8

bool exit_status_is_success(ExitStatus s) {
        return s.known && WIFEXITED(s.wait_status) && WEXITSTATUS(s.wait_status) == 0;
}

/*
 * "exited with status 3", "terminated with signal Killed": what follows "Command " in the messages
 * that frameworks match on. NULL when out of memory.
 */
char *exit_status_describe(ExitStatus s) {
        const char *name;
        char *text;
        int n;

        if (!s.known)
                return strdup("ended with unknown status");

        if (WIFEXITED(s.wait_status))
                n = asprintf(&text, "exited with status %i", WEXITSTATUS(s.wait_status));
        else if (!WIFSIGNALED(s.wait_status))
                n = asprintf(&text, "ended with wait status %i", s.wait_status);
        else if ((name = sigdescr_np(WTERMSIG(s.wait_status))))
                n = asprintf(&text, "terminated with signal %s%s", name,
                             WCOREDUMP(s.wait_status) ? " (core dumped)" : "");
        else
                n = asprintf(&text, "terminated with signal %i", WTERMSIG(s.wait_status));

        return n < 0 ? NULL : text;
}

/* Returns a pidfd (close-on-exec, as all are), -ESRCH when there is no such process. */
int process_pidfd_open(pid_t pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);

        return fd < 0 ? -errno : fd;
}

int process_pidfd_signal(int pid_fd, int signal_number) {
        return syscall(SYS_pidfd_send_signal, pid_fd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

static int exit_status_from_siginfo(const siginfo_t *si) {
        switch (si->si_code) {
        case CLD_EXITED:
                return (si->si_status & 0xff) << 8;
        case CLD_DUMPED:
                return si->si_status | 0x80;
        default:
                return si->si_status;
        }
}

/*
 * Collects a child that has ended, without waiting. Returns 0 and its status; -EAGAIN while it
 * runs; -ECHILD when it is not a child of ours, or somebody has collected it before.
 */
int process_pidfd_reap(int pid_fd, ExitStatus *ret) {
        siginfo_t si = {};

        if (waitid(P_PIDFD, (id_t) pid_fd, &si, WEXITED | WNOHANG) < 0)
                return -errno;
        if (si.si_pid == 0)
                return -EAGAIN;

        *ret = (ExitStatus) { .known = true, .wait_status = exit_status_from_siginfo(&si) };
        return 0;
}

/* Zombies count until they are reaped. */
bool process_has_children(void) {
        siginfo_t si;

        return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) >= 0 || errno != ECHILD;
}

/* When a process started, in clock ticks since boot: with the boot id and the pid it names one
 * process for ever. */
int process_start_time(pid_t pid, uint64_t *ret_ticks) {
        _cleanup_free_ char *text = NULL;
        char path[64];
        const char *p;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%i/stat", pid);
        r = file_read_at(AT_FDCWD, path, 4096, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        /* The name stands in parentheses and may hold any character, these too: the last one
         * ends it. */
        p = strrchr(text, ')');
        if (!p)
                return -EBADMSG;

        /* The 22nd field; the name was the second. */
        if (sscanf(p + 1,
                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                   "%" SCNu64,
                   ret_ticks) != 1)
                return -EBADMSG;

        return 0;
}

/* The random name of this boot of the kernel, 36 characters. */
int process_boot_id(char ret[static 37]) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &n);
        if (r < 0)
                return r;
        if (n < 36)
                return -EBADMSG;

        memcpy(ret, text, 36);
        ret[36] = '\0';
        return 0;
}

/*
 * Gives every signal its default disposition and unblocks all. Makes system calls only, so that it
 * may run between clone and exec; and makes them directly, because the libc refuses to touch the
 * two signals it keeps for itself, which a stranger above us may have ignored or blocked all the
 * same.
 */
int process_reset_signals(void) {
        /* Larger than any architecture's struct sigaction; zeros say SIG_DFL, no flags, empty
         * mask. */
        static const uint64_t zeros[8];

        for (int i = 1; i <= 64; i++)
                if (i != SIGKILL && i != SIGSTOP &&
                    syscall(SYS_rt_sigaction, i, zeros, NULL, KERNEL_SIGSET_BYTES) < 0)
                        return -errno;

        if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, NULL, KERNEL_SIGSET_BYTES) < 0)
                return -errno;

        return 0;
}
