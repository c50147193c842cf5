#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Recovery: stored state and live launchers become objects again. See recover.c. */

#include "agent/agent.h"

/* Loads everything and takes up what lives; agent->recovery exists until it is complete. Fatal errors are logged. */
int recovery_start(Agent *a);
Recovery *recovery_free(Recovery *r);

/* An executor has subscribed or ended: perhaps it was the last one waited for. No-op outside of recovery. */
void recovery_executor_settled(Agent *a);
