/* SPDX-License-Identifier: Apache-2.0 */

/*
 * filesystem/linux
 *
 * A container has mounts of its own: volumes, /proc and /dev/shm of its own are mounted there. Those
 * of the host still come in, its own never get out. Otherwise it sees the host's root; what it does
 * not see, other than with Mesos, is what agents keep there:
 *
 *     <work_dir>/                          a small tmpfs, read-only
 *         slaves/…/runs/<container id>     its own sandbox, at its own path
 *         volumes/…                        persistent volumes that its links lead to
 *     <runtime_dir>/containers/            empty: the sockets of launchers
 *
 * So no container reads another's sandbox, or talks to a launcher, even where both are one user's.
 *
 * Where each container has a cgroup, it also sees no other: its cgroup namespace begins with it.
 *
 * As a user, all this is done in a user namespace in which that user is mapped to itself and nobody
 * else exists.
 */

#include <stdio.h>
#include <sys/mount.h>

#include "isolator/filesystem.h"
#include "isolator/user_namespace.h"

#define MASK_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static int linux_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        (void) config;
        if (!host->root)
                return user_namespace_probe(host->proc_fd, reterr_message);
        if (!host->cgroups)
                return isolator_refuse(reterr_message, "filesystem/linux needs --launcher=linux");

        return ISOLATOR_OK;
}

static int check_volumes(const IsolatorRequest *request, char **reterr_message) {
        const Mesos__V1__ContainerInfo *info = request->info;

        for (size_t i = 0; info && i < info->n_volumes; i++) {
                const Mesos__V1__Volume *v = info->volumes[i];

                if (volume_kind(v) == VOLUME_NONE)
                        return isolator_refuse(reterr_message,
                                               "The volume at '%s' is of a kind that this agent does not have",
                                               v->container_path);
        }

        return ISOLATOR_OK;
}

/* Makes a directory empty, but for what is exposed afterwards: that is a few directories, of which a tmpfs keeps no
 * more than the names. */
static int mask(const char *directory, Confinement *c) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;

        m.target = (char *) directory;
        m.type = (char *) "tmpfs";
        m.flags = MASK_FLAGS;
        m.data = (char *) "mode=0755,size=64k,nr_inodes=4k";
        return confinement_add_mount(c, &m);
}

static int seal(const char *directory, Confinement *c) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;

        m.target = (char *) directory;
        m.flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MASK_FLAGS;
        return confinement_add_mount(c, &m);
}

/* What is elsewhere is not masked. */
static int expose(const char *masked, const char *directory, Confinement *c) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;
        const char *rest = path_below(directory, masked);

        if (!rest || !*rest)
                return 0;

        m.source = (char *) directory;
        m.target_below = (char *) masked;
        m.target = (char *) rest;
        m.make_target = true;
        m.flags = MS_BIND | MS_REC;
        return confinement_add_mount(c, &m);
}

static int mask_work_dir(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c) {
        int r;

        r = mask(config->work_dir, c);
        if (r == 0)
                r = expose(config->work_dir, request->sandbox, c);
        if (r == 0 && config->socket_dir)
                r = expose(config->work_dir, config->socket_dir, c);
        for (char *const *d = request->exposed; r == 0 && d && *d; d++)
                r = expose(config->work_dir, *d, c);

        return r < 0 ? r : seal(config->work_dir, c);
}

static int mask_sockets(const IsolatorConfig *config, Confinement *c) {
        char *path;
        int r;

        /* Then they are hidden already, unless what is exposed has them in it. */
        if (path_below(config->runtime_dir, config->work_dir) &&
            !(config->socket_dir && path_below(config->runtime_dir, config->socket_dir)))
                return 0;
        if (asprintf(&path, "%s/containers", config->runtime_dir) < 0)
                return -ENOMEM;

        r = mask(path, c);
        if (r == 0)
                r = seal(path, c);
        free(path);
        return r;
}

static int hide_cgroups(const IsolatorConfig *config, Confinement *c) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;
        int r;

        if (!config->cgroup_mount)
                return 0;

        /* The kernel mounts no hierarchy over itself: something else has to be between. */
        r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP);
        if (r == 0)
                r = mask(config->cgroup_mount, c);
        if (r < 0)
                return r;

        m.source = m.type = (char *) "cgroup2";
        m.target = (char *) config->cgroup_mount;
        m.flags = MASK_FLAGS;
        return confinement_add_mount(c, &m);
}

static int map_user(const IsolatorRequest *request, Confinement *c) {
        int r;

        r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__USER);
        if (r == 0)
                r = confinement_set_text(&c->uid_map, "%u %u 1", request->uid, request->uid);
        if (r == 0)
                r = confinement_set_text(&c->gid_map, "%u %u 1", request->gid, request->gid);
        return r;
}

static int linux_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                      char **reterr_message) {
        int r;

        r = filesystem_check(request->info, reterr_message);
        if (r == ISOLATOR_OK)
                r = check_volumes(request, reterr_message);
        if (r != ISOLATOR_OK)
                return r;

        if (config->unprivileged)
                r = map_user(request, c);
        if (r == 0)
                r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__MOUNT);
        if (r == 0)
                r = hide_cgroups(config, c);
        if (r == 0)
                r = mask_work_dir(config, request, c);
        return r < 0 ? r : mask_sockets(config, c);
}

const IsolatorOps isolator_filesystem_linux = {
        .name = "filesystem/linux",
        .probe = linux_probe,
        .plan = linux_plan,
};
