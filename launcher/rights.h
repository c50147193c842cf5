#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Rights: the steps of the child that give up what the command shall not be able to do. See rights.c. */

#include "launcher/spawn.h"

int child_unless_forbidden(int r);
int child_reset_capabilities(const ChildContext *c);
int child_bound_capabilities(const ChildContext *c);
int child_keep_capabilities(const ChildContext *c);
int child_take_capabilities(const ChildContext *c);
int child_forbid_new_privileges(const ChildContext *c);
int child_filter_system_calls(const ChildContext *c);
