#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Isolation: executors and tasks as isolators see them. See isolation.c. */

#include "agent/agent.h"
#include "agent/identity.h"
#include "isolator/registry.h"

/* Borrows from the executor. `identity` NULL: of no interest. The runtime directory is for the caller to fill in. */
int isolation_request(const Executor *e, const Identity *identity, IsolatorRequest *ret);
const char *isolation_refuse_limits(const IsolatorSet *isolators, const Mesos__V1__TaskInfo *info);

/* What its container needs of the work directory besides the sandbox: a NULL-terminated array of paths, the
 * caller's; NULL when it needs nothing. */
int isolation_exposed(const AgentConfig *config, const Executor *e, char ***ret);
