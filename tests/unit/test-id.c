/* SPDX-License-Identifier: Apache-2.0 */

/* Ids: what is refused, in which words, and what is made. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/model/id.h"

static void test_ordinary_ids_are_good(void **state) {
        char message[ID_MESSAGE_MAX];

        (void) state;

        assert_null(id_check("web.1_2-3 4:5"));
        assert_null(id_check("t\xc3\xa4sk"));
        assert_null(id_check("..."));
        assert_null(id_check_message("a", message));
        assert_true(id_is_valid("a"));
}

static void test_ids_that_are_no_directory_names_are_refused_in_mesos_words(void **state) {
        static const struct {
                const char *id;
                const char *message;
        } bad[] = {
                { "", "ID must not be empty" },
                { ".", "'.' is disallowed" },
                { "..", "'..' is disallowed" },
                { "a/b", "'a/b' contains invalid characters" },
                { "a\\b", "'a\\b' contains invalid characters" },
                { "a\x01"
                  "b",
                  "'a\x01"
                  "b' contains invalid characters" },
                { "a\x7f", "'a\x7f' contains invalid characters" },
        };
        char message[ID_MESSAGE_MAX];

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_false(id_is_valid(bad[i].id));
                assert_string_equal(id_check_message(bad[i].id, message), bad[i].message);
        }
}

static void test_255_characters_fit_and_256_do_not(void **state) {
        char id[ID_TEXT_MAX + 2], message[ID_MESSAGE_MAX];

        (void) state;

        memset(id, 'x', sizeof(id));
        id[ID_TEXT_MAX + 1] = '\0';
        assert_string_equal(id_check(id), "ID must not be greater than 255 characters");

        id[ID_TEXT_MAX] = '\0';
        assert_null(id_check(id));

        /* The longest message of all is not cut. */
        id[0] = '/';
        assert_string_equal(id_check_message(id, message) + ID_TEXT_MAX + 2,
                            " contains invalid characters");
}

static void test_made_ids_look_like_those_of_mesos(void **state) {
        char id[ID_TEXT_MAX + 1], prefix[ID_TEXT_MAX + 1] = {};

        (void) state;

        assert_int_equal(id_make("m", 'S', 12, id), 0);
        assert_string_equal(id, "m-S12");
        assert_int_equal(id_make("m", 'O', 0, id), 0);
        assert_string_equal(id, "m-O0");
        assert_int_equal(id_make("m", '\0', 3, id), 0);
        assert_string_equal(id, "m-0003");
        assert_int_equal(id_make("m", '\0', 12345, id), 0);
        assert_string_equal(id, "m-12345");

        memset(prefix, 'x', ID_TEXT_MAX - 2);
        assert_int_equal(id_make(prefix, 'S', 0, id), -ENAMETOOLONG);
        assert_string_equal(id, "m-12345");
}

static void test_random_ids_differ_and_are_ids(void **state) {
        char a[37], b[37];

        (void) state;

        assert_int_equal(id_random(a), 0);
        assert_int_equal(id_random(b), 0);
        assert_int_equal(strlen(a), 36);
        assert_null(id_check(a));
        assert_string_not_equal(a, b);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ordinary_ids_are_good),
                cmocka_unit_test(test_ids_that_are_no_directory_names_are_refused_in_mesos_words),
                cmocka_unit_test(test_255_characters_fit_and_256_do_not),
                cmocka_unit_test(test_made_ids_look_like_those_of_mesos),
                cmocka_unit_test(test_random_ids_differ_and_are_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
