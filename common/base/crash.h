#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Places where a test build can be made to die; nothing at all without --enable-crash-points. See
 * crash.c. */

#ifdef ENABLE_CRASH_POINTS

#include <unistd.h>

#define CRASH_POINT(name) crash_point(name)

/* A program that is started with an empty environment would not hear where it is to die. */
#define CRASH_ENVIRONMENT_OR(otherwise) ((void) (otherwise), environ)

void crash_point(const char *name);

#else

#define CRASH_POINT(name) ((void) 0)
#define CRASH_ENVIRONMENT_OR(otherwise) (otherwise)

#endif
