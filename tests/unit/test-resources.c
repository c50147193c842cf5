/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources: what is refused and in which words, formats, and the laws of arithmetic. The texts of
 * the first part are those a Mesos 1.12 master answered.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/model/resources.h"
#include "tests/unit/seed.h"

static Resources *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        assert_int_equal(resources_parse(text, "*", &r, &message), 0);
        assert_non_null(r);
        return r;
}

static void assert_resources(const Resources *r, const char *text) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 20);
        _cleanup_free_ char *formatted = NULL;

        assert_return_code(resources_format(r, &b), 0);
        formatted = buffer_take_text(&b);
        assert_string_equal(formatted, text);
}

static void test_flags_become_resources(void **state) {
        _cleanup_(resources_freep) Resources *r =
                        parse("cpus:4;mem:2048;disk:4096;ports:[31000-31010,31020-31030];"
                              "cpus(ra):2;mem(ra):512;disk(rb):100;gadgets:{a,b,c};widgets:7.25");

        (void) state;

        assert_resources(r,
                         "cpus:4; mem:2048; disk:4096; ports:[31000-31010, 31020-31030]; "
                         "cpus(reservations: [(STATIC,ra)]):2; mem(reservations: "
                         "[(STATIC,ra)]):512; disk(reservations: [(STATIC,rb)]):100; gadgets:{a, "
                         "b, c}; widgets:7.25");
        assert_int_equal(resources_scalar_milli(r, "cpus"), 6000);
        assert_int_equal(resources_scalar_milli(r, "gpus"), 0);
        assert_true(resources_has(r, "ports"));
        assert_false(resources_has(r, "gpus"));
}

static void test_the_default_role_owns_what_is_given_to_nobody(void **state) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *message = NULL;

        (void) state;

        assert_int_equal(resources_parse("cpus:1;mem(*):2;disk(b):3", "a", &r, &message), 0);
        assert_resources(r, "cpus(reservations: [(STATIC,a)]):1; mem:2; disk(reservations: "
                            "[(STATIC,b)]):3");
}

static void test_equal_entries_of_a_flag_add_up_and_zero_vanishes(void **state) {
        _cleanup_(resources_freep) Resources *r =
                        parse("cpus:1;mem:0;cpus:0.5;ports:[1-2];ports:[3-4]");
        _cleanup_(resources_freep) Resources *none = parse("");

        (void) state;

        assert_resources(r, "cpus:1.5; ports:[1-4]");
        assert_resources(none, "{}");
        assert_true(resources_is_empty(none));
}

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

/* ---- messages ---- */

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

