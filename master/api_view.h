#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Frameworks, agents, executors and tasks as messages of the v1 operator API. See api_view.c. */

#include "common/base/macro.h"
#include "master/api_writer.h"
#include "proto/master.pb-c.h"

typedef struct Framework Framework;
typedef struct Master Master;
typedef struct Node Node;

typedef Mesos__V1__Master__Response__GetAgents__Agent ApiAgent;
typedef Mesos__V1__Master__Response__GetFrameworks__Framework ApiFramework;

/* Messages of their own; free with pb_free(). */
int api_view_agent(Node *n, ApiAgent **ret);

/* `full`: with offers and resources, as GET_FRAMEWORKS shows it; events leave them out. */
int api_view_framework(Framework *f, bool full, ApiFramework **ret);

/* The body of GET_TASKS and its siblings: `w` was just initialised and holds the whole inner
 * message after. */
void api_view_tasks(Master *m, ApiWriter *w);
void api_view_executors(Master *m, ApiWriter *w);
void api_view_frameworks(Master *m, ApiWriter *w);
void api_view_agents(Master *m, ApiWriter *w);
void api_view_state(Master *m, ApiWriter *w);
