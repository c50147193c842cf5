#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Confine: carries out what the isolators decided, from outside of the container. See confine.c. */

#include "isolator/cgroup.h"
#include "isolator/confinement.h"

/* Before anything runs in it. On failure *ret_step says what was about to be done ("set memory.max"); the
 * caller's, NULL out of memory. */
int confine_devices(const CgroupTree *tree, const Confinement *c, char **ret_step);
int confine_cgroup(const CgroupTree *tree, const Confinement *c, char **ret_step);

/* Writes the files that the container is to see, into the runtime directory. */
int confine_files(int runtime_dir_fd, const Confinement *c, char **ret_step);

/* While it runs. Stops at the first that fails. */
int confine_update(const CgroupTree *tree, CgroupSetting *const *settings, size_t n);
