#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Output: stdout and stderr of a container, files in its sandbox. See output.c. */

#include <sys/types.h>

#include "common/base/macro.h"

int output_open(const char *sandbox_directory, uid_t uid, gid_t gid, int *ret_stdout_fd,
                int *ret_stderr_fd);
