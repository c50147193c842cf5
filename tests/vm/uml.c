/* SPDX-License-Identifier: Apache-2.0 */

/* Two things that linux.uml 6.1 needs to be of use here: boot preloads this library into it.
 *
 * Its processor may be newer than it. The kernel below takes a process's extended registers by ptrace()
 * only as a whole, and answers EFAULT to anything shorter; UML keeps a fixed 2,696 bytes of them. With
 * AMX there are 11,008, and its first process dies. What it does not keep is what its processes cannot
 * use: tiles have to be asked for by arch_prctl(), which its kernel does not know. So they are in their
 * initial state, which is zeros and a bit in the header that UML does keep: we add the zeros.
 *
 * To reboot, it executes itself and leaves its files open, among them its network interface, which the
 * next life then finds in use: we close them.
 */

#define _GNU_SOURCE

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

__attribute__((constructor)) static void close_files(void) {
        (void) close_range(STDERR_FILENO + 1, UINT_MAX, 0);
}

static long call(long request, long pid, void *addr, void *data) {
        return syscall(SYS_ptrace, request, pid, addr, data);
}

/* The kernel says how much there is, and takes no less. */
static long set_whole_state(long pid, void *type, const struct iovec *given) {
        static char state[1 << 16];
        static size_t n_state;
        struct iovec whole = { .iov_base = state, .iov_len = sizeof(state) };

        if (n_state == 0) {
                if (call(PTRACE_GETREGSET, pid, type, &whole) < 0)
                        return -1;
                n_state = whole.iov_len;
                memset(state, 0, n_state);
        }
        if (given->iov_len > n_state) {
                errno = EINVAL;
                return -1;
        }
        memcpy(state, given->iov_base, given->iov_len);
        whole.iov_len = n_state;
        return call(PTRACE_SETREGSET, pid, type, &whole);
}

/* Replaces the C library's, whose requests to read a word have another convention than the kernel's. */
long ptrace(enum __ptrace_request request, ...) {
        va_list ap;

        va_start(ap, request);
        long pid = va_arg(ap, int);
        void *addr = va_arg(ap, void *);
        void *data = va_arg(ap, void *);
        va_end(ap);

        if (request == PTRACE_SETREGSET && addr == (void *) NT_X86_XSTATE)
                return set_whole_state(pid, addr, data);
        if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) {
                long word = 0;
                return call(request, pid, addr, &word) < 0 ? -1 : word;
        }
        return call(request, pid, addr, data);
}
