#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Caller: whether a request comes from the container it speaks for. See caller.c. */

#include "agent/agent.h"
#include "common/net/http_server.h"

typedef struct CallerCheck CallerCheck;

int caller_check_new(const Agent *a, CallerCheck **ret);
CallerCheck *caller_check_free(CallerCheck *c);
DEFINE_CLEANUP(CallerCheck *, caller_check_free)

/* True where nobody can say: without cgroups, or on kernels that do not tell whose socket it is. */
bool caller_check_is_executor(CallerCheck *c, HttpRequest *r, const Executor *e);
