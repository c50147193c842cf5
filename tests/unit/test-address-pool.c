/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/address_pool.h"

static AddressPool *make(const char *subnet) {
        AddressPool *p;

        assert_int_equal(address_pool_new(subnet, &p), 0);
        return p;
}

static void assert_takes(AddressPool *p, const char *expected) {
        char address[ADDRESS_POOL_TEXT_MAX];

        assert_int_equal(address_pool_take(p, address), 0);
        assert_string_equal(address, expected);
}

static void test_addresses_are_handed_out_in_turn_until_none_is_left(void **state) {
        _cleanup_(address_pool_freep) AddressPool *p = make("10.1.2.8/29");
        char address[ADDRESS_POOL_TEXT_MAX];

        (void) state;
        assert_string_equal(address_pool_gateway(p), "10.1.2.9/29");
        assert_takes(p, "10.1.2.10/29");
        assert_takes(p, "10.1.2.11/29");
        assert_takes(p, "10.1.2.12/29");
        address_pool_release(p, "10.1.2.10/29");

        /* The one that was given back rests. */
        assert_takes(p, "10.1.2.13/29");
        assert_takes(p, "10.1.2.14/29");
        assert_takes(p, "10.1.2.10/29");
        assert_int_equal(address_pool_take(p, address), -ENOSPC);

        address_pool_release(p, "10.1.2.12/29");
        assert_takes(p, "10.1.2.12/29");
}

static void test_what_a_container_has_is_not_given_to_another(void **state) {
        _cleanup_(address_pool_freep) AddressPool *p = make("192.168.0.0/24");

        (void) state;
        address_pool_reserve(p, "192.168.0.2/24");
        address_pool_reserve(p, "192.168.0.3/24");
        assert_takes(p, "192.168.0.4/24");
}

static void test_addresses_of_others_are_passed_over(void **state) {
        static const char *const others[] = { "10.0.0.2/24", "192.168.0.2/16", "192.168.0.0/24", "192.168.0.1/24",
                                              "192.168.0.255/24", "192.168.1.2/24", "", "/", "192.168.0.2", "x/24" };
        _cleanup_(address_pool_freep) AddressPool *p = make("192.168.0.0/24");
        char address[ADDRESS_POOL_TEXT_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                address_pool_reserve(p, others[i]);
                address_pool_release(p, others[i]);
        }

        for (unsigned n = 0; n < 253; n++)
                assert_int_equal(address_pool_take(p, address), 0);
        assert_string_equal(address, "192.168.0.254/24");
        assert_int_equal(address_pool_take(p, address), -ENOSPC);
}

static void test_what_is_no_network_is_refused(void **state) {
        static const char *const bad[] = { "", "10.0.0.0", "10.0.0.0/", "10.0.0.0/7", "10.0.0.0/30", "10.0.0.1/24",
                                           "10.0.0.0/24x", "300.0.0.0/8", "::/64", "10.0.0.0.0.0.0.0.0.0.0.0.0/8" };
        AddressPool *p;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(address_pool_new(bad[i], &p), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_addresses_are_handed_out_in_turn_until_none_is_left),
                cmocka_unit_test(test_what_a_container_has_is_not_given_to_another),
                cmocka_unit_test(test_addresses_of_others_are_passed_over),
                cmocka_unit_test(test_what_is_no_network_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
