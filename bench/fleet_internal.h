#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What a Fleet consists of; for fleet.c and fleet_report.c only. */

#include "bench/fleet.h"
#include "common/model/resources.h"

#define UUID_BYTES 16

typedef struct Agent {
        Fleet *fleet;
        unsigned number;
        char id[64]; /* given by the master; empty before */
        char pid[48];
        char hostname[24];
        void *packed; /* owned; the message it will register with */
        size_t n_packed;
        Line *incoming; /* of the master's; NULL: none */
        usec_t due_usec;
        bool answered;
} Agent;

struct Fleet {
        Lines *lines;
        FleetConfig config;
        struct sockaddr_in master;
        uint16_t port;
        Agent *agents;
        Agent **order; /* by due_usec */
        Line **outgoing;
        size_t n_answered;
        usec_t last_answer_usec;
        uint64_t n_pings, n_launches;
        uint64_t last_uuid;
        char **framework_ids;
        Resources *total, *of_task;
};

/* Has the message ready that the agent will register with, or come back with: fleet_report.c. */
void fleet_prepare_registration(Agent *a);
void fleet_prepare_return(Agent *a);
