/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is to be removed, and when
 *
 * A sandbox may be looked at for --gc_delay after its end, unless the disk is needed before. Its
 * age counts from the moment it was scheduled, or is what its modification time says when it is
 * found again after a restart. While the agent runs, ages grow with the monotonic clock: a host
 * that sets its clock late, or wrongly, does not lose a week of sandboxes at once.
 *
 * No clock, no file is looked at here.
 */

#include <uthash.h>

#include "agent/gc_schedule.h"

typedef struct Entry {
        char *path;        /* owned */
        int64_t born_usec; /* monotonic; negative for what is older than the host's boot */
        UT_hash_handle hh;
} Entry;

struct GcSchedule {
        Entry *entries; /* uthash by path, oldest first once sorted; owned */
        bool unsorted;
        int64_t youngest_born_usec;
};

usec_t gc_max_age_usec(usec_t delay_usec, double headroom, double usage) {
        double share = 1 - headroom - usage;

        if (share <= 0)
                return 0;

        return share >= 1 ? delay_usec : (usec_t) double_round((double) delay_usec * share);
}

int gc_schedule_new(GcSchedule **ret) {
        GcSchedule *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;

        s->youngest_born_usec = INT64_MIN;
        *ret = s;
        return 0;
}

static void entry_free(GcSchedule *s, Entry *e) {
        HASH_DEL(s->entries, e);
        free(e->path);
        free(e);
}

GcSchedule *gc_schedule_free(GcSchedule *s) {
        Entry *e, *next;

        if (!s)
                return NULL;

        HASH_ITER (hh, s->entries, e, next)
                entry_free(s, e);
        free(s);
        return NULL;
}

int gc_schedule_add(GcSchedule *s, const char *path, usec_t age_usec, usec_t now_usec) {
        Entry *e;

        HASH_FIND_STR(s->entries, path, e);
        if (e)
                return GC_SCHEDULE_E_KNOWN;

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;

        e->path = strdup(path);
        if (!e->path) {
                free(e);
                return -ENOMEM;
        }

        /* Microseconds of 146,000 years: no age is longer. */
        e->born_usec = (int64_t) now_usec - (int64_t) MIN(age_usec, (usec_t) INT64_MAX / 2);
        s->unsorted = s->unsorted || e->born_usec < s->youngest_born_usec;
        s->youngest_born_usec = MAX(s->youngest_born_usec, e->born_usec);
        HASH_ADD_KEYPTR(hh, s->entries, e->path, strlen(e->path), e);
        return GC_SCHEDULE_OK;
}

void gc_schedule_drop(GcSchedule *s, const char *path) {
        Entry *e;

        HASH_FIND_STR(s->entries, path, e);
        if (e)
                entry_free(s, e);
}

size_t gc_schedule_count(const GcSchedule *s) {
        return HASH_COUNT(s->entries);
}

static int by_birth(const Entry *x, const Entry *y) {
        return x->born_usec < y->born_usec ? -1 : x->born_usec > y->born_usec;
}

/* Those found on the disk come in any order, all others in the right one. */
static const Entry *oldest(GcSchedule *s) {
        if (s->unsorted)
                HASH_SORT(s->entries, by_birth);
        s->unsorted = false;
        return s->entries;
}

const char *gc_schedule_due(GcSchedule *s, usec_t max_age_usec, usec_t now_usec) {
        const Entry *e = oldest(s);

        if (!e)
                return NULL;
        if (gc_schedule_count(s) > GC_SCHEDULE_MAX)
                return e->path;

        max_age_usec = MIN(max_age_usec, (usec_t) INT64_MAX);
        return (int64_t) now_usec - e->born_usec >= (int64_t) max_age_usec ? e->path : NULL;
}

usec_t gc_schedule_next_due(GcSchedule *s, usec_t age_usec, usec_t now_usec) {
        const Entry *e = oldest(s);
        int64_t due_usec;

        if (!e || age_usec > (usec_t) INT64_MAX / 4)
                return USEC_INFINITY;

        due_usec = e->born_usec + (int64_t) age_usec;
        return due_usec <= (int64_t) now_usec ? now_usec : (usec_t) due_usec;
}
