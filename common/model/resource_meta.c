/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a resource is, beside how much of it
 *
 * "8 cpus, of which 2 are reserved to ops by a principal with labels" are two entries that differ
 * in everything but their name. Telling entries apart happens on every step of the allocator, so
 * each entry points to a ResourceMeta with a canonical key: most comparisons end at the pointer or
 * the hash. Metas are immutable and counted; a bag made from another one shares them.
 *
 * The key is the serialized message in the new format, without what doesn't make it another
 * resource: how a volume is mounted, who created it, and the order of labels. What was said is kept
 * beside it, and given back as it was.
 */

#include "common/model/convert.h"
#include "common/model/resource_meta.h"

static bool has_role(const Mesos__V1__Resource *pb) {
        return pb->role && pb->role != mesos__v1__resource__role__default_value &&
               !streq(pb->role, "*");
}

static void resource_pb_freep(Mesos__V1__Resource **pb) {
        *pb = message_free(*pb);
}

static int pack(const Mesos__V1__Resource *pb, uint8_t **ret, size_t *ret_n) {
        size_t n = mesos__v1__resource__get_packed_size(pb);
        uint8_t *packed;

        packed = malloc(n);
        if (!packed)
                return -ENOMEM;

        *ret_n = mesos__v1__resource__pack(pb, packed);
        *ret = packed;
        return 0;
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t n) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);

        return hash;
}

static int label_compare(const void *a, const void *b) {
        const Mesos__V1__Label *const *x = a, *const *y = b;
        int c = strcmp((*x)->key, (*y)->key);

        if (c != 0 || (*x)->value == (*y)->value)
                return c;
        if (!(*x)->value || !(*y)->value)
                return (*x)->value ? 1 : -1;

        return strcmp((*x)->value, (*y)->value);
}

static void labels_sort(Mesos__V1__Labels *labels) {
        if (labels && labels->n_labels > 0)
                qsort(labels->labels, labels->n_labels, sizeof(Mesos__V1__Label *), label_compare);
}

/* Brings a message of our own into the form that equal resources share. */
static void canonicalize(Mesos__V1__Resource *pb) {
        for (size_t i = 0; i < pb->n_reservations; i++)
                labels_sort(pb->reservations[i]->labels);

        if (!pb->disk)
                return;

        pb->disk->volume = message_free(pb->disk->volume);

        if (pb->disk->persistence) {
                free(pb->disk->persistence->principal);
                pb->disk->persistence->principal = NULL;
        }

        if (pb->disk->source)
                labels_sort(pb->disk->source->metadata);
}

static int make_key(ResourceMeta *m, const Mesos__V1__Resource *pb) {
        _cleanup_(resource_pb_freep) Mesos__V1__Resource *copy = NULL;
        int r;

        if (pb->n_reservations == 0 && !pb->disk) {
                m->key = m->packed;
                m->n_key = m->n_packed;
        } else {
                copy = mesos__v1__resource__unpack(NULL, m->n_packed, m->packed);
                if (!copy)
                        return -ENOMEM;

                canonicalize(copy);
                r = pack(copy, &m->key, &m->n_key);
                if (r < 0)
                        return r;
        }

        m->hash = hash_bytes(m->key, m->n_key);
        return 0;
}

static bool is_indivisible(const Mesos__V1__Resource__DiskInfo *disk) {
        if (!disk)
                return false;
        if (disk->persistence)
                return true;
        if (!disk->source)
                return false;

        switch (disk->source->type) {
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT:
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__BLOCK:
                return true;
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__RAW:
                return disk->source->id;
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH:
        case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__UNKNOWN:
        case _MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE_IS_INT_SIZE:
                return false;
        }

        return false;
}

