#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Volumes: where persistent volumes are, and the work of making and removing them. See volumes.c. */

#include <systemd/sd-event.h>

#include "agent/config.h"
#include "common/base/macro.h"
#include "common/model/resources.h"

/* The directory of a persistent volume; *ret is NULL for a disk of a kind that has none. */
int volume_path(const AgentConfig *config, const Mesos__V1__Resource *volume, char **ret);

typedef struct VolumeWork VolumeWork;

/* `error` is NULL, or says what could not be done. The work may be freed from here. */
typedef void (*VolumeWorkDone)(const char *error, void *userdata);

/* What has to be done so that volumes are as in `to`; *ret is NULL when there is nothing to do. */
int volume_work_new(const AgentConfig *config, const Resources *from, const Resources *to, VolumeWork **ret);

/* `done` is called from the loop, never from within this call. What was done before may be done again. */
int volume_work_start(VolumeWork *w, sd_event *event, VolumeWorkDone done, void *userdata);

VolumeWork *volume_work_free(VolumeWork *w);
DEFINE_CLEANUP(VolumeWork *, volume_work_free)
