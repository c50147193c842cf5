#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Network: has a container's network set up by holdfast-network. See network.c. */

#include <sys/types.h>

#include "isolator/confinement.h"

/*
 * For a child that is in a network namespace of its own and waits. Blocks until it is done, some
 * seconds at most. On failure *reterr_message, the caller's, says why; NULL out of memory.
 */
int network_set_up(const ConfinementNetwork *n, pid_t child, char **reterr_message);
