#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What in the work directory may go one day; in holdfast-worker. See sandbox_walk.c. */

#include <stdio.h>

/* Prints "<modification time in seconds> <path below work_dir>" lines. */
int sandbox_walk(const char *work_dir, FILE *f);