static int fill(ResourceMeta *m, const Mesos__V1__Resource *pb) {
        const Mesos__V1__Resource__ReservationInfo *last = NULL;
        int r;

        m->kind = (ValueKind) pb->type;
        m->n_reservations = (unsigned) pb->n_reservations;
        m->revocable = pb->revocable;
        m->shared = pb->shared;
        m->persistent_volume = pb->disk && pb->disk->persistence;
        m->indivisible = is_indivisible(pb->disk);
        m->gpus = streq(pb->name, "gpus");

        m->name = strdup(pb->name);
        if (!m->name)
                return -ENOMEM;

        if (pb->n_reservations > 0) {
                last = pb->reservations[pb->n_reservations - 1];
                m->dynamic = last->type == MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
                m->reservation_role = strdup(last->role);
                if (!m->reservation_role)
                        return -ENOMEM;
        }

        r = pack(pb, &m->packed, &m->n_packed);
        if (r < 0)
                return r;

        return make_key(m, pb);
}

int resource_meta_new(const Mesos__V1__Resource *pb, ResourceMeta **ret) {
        _cleanup_(resource_meta_unrefp) ResourceMeta *m = NULL;
        Mesos__V1__Resource__ReservationInfo upgraded = MESOS__V1__RESOURCE__RESERVATION_INFO__INIT;
        Mesos__V1__Resource__ReservationInfo *upgraded_list[] = { &upgraded };
        Mesos__V1__Resource bare = *pb;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;

        m->n_refs = 1;

        if (pb->n_reservations == 0 && has_role(pb)) {
                if (pb->reservation)
                        upgraded = *pb->reservation;
                upgraded.has_type = true;
                upgraded.type = MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC;
                if (pb->reservation)
                        upgraded.type = MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
                upgraded.role = pb->role;
                bare.n_reservations = 1;
                bare.reservations = upgraded_list;
        }

        bare.role = NULL;
        bare.reservation = NULL;
        bare.allocation_info = NULL;
        bare.scalar = NULL;
        bare.ranges = NULL;
        bare.set = NULL;
        bare.base.n_unknown_fields = 0;

        r = fill(m, &bare);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

ResourceMeta *resource_meta_ref(ResourceMeta *m) {
        m->n_refs++;
        return m;
}

ResourceMeta *resource_meta_unref(ResourceMeta *m) {
        if (!m || --m->n_refs > 0)
                return NULL;

        if (m->key != m->packed)
                free(m->key);
        free(m->packed);
        free(m->reservation_role);
        free(m->name);
        free(m);
        return NULL;
}

/* NULL when memory is short: the bytes are our own. */
Mesos__V1__Resource *resource_meta_to_pb(const ResourceMeta *m) {
        return mesos__v1__resource__unpack(NULL, m->n_packed, m->packed);
}

static int format_labels(const Mesos__V1__Labels *labels, Buffer *b) {
        int r;

        r = buffer_append_char(b, '{');
        for (size_t i = 0; i < labels->n_labels && r >= 0; i++) {
                const Mesos__V1__Label *label = labels->labels[i];

                r = buffer_printf(b, "%s%s%s%s", i > 0 ? ", " : "", label->key,
                                  label->value ? ": " : "", label->value ?: "");
        }

        return r < 0 ? r : buffer_append_char(b, '}');
}

static const char *reservation_type_name(const Mesos__V1__Resource__ReservationInfo *info) {
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(
                        &mesos__v1__resource__reservation_info__type__descriptor, info->type);

        return v ? v->name : "UNKNOWN";
}

static int format_reservation(const Mesos__V1__Resource__ReservationInfo *info, Buffer *b) {
        int r;

        r = buffer_printf(b, "(%s,%s", reservation_type_name(info), info->role ?: "");
        if (r < 0)
                return r;

        if (info->principal) {
                r = buffer_printf(b, ",%s", info->principal);
                if (r < 0)
                        return r;
        }

        if (info->labels) {
                r = buffer_append_char(b, ',');
                if (r < 0)
                        return r;

                r = format_labels(info->labels, b);
                if (r < 0)
                        return r;
        }

        return buffer_append_char(b, ')');
}

static int format_reservations(const Mesos__V1__Resource *pb, Buffer *b) {
        int r;

        if (pb->n_reservations == 0)
                return 0;

        r = buffer_append_text(b, "(reservations: [");
        for (size_t i = 0; i < pb->n_reservations && r >= 0; i++) {
                if (i > 0)
                        r = buffer_append_char(b, ',');
                if (r >= 0)
                        r = format_reservation(pb->reservations[i], b);
        }

        return r < 0 ? r : buffer_append_text(b, "])");
}

static const char *source_root(const Mesos__V1__Resource__DiskInfo__Source *source) {
        if (source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT && source->mount)
                return source->mount->root;
        if (source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH && source->path)
                return source->path->root;

        return NULL;
}

static int format_source(const Mesos__V1__Resource__DiskInfo__Source *source, Buffer *b) {
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(
                        &mesos__v1__resource__disk_info__source__type__descriptor, source->type);
        const char *root = source_root(source);
        const char *name = v ? v->name : "UNKNOWN";

        if (source->id || source->profile)
                return buffer_printf(b, "%s(%s,%s,%s)", name, source->vendor ?: "",
                                     source->id ?: "", source->profile ?: "");

        return buffer_printf(b, "%s%s%s", name, root ? ":" : "", root ?: "");
}

static int format_volume(const Mesos__V1__Volume *volume, Buffer *b) {
        const char *path = volume->container_path ?: "";

        if (!volume->host_path)
                return buffer_printf(b, ":%s", path);

        return buffer_printf(b, ":%s:%s%s", volume->host_path, path,
                             volume->mode == MESOS__V1__VOLUME__MODE__RO ? ":ro" : ":rw");
}

static int format_disk(const Mesos__V1__Resource__DiskInfo *disk, Buffer *b) {
        int r;

        if (!disk)
                return 0;

        r = buffer_append_char(b, '[');
        if (disk->source && r >= 0)
                r = format_source(disk->source, b);
        if (disk->persistence && r >= 0)
                r = buffer_printf(b, "%s%s", disk->source ? "," : "", disk->persistence->id);
        if (disk->volume && r >= 0)
                r = format_volume(disk->volume, b);

        return r < 0 ? r : buffer_append_char(b, ']');
}

int resource_meta_format(const Mesos__V1__Resource *pb, const char *allocation_role, Buffer *b) {
        int r;

        r = buffer_append_text(b, pb->name);
        if (allocation_role && r >= 0)
                r = buffer_printf(b, "(allocated: %s)", allocation_role);
        if (r >= 0)
                r = format_reservations(pb, b);
        if (r >= 0)
                r = format_disk(pb->disk, b);
        if (pb->revocable && r >= 0)
                r = buffer_append_text(b, "{REV}");
        if (pb->shared && r >= 0)
                r = buffer_append_text(b, "<SHARED>");

        return r;
}

/* The amount of a message that may be wrong in any way. */
static int format_raw_amount(const Mesos__V1__Resource *pb, Buffer *b) {
        int64_t milli = 0;
        int k = 0;

        if (pb->ranges) {
                k = buffer_append_char(b, '[');
                for (size_t i = 0; i < pb->ranges->n_range && k >= 0; i++)
                        k = buffer_printf(b, "%s%llu-%llu", i > 0 ? ", " : "",
                                          (unsigned long long) pb->ranges->range[i]->begin,
                                          (unsigned long long) pb->ranges->range[i]->end);

                return k < 0 ? k : buffer_append_char(b, ']');
        }

        if (pb->set) {
                k = buffer_append_char(b, '{');
                for (size_t i = 0; i < pb->set->n_item && k >= 0; i++)
                        k = buffer_printf(b, "%s%s", i > 0 ? ", " : "", pb->set->item[i]);

                return k < 0 ? k : buffer_append_char(b, '}');
        }

        if (pb->scalar)
                (void) value_milli_from_double(pb->scalar->value, &milli);

        return value_format_milli(milli, b);
}

/* The whole of a message, valid or not, for texts that complain about it. */
int resource_pb_format(const Mesos__V1__Resource *pb, Buffer *b) {
        const char *role = NULL;
        int r;

        if (pb->allocation_info)
                role = pb->allocation_info->role ?: "";

        r = resource_meta_format(pb, role, b);
        if (r >= 0)
                r = buffer_append_char(b, ':');
        if (r >= 0)
                r = format_raw_amount(pb, b);

        return r;
}
