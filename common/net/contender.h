#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Contender: a master that stands for election. See contender.c. */

#include "common/net/zk.h"

typedef struct Contender Contender;

typedef enum ContenderState {
        CONTENDER_CANDIDATE,   /* our znode is there; whether it leads, a Detector on the same session tells */
        CONTENDER_LOST,        /* it is not there any more: whoever led by it does not */
} ContenderState;

/* node: "json.info_0000000012"; also of the one that is lost. It may free the Contender. */
typedef void (*ContenderChanged)(ContenderState state, const char *node, void *userdata);

/* json: the MasterInfo of this master. zk is borrowed and outlives it. */
int contender_new(Zk *zk, const char *json, ContenderChanged changed, void *userdata, Contender **ret);
Contender *contender_free(Contender *c);
DEFINE_CLEANUP(Contender *, contender_free)

/* NULL: not a candidate. */
const char *contender_node(const Contender *c);
