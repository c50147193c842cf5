/* SPDX-License-Identifier: Apache-2.0 */

/* Tasks of `holdfast run`: what of an offer they take. */

#include "cli/task_spec.h"
#include "tests/unit/test.h"

typedef struct Fixture {
        TaskSpec spec;
        Resources *offered;
        Mesos__V1__Offer offer;
        Mesos__V1__Resource **taken;
        size_t n_taken;
} Fixture;

static void fixture_init(Fixture *f, const char *wanted, const char *offered, const char *role) {
        TaskSpecOptions options = { .name = "t", .command = "true", .resources = wanted, .role = role };
        char *message = NULL;

        *f = (Fixture) { .offer = MESOS__V1__OFFER__INIT };
        assert_int_equal(task_spec_init(&f->spec, &options, &message), TASK_SPEC_OK);
        assert_int_equal(resources_parse(offered, "*", &f->offered, &message), RESOURCES_OK);
        assert_int_equal(resources_allocate(f->offered, role), 0);
        assert_int_equal(resources_to_pb(f->offered, RESOURCE_FORMAT_NEW, &f->offer.resources, &f->offer.n_resources), 0);
}

static void fixture_deinit(Fixture *f) {
        resources_free_pb(f->offer.resources, f->offer.n_resources);
        resources_free_pb(f->taken, f->n_taken);
        resources_free(f->offered);
        task_spec_deinit(&f->spec);
}

static int take(Fixture *f) {
        return task_spec_take(&f->spec, &f->offer, &f->taken, &f->n_taken);
}

static double amount_taken(const Fixture *f, const char *name, bool reserved) {
        double sum = 0;

        for (size_t i = 0; i < f->n_taken; i++)
                if (streq(f->taken[i]->name, name) && f->taken[i]->scalar && (f->taken[i]->n_reservations > 0) == reserved)
                        sum += f->taken[i]->scalar->value;

        return sum;
}

static void test_just_what_is_wanted_is_taken(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f, "cpus:0.1;mem:32", "cpus:8;mem:1024;disk:100", "*");
        assert_int_equal(take(&f), TASK_SPEC_OK);
        assert_int_equal(f.n_taken, 2);
        assert_true(amount_taken(&f, "cpus", false) == 0.1);
        assert_true(amount_taken(&f, "mem", false) == 32);
}

static void test_an_offer_that_lacks_something_is_too_small(_unused_ void **state) {
        static const char *const offers[] = {
                "cpus:1;mem:1024", "cpus:8;mem:31", "mem:1024", "cpus:8", "cpus:8;mem:1024;ports:[31001-31001]",
        };

        for (size_t i = 0; i < ELEMENTSOF(offers); i++) {
                _cleanup_(fixture_deinit) Fixture f;

                fixture_init(&f, "cpus:2;mem:32;ports:[31000-31001]", offers[i], "*");
                assert_int_equal(take(&f), TASK_SPEC_E_TOO_SMALL);
        }
}

static void test_reserved_resources_go_first_and_free_ones_fill_up(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f, "cpus:3;mem:10", "cpus(web):2;cpus:2;mem:100", "web");
        assert_int_equal(take(&f), TASK_SPEC_OK);
        assert_true(amount_taken(&f, "cpus", true) == 2);
        assert_true(amount_taken(&f, "cpus", false) == 1);
}

static void test_ports_are_taken_by_number(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f, "cpus:1;ports:[31003-31004]", "cpus:1;ports:[31000-32000]", "*");
        assert_int_equal(take(&f), TASK_SPEC_OK);
        assert_int_equal(f.n_taken, 2);
}

static void test_task_ids_are_readable_and_differ(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f, g;

        fixture_init(&f, "cpus:1", "cpus:1", "*");
        fixture_init(&g, "cpus:1", "cpus:1", "*");
        assert_memory_equal(f.spec.task_id, "t.", 2);
        assert_int_equal(strlen(f.spec.task_id), 10);
        assert_string_not_equal(f.spec.task_id, g.spec.task_id);
}

static void test_a_program_with_arguments_needs_no_shell(_unused_ void **state) {
        char *arguments[] = { (char *) "ls", (char *) "-l", NULL };
        TaskSpecOptions options = { .name = "t", .arguments = arguments, .resources = "cpus:1", .role = "*" };
        _cleanup_(task_spec_deinit) TaskSpec spec = {};
        char *message = NULL;

        assert_int_equal(task_spec_init(&spec, &options, &message), TASK_SPEC_OK);
        assert_false(spec.command.shell);
        assert_string_equal(spec.command.value, "ls");
        assert_int_equal(spec.command.n_arguments, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_just_what_is_wanted_is_taken),
                cmocka_unit_test(test_an_offer_that_lacks_something_is_too_small),
                cmocka_unit_test(test_reserved_resources_go_first_and_free_ones_fill_up),
                cmocka_unit_test(test_ports_are_taken_by_number),
                cmocka_unit_test(test_task_ids_are_readable_and_differ),
                cmocka_unit_test(test_a_program_with_arguments_needs_no_shell),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
