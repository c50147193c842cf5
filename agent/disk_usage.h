#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* DiskUsage: how much of a disk a stranger's directory tree occupies; in holdfast-worker. See disk_usage.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

/* What one measurement may cost. */
typedef struct DiskUsageBounds {
        usec_t time_usec;
        size_t max_depth;     /* a descriptor for each level */
        size_t max_links;     /* files with several names that are remembered */
} DiskUsageBounds;

#define DISK_USAGE_BOUNDS_DEFAULT                                                                                      \
        ((DiskUsageBounds) { .time_usec = 5 * USEC_PER_MINUTE, .max_depth = 16384, .max_links = 1U << 20 })

enum {
        DISK_USAGE_OK = 0,
        DISK_USAGE_E_INCOMPLETE,     /* *ret_bytes is what was found until a bound was met */
};

/* Of the directory at `path` below `root`, itself included. */
int disk_usage_measure(const char *root, const char *path, DiskUsageBounds bounds, uint64_t *ret_bytes);
