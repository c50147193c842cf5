#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Outcomes that come with a reason for people. See explain.c. */

#include "common/base/macro.h"

/* `return explain(reterr_message, X_E_INVALID, "…", …);`: the code, or -ENOMEM. */
int explain(char **reterr_message, int code, const char *format, ...) _printf_(3, 4);
