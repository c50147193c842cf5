/* SPDX-License-Identifier: Apache-2.0 */

/* Which resources are refused, in the words of a Mesos 1.12 master. */

#include <math.h>

#include "tests/unit/resources-fixture.h"

static void test_bad_flags_are_refused_in_mesos_words(void **state) {
        static const struct {
                const char *text;
                const char *message;
        } bad[] = {
                { "cpus", "Bad value for resources, missing or extra ':' in cpus" },
                { "cpus:1:2", "Bad value for resources, missing or extra ':' in cpus:1:2" },
                { "cpus(a:1", "Bad value for resources, mismatched parentheses in cpus(a:1" },
                { "cpus:abc", "Bad type for resource cpus value abc type TEXT" },
                { "ports:[1-2",
                  "Failed to parse resource ports value [1-2 error Mismatched brackets" },
                { "cpus:-1", "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0" },
                { "cpus(a/):1", "Resource 'cpus:1' is invalid: Role 'a/' cannot end with a slash" },
                { "x:1;x:{a}",
                  "Resources with the same name ('x') but different types are not allowed" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *message = NULL;
                Resources *r = NULL;

                assert_int_equal(resources_parse(bad[i].text, "*", &r, &message),
                                 RESOURCES_E_INVALID);
                assert_string_equal(message, bad[i].message);
                assert_null(r);
        }
}

static void assert_refused(Message *m, const char *expected) {
        Mesos__V1__Resource *list[] = { &m->pb };
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        assert_int_equal(resources_from_pb(list, 1, &r, &message), RESOURCES_E_INVALID);
        assert_string_equal(message, expected);
        assert_null(r);
}

static void test_amounts_that_are_none_are_refused_as_mesos_did(void **state) {
        Message m;

        (void) state;

        message_scalar(&m, "cpus", -1);
        message_allocate(&m, "*");
        assert_refused(&m, "Resource 'cpus(allocated: *):-1' is invalid: Invalid scalar "
                           "resource: value <= 0");
        m.scalar.value = 0.0001;
        assert_refused(&m, "Resource 'cpus(allocated: *):0' is invalid: Invalid scalar resource: "
                           "value <= 0");
        m.scalar.value = NAN;
        assert_refused(&m, "Resource 'cpus(allocated: *):0' is invalid: Invalid scalar resource: "
                           "value <= 0");
        m.scalar.value = INFINITY;
        assert_refused(&m, "Resource 'cpus(allocated: *):0' is invalid: Invalid scalar resource: "
                           "value <= 0");
        m.pb.scalar = NULL;
        assert_refused(&m, "Resource 'cpus(allocated: *):0' is invalid: Invalid scalar resource");

        m.pb.scalar = &m.scalar;
        m.pb.set = &m.set;
        assert_refused(&m, "Resource 'cpus(allocated: *):{}' is invalid: Invalid scalar resource");

        message_scalar(&m, "", 1);
        assert_refused(&m, "Resource ':1' is invalid: Empty resource name");
        message_scalar(&m, "x", 1);
        m.pb.type = MESOS__V1__VALUE__TYPE__TEXT;
        assert_refused(&m, "Resource 'x:1' is invalid: Unsupported resource type");
        m.pb.type = (Mesos__V1__Value__Type) 9;
        assert_refused(&m, "Resource 'x:1' is invalid: Invalid resource type");
}

static void test_zero_passes_and_vanishes(void **state) {
        _cleanup_(resources_freep) Resources *r = NULL;
        Message m;

        (void) state;

        message_scalar(&m, "cpus", 0);
        r = from(&m);
        assert_true(resources_is_empty(r));
}

static void test_bad_ranges_and_sets_are_refused_as_mesos_did(void **state) {
        Message m;

        (void) state;

        message_init(&m, "ports");
        message_allocate(&m, "*");
        m.pb.type = MESOS__V1__VALUE__TYPE__RANGES;
        assert_refused(&m, "Resource 'ports(allocated: *):0' is invalid: Invalid ranges resource");
        m.pb.ranges = &m.ranges;
        m.ranges.n_range = 1;
        m.range[0].begin = 31010;
        m.range[0].end = 31001;
        assert_refused(&m, "Resource 'ports(allocated: *):[31010-31001]' is invalid: Invalid "
                           "ranges resource: begin > end");
        m.ranges.n_range = 2;
        m.range[0] = (Mesos__V1__Value__Range) { .base = m.range[1].base, .begin = 5, .end = 9 };
        m.range[1].begin = 1;
        m.range[1].end = 5;
        assert_refused(&m, "Resource 'ports(allocated: *):[5-9, 1-5]' is invalid: Invalid ranges "
                           "resource: overlapping ranges");

        message_init(&m, "rack");
        m.pb.type = MESOS__V1__VALUE__TYPE__SET;
        assert_refused(&m, "Resource 'rack:0' is invalid: Invalid set resource");
        m.pb.set = &m.set;
        m.set.n_item = 2;
        m.items[0] = m.items[1] = TEXT("a");
        assert_refused(&m, "Resource 'rack:{a, a}' is invalid: Invalid set resource: duplicated "
                           "elements");
}

static void test_bad_reservations_are_refused_in_mesos_words(void **state) {
        Message m;

        (void) state;

        message_scalar(&m, "cpus", 1);
        message_allocate(&m, "*");
        message_reserve(&m, DYNAMIC, "*");
        assert_refused(&m,
                       "Resource 'cpus(allocated: *)(reservations: [(DYNAMIC,*)]):1' is invalid: "
                       "Invalid reservation: role \"*\" cannot be reserved");
        m.stack[0].role = TEXT("a//b");
        assert_refused(&m, "Resource 'cpus(allocated: *)(reservations: [(DYNAMIC,a//b)]):1' is "
                           "invalid: Role 'a//b' cannot contain two adjacent slashes");
        m.stack[0].role = NULL;
        assert_refused(&m,
                       "Resource 'cpus(allocated: *)(reservations: [(DYNAMIC,)]):1' is invalid: "
                       "Invalid reservation: 'Resource.ReservationInfo.role' field must be set.");
        m.stack[0].has_type = false;
        assert_refused(&m,
                       "Resource 'cpus(allocated: *)(reservations: [(DYNAMIC,)]):1' is invalid: "
                       "Invalid reservation: 'Resource.ReservationInfo.type' field must be set.");

        message_scalar(&m, "cpus", 1);
        message_reserve(&m, DYNAMIC, "a");
        message_reserve(&m, DYNAMIC, "ab");
        assert_refused(&m,
                       "Resource 'cpus(reservations: [(DYNAMIC,a),(DYNAMIC,ab)]):1' is invalid: "
                       "Invalid refined reservation: role 'ab' is not a refinement of 'a'");
        m.stack[1].role = TEXT("a/b");
        m.stack[1].type = STATIC;
        assert_refused(&m,
                       "Resource 'cpus(reservations: [(DYNAMIC,a),(STATIC,a/b)]):1' is invalid: "
                       "Invalid refined reservation: A refined reservation cannot be STATIC");
        m.stack[1].type = DYNAMIC;
        m.pb.role = TEXT("a/b");
        assert_refused(&m,
                       "Resource 'cpus(reservations: [(DYNAMIC,a),(DYNAMIC,a/b)]):1' is invalid: "
                       "Invalid resource format: 'Resource.role' must not be set if there is "
                       "more than one reservation in 'Resource.reservations'");
}

static void test_bad_old_reservations_are_refused_in_mesos_words(void **state) {
        Message m;

        (void) state;

        message_scalar(&m, "cpus", 1);
        m.pb.reservation = &m.reservation;
        assert_refused(&m, "Resource 'cpus:1' is invalid: Invalid reservation: role \"*\" cannot "
                           "be dynamically reserved");
        m.pb.role = TEXT("a");
        m.reservation.role = TEXT("a");
        assert_refused(&m, "Resource 'cpus:1' is invalid: 'Resource.ReservationInfo.role' must "
                           "not be set for the 'Resource.reservation' field");
        m.reservation.has_type = true;
        assert_refused(&m, "Resource 'cpus:1' is invalid: 'Resource.ReservationInfo.type' must "
                           "not be set for the 'Resource.reservation' field");

        message_scalar(&m, "cpus", 1);
        message_reserve(&m, STATIC, "a");
        m.pb.role = TEXT("b");
        assert_refused(&m, "Resource 'cpus(reservations: [(STATIC,a)]):1' is invalid: Invalid "
                           "resource format: 'Resource.role' field with 'b' does not match the "
                           "role 'a' in 'Resource.reservations'");
        m.pb.role = TEXT("a");
        m.pb.reservation = &m.reservation;
        assert_refused(&m, "Resource 'cpus(reservations: [(STATIC,a)]):1' is invalid: Invalid "
                           "resource format: 'Resource.reservation' must not be set if the "
                           "single reservation in 'Resource.reservations' is STATIC");
        m.stack[0].type = DYNAMIC;
        m.reservation.principal = TEXT("p");
        assert_refused(&m, "Resource 'cpus(reservations: [(DYNAMIC,a)]):1' is invalid: Invalid "
                           "resource format: 'Resource.reservation.principal' field with 'p' "
                           "does not match the principal '' in 'Resource.reservations'");
        m.pb.role = mesos__v1__resource__role__default_value;
        assert_refused(&m, "Resource 'cpus(reservations: [(DYNAMIC,a)]):1' is invalid: Invalid "
                           "resource format: 'Resource.role' and 'Resource.reservation' must "
                           "either be both set or both not set if the single reservation in "
                           "'Resource.reservations' is DYNAMIC");
}

static void test_bad_disks_are_refused_in_mesos_words(void **state) {
        Message m;

        (void) state;

        message_scalar(&m, "mem", 1);
        m.pb.disk = &m.disk;
        assert_refused(&m, "Resource 'mem[]:1' is invalid: DiskInfo should not be set for mem "
                           "resource");

        message_scalar(&m, "disk", 1);
        m.pb.disk = &m.disk;
        m.disk.source = &m.source;
        m.source.type = MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__RAW;
        m.source.mount = &m.mount;
        assert_refused(&m, "Resource 'disk[RAW]:1' is invalid: Mount should not be set for RAW "
                           "disk source");
        m.source.mount = NULL;
        m.source.path = &m.path;
        m.source.type = MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__BLOCK;
        assert_refused(&m, "Resource 'disk[BLOCK]:1' is invalid: Path should not be set for "
                           "BLOCK disk source");
        m.source.type = MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__UNKNOWN;
        assert_refused(&m, "Resource 'disk[UNKNOWN]:1' is invalid: Unsupported "
                           "'DiskInfo.Source.Type' in 'UNKNOWN'");

        message_scalar(&m, "cpus", 1);
        m.pb.shared = &m.shared;
        assert_refused(&m, "Resource 'cpus<SHARED>:1' is invalid: Resource cpus cannot be shared");
        m.pb.name = TEXT("disk");
        assert_refused(&m, "Resource 'disk<SHARED>:1' is invalid: Only persistent volumes can be "
                           "shared");
}

static void test_more_resources_than_arithmetic_can_stand_are_refused(void **state) {
        static Message m;
        Mesos__V1__Resource **list = calloc(RESOURCES_MAX + 1, sizeof(*list));
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        (void) state;

        message_scalar(&m, "cpus", 1);
        for (size_t i = 0; i <= RESOURCES_MAX; i++)
                list[i] = &m.pb;

        assert_int_equal(resources_from_pb(list, RESOURCES_MAX + 1, &r, &message),
                         RESOURCES_E_INVALID);
        assert_string_equal(message, "Too many resources: 4097, at most 4096 are allowed");

        assert_int_equal(resources_from_pb(list, RESOURCES_MAX, &r, &message), 0);
        assert_int_equal(resources_scalar_milli(r, "cpus"), RESOURCES_MAX * 1000);
        resources_free(r);
        free(list);
}

static void test_what_may_be_used_is_judged_in_mesos_words(void **state) {
        static const struct {
                const char *what;
                const char *message;
        } cases[] = {
                { "gpus", "The 'gpus' resource must be an unsigned integer" },
                { "unreserved", "Invalid DiskInfo: Persistent volumes cannot be created from "
                                "unreserved resources" },
                { "revocable volume", "Invalid DiskInfo: Persistent volumes cannot be created "
                                      "from revocable resources" },
                { "no path",
                  "Invalid DiskInfo: Expecting 'volume' to be set for persistent volume" },
                { "read-only", "Invalid DiskInfo: Read-only persistent volume not supported" },
                { "host path",
                  "Invalid DiskInfo: Expecting 'host_path' to be unset for persistent volume" },
                { "bad id", "Invalid DiskInfo: Invalid persistence ID for persistent volume: "
                            "'a/b' contains invalid characters" },
                { "revocable reservation",
                  "Dynamically reserved resource disk(reservations: [(DYNAMIC,a)]){REV}:10 cannot be "
                  "created from revocable resources" },
                { "volume only", "Invalid DiskInfo: Non-persistent volume not supported" },
                { "empty", "Invalid DiskInfo: DiskInfo is set but empty" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *what = cases[i].what;
                _cleanup_free_ char *message = NULL;
                Mesos__V1__Resource *list[1];
                Message m;

                message_scalar(&m, "disk", 10);
                message_volume(&m, streq(what, "bad id") ? "a/b" : "vol",
                               streq(what, "no path") ? NULL : "data");
                if (!streq(what, "unreserved"))
                        message_reserve(&m, DYNAMIC, "a");
                if (streq(what, "gpus"))
                        message_scalar(&m, "gpus", 0.5);
                if (streq(what, "revocable reservation"))
                        m.pb.disk = NULL;
                if (startswith(what, "revocable"))
                        m.pb.revocable = &m.revocable;
                if (streq(what, "read-only"))
                        m.volume.mode = MESOS__V1__VOLUME__MODE__RO;
                if (streq(what, "host path"))
                        m.volume.host_path = TEXT("/x");
                if (streq(what, "volume only") || streq(what, "empty"))
                        m.disk.persistence = NULL;
                if (streq(what, "empty"))
                        m.disk.volume = NULL;

                list[0] = &m.pb;
                assert_int_equal(resources_validate_use(list, 1, &message), RESOURCES_E_INVALID);
                assert_string_equal(message, cases[i].message);
        }
}

static void test_two_allocation_roles_are_refused_as_mesos_did(void **state) {
        _cleanup_(resources_freep) Resources *r = parse("cpus:1"), *mem = parse("mem:32"),
                                             *none = parse("disk:1");
        _cleanup_free_ char *message = NULL;

        (void) state;

        resources_allocate(r, "zork");
        assert_int_equal(resources_validate_allocation(r, &message), 0);
        resources_allocate(mem, "*");
        resources_add(r, mem);
        assert_int_equal(resources_validate_allocation(r, &message), RESOURCES_E_INVALID);
        assert_string_equal(message, "The resources have multiple allocation roles ('zork' and "
                                     "'*') but only one allocation role is allowed");
        assert_int_equal(resources_validate_allocation(none, &message), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bad_flags_are_refused_in_mesos_words),
                cmocka_unit_test(test_amounts_that_are_none_are_refused_as_mesos_did),
                cmocka_unit_test(test_zero_passes_and_vanishes),
                cmocka_unit_test(test_bad_ranges_and_sets_are_refused_as_mesos_did),
                cmocka_unit_test(test_bad_reservations_are_refused_in_mesos_words),
                cmocka_unit_test(test_bad_old_reservations_are_refused_in_mesos_words),
                cmocka_unit_test(test_bad_disks_are_refused_in_mesos_words),
                cmocka_unit_test(test_more_resources_than_arithmetic_can_stand_are_refused),
                cmocka_unit_test(test_what_may_be_used_is_judged_in_mesos_words),
                cmocka_unit_test(test_two_allocation_roles_are_refused_as_mesos_did),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
