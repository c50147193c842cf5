#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Mounts: what a container sees, made from the inside. See mounts.c. */

#include "launcher/spawn.h"

/* In this order. A failing mount's number is in *c->failed_item. */
int child_open_sources(const ChildContext *c);
int child_enter_mounts(const ChildContext *c);
int child_mount(const ChildContext *c);
int child_change_root(const ChildContext *c);
