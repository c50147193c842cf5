#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* GcSchedule: paths that wait to be removed, by age. Pure. See gc_schedule.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct GcSchedule GcSchedule;

/*
 * How old a path may get while `usage` (0 to 1) of the disk is used: all of `delay` on an empty
 * disk, nothing once no more than `headroom` is free.
 */
usec_t gc_max_age_usec(usec_t delay_usec, double headroom, double usage);

/* Past this many the oldest goes whatever its age: the paths are kept in memory. */
#define GC_SCHEDULE_MAX ((size_t) 100000)

int gc_schedule_new(GcSchedule **ret);
GcSchedule *gc_schedule_free(GcSchedule *s);
DEFINE_CLEANUP(GcSchedule *, gc_schedule_free)

enum {
        GC_SCHEDULE_OK = 0,
        GC_SCHEDULE_E_KNOWN, /* it waits already; its age is the one it had */
};

int gc_schedule_add(GcSchedule *s, const char *path, usec_t age_usec, usec_t now_usec);
void gc_schedule_drop(GcSchedule *s, const char *path);
size_t gc_schedule_count(const GcSchedule *s);

/* The oldest path if it has reached the age, else NULL. Borrowed until it is dropped. */
const char *gc_schedule_due(GcSchedule *s, usec_t max_age_usec, usec_t now_usec);

/* When the oldest path will have reached the age; USEC_INFINITY when there is none. */
usec_t gc_schedule_next_due(GcSchedule *s, usec_t age_usec, usec_t now_usec);
