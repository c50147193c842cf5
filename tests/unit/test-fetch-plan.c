/* SPDX-License-Identifier: Apache-2.0 */

/* Plans for the fetcher: what of a command goes into them. */

#include "agent/fetch_plan.h"
#include "common/base/macro.h"
#include "proto/fetcher.pb-c.h"
#include "tests/unit/test.h"

static void test_a_command_without_uris_needs_no_fetcher(_unused_ void **state) {
        Mesos__V1__CommandInfo command = MESOS__V1__COMMAND_INFO__INIT;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(FETCH_PLAN_MAX_BYTES);

        assert_int_equal(fetch_plan_pack(&command, "/sandbox", NULL, USEC_PER_SEC, &b), FETCH_PLAN_NOTHING);
        assert_int_equal(buffer_size(&b), 0);
}

static void test_a_plan_says_what_where_and_how_patiently(_unused_ void **state) {
        Mesos__V1__CommandInfo command = MESOS__V1__COMMAND_INFO__INIT;
        Mesos__V1__CommandInfo__URI uri = MESOS__V1__COMMAND_INFO__URI__INIT, *uris[] = { &uri };
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(FETCH_PLAN_MAX_BYTES);
        Holdfast__FetchPlan *plan;

        uri.value = (char *) "http://host/file";
        uri.has_executable = uri.executable = true;
        command.uris = uris;
        command.n_uris = 1;
        assert_int_equal(fetch_plan_pack(&command, "/sandbox", "/home", 2 * USEC_PER_SEC, &b), FETCH_PLAN_OK);

        plan = holdfast__fetch_plan__unpack(NULL, buffer_size(&b), (uint8_t *) buffer_data(&b));
        assert_non_null(plan);
        assert_string_equal(plan->sandbox_directory, "/sandbox");
        assert_string_equal(plan->frameworks_home, "/home");
        assert_int_equal(plan->stall_timeout_usec, 2000000);
        assert_int_equal(plan->n_uris, 1);
        assert_string_equal(plan->uris[0]->value, "http://host/file");
        assert_true(plan->uris[0]->executable);
        assert_true(plan->uris[0]->extract);
        holdfast__fetch_plan__free_unpacked(plan, NULL);
}

static void test_more_uris_than_a_plan_may_have_are_refused(_unused_ void **state) {
        Mesos__V1__CommandInfo command = MESOS__V1__COMMAND_INFO__INIT;
        Mesos__V1__CommandInfo__URI uri = MESOS__V1__COMMAND_INFO__URI__INIT, *uris[5];
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(2 * FETCH_PLAN_MAX_BYTES);
        _cleanup_free_ char *value = NULL;

        value = malloc(1024 * 1024);
        assert_non_null(value);
        memset(value, 'x', 1024 * 1024 - 1);
        value[1024 * 1024 - 1] = '\0';

        uri.value = value;
        for (size_t i = 0; i < ELEMENTSOF(uris); i++)
                uris[i] = &uri;
        command.uris = uris;
        command.n_uris = ELEMENTSOF(uris);
        assert_int_equal(fetch_plan_pack(&command, "/sandbox", NULL, USEC_PER_SEC, &b), -ENOBUFS);
        assert_int_equal(buffer_size(&b), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_command_without_uris_needs_no_fetcher),
                cmocka_unit_test(test_a_plan_says_what_where_and_how_patiently),
                cmocka_unit_test(test_more_uris_than_a_plan_may_have_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
