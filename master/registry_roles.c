/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Weights and quotas of roles in the registry: one list each, with an entry per role that has any.
 * A change names some roles; the others keep what they have.
 */

#include "master/registry_parts.h"

/* An empty list is no record. */
static int put_or_remove(Change *c, RecordKind kind, const Mesos__Internal__Registry *registry,
                         size_t n) {
        const char *id = record_single_id(kind);

        return n > 0 ? change_put(c, kind, id, &registry->base) : change_remove(c, id);
}

/* A change may name ten thousand roles, and some of them twice: then the last counts. */
typedef Mesos__V1__WeightInfo *const *WeightSlot;

static const char *role_of(WeightSlot slot) {
        return (*slot)->role ?: "";
}

static int compare(const void *a, const void *b) {
        WeightSlot x = *(const WeightSlot *) a, y = *(const WeightSlot *) b;
        int r = strcmp(role_of(x), role_of(y));

        return r != 0 ? r : x < y ? -1 : x > y;
}

/* Those that count, by role. */
static int sort_weights(Mesos__V1__WeightInfo *const *weights, size_t *n, WeightSlot **ret) {
        WeightSlot *slots = calloc(*n + 1, sizeof(*slots));
        size_t n_kept = 0;

        if (!slots)
                return -ENOMEM;

        for (size_t i = 0; i < *n; i++)
                slots[i] = &weights[i];
        if (*n > 0)
                qsort(slots, *n, sizeof(*slots), compare);
        for (size_t i = 0; i < *n; i++)
                if (i + 1 == *n || !streq(role_of(slots[i]), role_of(slots[i + 1])))
                        slots[n_kept++] = slots[i];

        *n = n_kept;
        *ret = slots;
        return 0;
}

static int compare_role(const void *role, const void *slot) {
        return strcmp(role, role_of(*(const WeightSlot *) slot));
}

static int put_weights(Change *c, Mesos__V1__WeightInfo *const *weights, size_t n_weights) {
        const Mesos__Internal__Registry *before =
                        registry_newest_single(c->registry, RECORD_WEIGHTS);
        Mesos__Internal__Registry registry = MESOS__INTERNAL__REGISTRY__INIT;
        _cleanup_free_ RegistryWeight *added = calloc(n_weights + 1, sizeof(*added));
        _cleanup_free_ RegistryWeight **list =
                        calloc(before->n_weights + n_weights + 1, sizeof(*list));
        _cleanup_free_ WeightSlot *slots = NULL;
        int r;

        if (!added || !list)
                return -ENOMEM;

        r = sort_weights(weights, &n_weights, &slots);
        if (r < 0)
                return r;

        registry.weights = list;
        for (size_t i = 0; i < before->n_weights; i++)
                if (!bsearch(before->weights[i]->info->role ?: "", slots, n_weights,
                             sizeof(*slots), compare_role))
                        list[registry.n_weights++] = before->weights[i];
        for (size_t i = 0; i < n_weights; i++) {
                mesos__internal__registry__weight__init(&added[i]);
                added[i].info = *slots[i];
                list[registry.n_weights++] = &added[i];
        }

        return put_or_remove(c, RECORD_WEIGHTS, &registry, registry.n_weights);
}

int registry_set_weights(Registry *r, Mesos__V1__WeightInfo *const *weights, size_t n_weights,
                         RegistryDone done, void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        k = put_weights(c, weights, n_weights);
        if (k < 0)
                return k;

        return change_queue(&c);
}

static bool has_quota(Mesos__V1__Quota__QuotaConfig *const *configs, size_t n, const char *role) {
        for (size_t i = 0; i < n; i++)
                if (streq(configs[i]->role, role))
                        return true;

        return false;
}

static int put_quotas(Change *c, Mesos__V1__Quota__QuotaConfig *const *configs, size_t n_configs) {
        const Mesos__Internal__Registry *before =
                        registry_newest_single(c->registry, RECORD_QUOTAS);
        Mesos__Internal__Registry registry = MESOS__INTERNAL__REGISTRY__INIT;
        _cleanup_free_ Mesos__V1__Quota__QuotaConfig **list =
                        calloc(before->n_quota_configs + n_configs + 1, sizeof(*list));
        int r;

        if (!list)
                return -ENOMEM;

        registry.quota_configs = list;
        for (size_t i = 0; i < before->n_quota_configs; i++)
                if (!has_quota(configs, n_configs, before->quota_configs[i]->role))
                        list[registry.n_quota_configs++] = before->quota_configs[i];
        for (size_t i = 0; i < n_configs; i++)
                if (configs[i]->n_guarantees > 0 || configs[i]->n_limits > 0)
                        list[registry.n_quota_configs++] = configs[i];

        r = put_or_remove(c, RECORD_QUOTAS, &registry, registry.n_quota_configs);
        if (r < 0 || registry.n_quota_configs == 0)
                return r;

        return change_require(c, "QUOTA_V2");
}

int registry_set_quota_configs(Registry *r, Mesos__V1__Quota__QuotaConfig *const *configs,
                               size_t n_configs, RegistryDone done, void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        k = put_quotas(c, configs, n_configs);
        if (k < 0)
                return k;

        return change_queue(&c);
}

RegistryWeight *const *registry_weights(const Registry *r, size_t *ret_n) {
        const Mesos__Internal__Registry *registry = registry_durable_single(r, RECORD_WEIGHTS);

        *ret_n = registry->n_weights;
        return registry->weights;
}

Mesos__V1__Quota__QuotaConfig *const *registry_quota_configs(const Registry *r, size_t *ret_n) {
        const Mesos__Internal__Registry *registry = registry_durable_single(r, RECORD_QUOTAS);

        *ret_n = registry->n_quota_configs;
        return registry->quota_configs;
}
