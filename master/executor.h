#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Executor: a framework's executor on an agent, as the master knows it. See executor.c. */

#include <uthash.h>

#include "common/base/macro.h"
#include "common/model/resources.h"
#include "proto/mesos.pb-c.h"

typedef struct Framework Framework;
typedef struct Node Node;

typedef struct Executor {
        char *key;                         /* "<framework id>/<executor id>": unique on one agent */
        Mesos__V1__ExecutorInfo *info;     /* owned */
        Resources *resources;              /* owned; counted at the agent as long as we exist */
        Framework *framework;
        Node *node;                        /* owns us */
        bool reported;                     /* by its agent, which is just coming back */
        bool doubtful;                     /* it was not, but its agent is asked about tasks of it */
        UT_hash_handle hh;                 /* by key, in node->executors */
        struct Executor *prev, *next;      /* in framework->executors */
} Executor;

/* Room for the key of an executor: two ids and the slash that neither may contain. */
#define EXECUTOR_KEY_MAX 512

const char *executor_key(const char *framework_id, const char *executor_id,
                         char buf[static EXECUTOR_KEY_MAX]);

/* Copies `info`; enters the executor with its agent and its framework and counts its resources. */
int executor_new(Framework *f, Node *n, const Mesos__V1__ExecutorInfo *info, Executor **ret);
Executor *executor_free(Executor *e);
DEFINE_CLEANUP(Executor *, executor_free)

Executor *executor_find(const Node *n, const char *framework_id, const char *executor_id);
const char *executor_id(const Executor *e);
