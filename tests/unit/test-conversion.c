/* SPDX-License-Identifier: Apache-2.0 */

/* What operations make of resources, and what an agent remembers of it. */

#include "common/model/conversion.h"
#include "tests/unit/resources-fixture.h"
#include "tests/unit/seed.h"

typedef Mesos__V1__Offer__Operation Operation;

#define OPERATION(kind) ((Operation) { .type = MESOS__V1__OFFER__OPERATION__TYPE__##kind })

static void reserved(Message *m, const char *name, double value) {
        message_scalar(m, name, value);
        message_reserve(m, DYNAMIC, "ops");
}

static void volume(Message *m, double value) {
        reserved(m, "disk", value);
        message_volume(m, "v1", "data");
}

/* The operation's conversion of a bag that begins as `before`. */
static Resources *apply_to(const Operation *o, Resources *total) {
        _cleanup_(conversion_deinit) Conversion c = {};
        _cleanup_free_ char *message = NULL;

        if (conversion_of_operation(o, &c, &message) != CONVERSION_OK ||
            conversion_apply(&c, total, &message) != CONVERSION_OK)
                fail_msg("%s", message);
        return total;
}

static void assert_refused(const Operation *o, const char *before, const char *why) {
        _cleanup_(resources_freep) Resources *total = parse(before), *same = parse(before);
        _cleanup_(conversion_deinit) Conversion c = {};
        _cleanup_free_ char *message = NULL;
        int r = conversion_of_operation(o, &c, &message);

        if (r == CONVERSION_OK)
                r = conversion_apply(&c, total, &message);
        assert_int_equal(r, CONVERSION_E_INVALID);
        assert_string_equal(message, why);
        assert_true(resources_equal(total, same));
}

static Operation reserve_of(Message *m, Mesos__V1__Resource **list, Mesos__V1__Offer__Operation__Reserve *reserve) {
        Operation o = OPERATION(RESERVE);

        list[0] = &m->pb;
        *reserve = (Mesos__V1__Offer__Operation__Reserve) MESOS__V1__OFFER__OPERATION__RESERVE__INIT;
        reserve->n_resources = 1;
        reserve->resources = list;
        o.reserve = reserve;
        return o;
}

static void test_reserving_and_unreserving_gives_back_what_there_was(_unused_ void **state) {
        Mesos__V1__Offer__Operation__Reserve reserve;
        Mesos__V1__Offer__Operation__Unreserve unreserve = MESOS__V1__OFFER__OPERATION__UNRESERVE__INIT;
        _cleanup_(resources_freep) Resources *total = parse("cpus:4;mem:100");
        Mesos__V1__Resource *list[1];
        Operation o, undo = OPERATION(UNRESERVE);
        Message m;

        reserved(&m, "cpus", 1.5);
        o = reserve_of(&m, list, &reserve);
        apply_to(&o, total);
        assert_resources(total, "cpus:2.5; mem:100; cpus(reservations: [(DYNAMIC,ops)]):1.5");

        unreserve.n_resources = 1;
        unreserve.resources = list;
        undo.unreserve = &unreserve;
        apply_to(&undo, total);
        assert_resources(total, "cpus:4; mem:100");
}

static void test_reservation_on_top_of_another_takes_from_that(_unused_ void **state) {
        Mesos__V1__Offer__Operation__Reserve reserve;
        _cleanup_(resources_freep) Resources *total = parse("cpus(eng):4");
        Mesos__V1__Resource *list[1];
        Operation o;
        Message m;

        message_scalar(&m, "cpus", 1);
        message_reserve(&m, STATIC, "eng");
        message_reserve(&m, DYNAMIC, "eng/web");
        o = reserve_of(&m, list, &reserve);
        apply_to(&o, total);
        assert_resources(total, "cpus(reservations: [(STATIC,eng)]):3; "
                                "cpus(reservations: [(STATIC,eng),(DYNAMIC,eng/web)]):1");
}

static void test_reservation_can_be_moved_with_its_source(_unused_ void **state) {
        Mesos__V1__Offer__Operation__Reserve reserve;
        _cleanup_(resources_freep) Resources *total = NULL;
        Mesos__V1__Resource *list[1], *source[1];
        Message m, old;
        Operation o;

        reserved(&old, "cpus", 1);
        total = from(&old);
        source[0] = &old.pb;
        message_scalar(&m, "cpus", 1);
        message_reserve(&m, DYNAMIC, "web");
        o = reserve_of(&m, list, &reserve);
        reserve.n_source = 1;
        reserve.source = source;
        apply_to(&o, total);
        assert_resources(total, "cpus(reservations: [(DYNAMIC,web)]):1");
}