static void message_init(Message *m, const char *name) {
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

static void message_scalar(Message *m, const char *name, double value) {
        message_init(m, name);
        m->scalar.value = value;
        m->pb.scalar = &m->scalar;
}

static void message_allocate(Message *m, const char *role) {
        m->allocation.role = TEXT(role);
        m->pb.allocation_info = &m->allocation;
}

/* Puts a reservation onto the stack. */
static void message_reserve(Message *m, int type, const char *role) {
        Mesos__V1__Resource__ReservationInfo *info = &m->stack[m->pb.n_reservations++];

        info->has_type = true;
        info->type = (Mesos__V1__Resource__ReservationInfo__Type) type;
        info->role = TEXT(role);
        m->pb.reservations = m->stack_list;
}

#define STATIC MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC
#define DYNAMIC MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC

static void message_label(Message *m, const char *key, const char *value) {
        Mesos__V1__Label *label = &m->label[m->labels.n_labels++];

        label->key = TEXT(key);
        label->value = TEXT(value);
}

static void message_volume(Message *m, const char *id, const char *path) {
        m->persistence.id = TEXT(id);
        m->disk.persistence = &m->persistence;
        m->pb.disk = &m->disk;
        if (!path)
                return;

        m->volume.container_path = TEXT(path);
        m->volume.mode = MESOS__V1__VOLUME__MODE__RW;
        m->disk.volume = &m->volume;
}

static Resources *from(Message *m) {
        Mesos__V1__Resource *list[] = { &m->pb };
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;
        int k = resources_from_pb(list, 1, &r, &message);

        if (k != 0)
                fail_msg("%d: %s", k, message);
        return r;
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

/* ---- texts and formats ---- */

static void test_everything_about_a_resource_is_in_its_text(void **state) {
        _cleanup_(resources_freep) Resources *r = NULL;
        Message m;

        (void) state;

        message_scalar(&m, "disk", 100);
        message_allocate(&m, "ops");
        message_reserve(&m, DYNAMIC, "ops");
        m.stack[0].principal = TEXT("p1");
        message_label(&m, "x", "y");
        message_label(&m, "z", NULL);
        m.stack[0].labels = &m.labels;
        message_volume(&m, "vol1", "data");
        m.pb.shared = &m.shared;
        r = from(&m);
        assert_resources(r, "disk(allocated: ops)(reservations: [(DYNAMIC,ops,p1,{x: y, "
                            "z})])[vol1:data]<SHARED>:100<1>");
}

static void test_tasks_that_ask_for_too_much_are_told_so_as_mesos_did(void **state) {
        _cleanup_(resources_freep) Resources *asked = parse("cpus:1000;mem:32"), *offered = NULL;
        _cleanup_(resources_freep) Resources *revocable = NULL;
        Message m;

        (void) state;

        offered = parse("ports:[31000-32000];cpus:8;mem:8192;disk:16384");
        resources_allocate(asked, "*");
        resources_allocate(offered, "*");
        assert_resources(asked, "cpus(allocated: *):1000; mem(allocated: *):32");
        assert_resources(offered, "ports(allocated: *):[31000-32000]; cpus(allocated: *):8; "
                                  "mem(allocated: *):8192; disk(allocated: *):16384");
        assert_false(resources_contains(offered, asked));

        message_scalar(&m, "cpus", 0.1);
        message_allocate(&m, "*");
        m.pb.revocable = &m.revocable;
        revocable = from(&m);
        assert_resources(revocable, "cpus(allocated: *){REV}:0.1");
        assert_false(resources_contains(offered, revocable));
}

static void assert_same_message(Message *m, ResourceFormat format, const char *role,
                                bool reservation, size_t n_reservations) {
        _cleanup_(resources_freep) Resources *r = from(m), *back = NULL;
        _cleanup_free_ char *message = NULL;
        Mesos__V1__Resource **list;
        size_t n;

        assert_int_equal(resources_to_pb(r, format, &list, &n), 0);
        assert_int_equal(n, 1);
        if (role)
                assert_string_equal(list[0]->role, role);
        else
                assert_ptr_equal(list[0]->role, mesos__v1__resource__role__default_value);
        assert_int_equal(!!list[0]->reservation, reservation);
        assert_int_equal(list[0]->n_reservations, n_reservations);
        if (reservation) {
                assert_false(list[0]->reservation->has_type);
                assert_null(list[0]->reservation->role);
                assert_string_equal(list[0]->reservation->principal, "p1");
        }

        assert_int_equal(resources_from_pb(list, n, &back, &message), 0);
        assert_true(resources_equal(r, back));
        resources_free_pb(list, n);
}

static void test_formats_say_reservations_the_way_their_readers_know(void **state) {
        Message m;

        (void) state;

        message_scalar(&m, "cpus", 1);
        assert_same_message(&m, RESOURCE_FORMAT_NEW, NULL, false, 0);
        assert_same_message(&m, RESOURCE_FORMAT_OLD, "*", false, 0);
        assert_same_message(&m, RESOURCE_FORMAT_ENDPOINT, "*", false, 0);

        message_reserve(&m, STATIC, "a");
        assert_same_message(&m, RESOURCE_FORMAT_NEW, NULL, false, 1);
        assert_same_message(&m, RESOURCE_FORMAT_OLD, "a", false, 0);
        assert_same_message(&m, RESOURCE_FORMAT_ENDPOINT, "a", false, 1);

        m.stack[0].type = DYNAMIC;
        m.stack[0].principal = TEXT("p1");
        assert_same_message(&m, RESOURCE_FORMAT_NEW, NULL, false, 1);
        assert_same_message(&m, RESOURCE_FORMAT_OLD, "a", true, 0);
        assert_same_message(&m, RESOURCE_FORMAT_ENDPOINT, "a", true, 1);

        message_reserve(&m, DYNAMIC, "a/b");
        assert_same_message(&m, RESOURCE_FORMAT_NEW, NULL, false, 2);
        assert_same_message(&m, RESOURCE_FORMAT_ENDPOINT, NULL, false, 2);
}

static void test_the_old_way_to_reserve_means_the_same(void **state) {
        _cleanup_(resources_freep) Resources *old = NULL, *new = NULL;
        Message m;

        (void) state;

        message_scalar(&m, "cpus", 1);
        m.pb.role = TEXT("a");
        m.reservation.principal = TEXT("p");
        m.pb.reservation = &m.reservation;
        old = from(&m);

        message_scalar(&m, "cpus", 1);
        message_reserve(&m, DYNAMIC, "a");
        m.stack[0].principal = TEXT("p");
        new = from(&m);
        assert_true(resources_equal(old, new));
}

static void test_how_a_volume_is_mounted_and_the_order_of_labels_make_no_difference(void **state) {
        _cleanup_(resources_freep) Resources *a = NULL, *b = NULL, *other = NULL;
        Message m;

        (void) state;

        message_scalar(&m, "disk", 10);
        message_reserve(&m, DYNAMIC, "a");
        message_label(&m, "x", "1");
        message_label(&m, "y", "2");
        m.stack[0].labels = &m.labels;
        message_volume(&m, "vol", "here");
        m.persistence.principal = TEXT("p");
        a = from(&m);

        m.label_list[0] = &m.label[1];
        m.label_list[1] = &m.label[0];
        m.volume.container_path = TEXT("there");
        m.persistence.principal = NULL;
        b = from(&m);
        assert_true(resources_equal(a, b));
        assert_resources(a, "disk(reservations: [(DYNAMIC,a,{x: 1, y: 2})])[vol:here]:10");
        assert_resources(b, "disk(reservations: [(DYNAMIC,a,{y: 2, x: 1})])[vol:there]:10");

        m.persistence.id = TEXT("other");
        other = from(&m);
        assert_false(resources_contains(a, other));
}

static void test_volumes_are_never_divided_and_never_merged(void **state) {
        _cleanup_(resources_freep) Resources *volume = NULL, *part = NULL, *twice = NULL,
                                             *plain = parse("disk:100");
        Message m;

        (void) state;

        message_scalar(&m, "disk", 100);
        message_reserve(&m, DYNAMIC, "a");
        message_volume(&m, "vol", "data");
        volume = from(&m);
        m.scalar.value = 50;
        part = from(&m);
        twice = resources_copy(volume);
        resources_add(twice, volume);

        assert_false(resources_contains(volume, part));
        assert_false(resources_contains(volume, plain));
        assert_false(resources_contains(volume, twice));
        assert_true(resources_contains(twice, volume));
        assert_int_equal(resources_n_entries(twice), 2);

        assert_int_equal(resources_subtract(volume, part), 0);
        assert_int_equal(resources_scalar_milli(volume, "disk"), 100000);
        assert_int_equal(resources_subtract(twice, volume), 0);
        assert_true(resources_equal(twice, volume));
        assert_int_equal(resources_subtract(twice, volume), 0);
        assert_true(resources_is_empty(twice));
}

static void test_a_shared_volume_is_counted_not_summed(void **state) {
        _cleanup_(resources_freep) Resources *one = NULL, *two = NULL;
        Message m;

        (void) state;

        message_scalar(&m, "disk", 100);
        message_reserve(&m, DYNAMIC, "a");
        message_volume(&m, "vol", "data");
        m.pb.shared = &m.shared;
        one = from(&m);
        two = resources_copy(one);
        resources_add(two, one);

        assert_int_equal(resources_n_entries(two), 1);
        assert_int_equal(resources_scalar_milli(two, "disk"), 100000);
        assert_true(resources_contains(two, one));
        assert_false(resources_contains(one, two));
        assert_false(resources_equal(one, two));
        resources_subtract(two, one);
        assert_true(resources_equal(one, two));
        resources_subtract(two, one);
        assert_true(resources_is_empty(two));
}

static void test_allocating_and_unallocating_merges_what_becomes_alike(void **state) {
        _cleanup_(resources_freep) Resources *r = parse("cpus:1"), *more = parse("cpus:2;mem:3");

        (void) state;

        resources_allocate(r, "a");
        resources_add(r, more);
        assert_string_equal(resources_allocation_role(r), "a");
        assert_int_equal(resources_n_entries(r), 3);
        assert_int_equal(resources_allocate(r, "a"), 0);
        assert_resources(r, "cpus(allocated: a):3; mem(allocated: a):3");
        assert_int_equal(resources_allocate(r, "b"), 0);
        assert_string_equal(resources_allocation_role(r), "a");
        assert_int_equal(resources_unallocate(r), 0);
        assert_resources(r, "cpus:3; mem:3");
        assert_null(resources_allocation_role(r));
}

static void test_tasks_and_executors_may_not_share_ports(void **state) {
        _cleanup_(resources_freep) Resources *a = parse("cpus:1;ports:[1-5];rack:{x}");
        _cleanup_(resources_freep) Resources *b = parse("cpus:1;ports:[6-9];rack:{y}"),
                                             *c = parse("ports:[5-6]"), *d = parse("rack:{x,z}");

        (void) state;

        assert_int_equal(resources_validate_disjoint(a, b), 0);
        assert_int_equal(resources_validate_disjoint(a, c), RESOURCES_E_INVALID);
        assert_int_equal(resources_validate_disjoint(d, a), RESOURCES_E_INVALID);
}

/* ---- views ---- */

static void append_total(const char *name, int64_t milli, const char *text, void *userdata) {
        if (text)
                buffer_printf(userdata, "%s=%s ", name, text);
        else
                buffer_printf(userdata, "%s=%" PRIi64 " ", name, milli);
}

static void test_totals_are_what_state_shows(void **state) {
        _cleanup_(resources_freep) Resources *r = parse("cpus:4;mem:2048;ports:[31000-31010,31020-31030];"
                                                        "cpus(ra):2;ports(ra):[31011-31019];"
                                                        "gadgets:{c,a}");
        _cleanup_(resources_freep) Resources *revocable = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 16);
        _cleanup_free_ char *text = NULL;
        Message m;

        (void) state;

        message_scalar(&m, "cpus", 1.5);
        m.pb.revocable = &m.revocable;
        revocable = from(&m);
        resources_add(r, revocable);

        assert_int_equal(resources_foreach_total(r, append_total, &b), 0);
        text = buffer_take_text(&b);
        assert_string_equal(text, "gpus=0 disk=0 cpus=6000 mem=2048000 ports=[31000-31030] "
                                  "gadgets={a, c} cpus_revocable=1500 ");
}

static int append_reserved(const char *role, const Resources *reserved, void *userdata) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 16);
        _cleanup_free_ char *text = NULL;

        resources_format(reserved, &b);
        text = buffer_take_text(&b);
        buffer_printf(userdata, "%s: %s\n", role, text);
        return 0;
}

