#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What this agent tells masters and operators it can do. See capability.c. */

#include "proto/mesos.pb-c.h"

extern const Mesos__V1__AgentInfo__Capability__Type agent_capabilities[];
extern const size_t n_agent_capabilities;

/* "MULTI_ROLE". */
const char *agent_capability_name(Mesos__V1__AgentInfo__Capability__Type type);