static void test_what_is_not_there_is_not_converted(_unused_ void **state) {
        Mesos__V1__Offer__Operation__Reserve reserve;
        Mesos__V1__Resource *list[1];
        Operation o;
        Message m;

        reserved(&m, "cpus", 5);
        o = reserve_of(&m, list, &reserve);
        assert_refused(&o, "cpus:4", "cpus:4 does not contain cpus:5");

        message_scalar(&m, "cpus", 1);
        o = reserve_of(&m, list, &reserve);
        assert_refused(&o, "cpus:4", "Only dynamic reservations can be made");

        o = OPERATION(LAUNCH);
        assert_refused(&o, "cpus:4", "The operation does not convert resources, or does not say which");
        o = OPERATION(CREATE);
        assert_refused(&o, "cpus:4", "The operation does not convert resources, or does not say which");
}

static Resources *disk_with_volume(void) {
        Message m;

        volume(&m, 100);
        return from(&m);
}

static void test_volume_is_made_of_disk_and_becomes_disk_again(_unused_ void **state) {
        Mesos__V1__Offer__Operation__Create create = MESOS__V1__OFFER__OPERATION__CREATE__INIT;
        Mesos__V1__Offer__Operation__Destroy destroy = MESOS__V1__OFFER__OPERATION__DESTROY__INIT;
        Operation o = OPERATION(CREATE), undo = OPERATION(DESTROY);
        _cleanup_(resources_freep) Resources *total = NULL;
        Mesos__V1__Resource *list[1];
        Message m;

        reserved(&m, "disk", 300);
        total = from(&m);
        volume(&m, 100);
        m.shared = (Mesos__V1__Resource__SharedInfo) MESOS__V1__RESOURCE__SHARED_INFO__INIT;
        m.pb.shared = &m.shared;
        list[0] = &m.pb;
        create.n_volumes = destroy.n_volumes = 1;
        create.volumes = destroy.volumes = list;
        o.create = &create;
        undo.destroy = &destroy;

        apply_to(&o, total);
        assert_resources(total, "disk(reservations: [(DYNAMIC,ops)]):200; "
                                "disk(reservations: [(DYNAMIC,ops)])[v1:data]<SHARED>:100<1>");
        apply_to(&undo, total);
        assert_resources(total, "disk(reservations: [(DYNAMIC,ops)]):300");

        reserved(&m, "disk", 1);
        assert_refused(&o, "disk:10", "Not a persistent volume");
}

static void test_volume_grows_by_disk_of_its_kind_and_gives_it_back(_unused_ void **state) {
        Mesos__V1__Offer__Operation__GrowVolume grow = MESOS__V1__OFFER__OPERATION__GROW_VOLUME__INIT;
        Mesos__V1__Offer__Operation__ShrinkVolume shrink = MESOS__V1__OFFER__OPERATION__SHRINK_VOLUME__INIT;
        Mesos__V1__Value__Scalar subtract = MESOS__V1__VALUE__SCALAR__INIT;
        Operation o = OPERATION(GROW_VOLUME), undo = OPERATION(SHRINK_VOLUME);
        _cleanup_(resources_freep) Resources *total = disk_with_volume(), *more = NULL;
        Message m, addition;

        reserved(&addition, "disk", 50);
        more = from(&addition);
        assert_int_equal(resources_add(total, more), 0);
        volume(&m, 100);
        grow.volume = &m.pb;
        grow.addition = &addition.pb;
        o.grow_volume = &grow;
        apply_to(&o, total);
        assert_resources(total, "disk(reservations: [(DYNAMIC,ops)])[v1:data]:150");

        volume(&m, 150);
        subtract.value = 50;
        shrink.volume = &m.pb;
        shrink.subtract = &subtract;
        undo.shrink_volume = &shrink;
        apply_to(&undo, total);
        assert_resources(total, "disk(reservations: [(DYNAMIC,ops)])[v1:data]:100; "
                                "disk(reservations: [(DYNAMIC,ops)]):50");

        subtract.value = 150;
        assert_refused(&undo, "cpus:1", "A volume can only be made smaller by less than its size");
        reserved(&addition, "cpus", 50);
        assert_refused(&o, "cpus:1", "The addition is not of the disk that the volume is on");
        message_scalar(&addition, "disk", 50);
        assert_refused(&o, "disk:50", "The addition is not of the disk that the volume is on");
}

