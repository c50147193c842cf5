/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rights
 *
 * What the command may do that others may not. Each right is given up as late as possible and in an
 * order that the kernel dictates, since to give one up takes another:
 *
 *      bound    the bounding set shrinks, by CAP_SETPCAP, which the change of user would take away
 *      keep     that the change of user takes nothing away, because a part of it is to stay
 *               (change of groups and user)
 *      take     what stays: permitted, effective and inheritable first, then ambient, which the kernel
 *               wants within both. From here on nothing comes back
 *      forbid   new privileges
 *      filter   system calls. The kernel lets do this who has forbidden itself new privileges, or has
 *               CAP_SYS_ADMIN; so without the former the latter is taken along to here, whoever the user is.
 *               Nothing but exec is left to be done, and exec takes it away: it is neither ambient nor
 *               inheritable, and of root's it keeps what the bounding set has
 *
 * They run in the child, between clone and exec: system calls only. See child.c.
 */

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/rights.h"

/* More than any kernel has; the masks are 64 bits wide. */
#define N_CAPABILITIES_MAX 64

static const ConfinementCapabilities *child_capabilities(const ChildContext *c) {
        return c->plan->confinement ? c->plan->confinement->capabilities : NULL;
}

static bool has(uint64_t mask, unsigned capability) {
        return mask >> capability & 1;
}

/* Whether a right we don't have stood in the way. A reset that only root may do is nothing a
 * rootless agent undid. */
int child_unless_forbidden(int r) {
        if (r >= 0 || errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EINVAL)
                return 0;

        return -errno;
}

static int child_set_capabilities(uint64_t permitted, uint64_t inheritable) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        for (unsigned i = 0; i < ELEMENTSOF(data); i++) {
                data[i].permitted = data[i].effective = (uint32_t) (permitted >> 32 * i);
                data[i].inheritable = (uint32_t) (inheritable >> 32 * i);
        }

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Inheritable and ambient sets pass through exec, securebits through everything. */
int child_reset_capabilities(const ChildContext *c) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
        int r;

        (void) c;
        r = child_unless_forbidden(prctl(PR_SET_SECUREBITS, SECUREBITS_DEFAULT, 0, 0, 0));
        if (r < 0)
                return r;

        r = child_unless_forbidden(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
        if (r < 0)
                return r;

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(data); i++)
                data[i].inheritable = 0;

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int child_bound_capabilities(const ChildContext *c) {
        const ConfinementCapabilities *p = child_capabilities(c);

        for (unsigned i = 0; p && p->has_bounding && i < N_CAPABILITIES_MAX; i++) {
                int r = prctl(PR_CAPBSET_READ, i, 0, 0, 0);

                /* Those that this kernel has end here. */
                if (r < 0)
                        break;
                if (r > 0 && !has(p->bounding, i) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
                        return -errno;
        }

        /* Else a program that root executes would get all of the bounding set. */
        if (p && p->has_effective && c->plan->uid == 0 && p->effective != p->bounding &&
            prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) < 0)
                return -errno;

        return 0;
}

/* Whether the right to set a filter is needed at the end. */
static bool child_needs_admin(const ChildContext *c) {
        const Confinement *confinement = c->plan->confinement;

        return confinement && confinement->has_seccomp_program && !confinement->no_new_privileges;
}

static bool child_has_effective(const ChildContext *c) {
        const ConfinementCapabilities *p = child_capabilities(c);

        return p && p->has_effective;
}

int child_keep_capabilities(const ChildContext *c) {
        if (!c->switch_user || (!child_has_effective(c) && !child_needs_admin(c)))
                return 0;

        return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* After the change of user. Where nothing was said root has its own, and others have none. */
int child_take_capabilities(const ChildContext *c) {
        uint64_t effective = child_has_effective(c) ? child_capabilities(c)->effective : 0;
        uint64_t admin = child_needs_admin(c) ? UINT64_C(1) << CAP_SYS_ADMIN : 0;
        int r;

        if (!child_has_effective(c) && (!c->switch_user || !admin || c->plan->uid == 0))
                return 0;

        r = child_set_capabilities(effective | admin, effective);
        for (unsigned i = 0; r >= 0 && i < N_CAPABILITIES_MAX; i++)
                if (has(effective, i) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
                        r = -errno;

        return r;
}

/* Inherited for ever by whatever comes of it. */
int child_forbid_new_privileges(const ChildContext *c) {
        const Confinement *confinement = c->plan->confinement;

        if (!confinement || !confinement->no_new_privileges)
                return 0;

        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int child_filter_system_calls(const ChildContext *c) {
        const Confinement *confinement = c->plan->confinement;
        struct sock_fprog program;

        if (!confinement || !confinement->has_seccomp_program)
                return 0;

        /* Its length was checked with the plan, what is in it the kernel checks. */
        program.len = (unsigned short) (confinement->seccomp_program.len / sizeof(struct sock_filter));
        program.filter = (struct sock_filter *) (void *) confinement->seccomp_program.data;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, confinement->seccomp_flags, &program) < 0 ? -errno : 0;
}
