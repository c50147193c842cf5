/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Conversions
 *
 * Operations make other resources of resources, and never more or less of them:
 *
 *                      consumed                          converted
 *     RESERVE          cpus:4                            cpus(DYNAMIC,ops):4
 *     UNRESERVE        cpus(DYNAMIC,ops):4               cpus:4
 *     CREATE           disk(ops):100                     disk(ops)[id:path]:100
 *     DESTROY          disk(ops)[id:path]:100            disk(ops):100
 *     GROW_VOLUME      disk(ops)[id:path]:100 and :50    disk(ops)[id:path]:150
 *     SHRINK_VOLUME    disk(ops)[id:path]:150            disk(ops)[id:path]:100 and :50
 *
 * Both sides follow from the operation alone; whether there is something to consume is asked when it is applied. So
 * a master can apply it to its view at once and tell the agent, which applies the same to what it has.
 *
 * An agent's configuration knows of neither, so it remembers the converted ones that are left, and after a restart
 * undoes in thought what was done to them: each stands for an amount of something configured.
 */

#include "common/model/conversion.h"
#include "common/model/convert.h"
#include "common/model/explain.h"
#include "common/model/resource_validate.h"
#include "common/model/value.h"

#define REFUSE(...) explain(reterr_message, CONVERSION_E_INVALID, __VA_ARGS__)

/* A text is at most some times as long as the messages it was made of. */
#define TEXT_MAX_BYTES (64U * 1024 * 1024)

typedef Mesos__V1__Resource Resource;

/* Messages of our own, in the new format, to be changed at will. */
typedef struct ResourceList {
        Resource **items;
        size_t n;
} ResourceList;

static void resource_list_deinit(ResourceList *l) {
        if (l->items)
                resources_free_pb(l->items, l->n);
        *l = (ResourceList) {};
}

static int list_of(const Resources *r, ResourceList *ret) {
        return resources_to_pb(r, RESOURCE_FORMAT_NEW, &ret->items, &ret->n);
}

static int bag_of(const ResourceList *l, Resources **ret, char **reterr_message) {
        int r = resources_from_pb(l->items, l->n, ret, reterr_message);

        return r == RESOURCES_E_INVALID ? CONVERSION_E_INVALID : r;
}

static void pop_reservation(Resource *pb) {
        message_free(pb->reservations[--pb->n_reservations]);
        if (pb->n_reservations == 0) {
                free(pb->reservations);
                pb->reservations = NULL;
        }
}

/* The disk that a volume is made of; what is no volume stays as it is. */
static void strip_volume(Resource *pb) {
        if (!pb->disk || !pb->disk->persistence)
                return;

        pb->disk->persistence = message_free(pb->disk->persistence);
        pb->disk->volume = message_free(pb->disk->volume);
        if (!pb->disk->source)
                pb->disk = message_free(pb->disk);
        pb->shared = message_free(pb->shared);
}

static bool is_dynamically_reserved(const Resource *pb) {
        return pb->n_reservations > 0 && pb->reservations[pb->n_reservations - 1]->type ==
                                                         MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
}

/* What it was before anything was done to it. */
static void strip_to_configured(Resource *pb) {
        strip_volume(pb);
        while (is_dynamically_reserved(pb))
                pop_reservation(pb);
}

/* `before` as it is, and changed item by item. */
static int transform(const Resources *before, void (*change)(Resource *pb), Resources **ret, char **reterr_message) {
        _cleanup_(resource_list_deinit) ResourceList l = {};
        int r;

        r = list_of(before, &l);
        if (r < 0)
                return r;

        for (size_t i = 0; i < l.n; i++)
                change(l.items[i]);

        return bag_of(&l, ret, reterr_message);
}

static int parse(Resource *const *list, size_t n, Resources **ret, char **reterr_message) {
        int r;

        r = resources_from_pb(list, n, ret, reterr_message);
        if (r == RESOURCES_OK)
                r = resources_validate_use(list, n, reterr_message);
        if (r == RESOURCES_E_INVALID)
                return CONVERSION_E_INVALID;

        return r;
}

static bool is_dynamic(const ResourceView *v, _unused_ void *userdata) {
        return v->dynamic;
}

static bool is_not_dynamic(const ResourceView *v, _unused_ void *userdata) {
        return !v->dynamic;
}

static bool is_volume(const ResourceView *v, _unused_ void *userdata) {
        return v->persistent_volume;
}

static bool is_not_volume(const ResourceView *v, _unused_ void *userdata) {
        return !v->persistent_volume;
}

