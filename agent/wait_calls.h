#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* WaitCalls: requests that are answered when a container ends. See wait_calls.c. */

#include "agent/call.h"
#include "common/base/process.h"

typedef struct WaitCalls WaitCalls;

int wait_calls_new(WaitCalls **ret);

/* Who still waits is answered with 503. */
WaitCalls *wait_calls_free(WaitCalls *w);
DEFINE_CLEANUP(WaitCalls *, wait_calls_free)

/* Takes over the request, unless this fails; its call is WAIT_CONTAINER or its older name. */
int wait_calls_add(WaitCalls *w, HttpRequest *r, const Call *call, const char *container_id);

void wait_calls_container_ended(WaitCalls *w, const char *container_id, ExitStatus status);

/* Answers at once. */
void wait_calls_answer(HttpRequest *r, Mesos__V1__Agent__Call__Type type, MediaType accept,
                       ExitStatus status);
