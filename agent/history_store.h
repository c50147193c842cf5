#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* HistoryStore: what is over, on the disk. See history_store.c. */

#include "agent/framework.h"
#include "common/base/store.h"

typedef struct HistoryStore HistoryStore;

int history_store_new(Store *store, HistoryStore **ret);

/* For the readers below only. */
int history_store_new_reader(Store *store, HistoryStore **ret);

HistoryStore *history_store_free(HistoryStore *h);
DEFINE_CLEANUP(HistoryStore *, history_store_free)

/*
 * Writers. They belong to the store's open transaction, so that what is forgotten elsewhere in the
 * same turn moves here as one step. Each row gets a number that is never used twice in our life,
 * also if the turn's commit fails.
 */
int history_store_add_framework(HistoryStore *h, const Framework *f, int64_t *ret_record);
int history_store_add_executor(HistoryStore *h, const Executor *e, int64_t *ret_record);
int history_store_add_task(HistoryStore *h, const char *container_id, const CompletedTask *t, int64_t *ret_record);

int history_store_drop_framework(HistoryStore *h, int64_t record);
int history_store_drop_executor(HistoryStore *h, int64_t record);
int history_store_drop_task(HistoryStore *h, int64_t record);

/* Readers, oldest first; a visitor's negative result ends the walk and is returned. */
typedef struct StoredCompletedFramework {
        int64_t record;
        const char *pid;
        const void *info;
        size_t n_info;
} StoredCompletedFramework;

typedef struct StoredCompletedExecutor {
        int64_t record;
        const char *framework_id, *container_id, *directory, *user;
        bool generated;
        ExitStatus exit_status;
        const void *info;
        size_t n_info;
} StoredCompletedExecutor;

typedef struct StoredCompletedTask {
        int64_t record;
        const char *container_id;
        const void *task;        /* packed mesos.v1.Task */
        size_t n_task;
} StoredCompletedTask;

int history_store_foreach_framework(HistoryStore *h, int (*visit)(const StoredCompletedFramework *f, void *userdata),
                                    void *userdata);
int history_store_foreach_executor(HistoryStore *h, int (*visit)(const StoredCompletedExecutor *e, void *userdata),
                                   void *userdata);
int history_store_foreach_task(HistoryStore *h, int (*visit)(const StoredCompletedTask *t, void *userdata),
                               void *userdata);
