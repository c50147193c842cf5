#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Checker: asks again and again how a task is doing. See checker.c. */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "proto/mesos.pb-c.h"

typedef enum CheckKind {
        CHECK_COMMAND,
        CHECK_HTTP,
        CHECK_TCP,
} CheckKind;

/* How one attempt went. Not completed: it timed out or could not be made. */
typedef struct CheckResult {
        bool completed;
        int value;       /* exit code, HTTP status, or whether the connection was made */
} CheckResult;

typedef struct Checker Checker;
typedef void (*CheckerDone)(CheckKind kind, CheckResult result, void *userdata);

/* The messages and env are borrowed for the checker's life. Returns -EINVAL for a check that lacks its part. */
int checker_new_health(sd_event *event, const Mesos__V1__HealthCheck *check, char *const *env,
                       CheckerDone done, void *userdata, Checker **ret);
int checker_new_check(sd_event *event, const Mesos__V1__CheckInfo *check, char *const *env,
                      CheckerDone done, void *userdata, Checker **ret);
Checker *checker_free(Checker *c);
DEFINE_CLEANUP(Checker *, checker_free)

/* A child has ended: returns whether it was this checker's. */
bool checker_reap(Checker *c, pid_t pid, ExitStatus status);
