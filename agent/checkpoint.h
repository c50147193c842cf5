#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Checkpoint: what the agent must know again after a crash. See checkpoint.c. */

#include "agent/container.h"
#include "agent/framework.h"
#include "common/base/store.h"

typedef struct Checkpoint Checkpoint;

/* The schema; for store_open(). */
extern const char *const checkpoint_migrations[];
extern const unsigned n_checkpoint_migrations;

int checkpoint_new(Store *store, Checkpoint **ret);

/* For the readers below only. */
int checkpoint_new_reader(Store *store, Checkpoint **ret);

Checkpoint *checkpoint_free(Checkpoint *c);
DEFINE_CLEANUP(Checkpoint *, checkpoint_free)

/*
 * Writers. All belong to the store's open transaction: what depends on them waits with
 * store_after_commit(). Errors are also remembered by the store and fail that commit.
 */
int checkpoint_agent_info(Checkpoint *c, const Mesos__V1__AgentInfo *info);
int checkpoint_boot_id(Checkpoint *c, const char *boot_id);
int checkpoint_forget_agent(Checkpoint *c);

/* All but who we are and what we have: frameworks, executors, tasks, updates, operations, a drain. */
int checkpoint_clear(Checkpoint *c);

int checkpoint_framework(Checkpoint *c, const Framework *f);
int checkpoint_forget_framework(Checkpoint *c, const char *framework_id);

int checkpoint_executor(Checkpoint *c, const Executor *e);
int checkpoint_container(Checkpoint *c, const Executor *e, const ContainerIdentity *identity);
int checkpoint_executor_subscribed(Checkpoint *c, const Executor *e);
int checkpoint_forget_executor(Checkpoint *c, const Executor *e);

int checkpoint_task(Checkpoint *c, const Executor *e, const Task *t);
int checkpoint_forget_task(Checkpoint *c, const char *framework_id, const char *task_id);

/* Updates are known by the number their record got. It means nothing if the turn's commit fails. */
int checkpoint_update(Checkpoint *c, const char *framework_id, const char *task_id, const uint8_t uuid[static 16],
                      const void *update, size_t n, int64_t *ret_record);
int checkpoint_ack(Checkpoint *c, int64_t record);
int checkpoint_forget_update(Checkpoint *c, int64_t record);

/* What was made of the configured resources. Staged ones are being made, and are made again after a crash. */
int checkpoint_resources(Checkpoint *c, const Resources *resources);
int checkpoint_staged_resources(Checkpoint *c, const Resources *resources);

/* The operation's uuid has 16 bytes; one that is known is replaced. */
int checkpoint_operation(Checkpoint *c, const Mesos__V1__Operation *operation);
int checkpoint_forget_operation(Checkpoint *c, const uint8_t uuid[static 16]);

/* `started` is a number, microseconds of CLOCK_REALTIME. */
int checkpoint_drain(Checkpoint *c, const Mesos__V1__DrainConfig *config, const char *started);
int checkpoint_forget_drain(Checkpoint *c);

/* Readers, for recovery and inspection; a visitor's negative result ends the walk and is returned. */
int checkpoint_load_meta(Checkpoint *c, const char *key, char **ret, size_t *ret_n);

typedef struct StoredExecutor {
        const char *framework_id, *id, *container_id, *directory, *user;
        bool generated, subscribed;
        const void *info;
        size_t n_info;
        ContainerIdentity identity;        /* zero where the container had not come that far */
} StoredExecutor;

typedef struct StoredTask {
        const char *framework_id, *executor_id, *id;
        const void *info;
        size_t n_info;
} StoredTask;

typedef struct StoredUpdate {
        int64_t record;
        const char *framework_id, *task_id;
        const uint8_t *uuid;
        const void *update;
        size_t n_update;
        bool acknowledged;
} StoredUpdate;

int checkpoint_foreach_framework(Checkpoint *c,
                                 int (*visit)(const char *pid, const void *info, size_t n, void *userdata),
                                 void *userdata);
int checkpoint_foreach_executor(Checkpoint *c, int (*visit)(const StoredExecutor *e, void *userdata), void *userdata);
int checkpoint_foreach_task(Checkpoint *c, int (*visit)(const StoredTask *t, void *userdata), void *userdata);
int checkpoint_foreach_update(Checkpoint *c, int (*visit)(const StoredUpdate *u, void *userdata), void *userdata);

/* Since this version of the schema there are operations. */
#define CHECKPOINT_SCHEMA_OPERATIONS 2
int checkpoint_foreach_operation(Checkpoint *c, int (*visit)(const void *operation, size_t n, void *userdata),
                                 void *userdata);
