#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What filesystem/posix, filesystem/linux and the kinds of volumes share. See filesystem.c. */

#include "isolator/isolator.h"

/* Whether it is a container at all that any of us can make; info may be NULL. */
int filesystem_check(const Mesos__V1__ContainerInfo *info, char **reterr_message);

/* A kind of volume is its isolator's; NULL: nobody's here. */
typedef enum VolumeKind {
        VOLUME_NONE,
        VOLUME_HOST_PATH,
        VOLUME_SANDBOX_PATH,
} VolumeKind;

VolumeKind volume_kind(const Mesos__V1__Volume *v);

/* Adds the mount of a volume whose source is in *m, at its container path. */
int volume_add(const IsolatorRequest *request, const Mesos__V1__Volume *v, Mount *m, Confinement *c,
               char **reterr_message);

/* What is left of `path` behind a directory; NULL when it isn't below it. */
const char *path_below(const char *path, const char *directory);

/* Of the mount that leads to a path: whether what is mounted in it is seen by other namespaces, too. */
bool mount_is_shared(const char *mountinfo, const char *path);

/* Whether ".." is among its parts. */
bool path_climbs(const char *path);
