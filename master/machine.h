#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Machines: how operators name hosts, and what a maintenance schedule may say of them. See
 * machine.c. */

#include "common/base/macro.h"
#include "proto/maintenance.pb-c.h"

/* An order of machines. What was left out counts as empty; hostnames are the same in any case. */
int machine_id_compare(const Mesos__V1__MachineID *a, const Mesos__V1__MachineID *b);
bool machine_id_eq(const Mesos__V1__MachineID *a, const Mesos__V1__MachineID *b);

/* As JSON, the way Mesos names a machine in its answers; NULL: out of memory. */
char *machine_id_format(const Mesos__V1__MachineID *id);

/* A list of machines to be brought down or up: not empty, each named once, by a name or an IPv4
 * address. See reject.h. */
int machine_ids_judge(Mesos__V1__MachineID *const *ids, size_t n_ids, char **reterr_message);

/* The windows of a schedule: the same of all machines in it, each of them in one window only. */
int schedule_judge(const Mesos__V1__Maintenance__Schedule *s, char **reterr_message);

/* The window the machine is in; NULL: none. */
const Mesos__V1__Maintenance__Window *schedule_find(const Mesos__V1__Maintenance__Schedule *s,
                                                    const Mesos__V1__MachineID *id);