static void test_reservations_can_be_seen_role_by_role(void **state) {
        _cleanup_(resources_freep)
                        Resources *r = parse("cpus:4;cpus(ra):2;disk(rb):100;mem(ra):512"),
                                  *unreserved = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 16);
        _cleanup_free_ char *text = NULL;

        (void) state;

        assert_int_equal(resources_foreach_reservation(r, append_reserved, &b), 0);
        text = buffer_take_text(&b);
        assert_string_equal(text, "ra: cpus(reservations: [(STATIC,ra)]):2; mem(reservations: "
                                  "[(STATIC,ra)]):512\n"
                                  "rb: disk(reservations: [(STATIC,rb)]):100\n");
        unreserved = resources_unreserved(r);
        assert_resources(unreserved, "cpus:4");
}

static void append_entry(const ResourceView *v, int64_t milli, const char *text, void *userdata) {
        buffer_printf(userdata, "%s %s %s %" PRIi64 "\n", v->name, v->reservation_role ?: "-",
                      text ?: "-", milli);
}

static void test_a_bag_can_be_walked_and_parts_of_it_moved(void **state) {
        _cleanup_(resources_freep) Resources *r = parse("cpus:4;ports:[1-2];cpus(ra):2");
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 16);
        _cleanup_free_ char *text = NULL;

        (void) state;

        assert_int_equal(resources_foreach(r, append_entry, &b), 0);
        text = buffer_take_text(&b);
        assert_string_equal(text, "cpus - - 4000\nports - [1-2] 0\ncpus ra - 2000\n");
}

