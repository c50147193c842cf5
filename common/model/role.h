#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Roles: paths like "eng/web" that resources are shared out by. See role.c. */

#include "common/base/macro.h"

/* The role of everything that is reserved to nobody. */
#define ROLE_UNRESERVED "*"

/* Longer ones are refused: a role is a path of directories, and a depth of recursion. */
#define ROLE_TEXT_MAX 1024

enum {
        ROLE_OK = 0,
        ROLE_E_INVALID,      /* *reterr_message says why, as Mesos words it */
};

int role_check(const char *role, char **reterr_message);

/* "eng/web" below "eng": resources reserved to an ancestor may be offered to its descendants. */
bool role_is_strict_subrole(const char *role, const char *ancestor);
bool role_is_same_or_subrole(const char *role, const char *ancestor);
