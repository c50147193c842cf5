/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Judging resources from outside
 *
 * Two formats of reservations are about: `role` and `reservation` (before Mesos 1.4) and the stack
 * `reservations`. A message may carry both, if they agree. Everything here works on the message as
 * it came; what passes can be turned into Resources without a doubt left.
 */

#include "common/model/explain.h"
#include "common/model/id.h"
#include "common/model/resource_meta.h"
#include "common/model/resource_validate.h"
#include "common/model/role.h"
#include "common/model/value.h"

/* A text is at most some times as long as the message it was made of. */
#define TEXT_MAX_BYTES (64U * 1024 * 1024)

#define REFUSE(...) explain(reterr_message, RESOURCE_E_INVALID, __VA_ARGS__)

static bool has_role(const Mesos__V1__Resource *pb) {
        return pb->role && pb->role != mesos__v1__resource__role__default_value;
}

static int validate_scalar(const Mesos__V1__Resource *pb, char **reterr_message) {
        int64_t milli;

        if (!pb->scalar || pb->ranges || pb->set)
                return REFUSE("Invalid scalar resource");

        /* Zero is fine; what is too little or too much to be counted is not. */
        if (pb->scalar->value != 0 &&
            (!value_milli_from_double(pb->scalar->value, &milli) || milli <= 0))
                return REFUSE("Invalid scalar resource: value <= 0");

        return RESOURCE_OK;
}

