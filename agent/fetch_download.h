#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Downloads: a URI of the network into an open file. See fetch_download.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

bool fetch_download_handles(const char *uri);
int fetch_download(const char *uri, int fd, usec_t stall_timeout_usec, uint64_t max_bytes,
                   uint64_t *ret_bytes, char **reterr_message);
