#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* UpdateQueue: status updates until the agent has acknowledged them. See update_queue.c. */

#include "common/base/macro.h"
#include "proto/executor.pb-c.h"

typedef struct Update Update;

typedef struct UpdateQueue {
        Update *first;           /* oldest first */
        size_t n;
} UpdateQueue;

struct Update {
        uint8_t uuid[16];
        Mesos__V1__Executor__Call__Update message;   /* its status is owned and carries the uuid */
        bool sent;
        Update *next;
};

void update_queue_deinit(UpdateQueue *q);
int update_queue_add(UpdateQueue *q, const Mesos__V1__TaskStatus *status);
bool update_queue_acknowledge(UpdateQueue *q, const void *uuid, size_t n);
Update *update_queue_next_unsent(const UpdateQueue *q);
