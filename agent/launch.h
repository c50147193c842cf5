#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Launch: an executor's container as a LaunchPlan. See launch.c. */

#include "agent/agent.h"
#include "agent/identity.h"
#include "launcher/plan.h"

typedef struct Launch Launch;

/* Decides everything about the launch; the plan is valid until launch_free(). */
enum {
        LAUNCH_OK = 0,
        LAUNCH_E_REFUSED,        /* by an isolator, or for its environment; *reterr_message says why */
};

int launch_new(const Agent *a, const Executor *e, const Identity *identity, Launch **ret, char **reterr_message);
Launch *launch_free(Launch *l);
DEFINE_CLEANUP(Launch *, launch_free)

const LaunchPlan *launch_plan(const Launch *l);

/* <runtime_dir>/containers/<container id> and <work_dir>/meta/exits/<container id>; owned by the caller. */
char *launch_runtime_directory(const AgentConfig *config, const char *container_id);
char *launch_exit_record_path(const AgentConfig *config, const char *container_id);

/* What a launcher that was killed left in the runtime directory. Only when no launcher is there. */
void launch_remove_runtime_directory(const AgentConfig *config, const char *container_id);
void launch_remove_exit_record(const AgentConfig *config, const char *container_id);
