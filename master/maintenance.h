#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Maintenance: the schedule of operators, and machines that are down for it. See maintenance.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"
#include "proto/maintenance.pb-c.h"

typedef struct Maintenance Maintenance;
typedef struct Master Master;
typedef struct Node Node;

/* To be freed when registry and server are gone. */
int maintenance_new(Master *m, Maintenance **ret);
Maintenance *maintenance_free(Maintenance *x);
DEFINE_CLEANUP(Maintenance *, maintenance_free)

/* The registry has been read. */
int maintenance_recover(Maintenance *x);

/* What operators ask for; each answers the request, at once when it refuses, else when it is
 * recorded. Messages are copied. */
void maintenance_update_schedule(Maintenance *x, HttpRequest *r,
                                 const Mesos__V1__Maintenance__Schedule *schedule);
void maintenance_start(Maintenance *x, HttpRequest *r, Mesos__V1__MachineID *const *ids,
                       size_t n_ids);
void maintenance_stop(Maintenance *x, HttpRequest *r, Mesos__V1__MachineID *const *ids,
                      size_t n_ids);

/* The machine of that name and address; NULL: it is in no schedule. */
const Mesos__V1__MachineInfo *maintenance_find(const Maintenance *x, const char *hostname,
                                               const char *ip);
bool maintenance_is_down(const Maintenance *x, const char *hostname, const char *ip);

/* The agent was let in: it has the plans for its machine, or has to leave with it. */
void maintenance_apply(Maintenance *x, Node *n);

/* All of them, in the order of machine_id_compare(); borrowed until the next change. */
Mesos__V1__MachineInfo *const *maintenance_machines(const Maintenance *x, size_t *ret_n);
