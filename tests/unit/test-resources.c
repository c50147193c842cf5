/* SPDX-License-Identifier: Apache-2.0 */

/* Resources: how they are read, written, divided and seen. */

#include <inttypes.h>

#include "tests/unit/resources-fixture.h"

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

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flags_become_resources),
                cmocka_unit_test(test_the_default_role_owns_what_is_given_to_nobody),
                cmocka_unit_test(test_equal_entries_of_a_flag_add_up_and_zero_vanishes),
                cmocka_unit_test(test_everything_about_a_resource_is_in_its_text),
                cmocka_unit_test(test_tasks_that_ask_for_too_much_are_told_so_as_mesos_did),
                cmocka_unit_test(test_formats_say_reservations_the_way_their_readers_know),
                cmocka_unit_test(test_the_old_way_to_reserve_means_the_same),
                cmocka_unit_test(test_how_a_volume_is_mounted_and_the_order_of_labels_make_no_difference),
                cmocka_unit_test(test_volumes_are_never_divided_and_never_merged),
                cmocka_unit_test(test_a_shared_volume_is_counted_not_summed),
                cmocka_unit_test(test_allocating_and_unallocating_merges_what_becomes_alike),
                cmocka_unit_test(test_tasks_and_executors_may_not_share_ports),
                cmocka_unit_test(test_totals_are_what_state_shows),
                cmocka_unit_test(test_reservations_can_be_seen_role_by_role),
                cmocka_unit_test(test_a_bag_can_be_walked_and_parts_of_it_moved),
                cmocka_unit_test(test_moved_entries_join_their_like),
                cmocka_unit_test(test_json_flags_have_a_default_role_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
