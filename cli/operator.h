#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Operator: agents by the names people give them, and calls about them. See operator.c. */

#include "cli/client.h"
#include "common/net/json_writer.h"

/* The ids of agents: each text itself, or that of the only one on a host of that name. Lists end
 * with NULL. */
int operator_find_agents(Client *c, char *const *texts, char ***ret_ids, char **reterr_message);
char **operator_free_ids(char **ids);
DEFINE_CLEANUP(char **, operator_free_ids)

/* What a call has beside the agent. */
typedef void (*OperatorFields)(JsonWriter *w, const void *userdata);

/* Makes the call about each of the agents, and says so; the first failure ends it. */
int operator_call_agents(Client *c, const char *type, char *const *ids, const char *done,
                         OperatorFields fields, const void *userdata, char **reterr_message);

/* The whole of a verb that needs no more: finds the agents and makes the call. */
int operator_call(const char *master, const char *type, char *const *texts, const char *done,
                  char **reterr_message);

/* Asks a person on the terminal; yes where nobody is there to be asked. */
bool operator_may(const char *format, ...) _printf_(1, 2);
