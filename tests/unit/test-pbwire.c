/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/arena.h"
#include "common/net/budget.h"
#include "common/net/pbwire.h"
#include "common/net/utf8.h"
#include "proto/internal.pb-c.h"
#include "proto/scheduler.pb-c.h"

/* Unpacks what must be refused, in one piece or in many, and compares the text. */
static void assert_refused(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
                           const char *wanted) {
        _cleanup_free_ char *message = NULL, *message_of_parcel = NULL;
        ProtobufCMessage *m = NULL;
        PbParcel *parcel = NULL;

        assert_int_equal(pb_unpack(descriptor, data, n, PB_LIMITS_DEFAULT, &m, &message),
                         PB_E_INVALID);
        assert_null(m);
        assert_string_equal(message, wanted);

        assert_int_equal(pb_unpack_parcel(descriptor, data, n, PB_LIMITS_DEFAULT, &parcel,
                                          &message_of_parcel),
                         PB_E_INVALID);
        assert_null(parcel);
        assert_string_equal(message_of_parcel, wanted);
}

/* A parcel has the same in it. */
static void *unpack(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n) {
        _cleanup_(pb_parcel_freep) PbParcel *parcel = NULL;
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;

        assert_int_equal(pb_unpack(descriptor, data, n, PB_LIMITS_DEFAULT, &m, &message), PB_OK);
        assert_null(message);

        assert_int_equal(pb_unpack_parcel(descriptor, data, n, PB_LIMITS_DEFAULT, &parcel,
                                          &message),
                         PB_OK);
        assert_null(message);
        assert_true(pb_equal(pb_parcel_message(parcel), m));
        return m;
}

#define BYTES(text) (text), sizeof(text) - 1

static void test_a_call_comes_out_as_it_went_in(void **state) {
        Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__Scheduler__Call call = MESOS__V1__SCHEDULER__CALL__INIT;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        uint8_t data[64];
        size_t n;

        (void) state;
        id.value = (char *) "f-0001";
        call.framework_id = &id;
        call.has_type = true;
        call.type = MESOS__V1__SCHEDULER__CALL__TYPE__REVIVE;
        n = mesos__v1__scheduler__call__pack(&call, data);

        m = unpack(&mesos__v1__scheduler__call__descriptor, data, n);
        assert_true(pb_equal(m, &call.base));
        assert_string_equal(((Mesos__V1__Scheduler__Call *) m)->framework_id->value, "f-0001");
}

static void test_nothing_is_a_message_without_fields(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        unpack(&mesos__v1__scheduler__call__descriptor, NULL, 0);

        (void) state;
        assert_false(((Mesos__V1__Scheduler__Call *) m)->has_type);
}

static void test_missing_required_fields_are_named_with_their_place(void **state) {
        (void) state;
        assert_refused(&mesos__v1__framework_id__descriptor, NULL, 0,
                       "Missing required fields: value");
        /* subscribe { framework_info {} } */
        assert_refused(&mesos__v1__scheduler__call__descriptor, BYTES("\x1a\x02\x0a\x00"),
                       "Missing required fields: subscribe.framework_info.user, "
                       "subscribe.framework_info.name");
        /* accept { offer_ids { value: "" } offer_ids {} } */
        assert_refused(&mesos__v1__scheduler__call__descriptor,
                       BYTES("\x22\x06\x0a\x02\x0a\x00\x0a\x00"),
                       "Missing required fields: accept.offer_ids[1].value");
}

static void test_strings_with_nul_or_bad_utf8_are_refused_by_name(void **state) {
        (void) state;
        assert_refused(&mesos__v1__framework_id__descriptor,
                       BYTES("\x0a\x04"
                             "a\0bc"),
                       "NUL character in 'value'");
        assert_refused(&mesos__v1__framework_id__descriptor, BYTES("\x0a\x02\xc3\x28"),
                       "Invalid UTF-8 in 'value'");
        assert_refused(&mesos__v1__scheduler__call__descriptor, BYTES("\x0a\x04\x0a\x02\xff\xfe"),
                       "Invalid UTF-8 in 'framework_id.value'");
        pb_free(unpack(&mesos__v1__framework_id__descriptor, BYTES("\x0a\x04"
                                                                   "\xc3\xa4\xc3\xb6")));
}

static void test_bytes_may_hold_anything(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        unpack(&mesos__v1__uuid__descriptor, BYTES("\x0a\x03\x00\xff\x00"));

        (void) state;
        assert_int_equal(((Mesos__V1__UUID *) m)->value.len, 3);
}