static bool is_scalar(const ResourceView *v, void *userdata) {
        (void) userdata;
        return v->scalar;
}

static void test_moved_entries_join_their_like(void **state) {
        _cleanup_(resources_freep) Resources *from_bag = parse("cpus:4;ports:[1-2];mem:2"),
                                             *to = parse("mem:1");

        (void) state;

        assert_true(resources_any(from_bag, is_scalar, NULL));
        assert_int_equal(resources_move(to, from_bag, is_scalar, NULL), 0);
        assert_resources(to, "mem:3; cpus:4");
        assert_resources(from_bag, "ports:[1-2]");
        assert_false(resources_any(from_bag, is_scalar, NULL));
}

static void test_json_flags_have_a_default_role_too(void **state) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *message = NULL, *refused = NULL;
        Mesos__V1__Resource *list[2];
        Message a, b;

        (void) state;

        message_scalar(&a, "cpus", 1);
        message_scalar(&b, "mem", 2);
        b.pb.role = TEXT("*");
        list[0] = &a.pb;
        list[1] = &b.pb;
        assert_int_equal(resources_from_flag_pb(list, 2, "ops", &r, &message), 0);
        assert_resources(r, "cpus(reservations: [(STATIC,ops)]):1; mem:2");

        message_reserve(&a, DYNAMIC, "x");
        r = resources_free(r);
        assert_int_equal(resources_from_flag_pb(list, 2, "*", &r, &refused), RESOURCES_E_INVALID);
        assert_string_equal(refused, "Dynamic reservations cannot be specified at the command "
                                     "line; do not include a reservation with DYNAMIC type in "
                                     "the resources JSON");
}

