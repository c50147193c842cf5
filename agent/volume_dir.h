#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Directories of persistent volumes, made and removed by holdfast-worker. See volume_dir.c. */

#include "common/base/macro.h"

/* Both say 0 only when a power failure would not undo it. `path` is below `root`. */
int volume_dir_make(const char *root, const char *path);
int volume_dir_remove(const char *root, const char *path);

/* A volume that is a whole disk: what is on it goes, the directory itself stays mounted. */
int volume_dir_empty(const char *root);
