/* SPDX-License-Identifier: Apache-2.0 */

/* Drf: the order in which roles and frameworks are served. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/model/resources.h"
#include "master/drf.h"
#include "tests/unit/seed.h"

typedef struct Fixture {
        Drf *d;
        DrfLeaf *leaves[64];
        size_t n_leaves;
        Buffer order;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->order = BUFFER_INIT(1 << 16);
        assert_int_equal(drf_new(NULL, &f->d), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        for (size_t i = 0; i < f->n_leaves; i++)
                drf_leaf_free(f->d, f->leaves[i]);
        drf_free(f->d);
        buffer_deinit(&f->order);
        free(f);
        return 0;
}

static DrfAmounts amounts(Fixture *f, const char *text) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *message = NULL;
        DrfAmounts a;

        assert_int_equal(resources_parse(text, "*", &r, &message), 0);
        drf_measure(f->d, r, &a);
        return a;
}

static DrfLeaf *add(Fixture *f, const char *role, const char *name) {
        DrfLeaf **leaf = &f->leaves[f->n_leaves++];

        assert_int_equal(drf_leaf_new(f->d, role, name, (void *) name, leaf), 0);
        drf_leaf_set_active(*leaf, true);
        return *leaf;
}

static void total(Fixture *f, const char *text) {
        DrfAmounts a = amounts(f, text);

        drf_add_total(f->d, &a);
}

static void charge(Fixture *f, DrfLeaf *leaf, const char *text) {
        DrfAmounts a = amounts(f, text);

        drf_charge(f->d, leaf, &a);
}

static bool append(DrfLeaf *leaf, void *userdata) {
        Fixture *f = userdata;

        buffer_printf(&f->order, "%s%s", buffer_size(&f->order) > 0 ? " " : "",
                      (const char *) drf_leaf_userdata(leaf));
        return true;
}

static void assert_order(Fixture *f, const char *expected) {
        _cleanup_free_ char *order = NULL;

        drf_walk(f->d, append, f);
        order = buffer_take_text(&f->order);
        assert_string_equal(order, expected);
}

static void test_equal_shares_go_by_how_often_served_then_by_name(void **state) {
        Fixture *f = *state;
        DrfLeaf *a;

        total(f, "cpus:10");
        add(f, "*", "c");
        a = add(f, "*", "a");
        add(f, "*", "b");
        assert_order(f, "a b c");

        charge(f, a, "ports:[1-2]");
        assert_order(f, "b c a");
}

static void test_the_dominant_resource_decides(void **state) {
        Fixture *f = *state;
        DrfLeaf *a, *b;

        total(f, "cpus:9;mem:18");
        a = add(f, "*", "a");
        b = add(f, "*", "b");
        charge(f, a, "cpus:1;mem:4");
        charge(f, b, "cpus:3;mem:1");
        assert_true(fabs(drf_share(f->d, a) - 4.0 / 18) < 1e-9);
        assert_true(fabs(drf_share(f->d, b) - 3.0 / 9) < 1e-9);
        assert_order(f, "a b");
        charge(f, a, "mem:4");
        assert_order(f, "b a");
}

static void test_what_is_given_back_counts_no_more(void **state) {
        Fixture *f = *state;
        DrfLeaf *a, *b;
        DrfAmounts back;

        total(f, "cpus:10");
        a = add(f, "*", "a");
        b = add(f, "*", "b");
        charge(f, a, "cpus:2");
        charge(f, b, "cpus:1");
        assert_order(f, "b a");
        back = amounts(f, "cpus:2");
        drf_discharge(f->d, a, &back);
        assert_order(f, "a b");
}

static void test_a_larger_cluster_changes_who_is_dominant_by_what(void **state) {
        Fixture *f = *state;
        DrfLeaf *a, *b;

        total(f, "cpus:10;mem:100");
        a = add(f, "*", "a");
        b = add(f, "*", "b");
        charge(f, a, "cpus:5;mem:10");
        charge(f, b, "cpus:1;mem:40");
        assert_order(f, "b a");
        total(f, "cpus:990");
        assert_order(f, "a b");
}

static void test_a_subtree_of_roles_competes_as_one(void **state) {
        Fixture *f = *state;
        DrfLeaf *web, *db, *ads;

        total(f, "cpus:100");
        web = add(f, "eng/web", "web");
        db = add(f, "eng/db", "db");
        ads = add(f, "ads", "ads");
        charge(f, web, "cpus:10");
        charge(f, db, "cpus:10");
        charge(f, ads, "cpus:15");
        assert_order(f, "ads db web");
        charge(f, ads, "cpus:10");
        assert_order(f, "db web ads");
}

static void test_frameworks_of_an_inner_role_compete_with_its_subroles(void **state) {
        Fixture *f = *state;
        DrfLeaf *one, *two, *web;

        total(f, "cpus:100");
        one = add(f, "eng", "one");
        two = add(f, "eng", "two");
        web = add(f, "eng/web", "web");
        charge(f, one, "cpus:10");
        charge(f, two, "cpus:5");
        charge(f, web, "cpus:12");
        /* One and two hold 15 together. */
        assert_order(f, "web two one");
}

