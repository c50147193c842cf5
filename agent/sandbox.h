#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Sandboxes: the directory of each container's run. See sandbox.c. */

#include <sys/types.h>

/* Where the run's directory is; owned by the caller, NULL out of memory. */
char *sandbox_path(const char *work_dir, const char *agent_id, const char *framework_id, const char *executor_id,
                   const char *container_id);

/* Makes it, private to its user, and points runs/latest at it. Negative errno; what exists already is an error. */
int sandbox_make(const char *path, uid_t uid, gid_t gid);

/*
 * Removes the directories above a run that is gone, as far up as they are empty: that of the executor, the framework,
 * the agent. `path` is the first to go, below work_dir, "slaves/…".
 */
void sandbox_prune(const char *work_dir, const char *path);
