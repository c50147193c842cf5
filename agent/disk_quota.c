/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Disk quotas
 *
 * A container may fill its sandbox as far as it has disk of no volume, and each of its persistent
 * volumes as far as that is large. Several resources may be of one directory: parts of the same
 * disk that are reserved differently, or a volume that several tasks share. A MOUNT disk is its
 * file system's to bound; Mesos does not, either.
 */

#include "agent/disk_quota.h"
#include "agent/volumes.h"
#include "common/model/value.h"
#include "common/net/pbwire.h"

typedef Mesos__V1__Resource Resource;

void disk_quotas_deinit(DiskQuotas *q) {
        for (size_t i = 0; i < q->n; i++) {
                resources_free_pb(q->quotas[i].resources, q->quotas[i].n_resources);
                free(q->quotas[i].directory);
        }
        free(q->quotas);
        *q = (DiskQuotas) {};
}

static DiskQuota *find(const DiskQuotas *q, const char *directory) {
        for (size_t i = 0; i < q->n; i++)
                if (streq(q->quotas[i].directory, directory))
                        return &q->quotas[i];

        return NULL;
}

const DiskQuota *disk_quotas_find(const DiskQuotas *q, const char *directory) {
        return find(q, directory);
}

/* Takes the directory in any case. NULL: out of memory. */
static DiskQuota *find_or_add(DiskQuotas *q, char *directory) {
        DiskQuota *p = directory ? find(q, directory) : NULL;

        if (!p && directory)
                p = reallocarray(q->quotas, q->n + 1, sizeof(*p));
        else {
                free(directory);
                return p;
        }

        if (!p) {
                free(directory);
                return NULL;
        }

        q->quotas = p;
        p = &p[q->n++];
        *p = (DiskQuota) { .directory = directory, .enforced = true };
        return p;
}

static int quota_add(DiskQuota *q, const Resource *pb) {
        Resource **p = reallocarray(q->resources, q->n_resources + 1, sizeof(*p));
        int64_t milli;

        if (!p)
                return -ENOMEM;

        q->resources = p;
        p[q->n_resources] = (Resource *) pb_copy(&pb->base);
        if (!p[q->n_resources])
                return -ENOMEM;

        q->n_resources++;
        if (!value_milli_from_double(pb->scalar->value, &milli) || milli > INT64_MAX >> 20)
                milli = INT64_MAX >> 20;
        if (__builtin_add_overflow(q->limit_bytes, ((uint64_t) milli << 20) / 1000, &q->limit_bytes))
                q->limit_bytes = UINT64_MAX;
        return 0;
}

static bool is_mount(const Resource *pb) {
        return pb->disk && pb->disk->source &&
               pb->disk->source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT;
}

static int add_resource(DiskQuotas *q, const AgentConfig *config, const Resource *pb) {
        DiskQuota *quota = &q->quotas[0];
        char *directory = NULL;
        int r;

        if (!streq(pb->name, "disk") || !pb->scalar)
                return 0;

        if (pb->disk && pb->disk->persistence) {
                r = volume_path(config, pb, &directory);
                if (r < 0 || !directory)
                        return r;

                quota = find_or_add(q, directory);
                if (!quota)
                        return -ENOMEM;
        }

        quota->enforced = quota->enforced && !is_mount(pb);
        return quota_add(quota, pb);
}

int disk_quotas_make(const AgentConfig *config, const Executor *e, DiskQuotas *ret) {
        _cleanup_(resources_freep) Resources *used = executor_used_resources(e);
        _cleanup_(disk_quotas_deinit) DiskQuotas q = {};
        Resource **list;
        size_t n;
        int r;

        if (!used || !find_or_add(&q, strdup(e->directory)))
                return -ENOMEM;

        r = resources_to_pb(used, RESOURCE_FORMAT_NEW, &list, &n);
        if (r < 0)
                return r;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = add_resource(&q, config, list[i]);

        resources_free_pb(list, n);
        if (r < 0)
                return r;

        *ret = q;
        q = (DiskQuotas) {};
        return 0;
}
