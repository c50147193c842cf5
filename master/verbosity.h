#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Verbosity: more log lines for a while. See verbosity.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct Master Master;

unsigned verbosity_get(const Master *m);

/* Falls back to 0 after the duration. */
int verbosity_set(Master *m, unsigned level, usec_t duration_usec);
