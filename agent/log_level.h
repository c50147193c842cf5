#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* LogLevel: a louder log for a while, on request. See log_level.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct LogLevel LogLevel;

int log_level_new(sd_event *event, LogLevel **ret);
LogLevel *log_level_free(LogLevel *l);
DEFINE_CLEANUP(LogLevel *, log_level_free)

/* As Mesos counts: 0 is what the agent was started with, above it the log says more. */
uint32_t log_level_get(const LogLevel *l);

/* Until the duration is over, or somebody sets another. 0, or a negative errno. */
int log_level_set(LogLevel *l, uint32_t level, usec_t duration_usec);
