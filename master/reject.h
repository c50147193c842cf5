#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Reject: how a judgement says no: a code for the caller and a text for people. See reject.c. */

#include "common/model/explain.h"

enum {
        ACCEPTED = 0,
        REJECTED,        /* *reterr_message says why, as Mesos words it */
};

/* Gives the reason; returns REJECTED, or -ENOMEM. */
#define reject(reterr_message, ...) explain((reterr_message), REJECTED, __VA_ARGS__)

/* Puts "prefix: " before a reason already given; passes `r` on. */
int reject_prefix(int r, char **reterr_message, const char *prefix);
