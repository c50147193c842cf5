#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Inspection: the agent's stored state for people and programs. See inspect.c. */

#include <stdbool.h>

/*
 * Prints what is stored below work_dir to standard output. Nothing is changed. What cannot be read
 * is said on standard error and left out; -EBADMSG then.
 */
int inspect(const char *work_dir, bool json);