/* ---- laws ---- */

static Resources *random_bag(Random *random) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 16);
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < 7; i++) {
                unsigned x = (unsigned) random_below(random, 10),
                         y = (unsigned) random_below(random, 10);

                if (random_below(random, 2))
                        continue;

                switch (i) {
                case 0:
                        buffer_printf(&b, "cpus:%u.%u;", x, y);
                        break;
                case 1:
                        buffer_printf(&b, "mem:%u%u;", x, y);
                        break;
                case 2:
                        buffer_printf(&b, "cpus(a):%u.%u;", x, y);
                        break;
                case 3:
                        buffer_printf(&b, "ports:[%u-1%u];", x, y);
                        break;
                case 4:
                        buffer_printf(&b, "disk(a/b):0.%u%u;", x, y);
                        break;
                case 5:
                        buffer_printf(&b, "rack:{%u,%u};", x, y);
                        break;
                default:
                        buffer_printf(&b, "ports(a):[2%u-3%u];", x, y);
                }
        }

        text = buffer_take_text(&b);
        return parse(text ?: "");
}

static Resources *plus(const Resources *a, const Resources *b) {
        Resources *sum = resources_copy(a);

        assert_int_equal(resources_add(sum, b), 0);
        return sum;
}

static Resources *minus(const Resources *a, const Resources *b) {
        Resources *rest = resources_copy(a);

        assert_int_equal(resources_subtract(rest, b), 0);
        return rest;
}

static void test_arithmetic_obeys_its_laws(void **state) {
        Random random = random_seeded();

        (void) state;

        for (unsigned i = 0; i < 3000; i++) {
                _cleanup_(resources_freep) Resources *a = random_bag(&random),
                                                     *b = random_bag(&random),
                                                     *c = random_bag(&random);
                _cleanup_(resources_freep) Resources *ab = plus(a, b), *ba = plus(b, a),
                                                     *bc = plus(b, c);
                _cleanup_(resources_freep) Resources *ab_c = plus(ab, c), *a_bc = plus(a, bc);
                _cleanup_(resources_freep) Resources *rest = minus(a, b), *left = minus(ab, a),
                                                     *same = resources_copy(a),
                                                     *nothing = minus(a, same);

                assert_true(resources_equal(ab, ba));
                assert_true(resources_equal(ab_c, a_bc));
                assert_true(resources_contains(ab, a) && resources_contains(ab, b));
                assert_true(resources_contains(a, rest));
                assert_true(resources_contains(b, left));
                assert_int_equal(resources_equal(a, b),
                                 resources_contains(a, b) && resources_contains(b, a));
                assert_int_equal(resources_contains(b, a), resources_is_empty(rest));
                assert_int_equal(resources_scalar_milli(ab, "cpus"),
                                 resources_scalar_milli(a, "cpus") +
                                                 resources_scalar_milli(b, "cpus"));
                assert_true(resources_is_empty(nothing));

                /* What is contained can be taken out and put back. */
                if (resources_contains(a, b)) {
                        _cleanup_(resources_freep) Resources *again = plus(rest, b);

                        assert_true(resources_equal(again, a));
                }
        }
}

