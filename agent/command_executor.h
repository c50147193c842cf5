#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The ExecutorInfo made for a task that only has a command. See command_executor.c. */

#include "proto/mesos.pb-c.h"

/* Owned by the caller; NULL out of memory. */
Mesos__V1__ExecutorInfo *command_executor_info(const Mesos__V1__TaskInfo *task, const char *framework_id,
                                               const char *launcher_dir);
