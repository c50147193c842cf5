#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Archives: recognising and unpacking what was fetched. See fetch_archive.c. */

#include "common/base/macro.h"

typedef enum FetchArchiveKind {
        FETCH_ARCHIVE_NONE,       /* a file like any other */
        FETCH_ARCHIVE_TREE,       /* tar in its compressions, zip */
        FETCH_ARCHIVE_GZIP,       /* one compressed file */
} FetchArchiveKind;

typedef struct FetchArchiveLimits {
        uint64_t max_entries;
        uint64_t max_expanded_bytes;
} FetchArchiveLimits;

FetchArchiveKind fetch_archive_kind(const char *path);
int fetch_archive_extract(int sandbox_fd, int archive_fd, const char *path,
                          FetchArchiveLimits limits, uint64_t *ret_entries, char **reterr_message);