static int range_pb_compare(const void *a, const void *b) {
        const ValueRange *x = a, *y = b;

        return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static int validate_ranges(const Mesos__V1__Resource *pb, char **reterr_message) {
        _cleanup_free_ ValueRange *sorted = NULL;
        size_t n;

        if (pb->scalar || !pb->ranges || pb->set)
                return REFUSE("Invalid ranges resource");

        n = pb->ranges->n_range;
        sorted = malloc((n + 1) * sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                sorted[i] = (ValueRange) { pb->ranges->range[i]->begin, pb->ranges->range[i]->end };
                if (sorted[i].begin > sorted[i].end)
                        return REFUSE("Invalid ranges resource: begin > end");
        }

        qsort(sorted, n, sizeof(*sorted), range_pb_compare);
        for (size_t i = 1; i < n; i++)
                if (sorted[i].begin <= sorted[i - 1].end)
                        return REFUSE("Invalid ranges resource: overlapping ranges");

        return RESOURCE_OK;
}

static int validate_set(const Mesos__V1__Resource *pb, char **reterr_message) {
        Value v;
        size_t n;
        int r;

        if (pb->scalar || pb->ranges || !pb->set)
                return REFUSE("Invalid set resource");

        r = value_from_set_pb(pb->set, &v);
        if (r < 0)
                return r;

        n = v.n;
        value_deinit(&v);
        if (n != pb->set->n_item)
                return REFUSE("Invalid set resource: duplicated elements");

        return RESOURCE_OK;
}

static int validate_amount(const Mesos__V1__Resource *pb, char **reterr_message) {
        switch (pb->type) {
        case MESOS__V1__VALUE__TYPE__SCALAR:
                return validate_scalar(pb, reterr_message);
        case MESOS__V1__VALUE__TYPE__RANGES:
                return validate_ranges(pb, reterr_message);
        case MESOS__V1__VALUE__TYPE__SET:
                return validate_set(pb, reterr_message);
        case MESOS__V1__VALUE__TYPE__TEXT:
                return REFUSE("Unsupported resource type");
        case _MESOS__V1__VALUE__TYPE_IS_INT_SIZE:
                break;
        }

        return REFUSE("Invalid resource type");
}

static int validate_block_source(const Mesos__V1__Resource__DiskInfo__Source *source,
                                 const char *type, char **reterr_message) {
        if (source->mount)
                return REFUSE("Mount should not be set for %s disk source", type);
        if (source->path)
                return REFUSE("Path should not be set for %s disk source", type);

        return RESOURCE_OK;
}

static int validate_disk_source(const Mesos__V1__Resource__DiskInfo__Source *source,
                                char **reterr_message) {
        switch (source->type) {
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH:
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT:
                return RESOURCE_OK;
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__BLOCK:
                return validate_block_source(source, "BLOCK", reterr_message);
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__RAW:
                return validate_block_source(source, "RAW", reterr_message);
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__UNKNOWN:
        case _MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE_IS_INT_SIZE:
                break;
        }

        return REFUSE("Unsupported 'DiskInfo.Source.Type' in 'UNKNOWN'");
}

static int validate_disk(const Mesos__V1__Resource *pb, char **reterr_message) {
        if (!pb->disk)
                return RESOURCE_OK;
        if (!streq(pb->name, "disk"))
                return REFUSE("DiskInfo should not be set for %s resource", pb->name);

        return pb->disk->source ? validate_disk_source(pb->disk->source, reterr_message)
                                : RESOURCE_OK;
}

static int validate_old_reservation(const Mesos__V1__Resource *pb, char **reterr_message) {
        const char *role = pb->role ?: ROLE_UNRESERVED;
        int r;

        r = role_check(role, reterr_message);
        if (r != ROLE_OK)
                return r < 0 ? r : RESOURCE_E_INVALID;

        if (!pb->reservation)
                return RESOURCE_OK;
        if (pb->reservation->has_type)
                return REFUSE("'Resource.ReservationInfo.type' must not be set for the "
                              "'Resource.reservation' field");
        if (pb->reservation->role)
                return REFUSE("'Resource.ReservationInfo.role' must not be set for the "
                              "'Resource.reservation' field");
        if (streq(role, ROLE_UNRESERVED))
                return REFUSE("Invalid reservation: role \"*\" cannot be dynamically reserved");

        return RESOURCE_OK;
}

static int validate_reservation(const Mesos__V1__Resource__ReservationInfo *info,
                                char **reterr_message) {
        int r;

        if (!info->has_type)
                return REFUSE("Invalid reservation: 'Resource.ReservationInfo.type' field must "
                              "be set.");
        if (!info->role)
                return REFUSE("Invalid reservation: 'Resource.ReservationInfo.role' field must "
                              "be set.");

        r = role_check(info->role, reterr_message);
        if (r != ROLE_OK)
                return r < 0 ? r : RESOURCE_E_INVALID;

        if (streq(info->role, ROLE_UNRESERVED))
                return REFUSE("Invalid reservation: role \"*\" cannot be reserved");

        return RESOURCE_OK;
}

static int validate_refinements(const Mesos__V1__Resource *pb, char **reterr_message) {
        for (size_t i = 1; i < pb->n_reservations; i++) {
                const Mesos__V1__Resource__ReservationInfo *info = pb->reservations[i];
                const char *ancestor = pb->reservations[i - 1]->role;

                if (info->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC)
                        return REFUSE("Invalid refined reservation: A refined reservation cannot "
                                      "be STATIC");
                if (!role_is_strict_subrole(info->role, ancestor))
                        return REFUSE("Invalid refined reservation: role '%s' is not a "
                                      "refinement of '%s'",
                                      info->role, ancestor);
        }

        return RESOURCE_OK;
}

/* Where the old fields come along with a single reservation, they say the same. */
static int validate_both_formats(const Mesos__V1__Resource *pb, char **reterr_message) {
        const Mesos__V1__Resource__ReservationInfo *info = pb->reservations[0];

        if (has_role(pb) && !streq(pb->role, info->role))
                return REFUSE("Invalid resource format: 'Resource.role' field with '%s' does not "
                              "match the role '%s' in 'Resource.reservations'",
                              pb->role, info->role);

        switch (info->type) {
        case MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC:
                if (pb->reservation)
                        return REFUSE("Invalid resource format: 'Resource.reservation' must not "
                                      "be set if the single reservation in "
                                      "'Resource.reservations' is STATIC");
                return RESOURCE_OK;
        case MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC:
                if (has_role(pb) != !!pb->reservation)
                        return REFUSE("Invalid resource format: 'Resource.role' and "
                                      "'Resource.reservation' must either be both set or both "
                                      "not set if the single reservation in "
                                      "'Resource.reservations' is DYNAMIC");
                if (pb->reservation &&
                    !streq(pb->reservation->principal ?: "", info->principal ?: ""))
                        return REFUSE("Invalid resource format: 'Resource.reservation.principal' "
                                      "field with '%s' does not match the principal '%s' in "
                                      "'Resource.reservations'",
                                      pb->reservation->principal ?: "", info->principal ?: "");
                return RESOURCE_OK;
        case MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__UNKNOWN:
        case _MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE_IS_INT_SIZE:
                break;
        }

        return REFUSE("Unsupported 'Resource.ReservationInfo.Type'");
}

static int validate_reservations(const Mesos__V1__Resource *pb, char **reterr_message) {
        int r;

        if (pb->n_reservations == 0)
                return validate_old_reservation(pb, reterr_message);

        for (size_t i = 0; i < pb->n_reservations; i++) {
                r = validate_reservation(pb->reservations[i], reterr_message);
                if (r != RESOURCE_OK)
                        return r;
        }

        r = validate_refinements(pb, reterr_message);
        if (r != RESOURCE_OK)
                return r;

        if (pb->n_reservations == 1)
                return validate_both_formats(pb, reterr_message);
        if (has_role(pb))
                return REFUSE("Invalid resource format: 'Resource.role' must not be set if there "
                              "is more than one reservation in 'Resource.reservations'");
        if (pb->reservation)
                return REFUSE("Invalid resource format: 'Resource.reservation' must not be set "
                              "if there is more than one reservation in 'Resource.reservations'");

        return RESOURCE_OK;
}

static int validate_shared(const Mesos__V1__Resource *pb, char **reterr_message) {
        if (!pb->shared)
                return RESOURCE_OK;
        if (!streq(pb->name, "disk"))
                return REFUSE("Resource %s cannot be shared", pb->name);
        if (!pb->disk || !pb->disk->persistence)
                return REFUSE("Only persistent volumes can be shared");

        return RESOURCE_OK;
}

/* Returns 0, RESOURCE_E_INVALID with the reason, or -ENOMEM. */
int resource_validate(const Mesos__V1__Resource *pb, char **reterr_message) {
        static int (*const rules[])(const Mesos__V1__Resource *pb, char **reterr_message) = {
                validate_amount,
                validate_disk,
                validate_reservations,
                validate_shared,
        };

        assert(pb);

        if (!pb->name || !*pb->name)
                return REFUSE("Empty resource name");

        for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
                int r;

                r = rules[i](pb, reterr_message);
                if (r != RESOURCE_OK)
                        return r;
        }

        return RESOURCE_OK;
}

