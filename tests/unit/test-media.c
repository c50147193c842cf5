/* SPDX-License-Identifier: Apache-2.0 */

/* What Accept and Content-Type mean, as Mesos reads them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/net/media.h"

static void test_content_types_are_compared_as_exact_texts(void **state) {
        MediaType t;

        (void) state;
        assert_true(media_type_parse("application/json", &t));
        assert_int_equal(t, MEDIA_JSON);
        assert_true(media_type_parse("application/x-protobuf", &t));
        assert_int_equal(t, MEDIA_PROTOBUF);
        assert_false(media_type_parse("application/json; charset=utf-8", &t));
        assert_false(media_type_parse("Application/JSON", &t));
        assert_false(media_type_parse("", &t));
}

static void test_json_wins_wherever_it_is_allowed(void **state) {
        static const char *const allowing[] = {
                NULL, "", "*/*", "application/*", "application/json", "application/x-protobuf, application/json",
                "application/json;q=0.1,application/x-protobuf", "text/plain, */*;q=0.5",
        };
        MediaType t;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(allowing); i++) {
                assert_true(media_negotiate(allowing[i], &t));
                assert_int_equal(t, MEDIA_JSON);
        }
}

static void test_a_quality_of_zero_forbids(void **state) {
        MediaType t;

        (void) state;
        assert_true(media_negotiate("application/json;q=0, application/x-protobuf", &t));
        assert_int_equal(t, MEDIA_PROTOBUF);
        assert_true(media_negotiate("application/json; q=0.0,*/*", &t));
        assert_int_equal(t, MEDIA_PROTOBUF);
        assert_false(media_negotiate("*/*;q=0", &t));
        assert_true(media_negotiate("application/json;q=0.01", &t));
}

static void test_other_types_are_not_acceptable(void **state) {
        static const char *const refusing[] = { "text/plain", "application/recordio", "application/jsonx",
                                                "application", "/", ",,;;" };
        MediaType t;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(refusing); i++)
                assert_false(media_negotiate(refusing[i], &t));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_content_types_are_compared_as_exact_texts),
                cmocka_unit_test(test_json_wins_wherever_it_is_allowed),
                cmocka_unit_test(test_a_quality_of_zero_forbids),
                cmocka_unit_test(test_other_types_are_not_acceptable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
