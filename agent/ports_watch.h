#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* PortsWatch: which running containers listen on ports that are not theirs. See ports_watch.c. */

#include "agent/agent.h"
#include "common/model/value.h"

int ports_watch_new(Agent *a, PortsWatch **ret);
PortsWatch *ports_watch_free(PortsWatch *w);
DEFINE_CLEANUP(PortsWatch *, ports_watch_free)

/* All ports that are in it, of whatever role. The result is of ranges. */
int ports_from_resources(const Resources *resources, Value *ret);

/* Recovery is complete: who lives, and with what, is known. NULL: nothing to do. */
void ports_watch_start(PortsWatch *w);
