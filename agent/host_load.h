#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* HostLoad: how busy the host is. See host_load.c. */

#include "common/base/macro.h"

typedef struct HostLoad {
        double load_1min, load_5min, load_15min;
        uint64_t n_cpus;
        uint64_t mem_total_bytes, mem_free_bytes;
} HostLoad;

int host_load_read(HostLoad *ret);
