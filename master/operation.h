#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Operation: a change of an agent's resources that the agent told of. See operation.c. */

#include <uthash.h>

#include "common/base/macro.h"
#include "proto/internal.pb-c.h"

typedef struct Node Node;
typedef struct Operation Operation;

struct Operation {
        Mesos__V1__Operation *pb;          /* owned */
        char *key;                         /* "<framework id>/<operation id>"; NULL: has no id */
        Node *node;                        /* owns us */
        UT_hash_handle hh;                 /* by key, in the table */
        Operation *prev, *next;            /* in node->operations */
};

typedef struct OperationTable {
        Operation *by_key;                 /* those with a key */
        size_t n;
} OperationTable;

#define OPERATION_TABLE_NULL ((OperationTable) {})

/* The table must be empty. */
void operation_table_deinit(OperationTable *t);

/* What the agent has now, instead of what it had. */
int operations_replace(Node *n, const Mesos__Internal__UpdateSlaveMessage *u);
void operations_forget(Node *n);

Operation *operation_find(const OperationTable *t, const char *framework_id,
                          const char *operation_id);
