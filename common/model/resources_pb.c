/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bags and messages
 *
 * Messages are judged here and become entries; entries become messages again in the format the
 * reader understands: with the stack `reservations`, with the older `role` and `reservation`, or
 * with both, which is what the endpoints show. Texts for people have one form only.
 */

#include "common/model/convert.h"
#include "common/model/explain.h"
#include "common/model/resource_entry.h"
#include "common/model/resource_validate.h"
#include "common/model/resources.h"
#include "common/model/role.h"

/* A text is at most some times as long as the message it was made of. */
#define TEXT_MAX_BYTES (64U * 1024 * 1024)

static int add_from_pb(Resources *r, const Mesos__V1__Resource *pb) {
        _cleanup_(resource_meta_unrefp) ResourceMeta *meta = NULL;
        _cleanup_(allocation_unrefp) Allocation *allocation = NULL;
        _cleanup_(value_deinit) Value value = VALUE_NULL;
        Entry e;
        int k;

        k = resource_meta_new(pb, &meta);
        if (k < 0)
                return k;

        if (pb->allocation_info && pb->allocation_info->role) {
                allocation = allocation_new(pb->allocation_info->role);
                if (!allocation)
                        return -ENOMEM;
        }

        switch (meta->kind) {
        case VALUE_SCALAR:
                k = value_milli_from_double(pb->scalar->value, &value.milli) ? 0 : -EOVERFLOW;
                break;
        case VALUE_RANGES:
                k = value_from_ranges_pb(pb->ranges, &value);
                break;
        case VALUE_SET:
                k = value_from_set_pb(pb->set, &value);
                break;
        case VALUE_TEXT:
                k = -EINVAL;
                break;
        }
        if (k < 0)
                return k;

        e = (Entry) { .meta = meta, .allocation = allocation, .value = value, .n_shared = 1 };
        return resources_add_entry(r, &e);
}

/* Puts "Resource '…' is invalid: " before the reason. */
static int name_the_culprit(const Mesos__V1__Resource *pb, char **reterr_message) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(TEXT_MAX_BYTES);
        _cleanup_free_ char *reason = TAKE_PTR(*reterr_message);
        int k;

        k = buffer_append_text(&b, "Resource '");
        if (k >= 0)
                k = resource_pb_format(pb, &b);
        if (k >= 0)
                k = buffer_printf(&b, "' is invalid: %s", reason);
        if (k < 0)
                return k;

        *reterr_message = buffer_take_text(&b);
        return *reterr_message ? RESOURCES_E_INVALID : -ENOMEM;
}

/* Returns 0, RESOURCES_E_INVALID with the reason, or -ENOMEM. */
int resources_from_pb(Mesos__V1__Resource *const *list, size_t n, Resources **ret,
                      char **reterr_message) {
        _cleanup_(resources_freep) Resources *r = NULL;
        int k;

        assert(ret);
        assert(reterr_message);

        if (n > RESOURCES_MAX)
                return explain(reterr_message, RESOURCES_E_INVALID,
                               "Too many resources: %zu, at most %d are allowed", n, RESOURCES_MAX);

        r = resources_new();
        if (!r)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                k = resource_validate(list[i], reterr_message);
                if (k != RESOURCE_OK)
                        return k < 0 ? k : name_the_culprit(list[i], reterr_message);

                k = add_from_pb(r, list[i]);
                if (k == -EOVERFLOW)
                        return explain(reterr_message, RESOURCES_E_INVALID,
                                       "Too much of resource '%s'", list[i]->name);
                if (k < 0)
                        return k;
        }

        *ret = TAKE_PTR(r);
        return RESOURCES_OK;
}

int resources_validate_use(Mesos__V1__Resource *const *list, size_t n, char **reterr_message) {
        int k;

        for (size_t i = 0; i < n; i++) {
                k = resource_validate_use(list[i], reterr_message);
                if (k != RESOURCE_OK)
                        return k < 0 ? k : RESOURCES_E_INVALID;
        }

        return RESOURCES_OK;
}

