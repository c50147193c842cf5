#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Resources from texts and from messages, for the tests of common/model/resources. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/model/resources.h"

static inline Resources *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        assert_int_equal(resources_parse(text, "*", &r, &message), 0);
        assert_non_null(r);
        return r;
}

static inline void assert_resources(const Resources *r, const char *text) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 20);
        _cleanup_free_ char *formatted = NULL;

        assert_return_code(resources_format(r, &b), 0);
        formatted = buffer_take_text(&b);
        assert_string_equal(formatted, text);
}

/* Messages as literals: what the wire would carry. */
typedef struct Message {
        Mesos__V1__Resource pb;
        Mesos__V1__Value__Scalar scalar;
        Mesos__V1__Value__Range range[2];
        Mesos__V1__Value__Range *range_list[2];
        Mesos__V1__Value__Ranges ranges;
        char *items[2];
        Mesos__V1__Value__Set set;
        Mesos__V1__Resource__AllocationInfo allocation;
        Mesos__V1__Resource__ReservationInfo reservation;
        Mesos__V1__Resource__ReservationInfo stack[2];
        Mesos__V1__Resource__ReservationInfo *stack_list[2];
        Mesos__V1__Label label[2];
        Mesos__V1__Label *label_list[2];
        Mesos__V1__Labels labels;
        Mesos__V1__Resource__DiskInfo disk;
        Mesos__V1__Resource__DiskInfo__Persistence persistence;
        Mesos__V1__Resource__DiskInfo__Source source;
        Mesos__V1__Resource__DiskInfo__Source__Path path;
        Mesos__V1__Resource__DiskInfo__Source__Mount mount;
        Mesos__V1__Volume volume;
        Mesos__V1__Resource__RevocableInfo revocable;
        Mesos__V1__Resource__SharedInfo shared;
} Message;

#define TEXT(t) ((char *) (t))

static inline void message_init(Message *m, const char *name) {
        memset(m, 0, sizeof(*m));
        mesos__v1__resource__init(&m->pb);
        mesos__v1__value__scalar__init(&m->scalar);
        mesos__v1__value__ranges__init(&m->ranges);
        mesos__v1__value__set__init(&m->set);
        mesos__v1__resource__allocation_info__init(&m->allocation);
        mesos__v1__resource__reservation_info__init(&m->reservation);
        mesos__v1__labels__init(&m->labels);
        mesos__v1__resource__disk_info__init(&m->disk);
        mesos__v1__resource__disk_info__persistence__init(&m->persistence);
        mesos__v1__resource__disk_info__source__init(&m->source);
        mesos__v1__resource__disk_info__source__path__init(&m->path);
        mesos__v1__resource__disk_info__source__mount__init(&m->mount);
        mesos__v1__volume__init(&m->volume);
        mesos__v1__resource__revocable_info__init(&m->revocable);
        mesos__v1__resource__shared_info__init(&m->shared);

        for (size_t i = 0; i < 2; i++) {
                mesos__v1__value__range__init(&m->range[i]);
                mesos__v1__resource__reservation_info__init(&m->stack[i]);
                mesos__v1__label__init(&m->label[i]);
                m->range_list[i] = &m->range[i];
                m->stack_list[i] = &m->stack[i];
                m->label_list[i] = &m->label[i];
        }

        m->ranges.range = m->range_list;
        m->set.item = m->items;
        m->labels.labels = m->label_list;
        m->pb.name = TEXT(name);
        m->pb.type = MESOS__V1__VALUE__TYPE__SCALAR;
}

static inline void message_scalar(Message *m, const char *name, double value) {
        message_init(m, name);
        m->scalar.value = value;
        m->pb.scalar = &m->scalar;
}

static inline void message_allocate(Message *m, const char *role) {
        m->allocation.role = TEXT(role);
        m->pb.allocation_info = &m->allocation;
}

/* Puts a reservation onto the stack. */
static inline void message_reserve(Message *m, int type, const char *role) {
        Mesos__V1__Resource__ReservationInfo *info = &m->stack[m->pb.n_reservations++];

        info->has_type = true;
        info->type = (Mesos__V1__Resource__ReservationInfo__Type) type;
        info->role = TEXT(role);
        m->pb.reservations = m->stack_list;
}

#define STATIC MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC
#define DYNAMIC MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC

static inline void message_label(Message *m, const char *key, const char *value) {
        Mesos__V1__Label *label = &m->label[m->labels.n_labels++];

        label->key = TEXT(key);
        label->value = TEXT(value);
}

static inline void message_volume(Message *m, const char *id, const char *path) {
        m->persistence.id = TEXT(id);
        m->disk.persistence = &m->persistence;
        m->pb.disk = &m->disk;
        if (!path)
                return;

        m->volume.container_path = TEXT(path);
        m->volume.mode = MESOS__V1__VOLUME__MODE__RW;
        m->disk.volume = &m->volume;
}

static inline Resources *from(Message *m) {
        Mesos__V1__Resource *list[] = { &m->pb };
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;
        int k = resources_from_pb(list, 1, &r, &message);

        if (k != 0)
                fail_msg("%d: %s", k, message);
        return r;
}
