#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Child tasks: commands of frameworks become processes. See child_task.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"

int child_task_environment(char *const *base, const Mesos__V1__Environment *own, const char *allocation_role,
                           char ***ret);
char **child_task_environment_free(char **env);
DEFINE_CLEANUP(char **, child_task_environment_free)

int child_task_start(const Mesos__V1__CommandInfo *command, char *const *env, pid_t *ret);
