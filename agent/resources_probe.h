#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What the agent offers: --resources, else what the host has. See resources_probe.c. */

#include "common/model/resources.h"

/* A host, in the units of resources. */
typedef struct HostCapacity {
        uint64_t n_cpus;
        uint64_t mem_mb;
        uint64_t disk_mb;     /* of the filesystem of the work directory */
} HostCapacity;

/* `path` is the work directory or an existing one above it. */
int host_capacity_read(const char *path, HostCapacity *ret);

/*
 * `text` is --resources as text or JSON, NULL or "" when not given. Returns RESOURCES_OK,
 * RESOURCES_E_INVALID with *reterr_message, or -ENOMEM.
 */
int resources_probe(const char *text, const char *default_role, const HostCapacity *host,
                    Resources **ret, char **reterr_message);
