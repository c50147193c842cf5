#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* DiskQuotas: the directories that a container may fill, and how far. See disk_quota.c. */

#include "agent/config.h"
#include "agent/executor.h"

typedef struct DiskQuota {
        char *directory;                  /* owned; absolute */
        uint64_t limit_bytes;
        bool enforced;                    /* else it is only told */
        Mesos__V1__Resource **resources;  /* owned, as the array; what the limit is made of. None: there is no limit */
        size_t n_resources;
} DiskQuota;

typedef struct DiskQuotas {
        DiskQuota *quotas;                /* owned; the first is the sandbox's, the others are of persistent volumes */
        size_t n;
} DiskQuotas;

/* As the executor and its unfinished tasks have them now. */
int disk_quotas_make(const AgentConfig *config, const Executor *e, DiskQuotas *ret);
void disk_quotas_deinit(DiskQuotas *q);

/* NULL: none is of that directory. */
const DiskQuota *disk_quotas_find(const DiskQuotas *q, const char *directory);

static inline bool disk_quota_is_limited(const DiskQuota *q) {
        return q->n_resources > 0;
}
