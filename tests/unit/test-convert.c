/* SPDX-License-Identifier: Apache-2.0 */

/* Conversions: attributes as operators write them, times, and copies of messages. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/model/convert.h"

static void assert_attribute(const Mesos__V1__Attribute *a, const char *name, int type,
                             const char *text) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1024);
        _cleanup_free_ char *formatted = NULL;

        assert_string_equal(a->name, name);
        assert_int_equal(a->type, type);
        assert_return_code(attribute_format(a, &b), 0);
        formatted = buffer_take_text(&b);
        assert_string_equal(formatted, text);
}

static void test_attributes_are_read_and_shown_as_mesos_does(void **state) {
        Mesos__V1__Attribute **list;
        char *message = NULL;
        size_t n;

        (void) state;

        assert_int_equal(attributes_parse("rack:abc;num:1.5;range:[1-3,7-9];txt:x y;time:10:30",
                                          &list, &n, &message),
                         0);
        assert_int_equal(n, 5);
        assert_attribute(list[0], "rack", MESOS__V1__VALUE__TYPE__TEXT, "abc");
        assert_attribute(list[1], "num", MESOS__V1__VALUE__TYPE__SCALAR, "1.5");
        assert_attribute(list[2], "range", MESOS__V1__VALUE__TYPE__RANGES, "[1-3, 7-9]");
        assert_attribute(list[3], "txt", MESOS__V1__VALUE__TYPE__TEXT, "xy");
        assert_attribute(list[4], "time", MESOS__V1__VALUE__TYPE__TEXT, "10:30");

        for (size_t i = 0; i < n; i++)
                message_free(list[i]);
        free(list);
}

static void test_no_attributes_are_an_empty_list(void **state) {
        Mesos__V1__Attribute **list;
        char *message = NULL;
        size_t n;

        (void) state;

        assert_int_equal(attributes_parse(";", &list, &n, &message), 0);
        assert_int_equal(n, 0);
        free(list);
}

static void test_bad_attributes_are_refused(void **state) {
        static const struct {
                const char *text;
                const char *message;
        } bad[] = {
                { "a:1;rack", "Invalid attribute key:value pair 'rack'" },
                { ":x", "Invalid attribute key:value pair ':x'" },
                { "x:", "Invalid attribute key:value pair 'x:'" },
                { "s:{a,b}", "Bad type for attribute s text {a,b} type SET" },
                { "s:[1", "Failed to parse attribute s text [1 error Mismatched brackets" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *message = NULL;
                Mesos__V1__Attribute **list;
                size_t n;

                assert_int_equal(attributes_parse(bad[i].text, &list, &n, &message),
                                 ATTRIBUTES_E_INVALID);
                assert_string_equal(message, bad[i].message);
        }
}

static void test_nanoseconds_become_microseconds_and_negative_ones_none(void **state) {
        Mesos__V1__DurationInfo d = MESOS__V1__DURATION_INFO__INIT;
        Mesos__V1__TimeInfo t = MESOS__V1__TIME_INFO__INIT;

        (void) state;

        d.nanoseconds = 1500000;
        t.nanoseconds = -1;
        assert_int_equal(duration_info_to_usec(&d), 1500);
        assert_int_equal(time_info_to_usec(&t), 0);
        assert_int_equal(duration_info_to_usec(NULL), 0);
        d.nanoseconds = INT64_MIN;
        assert_int_equal(duration_info_to_usec(&d), 0);
        assert_int_equal(duration_info_to_nsec(&d), INT64_MIN);
        assert_int_equal(usec_to_nsec(USEC_INFINITY), INT64_MAX);
        assert_int_equal(usec_to_nsec(2), 2000);
}

static void test_copies_of_messages_are_equal_until_changed(void **state) {
        Mesos__V1__CommandInfo c = MESOS__V1__COMMAND_INFO__INIT;
        Mesos__V1__CommandInfo *copy;
        char value[] = "true";

        (void) state;

        c.value = value;
        copy = message_copy(&c);
        assert_non_null(copy);
        assert_true(message_equal(&c, copy));
        copy->value[0] = 'T';
        assert_false(message_equal(&c, copy));
        message_free(copy);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_attributes_are_read_and_shown_as_mesos_does),
                cmocka_unit_test(test_no_attributes_are_an_empty_list),
                cmocka_unit_test(test_bad_attributes_are_refused),
                cmocka_unit_test(test_nanoseconds_become_microseconds_and_negative_ones_none),
                cmocka_unit_test(test_copies_of_messages_are_equal_until_changed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
