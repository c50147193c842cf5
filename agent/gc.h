#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Gc: sandboxes of what has ended are removed in time. See gc.c. */

#include "agent/agent.h"

typedef struct Gc Gc;

int gc_new(Agent *a, Gc **ret);

/* What is being removed is left as it is: the next start finds it again. */
Gc *gc_free(Gc *g);
DEFINE_CLEANUP(Gc *, gc_free)

/* Recovery is complete: who lives is known. Nothing is removed before. */
void gc_start(Gc *g);

/* The run has ended and everything about it was acknowledged. */
void gc_sandbox(Gc *g, const char *directory);

/* What operators see; zero for NULL. */
typedef struct GcFigures {
        size_t n_pending;
        uint64_t n_succeeded, n_failed;
        usec_t max_age_usec; /* how old a sandbox may get at present */
} GcFigures;

GcFigures gc_figures(const Gc *g);