static void test_only_what_the_configuration_does_not_say_is_remembered(_unused_ void **state) {
        _cleanup_(resources_freep) Resources *configured = parse("cpus:4;disk:400"), *total = parse("cpus:4;disk:300"),
                                             *kept = NULL, *again = NULL, *vol = disk_with_volume();
        _cleanup_free_ char *message = NULL;

        assert_int_equal(resources_add(total, vol), 0);
        kept = resources_to_checkpoint(total);
        assert_resources(kept, "disk(reservations: [(DYNAMIC,ops)])[v1:data]:100");
        assert_int_equal(resources_from_checkpoint(configured, kept, &again, &message), CONVERSION_OK);
        assert_true(resources_equal(again, total));
}

static void test_what_was_remembered_must_fit_what_is_configured(_unused_ void **state) {
        _cleanup_(resources_freep) Resources *configured = parse("cpus:4;disk:50"), *kept = disk_with_volume(),
                                             *total = NULL, *plain = parse("cpus:1");
        _cleanup_free_ char *message = NULL;

        assert_int_equal(resources_from_checkpoint(configured, kept, &total, &message), CONVERSION_E_INVALID);
        assert_string_equal(message, "Incompatible agent resources: cpus:4; disk:50 does not contain disk:100");
        free(TAKE_PTR(message));
        assert_int_equal(resources_from_checkpoint(configured, plain, &total, &message), CONVERSION_E_INVALID);
        assert_null(total);
}

static void test_any_sequence_of_reservations_is_found_again_after_a_restart(_unused_ void **state) {
        Random random = random_seeded();

        for (size_t run = 0; run < 200; run++) {
                _cleanup_(resources_freep) Resources *configured = parse("cpus:8;mem:64;cpus(ops):2"),
                                                     *total = resources_copy(configured);

                for (size_t i = 0; i < 20; i++) {
                        _cleanup_(resources_freep) Resources *kept = NULL, *again = NULL;
                        _cleanup_(conversion_deinit) Conversion c = {};
                        _cleanup_free_ char *message = NULL;
                        Mesos__V1__Offer__Operation__Reserve reserve;
                        Mesos__V1__Resource *list[1];
                        Operation o;
                        Message m;

                        message_scalar(&m, random_below(&random, 2) ? "cpus" : "mem",
                                       (double) random_below(&random, 30) / 10 + 0.1);
                        if (random_below(&random, 2)) {
                                message_reserve(&m, STATIC, "ops");
                                message_reserve(&m, DYNAMIC, "ops/a");
                        } else
                                message_reserve(&m, DYNAMIC, random_below(&random, 2) ? "x" : "y");

                        o = reserve_of(&m, list, &reserve);
                        assert_int_equal(conversion_of_operation(&o, &c, &message), CONVERSION_OK);
                        if (random_below(&random, 2)) {
                                Resources *swap = c.consumed;

                                c.consumed = c.converted;
                                c.converted = swap;
                        }
                        (void) conversion_apply(&c, total, &message);

                        kept = resources_to_checkpoint(total);
                        free(TAKE_PTR(message));
                        assert_int_equal(resources_from_checkpoint(configured, kept, &again, &message), CONVERSION_OK);
                        assert_true(resources_equal(again, total));
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reserving_and_unreserving_gives_back_what_there_was),
                cmocka_unit_test(test_reservation_on_top_of_another_takes_from_that),
                cmocka_unit_test(test_reservation_can_be_moved_with_its_source),
                cmocka_unit_test(test_what_is_not_there_is_not_converted),
                cmocka_unit_test(test_volume_is_made_of_disk_and_becomes_disk_again),
                cmocka_unit_test(test_volume_grows_by_disk_of_its_kind_and_gives_it_back),
                cmocka_unit_test(test_only_what_the_configuration_does_not_say_is_remembered),
                cmocka_unit_test(test_what_was_remembered_must_fit_what_is_configured),
                cmocka_unit_test(test_any_sequence_of_reservations_is_found_again_after_a_restart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
