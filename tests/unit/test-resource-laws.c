/* SPDX-License-Identifier: Apache-2.0 */

/* The laws that the arithmetic of resources obeys, on random bags of them. */

#include "common/net/pbwire.h"
#include "tests/unit/resources-fixture.h"
#include "tests/unit/seed.h"

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

static void test_bags_are_packed_to_what_their_messages_are(void **state) {
        Random random = random_seeded();

        (void) state;

        for (unsigned i = 0; i < 300; i++) {
                _cleanup_(resources_freep) Resources *a = random_bag(&random);
                _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 20);
                Mesos__V1__TaskResourceLimitation *packed;
                Mesos__V1__Resource **list;
                size_t n;

                if (random_below(&random, 2))
                        resources_allocate(a, "role");

                assert_int_equal(resources_to_pb(a, RESOURCE_FORMAT_NEW, &list, &n), 0);
                assert_int_equal(resources_pack(a, 1, &b), 0);
                packed = mesos__v1__task_resource_limitation__unpack(NULL, buffer_size(&b),
                                                                     (uint8_t *) buffer_data(&b));
                assert_non_null(packed);
                assert_int_equal(packed->n_resources, n);
                for (size_t k = 0; k < n; k++)
                        assert_true(pb_equal(&packed->resources[k]->base, &list[k]->base));

                mesos__v1__task_resource_limitation__free_unpacked(packed, NULL);
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
                cmocka_unit_test(test_arithmetic_obeys_its_laws),
                cmocka_unit_test(test_bags_survive_the_wire_in_every_format),
                cmocka_unit_test(test_bags_are_packed_to_what_their_messages_are),
                cmocka_unit_test(test_nothing_is_lost_however_it_is_handed_around),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