/* Old messages say `role` and `reservation`; what is refined cannot be said that way. */
static int to_old_format(Mesos__V1__Resource *pb, bool keep_reservations) {
        _cleanup_free_ char *role = NULL;

        if (pb->n_reservations > 1)
                return 0;

        role = strdup(pb->n_reservations == 0 ? ROLE_UNRESERVED : pb->reservations[0]->role);
        if (!role)
                return -ENOMEM;

        if (pb->n_reservations == 1 &&
            pb->reservations[0]->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC) {
                pb->reservation = message_copy(pb->reservations[0]);
                if (!pb->reservation)
                        return -ENOMEM;

                pb->reservation->has_type = false;
                free(pb->reservation->role);
                pb->reservation->role = NULL;
        }

        if (!keep_reservations) {
                for (size_t i = 0; i < pb->n_reservations; i++)
                        message_free(pb->reservations[i]);
                free(pb->reservations);
                pb->reservations = NULL;
                pb->n_reservations = 0;
        }

        pb->role = TAKE_PTR(role);
        return 0;
}

static int set_amount(Mesos__V1__Resource *pb, const Value *v) {
        switch (v->kind) {
        case VALUE_SCALAR:
                return value_to_scalar_pb(v, &pb->scalar);
        case VALUE_RANGES:
                return value_to_ranges_pb(v, &pb->ranges);
        case VALUE_SET:
                return value_to_set_pb(v, &pb->set);
        case VALUE_TEXT:
                return -EINVAL;
        }

        return -EINVAL;
}

static int set_allocation_info(Mesos__V1__Resource *pb, const char *role) {
        Mesos__V1__Resource__AllocationInfo *info;

        info = malloc(sizeof(*info));
        if (!info)
                return -ENOMEM;

        mesos__v1__resource__allocation_info__init(info);
        pb->allocation_info = info;
        info->role = strdup(role);
        return info->role ? 0 : -ENOMEM;
}

static void resource_pb_freep(Mesos__V1__Resource **pb) {
        *pb = message_free(*pb);
}

static int entry_to_pb(const Entry *e, ResourceFormat format, Mesos__V1__Resource **ret) {
        _cleanup_(resource_pb_freep) Mesos__V1__Resource *pb = NULL;
        int k;

        pb = resource_meta_to_pb(e->meta);
        if (!pb)
                return -ENOMEM;

        k = set_amount(pb, &e->value);
        if (k < 0)
                return k;

        if (e->allocation) {
                k = set_allocation_info(pb, e->allocation->role);
                if (k < 0)
                        return k;
        }

        if (format != RESOURCE_FORMAT_NEW) {
                k = to_old_format(pb, format == RESOURCE_FORMAT_ENDPOINT);
                if (k < 0)
                        return k;
        }

        *ret = TAKE_PTR(pb);
        return 0;
}

void resources_free_pb(Mesos__V1__Resource **list, size_t n) {
        for (size_t i = 0; i < n; i++)
                message_free(list[i]);
        free(list);
}

int resources_to_pb(const Resources *r, ResourceFormat format, Mesos__V1__Resource ***ret,
                    size_t *ret_n) {
        Mesos__V1__Resource **list;
        int k;

        assert(r);
        assert(ret);
        assert(ret_n);

        /* protobuf-c frees what n is 0 for, but not what it is NULL for. */
        list = calloc(r->n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;

        for (size_t i = 0; i < r->n; i++) {
                k = entry_to_pb(&r->entries[i], format, &list[i]);
                if (k < 0) {
                        resources_free_pb(list, i);
                        return k;
                }
        }

        *ret = list;
        *ret_n = r->n;
        return 0;
}

static int format_entry(const Entry *e, Buffer *b) {
        _cleanup_(resource_pb_freep) Mesos__V1__Resource *pb = NULL;
        int k;

        pb = resource_meta_to_pb(e->meta);
        if (!pb)
                return -ENOMEM;

        k = resource_meta_format(pb, allocation_role(e->allocation), b);
        if (k >= 0)
                k = buffer_append_char(b, ':');
        if (k >= 0)
                k = value_format(&e->value, b);
        if (k >= 0 && e->meta->shared)
                k = buffer_printf(b, "<%zu>", e->n_shared);

        return k;
}

int resources_format(const Resources *r, Buffer *b) {
        int k = 0;

        assert(r);

        if (r->n == 0)
                return buffer_append_text(b, "{}");

        for (size_t i = 0; i < r->n && k >= 0; i++) {
                if (i > 0)
                        k = buffer_append_text(b, "; ");
                if (k >= 0)
                        k = format_entry(&r->entries[i], b);
        }

        return k;
}
