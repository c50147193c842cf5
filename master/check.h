#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* The parts a task or executor is described by, each judged for itself. See check.c. */

#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"

/* All: ACCEPTED or REJECTED (reject.h), or a negative errno. */
int check_command(const Mesos__V1__CommandInfo *command, char **reterr_message);
int check_container(const Mesos__V1__ContainerInfo *container, char **reterr_message);
int check_check(const Mesos__V1__CheckInfo *check, char **reterr_message);
int check_health_check(const Mesos__V1__HealthCheck *check, char **reterr_message);
