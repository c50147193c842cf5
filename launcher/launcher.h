#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Launcher: the supervisor of one container. See launcher.c. */

#include "common/base/macro.h"
#include "launcher/plan.h"

typedef struct Launcher Launcher;

int launcher_new(LaunchPlan *plan, int control_fd, Launcher **ret);
Launcher *launcher_free(Launcher *l);
DEFINE_CLEANUP(Launcher *, launcher_free)

int launcher_run(Launcher *l);
