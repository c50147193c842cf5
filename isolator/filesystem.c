/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Volumes in containers
 *
 * A container path is relative to the sandbox, or absolute. Below the sandbox the mount point is
 * made, and no symbolic link is followed: what is in there came from strangers. An absolute path has
 * to be there, since the container shares the host's root: to make it would be to make it on the
 * host.
 *
 * With an absolute path somebody can put a file of theirs where a program that is another user's,
 * by its setuid bit, believes what it reads: their /etc/passwd for su. So a container with such a
 * volume gets no new privileges, unless it is root's already.
 */

#include <sys/mount.h>

#include "isolator/filesystem.h"

const char *path_below(const char *path, const char *directory) {
        size_t n = strlen(directory);

        while (n > 0 && directory[n - 1] == '/')
                n--;
        if (strncmp(path, directory, n) != 0 || (path[n] != '/' && path[n] != '\0'))
                return NULL;

        return path + n + strspn(path + n, "/");
}

bool path_climbs(const char *path) {
        for (const char *p = path; *p; p += strspn(p, "/")) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return true;
                p += n;
        }

        return false;
}

static const char *image_type(const Mesos__V1__Image *image) {
        return image->type == MESOS__V1__IMAGE__TYPE__DOCKER ? "DOCKER" : "APPC";
}

int filesystem_check(const Mesos__V1__ContainerInfo *info, char **reterr_message) {
        if (!info)
                return ISOLATOR_OK;
        if (info->type != MESOS__V1__CONTAINER_INFO__TYPE__MESOS)
                return isolator_refuse(reterr_message, "None of the enabled containerizers (mesos) could create a "
                                                       "container for the provided TaskInfo/ExecutorInfo message");
        if (info->mesos && info->mesos->image)
                return isolator_refuse(reterr_message, "Unsupported container image type: %s",
                                       image_type(info->mesos->image));

        return ISOLATOR_OK;
}

/* A relative host path is an old way to name a directory of the sandbox. */
VolumeKind volume_kind(const Mesos__V1__Volume *v) {
        if (v->host_path)
                return v->host_path[0] == '/' ? VOLUME_HOST_PATH : VOLUME_SANDBOX_PATH;
        if (v->source && v->source->type == MESOS__V1__VOLUME__SOURCE__TYPE__HOST_PATH && v->source->host_path)
                return VOLUME_HOST_PATH;
        if (v->source && v->source->type == MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH && v->source->sandbox_path)
                return VOLUME_SANDBOX_PATH;

        return VOLUME_NONE;
}

static int set_absolute_target(const IsolatorRequest *request, const char *path, Mount *m, Confinement *c,
                               char **reterr_message) {
        if (path_climbs(path))
                return isolator_refuse(reterr_message, "Container path '%s' has '..' in it", path);
        if (path_below(request->sandbox, path))
                return isolator_refuse(reterr_message, "A volume at container path '%s' would hide the sandbox", path);

        m->target = (char *) path;
        if (request->uid != 0)
                confinement_set_no_new_privileges(c);
        return ISOLATOR_OK;
}

static int set_relative_target(const IsolatorRequest *request, const char *path, Mount *m, char **reterr_message) {
        if (path_climbs(path) || !*path)
                return isolator_refuse(reterr_message, "Container path '%s' is not below the sandbox", path);

        m->target_below = (char *) request->sandbox;
        m->target = (char *) path;
        m->make_target = m->owned = true;
        return ISOLATOR_OK;
}

int volume_add(const IsolatorRequest *request, const Mesos__V1__Volume *v, Mount *m, Confinement *c,
               char **reterr_message) {
        int r;

        r = v->container_path[0] == '/' ? set_absolute_target(request, v->container_path, m, c, reterr_message)
                                        : set_relative_target(request, v->container_path, m, reterr_message);
        if (r != ISOLATOR_OK)
                return r;

        m->flags |= MS_BIND | MS_REC;
        if (v->mode == MESOS__V1__VOLUME__MODE__RO)
                m->flags |= MS_RDONLY;
        return confinement_add_mount(c, m);
}