static bool is_unreserved(const Mesos__V1__Resource *pb) {
        return pb->n_reservations == 0 && (!pb->role || streq(pb->role, ROLE_UNRESERVED));
}

static bool is_dynamically_reserved(const Mesos__V1__Resource *pb) {
        if (pb->n_reservations == 0)
                return pb->reservation;

        return pb->reservations[pb->n_reservations - 1]->type ==
               MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
}

static int validate_volume_use(const Mesos__V1__Resource *pb, char **reterr_message) {
        const Mesos__V1__Resource__DiskInfo *disk = pb->disk;
        char buf[ID_MESSAGE_MAX];
        const char *message;

        if (pb->revocable)
                return REFUSE("Invalid DiskInfo: Persistent volumes cannot be created from "
                              "revocable resources");
        if (is_unreserved(pb))
                return REFUSE("Invalid DiskInfo: Persistent volumes cannot be created from "
                              "unreserved resources");
        if (!disk->volume)
                return REFUSE("Invalid DiskInfo: Expecting 'volume' to be set for persistent "
                              "volume");
        if (disk->volume->mode == MESOS__V1__VOLUME__MODE__RO)
                return REFUSE("Invalid DiskInfo: Read-only persistent volume not supported");
        if (disk->volume->host_path)
                return REFUSE("Invalid DiskInfo: Expecting 'host_path' to be unset for "
                              "persistent volume");

        message = id_check_message(disk->persistence->id, buf);
        if (message)
                return REFUSE("Invalid DiskInfo: Invalid persistence ID for persistent volume: %s",
                              message);

        return RESOURCE_OK;
}

static int validate_disk_use(const Mesos__V1__Resource *pb, char **reterr_message) {
        if (!pb->disk)
                return RESOURCE_OK;
        if (pb->disk->persistence)
                return validate_volume_use(pb, reterr_message);
        if (pb->disk->volume)
                return REFUSE("Invalid DiskInfo: Non-persistent volume not supported");
        if (!pb->disk->source)
                return REFUSE("Invalid DiskInfo: DiskInfo is set but empty");

        return RESOURCE_OK;
}

static int refuse_revocable(const Mesos__V1__Resource *pb, char **reterr_message) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(TEXT_MAX_BYTES);
        _cleanup_free_ char *text = NULL;
        int r;

        r = resource_pb_format(pb, &b);
        if (r < 0)
                return r;

        text = buffer_take_text(&b);
        if (!text)
                return -ENOMEM;

        return REFUSE("Dynamically reserved resource %s cannot be created from revocable resources",
                      text);
}

/* Returns 0, RESOURCE_E_INVALID with the reason, or -ENOMEM. resource_validate() has passed it. */
int resource_validate_use(const Mesos__V1__Resource *pb, char **reterr_message) {
        int64_t milli;
        int r;

        assert(pb);

        if (streq(pb->name, "gpus") && pb->scalar &&
            (!value_milli_from_double(pb->scalar->value, &milli) || milli % 1000 != 0))
                return REFUSE("The 'gpus' resource must be an unsigned integer");

        r = validate_disk_use(pb, reterr_message);
        if (r != RESOURCE_OK)
                return r;

        if (is_dynamically_reserved(pb) && pb->revocable)
                return refuse_revocable(pb, reterr_message);

        return RESOURCE_OK;
}
