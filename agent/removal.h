#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Removal of a stranger's directory tree, in holdfast-worker. See removal.c. */

#include "common/base/macro.h"

enum {
        REMOVAL_OK = 0,
        REMOVAL_E_MOUNTED, /* something is mounted in it: nothing was removed */
};

/* `path` is below the directory `root`. What is not there is removed. */
int removal_run(const char *root, const char *path);

/* Whether something is mounted at `path`, which is absolute and resolved, or below it. */
int removal_has_mounts(const char *mountinfo, const char *path);