static void test_weights_count_at_every_level_and_for_roles_to_come(void **state) {
        Fixture *f = *state;
        DrfLeaf *a, *b;

        total(f, "cpus:100");
        assert_int_equal(drf_set_weight(f->d, "a", 4), 0);
        a = add(f, "a", "a");
        b = add(f, "b", "b");
        charge(f, a, "cpus:30");
        charge(f, b, "cpus:10");
        assert_order(f, "a b");
        assert_int_equal(drf_set_weight(f->d, "a", 1), 0);
        assert_order(f, "b a");
        assert_int_equal(drf_set_weight(f->d, "b", 0.1), 0);
        assert_order(f, "a b");
}

static void test_inactive_leaves_are_not_visited_but_what_they_hold_counts(void **state) {
        Fixture *f = *state;
        DrfLeaf *one, *two, *ads;

        total(f, "cpus:100");
        one = add(f, "eng", "one");
        two = add(f, "eng", "two");
        ads = add(f, "ads", "ads");
        charge(f, one, "cpus:50");
        charge(f, ads, "cpus:20");
        drf_leaf_set_active(one, false);
        assert_order(f, "ads two");
        drf_leaf_set_active(two, false);
        assert_order(f, "ads");
}

static void test_excluded_resources_are_nobodys_share(void **state) {
        static const char *const excluded[] = { "gpus", NULL };
        Fixture f = { .order = BUFFER_INIT(1 << 16) };
        DrfLeaf *a;

        (void) state;

        assert_int_equal(drf_new(excluded, &f.d), 0);
        total(&f, "cpus:10;gpus:1");
        a = add(&f, "*", "a");
        add(&f, "*", "b");
        charge(&f, a, "gpus:1");
        assert_true(drf_share(f.d, a) < 1e-9);
        drf_leaf_free(f.d, f.leaves[0]);
        drf_leaf_free(f.d, f.leaves[1]);
        drf_free(f.d);
}

static void test_more_kinds_than_we_count_do_no_harm(void **state) {
        Fixture *f = *state;
        DrfLeaf *a = add(f, "*", "a");

        for (unsigned i = 0; i < 2 * DRF_KINDS_MAX; i++) {
                char text[32];

                snprintf(text, sizeof(text), "kind%u:10", i);
                total(f, text);
                charge(f, a, text);
        }

        assert_true(fabs(drf_share(f->d, a) - 1) < 1e-9);
}

typedef struct Check {
        double last;
        unsigned n;
        Drf *d;
} Check;

static bool check_order(DrfLeaf *leaf, void *userdata) {
        Check *c = userdata;
        double share = drf_share(c->d, leaf);

        assert_true(share >= c->last);
        c->last = share;
        c->n++;
        return true;
}

/* With one role the walk is a sort of the frameworks by share, whatever happened before. */
static void test_the_order_is_sorted_after_any_sequence(void **state) {
        Random random = random_seeded();
        Fixture *f = *state;
        int64_t held[40] = {};

        total(f, "cpus:1000");
        for (unsigned i = 0; i < 40; i++) {
                static char names[40][8];

                snprintf(names[i], sizeof(names[i]), "f%u", i);
                add(f, "role", names[i]);
        }

        for (unsigned step = 0; step < 5000; step++) {
                unsigned i = (unsigned) random_below(&random, 40);
                Check check = { .d = f->d };
                DrfAmounts a = { .n = 1 };

                a.milli[0] = (int64_t) random_below(&random, 5000);
                if (random_below(&random, 2)) {
                        drf_charge(f->d, f->leaves[i], &a);
                        held[i] += a.milli[0];
                } else {
                        a.milli[0] = MIN(a.milli[0], held[i]);
                        drf_discharge(f->d, f->leaves[i], &a);
                        held[i] -= a.milli[0];
                }

                if (random_below(&random, 100) == 0)
                        total(f, "cpus:10");

                drf_walk(f->d, check_order, &check);
                assert_int_equal(check.n, 40);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_equal_shares_go_by_how_often_served_then_by_name),
                TEST(test_the_dominant_resource_decides),
                TEST(test_what_is_given_back_counts_no_more),
                TEST(test_a_larger_cluster_changes_who_is_dominant_by_what),
                TEST(test_a_subtree_of_roles_competes_as_one),
                TEST(test_frameworks_of_an_inner_role_compete_with_its_subroles),
                TEST(test_weights_count_at_every_level_and_for_roles_to_come),
                TEST(test_inactive_leaves_are_not_visited_but_what_they_hold_counts),
                cmocka_unit_test(test_excluded_resources_are_nobodys_share),
                TEST(test_more_kinds_than_we_count_do_no_harm),
                TEST(test_the_order_is_sorted_after_any_sequence),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
