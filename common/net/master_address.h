#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* MasterAddress: who a master is, as its znode tells. See master_address.c. */

#include "common/net/upid.h"

typedef struct MasterAddress {
        char id[128];         /* "" where nobody told */
        Upid pid;             /* for messages */
        char hostname[256];   /* with ip and port: for HTTP */
        char ip[64];
        uint16_t port;
} MasterAddress;

typedef enum CandidateFormat {
        CANDIDATE_JSON,       /* json.info_0000000012: MasterInfo as JSON */
        CANDIDATE_PROTOBUF,   /* info_0000000012: MasterInfo in the wire format */
        CANDIDATE_PID,        /* 0000000012: master@ip:port */
        CANDIDATE_UNKNOWN,    /* anything else with a number */
} CandidateFormat;

#define CANDIDATE_PREFIX "json.info_"

/* More than any MasterInfo has. */
#define MASTER_ADDRESS_MAX_BYTES 65536

/* What the name of a child of the group's znode says; false: it is no candidate. */
bool candidate_parse(const char *name, int32_t *ret_sequence, CandidateFormat *ret_format);

/* The candidate that leads; NULL: there is none. */
const char *candidate_find_leader(char *const *names, size_t n);
size_t candidate_count(char *const *names, size_t n);

int master_address_parse(CandidateFormat format, const void *data, size_t n, MasterAddress *ret, char **reterr_message);

/* Of a master named by hand: host:port or master@host:port. Asks the name server: only before the loop runs. */
int master_address_resolve(const char *text, MasterAddress *ret, char **reterr_message);