static void test_bags_survive_the_wire_in_every_format(void **state) {
        Random random = random_seeded();

        (void) state;

        for (unsigned i = 0; i < 300; i++) {
                _cleanup_(resources_freep) Resources *a = random_bag(&random);
                ResourceFormat format = (ResourceFormat) random_below(&random, 3);
                _cleanup_(resources_freep) Resources *back = NULL;
                _cleanup_free_ char *message = NULL;
                Mesos__V1__Resource **list;
                size_t n;

                if (random_below(&random, 2))
                        resources_allocate(a, "role");

                assert_int_equal(resources_to_pb(a, format, &list, &n), 0);
                assert_int_equal(resources_from_pb(list, n, &back, &message), 0);
                assert_true(resources_equal(a, back));
                resources_free_pb(list, n);
        }
}

/* offered + used + free == total, however a total is handed out and given back. */
static void test_nothing_is_lost_however_it_is_handed_around(void **state) {
        Random random = random_seeded();

        (void) state;

        for (unsigned i = 0; i < 200; i++) {
                _cleanup_(resources_freep) Resources *total = random_bag(&random),
                                                     *rest = resources_copy(total);
                Resources *held[8] = {};

                for (unsigned step = 0; step < 40; step++) {
                        size_t k = random_below(&random, ELEMENTSOF(held));

                        if (held[k]) {
                                assert_int_equal(resources_add(rest, held[k]), 0);
                                held[k] = resources_free(held[k]);
                        } else {
                                held[k] = random_bag(&random);
                                if (!resources_contains(rest, held[k]))
                                        held[k] = resources_free(held[k]);
                                else
                                        assert_int_equal(resources_subtract(rest, held[k]), 0);
                        }
                }

                for (size_t k = 0; k < ELEMENTSOF(held); k++)
                        if (held[k]) {
                                assert_int_equal(resources_add(rest, held[k]), 0);
                                resources_free(held[k]);
                        }

                assert_true(resources_equal(rest, total));
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flags_become_resources),
                cmocka_unit_test(test_the_default_role_owns_what_is_given_to_nobody),
                cmocka_unit_test(test_equal_entries_of_a_flag_add_up_and_zero_vanishes),
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
                cmocka_unit_test(test_everything_about_a_resource_is_in_its_text),
                cmocka_unit_test(test_tasks_that_ask_for_too_much_are_told_so_as_mesos_did),
                cmocka_unit_test(test_formats_say_reservations_the_way_their_readers_know),
                cmocka_unit_test(test_the_old_way_to_reserve_means_the_same),
                cmocka_unit_test(
                                test_how_a_volume_is_mounted_and_the_order_of_labels_make_no_difference),
                cmocka_unit_test(test_volumes_are_never_divided_and_never_merged),
                cmocka_unit_test(test_a_shared_volume_is_counted_not_summed),
                cmocka_unit_test(test_allocating_and_unallocating_merges_what_becomes_alike),
                cmocka_unit_test(test_tasks_and_executors_may_not_share_ports),
                cmocka_unit_test(test_totals_are_what_state_shows),
                cmocka_unit_test(test_reservations_can_be_seen_role_by_role),
                cmocka_unit_test(test_a_bag_can_be_walked_and_parts_of_it_moved),
                cmocka_unit_test(test_moved_entries_join_their_like),
                cmocka_unit_test(test_json_flags_have_a_default_role_too),
                cmocka_unit_test(test_arithmetic_obeys_its_laws),
                cmocka_unit_test(test_bags_survive_the_wire_in_every_format),
                cmocka_unit_test(test_nothing_is_lost_however_it_is_handed_around),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
