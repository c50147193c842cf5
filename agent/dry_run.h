#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Dry run: the launch plan of a task, printed instead of carried out. See dry_run.c. */

#include "agent/config.h"

/* `path` holds a TaskInfo as JSON ("-": standard input). Prints to standard output; errors are logged. */
int dry_run(const AgentConfig *config, const char *path);
