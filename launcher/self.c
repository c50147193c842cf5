/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The launcher itself
 *
 * It starts with all the rights of its agent, because to start a container takes them. What remains
 * to be done once the command runs takes few: to wait, to signal, to write to files of one cgroup
 * and one record, to talk to agents that connect. The rest is given up then, for ever, so that who
 * gets into a launcher of a container that is months old has got into little:
 *
 *      capabilities    CAP_KILL stays, for processes of other users. Files are opened by right of
 *                      ownership: the cgroup, the record's and the runtime directory are root's own
 *      no_new_privs    nothing gives any of it back
 *      system calls    those of the loop and of nothing else: no exec, no clone, no new socket, no
 *                      mount, no mapping that can be executed
 *
 * A system call that is not let through fails with ENOSYS rather than to kill: a libc of tomorrow
 * that tries a new call first takes the old one then, and the witness lives.
 *
 * The filter is written down in instructions: libseccomp would stay in memory beside each container.
 * Sanitizers need calls of their own, so a build with them has no filter.
 */

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "launcher/self.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

/* Below a stack the kernel keeps 256 pages free at least. */
#define STACK_PAGES 256

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))

/* The half of an argument that has its lowest bits; all machines that we know are little-endian. */
#define LOAD_ARGUMENT(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (i))

static const uint32_t allowed[] = {
        /* waiting */
        SYS_ppoll, SYS_restart_syscall, SYS_wait4, SYS_waitid, SYS_clock_gettime, SYS_gettimeofday, SYS_futex,
        /* descriptors */
        SYS_read, SYS_write, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_close, SYS_fcntl, SYS_fstat,
        SYS_statx,
        /* files */
        SYS_openat, SYS_openat2, SYS_newfstatat, SYS_getdents64, SYS_unlinkat, SYS_renameat2, SYS_fchmod, SYS_fsync,
        /* agents, and the journal, to which the socket is open */
        SYS_accept4, SYS_getsockopt, SYS_recvmsg, SYS_recvfrom, SYS_sendmsg, SYS_sendto,
        /* processes */
        SYS_kill, SYS_tgkill, SYS_pidfd_open, SYS_pidfd_send_signal,
        /* memory; see below for what could be executed */
        SYS_brk, SYS_sysinfo, SYS_munmap, SYS_mremap, SYS_madvise, SYS_getrandom,
        /* itself */
        SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
        SYS_exit, SYS_exit_group,
        /* the same under names that newer machines have not */
#ifdef SYS_poll
        SYS_poll,
#endif
#ifdef SYS_open
        SYS_open,
#endif
#ifdef SYS_stat
        SYS_stat,
#endif
#ifdef SYS_unlink
        SYS_unlink, SYS_rmdir,
#endif
#ifdef SYS_renameat
        SYS_renameat,
#endif
#ifdef SYS_time
        SYS_time,
#endif
};

/* With no PROT_EXEC in the third argument. */
static const uint32_t allowed_for_data[] = { SYS_mmap, SYS_mprotect };

size_t self_filter(struct sock_filter ret[static SELF_FILTER_MAX]) {
        size_t n = 0;

        static_assert(2 * ELEMENTSOF(allowed) + 5 * ELEMENTSOF(allowed_for_data) + 8 < SELF_FILTER_MAX,
                      "the filter fits");

#ifdef ARCH
        ret[n++] = (struct sock_filter) LOAD(arch);
        ret[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
        ret[n++] = (struct sock_filter) RETURN(SECCOMP_RET_KILL_PROCESS);
        ret[n++] = (struct sock_filter) LOAD(nr);

        for (size_t i = 0; i < ELEMENTSOF(allowed); i++) {
                ret[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
                ret[n++] = (struct sock_filter) RETURN(SECCOMP_RET_ALLOW);
        }

        for (size_t i = 0; i < ELEMENTSOF(allowed_for_data); i++) {
                ret[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed_for_data[i], 0, 4);
                ret[n++] = (struct sock_filter) LOAD_ARGUMENT(2);
                ret[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0);
                ret[n++] = (struct sock_filter) RETURN(SECCOMP_RET_ALLOW);
                ret[n++] = (struct sock_filter) RETURN(SECCOMP_RET_ERRNO | EPERM);
        }

        ret[n++] = (struct sock_filter) RETURN(SECCOMP_RET_ERRNO | ENOSYS);
#else
        (void) allowed;
        (void) allowed_for_data;
#endif
        return n;
}

/* From the start. */
int self_protect(void) {
        if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                return -errno;

        /* Where the task's user is ours, it could ptrace us otherwise. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;

        /* A witness of 300 KiB is no gain for the OOM killer. Only root may ask for this. */
        (void) file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-900");
        return 0;
}

/*
 * Gives back the heap that is free and the stack that nobody stands on: to start a container took more
 * of both. Of the stack the page that we are on stays, and the one below it.
 */
void self_shed(void) {
        const uintptr_t page_bytes = (uintptr_t) sysconf(_SC_PAGESIZE);
        const uintptr_t here = (uintptr_t) __builtin_frame_address(0) & ~(page_bytes - 1);

        (void) malloc_trim(0);
        (void) madvise((void *) (here - STACK_PAGES * page_bytes), (STACK_PAGES - 1) * page_bytes, MADV_DONTNEED);
}

/* Whoever is not root has no right to, and nothing in it. */
static void drop_bounding_set(void) {
        for (unsigned i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
                if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
                        return;
}

/* The rest of `permitted` is gone. */
static int set_capabilities(uint64_t effective, uint64_t permitted) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;

        for (unsigned i = 0; i < ELEMENTSOF(data); i++) {
                data[i].permitted &= (uint32_t) (permitted >> 32 * i);
                data[i].effective = data[i].permitted & (uint32_t) (effective >> 32 * i);
                data[i].inheritable = 0;
        }

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static bool can_see(int proc_fd, pid_t pid) {
        _cleanup_fd_ int fd = -EBADF;
        char path[32];

        (void) snprintf(path, sizeof(path), "%i/stat", pid);
        fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
        return fd >= 0;
}

/*
 * Where /proc hides processes from all who could not trace them (hidepid=), that right is what it takes to
 * find those of the container that are to be killed.
 */
static int drop_capabilities(int proc_fd, pid_t main_pid) {
        const uint64_t signals = UINT64_C(1) << CAP_KILL, sight = UINT64_C(1) << CAP_SYS_PTRACE;
        int r;

        drop_bounding_set();
        r = set_capabilities(signals, signals | sight);
        if (r < 0)
                return r;

        return can_see(proc_fd, main_pid) ? set_capabilities(signals, signals)
                                          : set_capabilities(signals | sight, signals | sight);
}

static int load_filter(void) {
        struct sock_filter filter[SELF_FILTER_MAX];
        struct sock_fprog program = { .filter = filter };

#ifdef __SANITIZE_ADDRESS__
        return 0;
#endif

        program.len = (unsigned short) self_filter(filter);
        if (program.len == 0)
                return 0;

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

/* Returns the first that failed; what could be given up is given up all the same. */
int self_confine(int proc_fd, pid_t main_pid) {
        int r, k;

        r = drop_capabilities(proc_fd, main_pid);

        k = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : load_filter();
        return r < 0 ? r : k;
}
