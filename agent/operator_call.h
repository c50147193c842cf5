#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The calls of /api/v1. See operator_call.c. */

#include "agent/agent.h"
#include "agent/files.h"
#include "agent/log_level.h"
#include "agent/wait_calls.h"

/* What calls and plain endpoints work on; all borrowed. */
typedef struct OperatorParts {
        Agent *agent;
        Files *files;
        LogLevel *log_level;
        WaitCalls *waits;
} OperatorParts;

/* Answers the request, now or when what it waits for has happened. */
void operator_call_handle(const OperatorParts *p, HttpRequest *r);
