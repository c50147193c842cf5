#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Minimums: how little is not worth an offer. See minimum.c. */

#include "common/base/macro.h"
#include "common/model/resources.h"

typedef struct Minimums Minimums;

#define MINIMUMS_DEFAULT "cpus:0.01|mem:32"

enum {
        MINIMUMS_OK = 0,
        MINIMUMS_E_INVALID,
};

/* Without any set: whatever isn't empty will do. */
Minimums *minimums_new(void);
Minimums *minimums_free(Minimums *m);
DEFINE_CLEANUP(Minimums *, minimums_free)
Minimums *minimums_copy(const Minimums *m);

/* As --min_allocatable_resources has it: sets separated by "|", quantities within by ";". */
int minimums_parse(const char *text, Minimums **ret, char **reterr_message);

/* For offer_filters of frameworks: opens a set, and puts quantities into it. */
int minimums_add_set(Minimums *m);
int minimums_add(Minimums *m, const char *name, int64_t milli);

/* Whether one set is reached in all its quantities. */
bool minimums_met(const Minimums *m, const Resources *r);
