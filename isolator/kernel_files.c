/* SPDX-License-Identifier: Apache-2.0 */

/*
 * filesystem/kernel
 *
 * Many files of the kernel's ask for no more than root's user id: whoever is root in a container
 * without a user namespace could choose the program that the host runs for a core dump. So a
 * container that cannot undo it, for want of CAP_SYS_ADMIN, sees what concerns the host read-only,
 * and what tells too much not at all. One that has CAP_SYS_ADMIN is trusted with the host anyway.
 *
 * Comes along with filesystem/linux, and decides after linux/capabilities. Docker and its kin
 * protect the same files.
 */

#include <linux/capability.h>
#include <sys/mount.h>
#include <unistd.h>

#include "isolator/isolator.h"

static const char *const read_only[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* Memory, keys and schedules of everybody. */
static const char *const hidden[] = {
        "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list",
};

static bool could_undo_it(const Confinement *c) {
        return !c->capabilities || !c->capabilities->has_bounding ||
               c->capabilities->bounding >> CAP_SYS_ADMIN & 1;
}

static Mount cover_of(const char *source, const char *target) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;

        m.source = (char *) source;
        m.target = (char *) target;
        m.flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        return m;
}

/* What this kernel does not have needs no cover. */
static int cover(Confinement *c, const char *source, const char *target) {
        Mount m = cover_of(source, target);

        return access(target, F_OK) < 0 ? 0 : confinement_add_mount(c, &m);
}

/* The host's cgroups come with /sys, so it is covered before filesystem/linux puts the container's own
 * in their place. Those are read-only, too: limits are not for the container to set. */
static int cover_sys(Confinement *c) {
        Mount m = cover_of("/sys", "/sys");

        for (size_t i = 0; i < c->n_mounts; i++)
                if (c->mounts[i]->type && streq(c->mounts[i]->type, "cgroup2"))
                        c->mounts[i]->flags |= MS_RDONLY;

        return access("/sys", F_OK) < 0 ? 0 : confinement_add_mount_first(c, &m);
}

static int kernel_files_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                             char **reterr_message) {
        int r;

        (void) config;
        (void) request;
        (void) reterr_message;
        if (could_undo_it(c))
                return ISOLATOR_OK;

        r = cover_sys(c);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(read_only); i++)
                r = cover(c, read_only[i], read_only[i]);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(hidden); i++)
                r = cover(c, "/dev/null", hidden[i]);
        return r;
}

const IsolatorOps isolator_filesystem_kernel = {
        .name = "filesystem/kernel",
        .plan = kernel_files_plan,
};
