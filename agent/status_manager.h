#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* StatusManager: status updates on their way to the master: recorded, forwarded, repeated, acknowledged. See status_manager.c. */

#include <systemd/sd-event.h>

#include "agent/checkpoint.h"
#include "common/base/macro.h"
#include "common/base/store.h"
#include "proto/internal.pb-c.h"

typedef struct StatusManager StatusManager;

typedef struct StatusManagerOps {
        /* The update is durable: its sender may forget it. */
        void (*recorded)(const Mesos__Internal__StatusUpdate *update, void *userdata);

        /* Send it to the master; latest_state is filled in here by the callee. */
        void (*forward)(Mesos__Internal__StatusUpdate *update, void *userdata);

        /* The scheduler's acknowledgement is durable; `terminal`: nothing more will come of this task. */
        void (*acknowledged)(const char *framework_id, const char *task_id, bool terminal, void *userdata);
} StatusManagerOps;

int status_manager_new(sd_event *event, Store *store, Checkpoint *checkpoint, const StatusManagerOps *ops,
                       void *userdata, StatusManager **ret);
StatusManager *status_manager_free(StatusManager *m);
DEFINE_CLEANUP(StatusManager *, status_manager_free)

enum {
        STATUS_MANAGER_OK = 0,        /* recorded() will be called once it is durable */
        STATUS_MANAGER_E_KNOWN,       /* had it before, and it is durable: acknowledge it again */
        STATUS_MANAGER_E_PENDING,     /* had it before; recorded() is still to come */
        STATUS_MANAGER_E_TERMINATED,  /* the task is over: acknowledge, nothing is forwarded */
        STATUS_MANAGER_E_FULL,        /* too many wait already: do not acknowledge, it will be sent again */
};

/* `durable`: of a checkpointing framework. The update must carry a uuid of 16 bytes; it is copied. */
int status_manager_update(StatusManager *m, const Mesos__Internal__StatusUpdate *update, bool durable);

/* An acknowledgement by way of the master. One that fits nothing is ignored. */
int status_manager_acknowledge(StatusManager *m, const char *framework_id, const char *task_id,
                               const uint8_t uuid[static 16]);

/* Recovery: one stored update, in stored order. */
int status_manager_replay(StatusManager *m, const StoredUpdate *stored);

/* Nobody to forward to / a master listens: everything unacknowledged is sent now. */
void status_manager_pause(StatusManager *m);
void status_manager_resume(StatusManager *m);

/* The framework has a new scheduler: what it has not acknowledged is sent now. */
void status_manager_resend_framework(StatusManager *m, const char *framework_id);

/* Drops all that is kept for a framework that is gone. */
void status_manager_forget_framework(StatusManager *m, const char *framework_id);

/* Whether there are updates of the task that may still have to be delivered. */
bool status_manager_knows(StatusManager *m, const char *framework_id, const char *task_id);

/* Whether this update is the one to be acknowledged next. */
bool status_manager_is_next(const StatusManager *m, const char *framework_id, const char *task_id,
                            const uint8_t uuid[static 16]);

/* Whether the task's terminal update has been acknowledged; what is kept of the task is dropped then. */
bool status_manager_is_done(StatusManager *m, const char *framework_id, const char *task_id);

/* Whether the end of some task is being told just now: recorded, or forwarded since then (CLOCK_MONOTONIC). */
bool status_manager_has_news(const StatusManager *m, usec_t since_usec);
