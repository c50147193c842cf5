/* SPDX-License-Identifier: Apache-2.0 */

/*
 * volume/host_path
 *
 * A directory, file or device of the host in a container, read-only or not. Which ones is the
 * framework's choice: where frameworks aren't trusted with that, authorization is the place to say
 * so. What is not there is made, as a directory of the task's user, below the directories of
 * --host_path_volume_force_creation only; there, where other containers may have been writing, no
 * symbolic link is followed.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#include "common/base/file.h"
#include "isolator/filesystem.h"

#define MOUNTINFO_MAX_BYTES (16U << 20)

static const char *host_path(const Mesos__V1__Volume *v) {
        return v->host_path ?: v->source->host_path->path;
}

static bool is_bidirectional(const Mesos__V1__Volume *v) {
        const Mesos__V1__Volume__Source__HostPath *h = v->source ? v->source->host_path : NULL;
        const Mesos__V1__MountPropagation *p = h ? h->mount_propagation : NULL;

        return p && p->has_mode && p->mode == MESOS__V1__MOUNT_PROPAGATION__MODE__BIDIRECTIONAL;
}

/* The directory of a colon-separated list that a path is below, as a text of its own; NULL: none is. */
static int find_creatable(const char *list, const char *path, char **ret_directory, const char **ret_rest) {
        *ret_directory = NULL;
        if (path_climbs(path))
                return 0;

        for (const char *p = list; p && *p; p += strspn(p, ":")) {
                size_t n = strcspn(p, ":");
                _cleanup_free_ char *directory = strndup(p, n);
                const char *rest;

                if (!directory)
                        return -ENOMEM;

                rest = directory[0] == '/' ? path_below(path, directory) : NULL;
                if (rest && *rest) {
                        *ret_directory = TAKE_PTR(directory);
                        *ret_rest = rest;
                        return 0;
                }

                p += n;
        }

        return 0;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw": whether the mount with the longest
 * path that leads to this one tells its mounts to others. */
bool mount_is_shared(const char *mountinfo, const char *path) {
        size_t n_best = 0;
        bool shared = false;

        for (const char *line = mountinfo; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                _cleanup_free_ char *copy = strndup(line, strcspn(line, "\n"));
                char *rest = copy, *point = NULL, *end;
                size_t n;

                for (int i = 0; rest && i < 5; i++)
                        point = strsep(&rest, " ");
                if (!rest || !point || !path_below(path, point))
                        continue;

                /* A later one is mounted over an earlier one. */
                n = strlen(point);
                if (n < n_best)
                        continue;

                end = strstr(rest, " - ");
                if (end)
                        *end = '\0';
                n_best = n;
                shared = strstr(rest, " shared:");
        }

        return shared;
}

static int share(const IsolatorConfig *config, const char *path, Mount *m, char **reterr_message) {
        _cleanup_free_ char *mounts = NULL;
        int r;

        if (config->unprivileged)
                return isolator_refuse(reterr_message, "Bidirectional mount propagation needs an agent that is root");

        r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &mounts, NULL);
        if (r < 0)
                return r;
        if (!mount_is_shared(mounts, path))
                return isolator_refuse(reterr_message,
                                       "Cannot setup bidirectional mount propagation for host path '%s' because it is "
                                       "not under a shared mount",
                                       path);

        m->flags |= MS_SHARED;
        return ISOLATOR_OK;
}

static int add_one(const IsolatorConfig *config, const IsolatorRequest *request, const Mesos__V1__Volume *v,
                   Confinement *c, char **reterr_message) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;
        _cleanup_free_ char *directory = NULL;
        const char *path = host_path(v), *rest;
        int r;

        if (path[0] != '/')
                return isolator_refuse(reterr_message, "Path '%s' in HOST_PATH volume is not absolute", path);

        r = find_creatable(config->host_path_volume_force_creation, path, &directory, &rest);
        if (r < 0)
                return r;

        m.source = (char *) (directory ? rest : path);
        m.source_below = directory;
        m.make_source = directory != NULL;
        r = is_bidirectional(v) ? share(config, path, &m, reterr_message) : ISOLATOR_OK;
        return r != ISOLATOR_OK ? r : volume_add(request, v, &m, c, reterr_message);
}

static int host_path_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                          char **reterr_message) {
        int r = ISOLATOR_OK;

        for (size_t i = 0; r == ISOLATOR_OK && request->info && i < request->info->n_volumes; i++)
                if (volume_kind(request->info->volumes[i]) == VOLUME_HOST_PATH)
                        r = add_one(config, request, request->info->volumes[i], c, reterr_message);

        return r;
}

const IsolatorOps isolator_volume_host_path = {
        .name = "volume/host_path",
        .plan = host_path_plan,
};
