#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Machines: hosts as maintenance knows them, and the schedule they are in. See machines.c. */

#include "cli/client.h"

typedef struct Machines {
        json_t *schedule;         /* owned, all three */
        json_t *status;
        json_t *slaves;
} Machines;

int machines_load(Client *c, Machines *ret, char **reterr_message);
void machines_deinit(Machines *m);

/* The machines people mean, as an array of {"hostname": …, "ip": …}: each by HOSTNAME/IP, or by the
 * name or address of one that is scheduled, or has an agent. A new reference. */
int machines_find(const Machines *m, char *const *texts, json_t **ret, char **reterr_message);

/* Takes machines out of the schedule; windows that are empty then go, too. */
int machines_unschedule(Machines *m, json_t *ids);

/* Puts them into a window of their own; `duration_usec` USEC_INFINITY: no end is planned. */
int machines_schedule(Machines *m, json_t *ids, usec_t start_usec, usec_t duration_usec);

/* Are they the same machine? */
bool machines_same(json_t *a, json_t *b);
