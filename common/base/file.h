#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Files by directory fd: whole reads with a bound, durable replacement. See file.c. */

#include <sys/types.h>

#include "common/base/macro.h"

int file_read_at(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_n);
int file_write_at(int dir_fd, const char *path, const char *text);
int file_replace_at(int dir_fd, const char *path, const void *data, size_t n, mode_t mode);
int file_mkdirs_at(int dir_fd, const char *path, mode_t mode);
int file_remove_tree_at(int dir_fd, const char *name);
