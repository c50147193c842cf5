/* SPDX-License-Identifier: Apache-2.0 */

/* What cgroups/blkio, cgroups/cpuset and cgroups/hugetlb make of the operator's flags. */

#include "tests/unit/test.h"

#include <stdio.h>

#include "isolator/registry.h"

static const IsolatorHost host = { .root = true, .cgroups = true, .controllers = "cpuset io hugetlb",
                                    .io_weights = true };
static IsolatorRequest request = { .container_id = "c", .sandbox = "/sandbox", .cpus = { 1000, -1 } };

/* All settings, "file value" a line. */
static char *plan(const char *isolation, const IsolatorConfig *config) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = NULL;
        _cleanup_(confinement_freep) Confinement *c = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(4096);
        _cleanup_free_ char *message = NULL;

        assert_int_equal(isolator_set_new(isolation, &host, config, &s, &message), ISOLATOR_OK);
        assert_int_equal(isolator_set_plan(s, &request, &c, &message), ISOLATOR_OK);
        assert_int_equal(confinement_check(c, &message), CONFINEMENT_OK);
        for (size_t i = 0; i < c->n_cgroup; i++)
                assert_int_equal(buffer_printf(&b, "%s %s\n", c->cgroup[i]->file, c->cgroup[i]->value), 0);

        return buffer_take_text(&b);
}

static void assert_io(const char *io_max, uint64_t weight, const char *expected) {
        const IsolatorConfig config = { .io_max = io_max, .io_weight = weight };
        _cleanup_free_ char *found = plan("cgroups/blkio", &config);

        assert_string_equal(found, expected);
}

static void assert_refused(const char *isolation, const IsolatorConfig *config, const char *expected) {
        _cleanup_free_ char *message = NULL;
        IsolatorSet *s;

        assert_int_equal(isolator_set_new(isolation, &host, config, &s, &message), ISOLATOR_E_REFUSED);
        assert_non_null(strstr(message, expected));
}

static void assert_io_refused(const char *io_max, const char *expected) {
        const IsolatorConfig config = { .io_max = io_max };

        assert_refused("cgroups/blkio", &config, expected);
}

static void test_disks_are_limited_as_the_operator_says(void **state) {
        (void) state;
        assert_io(NULL, 0, "");
        assert_io(NULL, 50, "io.weight 50\nio.bfq.weight 50\n");
        assert_io(NULL, 10000, "io.weight 10000\nio.bfq.weight 1000\n");
        assert_io("8:0 rbps=10MB wbps=5000 riops=100 wiops=50", 0,
                  "io.max 8:0 rbps=10485760 wbps=5000 riops=100 wiops=50\n");
        assert_io("8:0 wbps=1KB rbps=max;  259:3   wiops=7 ;", 10,
                  "io.weight 10\nio.bfq.weight 10\nio.max 8:0 wbps=1024\nio.max 259:3 wiops=7\n");
}

static void test_a_weight_grows_with_the_cpus_that_were_asked_for(void **state) {
        static const struct {
                int64_t cpus_milli;
                const char *expected;
        } cases[] = {
                { 2500, "io.weight 250\nio.bfq.weight 113\n" },
                { 500, "io.weight 50\nio.bfq.weight 50\n" },
                { 1, "io.weight 1\nio.bfq.weight 1\n" },
                { 1000 * 1000, "io.weight 10000\nio.bfq.weight 1000\n" },
                { INT64_MAX, "io.weight 10000\nio.bfq.weight 1000\n" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                request.cpus.request_milli = cases[i].cpus_milli;
                assert_io(NULL, 100, cases[i].expected);
        }
        request.cpus.request_milli = 1000;
}

static void test_both_names_are_of_the_same(void **state) {
        const IsolatorConfig config = { .io_weight = 5 };
        _cleanup_free_ char *found = plan("cgroups/io", &config);

        (void) state;
        assert_string_equal(found, "io.weight 5\nio.bfq.weight 5\n");
        assert_refused("cgroups/io,cgroups/blkio", &config, "twice");
}

static void test_a_weight_where_the_kernel_knows_none_is_refused(void **state) {
        const IsolatorHost weightless = { .root = true, .cgroups = true, .controllers = "io" };
        IsolatorConfig config = { .io_weight = 5 };
        _cleanup_(isolator_set_freep) IsolatorSet *s = NULL;
        _cleanup_free_ char *message = NULL;

        (void) state;
        assert_int_equal(isolator_set_new("cgroups/io", &weightless, &config, &s, &message), ISOLATOR_E_REFUSED);
        assert_non_null(strstr(message, "CONFIG_BLK_CGROUP_IOCOST"));

        config.io_weight = 0;
        assert_int_equal(isolator_set_new("cgroups/io", &weightless, &config, &s, &message), ISOLATOR_OK);
}

static void test_limits_of_disks_that_cannot_be_are_refused(void **state) {
        const IsolatorConfig heavy = { .io_weight = 10001 };

        (void) state;
        assert_refused("cgroups/blkio", &heavy, "10001");
        assert_io_refused("/dev/no-such-disk rbps=1", "cannot find the device '/dev/no-such-disk'");
        assert_io_refused("/dev/null rbps=1", "'/dev/null' is not a block device");
        assert_io_refused("sda rbps=1", "cannot find the device 'sda'");
        assert_io_refused("8:0", "nothing is said of '8:0'");
        assert_io_refused("8:0 rbps", "'rbps' is not of");
        assert_io_refused("8:0 rbps=", "'rbps=' is not of");
        assert_io_refused("8:0 rbps=0", "'rbps=0' is not of");
        assert_io_refused("8:0 bps=1", "'bps=1' is not of");
        assert_io_refused("8:0 riops=1KB", "'riops=1KB' is not of");
        assert_io_refused("8:0x rbps=1", "'8:0x'");
        assert_io_refused(" ; 8:0 rbps=1", "expected 'DEVICE");
}

static void test_processors_are_those_of_the_list(void **state) {
        static const char *const good[] = { "0", "0-3", "0-3,5", "1,3,5-5" };
        static const char *const bad[] = { "", "a", "3-1", "1-", "-1", "1,", ",1", "1 2", "1-2-3", "0x1" };
        IsolatorConfig config = {};
        char expected[64];
        _cleanup_free_ char *none = plan("cgroups/cpuset,cgroups/hugetlb", &config);

        (void) state;
        assert_string_equal(none, "");

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_free_ char *found = NULL;

                snprintf(expected, sizeof(expected), "cpuset.cpus %s\n", good[i]);
                config.cpuset_cpus = good[i];
                found = plan("cgroups/cpuset", &config);
                assert_string_equal(found, expected);
        }

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                config.cpuset_cpus = bad[i];
                assert_refused("cgroups/cpuset", &config, "no list of processors");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_disks_are_limited_as_the_operator_says),
                cmocka_unit_test(test_a_weight_grows_with_the_cpus_that_were_asked_for),
                cmocka_unit_test(test_both_names_are_of_the_same),
                cmocka_unit_test(test_a_weight_where_the_kernel_knows_none_is_refused),
                cmocka_unit_test(test_limits_of_disks_that_cannot_be_are_refused),
                cmocka_unit_test(test_processors_are_those_of_the_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
