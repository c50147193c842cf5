#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Init: process 1 of a container that has a pid namespace of its own. See init.c. */

#include "launcher/spawn.h"

/*
 * In the child, which becomes the init; returns in the process that goes on to be the command. Does
 * nothing where there is no pid namespace. A negative errno when there is no init.
 */
int child_start_below_init(const ChildContext *c);
