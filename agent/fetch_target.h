#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* FetchTarget: the file in the sandbox that a URI becomes. See fetch_target.c. */

#include <sys/types.h>

#include "common/base/fd.h"
#include "common/base/macro.h"

typedef struct FetchTarget {
        int dir_fd;            /* the directory it will be in */
        int fd;                /* open for writing, under the temporary name */
        char *name;            /* owned; without directories */
        char temporary[32];    /* "" once it has its name */
} FetchTarget;

#define FETCH_TARGET_NULL ((FetchTarget) { .dir_fd = -EBADF, .fd = -EBADF })

/* Each of these gives a text in *reterr_message when it returns FETCH_E_FAILED. */
enum {
        FETCH_OK = 0,
        FETCH_E_FAILED,
};

int fetch_fail(char **reterr_message, const char *format, ...) _printf_(2, 3);

int fetch_target_path(const char *uri, const char *output_file, char **ret, char **reterr_message);
int fetch_target_open(int sandbox_fd, const char *path, FetchTarget *ret, char **reterr_message);
int fetch_target_commit(FetchTarget *t, mode_t mode, char **reterr_message);
void fetch_target_deinit(FetchTarget *t);
