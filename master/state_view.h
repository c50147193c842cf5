#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The state as the classic endpoints show it: /state, /slaves, /frameworks, /tasks, /roles. See
 * state_view.c. */

#include "common/base/macro.h"
#include "common/net/json_writer.h"

typedef struct Framework Framework;
typedef struct Master Master;
typedef struct Node Node;
typedef struct Task Task;

/* Each writes one value; key is NULL at the top and in lists. */
void state_view_version(JsonWriter *w, const char *key);
void state_view_flags(JsonWriter *w, const char *key, Master *m);
void state_view_node(JsonWriter *w, Node *n, bool full);
void state_view_framework(JsonWriter *w, Framework *f);
void state_view_task(JsonWriter *w, const Task *t);
void state_view_state(JsonWriter *w, Master *m);
void state_view_summary(JsonWriter *w, Master *m);

/* Lists of all, or of the one with that id. */
void state_view_nodes(JsonWriter *w, Master *m, const char *only_id);
void state_view_frameworks(JsonWriter *w, Master *m, const char *only_id);

typedef struct TaskQuery {
        const char *framework_id;     /* NULL: any */
        const char *task_id;
        uint64_t limit, offset;
        bool ascending;               /* oldest first */
} TaskQuery;

void state_view_tasks(JsonWriter *w, Master *m, const TaskQuery *query);
