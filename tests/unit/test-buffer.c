/* SPDX-License-Identifier: Apache-2.0 */

/* Buffers: order, the maximum, reuse of space. */

#include "common/base/buffer.h"
#include "tests/unit/test.h"

static void assert_contents(const Buffer *b, const char *expected) {
        assert_int_equal(buffer_size(b), strlen(expected));
        if (buffer_size(b) > 0)
                assert_memory_equal(buffer_data(b), expected, strlen(expected));
}

static void test_what_is_appended_comes_out_in_order(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(100);

        assert_int_equal(buffer_append_text(&b, "one "), 0);
        assert_int_equal(buffer_append_char(&b, '2'), 0);
        assert_int_equal(buffer_printf(&b, " %s %i", "three", 4), 0);
        assert_contents(&b, "one 2 three 4");

        buffer_consume(&b, 4);
        assert_contents(&b, "2 three 4");
}

static void test_the_maximum_holds_for_what_is_unread_and_a_refusal_changes_nothing(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(8);

        assert_int_equal(buffer_append_text(&b, "12345678"), 0);
        assert_int_equal(buffer_append_char(&b, '9'), -ENOBUFS);
        assert_contents(&b, "12345678");

        buffer_consume(&b, 3);
        assert_int_equal(buffer_append_text(&b, "abc"), 0);
        assert_contents(&b, "45678abc");
        assert_int_equal(buffer_append(&b, "xyz", SIZE_MAX), -ENOBUFS);
        assert_contents(&b, "45678abc");
}

static void test_the_space_of_what_was_read_is_used_again(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(64);

        for (unsigned i = 0; i < 1000; i++) {
                assert_int_equal(buffer_append_text(&b, "0123456789abcdef0123456789"), 0);
                buffer_consume(&b, 25);
                if (buffer_size(&b) > 30)
                        buffer_consume(&b, 30);
        }

        /* Twice the maximum, so that a queue that stays nearly full is not moved for every byte. */
        assert_true(b.n_allocated <= 128);
}

static void test_reserved_bytes_count_only_when_committed(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(100);
        char *p;

        assert_int_equal(buffer_reserve(&b, 10, &p), 0);
        assert_contents(&b, "");
        memcpy(p, "abcdefghij", 10);
        buffer_commit(&b, 3);
        assert_contents(&b, "abc");
}

static void test_taken_text_is_terminated_and_leaves_the_buffer_empty(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(100);
        _cleanup_free_ char *text = NULL, *nothing = NULL;

        assert_int_equal(buffer_append_text(&b, "xxhello"), 0);
        buffer_consume(&b, 2);
        text = buffer_take_text(&b);
        assert_string_equal(text, "hello");
        assert_int_equal(buffer_size(&b), 0);
        assert_int_equal(b.max_bytes, 100);

        nothing = buffer_take_text(&b);
        assert_string_equal(nothing, "");
}

static void test_appending_nothing_to_an_empty_buffer_is_fine(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(0);

        assert_int_equal(buffer_append(&b, NULL, 0), 0);
        assert_int_equal(buffer_append_text(&b, ""), 0);
        assert_int_equal(buffer_append_char(&b, 'a'), -ENOBUFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_appended_comes_out_in_order),
                cmocka_unit_test(test_the_maximum_holds_for_what_is_unread_and_a_refusal_changes_nothing),
                cmocka_unit_test(test_the_space_of_what_was_read_is_used_again),
                cmocka_unit_test(test_reserved_bytes_count_only_when_committed),
                cmocka_unit_test(test_taken_text_is_terminated_and_leaves_the_buffer_empty),
                cmocka_unit_test(test_appending_nothing_to_an_empty_buffer_is_fine),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