static void test_an_unknown_value_of_an_optional_enum_is_unset_and_travels_on(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        uint8_t again[16];

        (void) state;
        m = unpack(&mesos__v1__scheduler__call__descriptor, BYTES("\x10\x63"));
        assert_false(((Mesos__V1__Scheduler__Call *) m)->has_type);
        assert_int_equal(protobuf_c_message_pack(m, again), 2);
        assert_memory_equal(again, "\x10\x63", 2);
}

static void test_unknown_values_of_a_repeated_enum_are_dropped(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        Mesos__V1__CapabilityInfo *info;

        (void) state;
        /* 1000, 77, 1005, then the packed form of the same */
        m = unpack(&mesos__v1__capability_info__descriptor,
                   BYTES("\x08\xe8\x07\x08\x4d\x08\xed\x07\x0a\x05\xe8\x07\x4d\xed\x07"));
        info = (Mesos__V1__CapabilityInfo *) m;
        assert_int_equal(info->n_capabilities, 4);
        assert_int_equal(info->capabilities[0], 1000);
        assert_int_equal(info->capabilities[1], 1005);
        assert_int_equal(info->capabilities[2], 1000);
        assert_int_equal(info->capabilities[3], 1005);
}

static void test_an_unknown_value_of_a_required_enum_is_refused(void **state) {
        (void) state;
        assert_refused(&mesos__v1__task_status__descriptor, BYTES("\x0a\x03\x0a\x01t\x10\x63"),
                       "Unknown enum value 99 in 'state'");
        assert_refused(&mesos__v1__task_status__descriptor,
                       BYTES("\x0a\x03\x0a\x01t\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                       "Unknown enum value -1 in 'state'");
}

static void test_torn_and_senseless_bytes_are_refused(void **state) {
        const ProtobufCMessageDescriptor *call = &mesos__v1__scheduler__call__descriptor;
        static const struct {
                const char *data;
                size_t n;
        } bad[] = {
                { BYTES("\x0a") }, /* no length */
                { BYTES("\x0a\x05"
                        "abc") },                                      /* short */
                { BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f") }, /* a length near 2^63 */
                { BYTES("\x10") },                                     /* no varint */
                {
                                BYTES(
                                                "\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                                                "\x01") }, /* eleven bytes of it */
                { BYTES("\x00\x00") },                     /* field number 0 */
                { BYTES("\xf8\xff\xff\xff\xff\x0f\x00") }, /* a tag above 32 bits */
                { BYTES("\x0b\x0c") },                     /* a group */
                { BYTES("\x0f") },                         /* wire type 7 */
                { BYTES("\x79\x00\x00") },                 /* half a fixed64 */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_refused(call, bad[i].data, bad[i].n, "Bytes cut short or not of a message");

        assert_refused(call, BYTES("\x08\x01"), "Wrong type in 'framework_id'");
        assert_refused(call, BYTES("\x12\x01\x01"), "Wrong type in 'type'");
}

static void test_unknown_fields_are_kept_and_sent_on(void **state) {
        static const char data[] = "\x0a\x01"
                                   "x"
                                   "\x9a\x06\x03"
                                   "new"
                                   "\xa1\x06"
                                   "12345678"
                                   "\xad\x06"
                                   "1234";
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        unpack(&mesos__v1__framework_id__descriptor, BYTES(data));
        _cleanup_(pb_freep) ProtobufCMessage *copy = NULL, *other = NULL;
        uint8_t again[64];

        (void) state;
        assert_int_equal(protobuf_c_message_pack(m, again), sizeof(data) - 1);
        assert_memory_equal(again, data, sizeof(data) - 1);

        copy = pb_copy(m);
        other = unpack(&mesos__v1__framework_id__descriptor, BYTES("\x0a\x01"
                                                                   "x"
                                                                   "\x9a\x06\x03"
                                                                   "old"));
        assert_true(pb_equal(m, copy));
        assert_false(pb_equal(m, other));
}

/* Writes parent { parent … { value: "c" } } from the inside out; returns where it begins. */
static uint8_t *nest(uint8_t *end, size_t depth, size_t *ret_n) {
        uint8_t *p = end;
        size_t n = 0;

        for (size_t i = 0; i < depth; i++) {
                if (i > 0) {
                        *--p = (uint8_t) (n >> 14);
                        *--p = (uint8_t) (n >> 7 | 0x80);
                        *--p = (uint8_t) (n | 0x80);
                        *--p = 0x12;
                        n += 4;
                }
                *--p = 'c';
                *--p = 1;
                *--p = 0x0a;
                n += 3;
        }

        *ret_n = n;
        return p;
}

static void test_depth_is_bounded_where_protobuf_c_would_overflow_the_stack(void **state) {
        static uint8_t space[1 << 20];
        uint8_t *end = space + sizeof(space), *p;
        size_t n;

        (void) state;
        p = nest(end, 64, &n);
        pb_free(unpack(&mesos__v1__container_id__descriptor, p, n));

        p = nest(end, 65, &n);
        {
                _cleanup_free_ char *message = NULL;
                ProtobufCMessage *m = NULL;

                assert_int_equal(pb_unpack(&mesos__v1__container_id__descriptor, p, n,
                                           PB_LIMITS_DEFAULT, &m, &message),
                                 PB_E_INVALID);
                assert_non_null(strstr(message, "Messages nested too deeply in 'parent.parent."));
        }

        p = nest(end, 100000, &n);
        assert_int_equal(pb_unpack(&mesos__v1__container_id__descriptor, p, n, PB_LIMITS_DEFAULT,
                                   &(ProtobufCMessage *) { NULL }, NULL),
                         PB_E_INVALID);
}

static void test_memory_is_bounded_before_it_is_taken(void **state) {
        _cleanup_free_ uint8_t *data = malloc(2 << 20);
        size_t n = 2 << 20;

        (void) state;
        assert_non_null(data);

        /* A million empty operations: two bytes each on the wire, a hundred in memory. */
        for (size_t i = 0; i < n; i += 2) {
                data[i] = 0x12;
                data[i + 1] = 0;
        }
        {
                _cleanup_free_ char *message = NULL;
                ProtobufCMessage *m = NULL;

                assert_int_equal(pb_unpack(&mesos__v1__scheduler__call__accept__descriptor, data, n,
                                           PB_LIMITS_DEFAULT, &m, &message),
                                 PB_E_INVALID);
                assert_non_null(startswith(message, "Too much memory in 'operations["));
        }

        /* Unknown fields cost too. */
        for (size_t i = 0; i < n; i += 2) {
                data[i] = 0x78;
                data[i + 1] = 0;
        }
        assert_refused(&mesos__v1__framework_id__descriptor, data, n, "Too much memory");

        /* And packed numbers. */
        {
                _cleanup_free_ char *message = NULL;
                ProtobufCMessage *m = NULL;

                memcpy(data, "\x22\xf0\x07", 3);
                memset(data + 3, 1, 1008);
                assert_int_equal(pb_unpack(&mesos__v1__health_check__httpcheck_info__descriptor,
                                           data, 3 + 1008,
                                           (PbLimits) { .max_depth = 4, .max_memory_bytes = 2048 },
                                           &m, &message),
                                 PB_E_INVALID);
                assert_string_equal(message, "Too much memory in 'statuses[0]'");
        }
}

static void test_merging_is_bounded_because_it_is_quadratic(void **state) {
        uint8_t data[2 * 9];
        ProtobufCMessage *m;

        (void) state;
        for (size_t i = 0; i < sizeof(data); i += 2) {
                data[i] = 0x22;
                data[i + 1] = 0;
        }

        m = unpack(&mesos__v1__scheduler__call__descriptor, data, 2 * 8);
        assert_non_null(((Mesos__V1__Scheduler__Call *) m)->accept);
        pb_free(m);
        assert_refused(&mesos__v1__scheduler__call__descriptor, data, sizeof(data),
                       "Too many occurrences in 'accept'");
}

static void test_map_entries_need_key_and_value(void **state) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;

        (void) state;
        /* limits { value { value: 1.0 } } limits { key: "cpus" }; the rest is whole */
        assert_int_equal(pb_unpack(&mesos__v1__task_info__descriptor,
                                   BYTES("\x0a\x01n\x12\x03\x0a\x01t\x1a\x03\x0a\x01s"
                                         "\x7a\x0b\x12\x09\x09\0\0\0\0\0\0\xf0\x3f"
                                         "\x7a\x06\x0a\x04"
                                         "cpus"),
                                   PB_LIMITS_DEFAULT, &m, &message),
                         PB_E_INVALID);
        assert_string_equal(message, "Missing required fields: limits[0].key, limits[1].value");
}

static void test_the_first_missing_field_of_a_message_made_by_hand_is_found(void **state) {
        Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        _cleanup_free_ char *first = NULL, *second = NULL;

        (void) state;
        info.user = (char *) "u";
        info.id = &id;
        first = pb_missing_field(&info.base);
        assert_string_equal(first, "name");

        info.name = (char *) "n";
        second = pb_missing_field(&info.base);
        assert_string_equal(second, "id.value");

        id.value = (char *) "";
        assert_null(pb_missing_field(&info.base));
}

static void test_copies_are_equal_until_something_differs(void **state) {
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        Mesos__V1__FrameworkInfo *copy;

        (void) state;
        info.user = (char *) "u";
        info.name = (char *) "n";
        m = pb_copy(&info.base);
        assert_non_null(m);
        assert_true(pb_equal(m, &info.base));

        copy = (Mesos__V1__FrameworkInfo *) m;
        copy->has_checkpoint = true;
        assert_false(pb_equal(m, &info.base));
        copy->has_checkpoint = false;
        copy->name[0] = 'm';
        assert_false(pb_equal(m, &info.base));
        copy->name[0] = 'n';
        assert_true(pb_equal(m, &info.base));
}

static void test_utf8_is_strict(void **state) {
        static const char *const good[] = { "",
                                            "abcdefghij",
                                            "\xc2\x80",
                                            "\xdf\xbf",
                                            "\xe0\xa0\x80",
                                            "\xed\x9f\xbf",
                                            "\xef\xbf\xbf",
                                            "\xf0\x90\x80\x80",
                                            "\xf4\x8f\xbf\xbf",
                                            "abcdefg\xc3\xa4" };
        static const char *const bad[] = { "\x80",
                                           "\xc0\x80",
                                           "\xc1\xbf",
                                           "\xe0\x9f\xbf",
                                           "\xed\xa0\x80",
                                           "\xf0\x8f\xbf\xbf",
                                           "\xf4\x90\x80\x80",
                                           "\xf5\x80\x80\x80",
                                           "\xc3",
                                           "\xe1\x80",
                                           "\xff",
                                           "abcdefgh\xc3" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(utf8_is_valid(good[i], strlen(good[i])));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
}

static void test_a_budget_refuses_refunds_and_says_which_it_was(void **state) {
        Budget b = BUDGET_INIT(4096);
        ProtobufCAllocator allocator = budget_allocator(&b);
        void *p;

        (void) state;
        for (unsigned i = 0; i < 100; i++) {
                p = allocator.alloc(allocator.allocator_data, 2000);
                assert_non_null(p);
                allocator.free(allocator.allocator_data, p);
        }
        assert_int_equal(b.used_bytes, 0);
        assert_false(b.exceeded);

        assert_null(allocator.alloc(allocator.allocator_data, 5000));
        assert_true(b.exceeded);
        assert_null(budget_alloc(&b, SIZE_MAX));
        assert_null(budget_resize_array(&b, NULL, SIZE_MAX / 2, 8));
        assert_false(budget_charge(&b, SIZE_MAX));
}

static void test_an_arena_gives_what_was_reserved_and_more_up_to_its_maximum(void **state) {
        Arena a = ARENA_INIT(10000);
        char *p, *q;

        (void) state;
        assert_int_equal(arena_reserve(&a, 64), 0);
        p = arena_alloc(&a, 1);
        q = arena_alloc(&a, 16);
        assert_true((uintptr_t) p % 16 == 0 && (uintptr_t) q % 16 == 0 && q >= p + 1);
        memset(p, 1, 1);
        memset(q, 2, 16);
        assert_int_equal(a.n_allocated, 64);

        p = arena_alloc(&a, 5000);
        assert_non_null(p);
        memset(p, 3, 5000);
        assert_non_null(arena_alloc(&a, 100));
        assert_false(a.exceeded);
        assert_null(arena_alloc(&a, 5000));
        assert_true(a.exceeded);
        assert_null(arena_alloc(&a, SIZE_MAX));
        arena_deinit(&a);
        assert_int_equal(a.n_allocated, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_call_comes_out_as_it_went_in),
                cmocka_unit_test(test_nothing_is_a_message_without_fields),
                cmocka_unit_test(test_missing_required_fields_are_named_with_their_place),
                cmocka_unit_test(test_strings_with_nul_or_bad_utf8_are_refused_by_name),
                cmocka_unit_test(test_bytes_may_hold_anything),
                cmocka_unit_test(test_an_unknown_value_of_an_optional_enum_is_unset_and_travels_on),
                cmocka_unit_test(test_unknown_values_of_a_repeated_enum_are_dropped),
                cmocka_unit_test(test_an_unknown_value_of_a_required_enum_is_refused),
                cmocka_unit_test(test_torn_and_senseless_bytes_are_refused),
                cmocka_unit_test(test_unknown_fields_are_kept_and_sent_on),
                cmocka_unit_test(test_depth_is_bounded_where_protobuf_c_would_overflow_the_stack),
                cmocka_unit_test(test_memory_is_bounded_before_it_is_taken),
                cmocka_unit_test(test_merging_is_bounded_because_it_is_quadratic),
                cmocka_unit_test(test_map_entries_need_key_and_value),
                cmocka_unit_test(test_the_first_missing_field_of_a_message_made_by_hand_is_found),
                cmocka_unit_test(test_copies_are_equal_until_something_differs),
                cmocka_unit_test(test_utf8_is_strict),
                cmocka_unit_test(test_a_budget_refuses_refunds_and_says_which_it_was),
                cmocka_unit_test(test_an_arena_gives_what_was_reserved_and_more_up_to_its_maximum),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
