#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Strays: what is left of containers that nobody here knows. See strays.c. */

#include "agent/agent.h"

typedef struct Strays Strays;

int strays_new(Agent *a, Strays **ret);
Strays *strays_free(Strays *s);
DEFINE_CLEANUP(Strays *, strays_free)

/* Looks for strays now, and again some times later. */
void strays_search(Strays *s);