static int of_reserve(const Mesos__V1__Offer__Operation__Reserve *o, Conversion *c, char **reterr_message) {
        int r;

        r = parse(o->resources, o->n_resources, &c->converted, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        if (o->n_source > 0)
                return parse(o->source, o->n_source, &c->consumed, reterr_message);

        if (resources_any(c->converted, is_not_dynamic, NULL))
                return REFUSE("Only dynamic reservations can be made");

        return transform(c->converted, pop_reservation, &c->consumed, reterr_message);
}

static int of_unreserve(const Mesos__V1__Offer__Operation__Unreserve *o, Conversion *c, char **reterr_message) {
        int r;

        r = parse(o->resources, o->n_resources, &c->consumed, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        if (resources_any(c->consumed, is_not_dynamic, NULL))
                return REFUSE("Only dynamic reservations can be undone");
        if (resources_any(c->consumed, is_volume, NULL))
                return REFUSE("A persistent volume must be destroyed before its disk is unreserved");

        return transform(c->consumed, pop_reservation, &c->converted, reterr_message);
}

/* CREATE, and DESTROY the other way round. */
static int of_volumes(Resource *const *volumes, size_t n, Resources **ret_volumes, Resources **ret_disks,
                      char **reterr_message) {
        _cleanup_(resources_freep) Resources *parsed = NULL;
        int r;

        r = parse(volumes, n, &parsed, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        if (resources_any(parsed, is_not_volume, NULL))
                return REFUSE("Not a persistent volume");

        r = transform(parsed, strip_volume, ret_disks, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        *ret_volumes = TAKE_PTR(parsed);
        return CONVERSION_OK;
}

/* The volume with `milli`, and the disk for `rest_milli`, as bags. */
static int resized(const Resources *volume, int64_t milli, int64_t rest_milli, Resources **ret_volume,
                   Resources **ret_rest, char **reterr_message) {
        _cleanup_(resource_list_deinit) ResourceList l = {};
        int r;

        r = list_of(volume, &l);
        if (r < 0)
                return r;

        l.items[0]->scalar->value = value_milli_to_double(milli);
        r = bag_of(&l, ret_volume, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        strip_volume(l.items[0]);
        l.items[0]->scalar->value = value_milli_to_double(rest_milli);
        return bag_of(&l, ret_rest, reterr_message);
}

static int parse_one_volume(Resource *pb, Resources **ret, char **reterr_message) {
        Resource *list[] = { pb };
        int r;

        r = parse(list, 1, ret, reterr_message);
        if (r == CONVERSION_OK && (!resources_any(*ret, is_volume, NULL) || !pb->scalar))
                return REFUSE("Not a persistent volume");

        return r;
}

static int of_grow(const Mesos__V1__Offer__Operation__GrowVolume *o, Conversion *c, char **reterr_message) {
        _cleanup_(resources_freep) Resources *expected = NULL, *addition = NULL;
        Resource *list[] = { o->addition };
        int64_t size, more, sum;
        int r;

        r = parse_one_volume(o->volume, &c->consumed, reterr_message);
        if (r == CONVERSION_OK)
                r = parse(list, 1, &addition, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        size = resources_scalar_milli(c->consumed, "disk");
        more = resources_scalar_milli(addition, "disk");
        if (__builtin_add_overflow(size, more, &sum))
                return REFUSE("The volume would become too large");

        r = resized(c->consumed, sum, more, &c->converted, &expected, reterr_message);
        if (r != CONVERSION_OK)
                return r;
        if (more <= 0 || !resources_equal(addition, expected))
                return REFUSE("The addition is not of the disk that the volume is on");

        return resources_add(c->consumed, addition);
}

static int of_shrink(const Mesos__V1__Offer__Operation__ShrinkVolume *o, Conversion *c, char **reterr_message) {
        _cleanup_(resources_freep) Resources *freed = NULL;
        int64_t size, less;
        int r;

        r = parse_one_volume(o->volume, &c->consumed, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        size = resources_scalar_milli(c->consumed, "disk");
        if (!value_milli_from_double(o->subtract->value, &less) || less <= 0 || less >= size)
                return REFUSE("A volume can only be made smaller by less than its size");

        r = resized(c->consumed, size - less, less, &c->converted, &freed, reterr_message);
        return r == CONVERSION_OK ? resources_add(c->converted, freed) : r;
}

static int of_operation(const Mesos__V1__Offer__Operation *o, Conversion *c, char **reterr_message) {
        switch (o->type) {
        case MESOS__V1__OFFER__OPERATION__TYPE__RESERVE:
                if (o->reserve)
                        return of_reserve(o->reserve, c, reterr_message);
                break;
        case MESOS__V1__OFFER__OPERATION__TYPE__UNRESERVE:
                if (o->unreserve)
                        return of_unreserve(o->unreserve, c, reterr_message);
                break;
        case MESOS__V1__OFFER__OPERATION__TYPE__CREATE:
                if (o->create)
                        return of_volumes(o->create->volumes, o->create->n_volumes, &c->converted, &c->consumed,
                                          reterr_message);
                break;
        case MESOS__V1__OFFER__OPERATION__TYPE__DESTROY:
                if (o->destroy)
                        return of_volumes(o->destroy->volumes, o->destroy->n_volumes, &c->consumed, &c->converted,
                                          reterr_message);
                break;
        case MESOS__V1__OFFER__OPERATION__TYPE__GROW_VOLUME:
                if (o->grow_volume)
                        return of_grow(o->grow_volume, c, reterr_message);
                break;
        case MESOS__V1__OFFER__OPERATION__TYPE__SHRINK_VOLUME:
                if (o->shrink_volume)
                        return of_shrink(o->shrink_volume, c, reterr_message);
                break;
        case MESOS__V1__OFFER__OPERATION__TYPE__UNKNOWN:
        case MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH:
        case MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH_GROUP:
        case MESOS__V1__OFFER__OPERATION__TYPE__CREATE_DISK:
        case MESOS__V1__OFFER__OPERATION__TYPE__DESTROY_DISK:
        case _MESOS__V1__OFFER__OPERATION__TYPE_IS_INT_SIZE:
                break;
        }

        return REFUSE("The operation does not convert resources, or does not say which");
}

/* Returns 0, CONVERSION_E_INVALID with the reason, or -ENOMEM. */
int conversion_of_operation(const Mesos__V1__Offer__Operation *operation, Conversion *ret, char **reterr_message) {
        _cleanup_(conversion_deinit) Conversion c = {};
        int r;

        assert(operation);
        assert(ret);
        assert(reterr_message);

        r = of_operation(operation, &c, reterr_message);
        if (r != CONVERSION_OK)
                return r;

        *ret = c;
        c = (Conversion) {};
        return CONVERSION_OK;
}

void conversion_deinit(Conversion *c) {
        c->consumed = resources_free(c->consumed);
        c->converted = resources_free(c->converted);
}

int conversion_unallocate(Conversion *c) {
        int r = resources_unallocate(c->consumed);

        return r < 0 ? r : resources_unallocate(c->converted);
}

static char *format(const Resources *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(TEXT_MAX_BYTES);

        return resources_format(r, &b) < 0 ? NULL : buffer_take_text(&b);
}

static int refuse_missing(const char *before, const Resources *there, const Resources *wanted, char **reterr_message) {
        _cleanup_free_ char *a = format(there), *b = format(wanted);

        return a && b ? REFUSE("%s%s does not contain %s", before, a, b) : -ENOMEM;
}

/* Returns 0, CONVERSION_E_INVALID with the reason in Mesos's words, or an error: then `total` is of no use. */
int conversion_apply(const Conversion *c, Resources *total, char **reterr_message) {
        int r;

        assert(c);
        assert(total);

        if (!resources_contains(total, c->consumed))
                return refuse_missing("", total, c->consumed, reterr_message);

        r = resources_subtract(total, c->consumed);
        return r < 0 ? r : resources_add(total, c->converted);
}

static bool is_to_checkpoint(const ResourceView *v, void *userdata) {
        return is_dynamic(v, userdata) || is_volume(v, userdata);
}

static bool is_configured(const ResourceView *v, void *userdata) {
        return !is_to_checkpoint(v, userdata);
}

Resources *resources_to_checkpoint(const Resources *r) {
        return resources_filter(r, is_to_checkpoint, NULL);
}

/* Returns 0, CONVERSION_E_INVALID with the reason in Mesos's words, or an error. */
int resources_from_checkpoint(const Resources *configured, const Resources *checkpointed, Resources **ret,
                              char **reterr_message) {
        _cleanup_(resources_freep) Resources *total = resources_copy(configured), *origin = NULL;
        int r;

        assert(ret);
        assert(reterr_message);

        if (!total)
                return -ENOMEM;
        if (resources_any(checkpointed, is_configured, NULL))
                return REFUSE("Only dynamic reservations and persistent volumes can be checkpointed");

        r = transform(checkpointed, strip_to_configured, &origin, reterr_message);
        if (r != CONVERSION_OK)
                return r;
        if (!resources_contains(total, origin))
                return refuse_missing("Incompatible agent resources: ", total, origin, reterr_message);

        r = resources_subtract(total, origin);
        if (r == 0)
                r = resources_add(total, checkpointed);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(total);
        return CONVERSION_OK;
}
