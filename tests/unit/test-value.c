/* SPDX-License-Identifier: Apache-2.0 */

/* Values: arithmetic of scalars, ranges and sets; what flags say; what the wire carries. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/model/value.h"
#include "tests/unit/seed.h"

static Value parse(const char *text) {
        Value v = VALUE_NULL;
        char *message = NULL;

        assert_int_equal(value_parse(text, &v, &message), 0);
        assert_null(message);
        return v;
}

static void assert_text(const Value *v, const char *text) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 20);
        _cleanup_free_ char *formatted = NULL;

        assert_return_code(value_format(v, &b), 0);
        formatted = buffer_take_text(&b);
        assert_string_equal(formatted, text);
}

static void test_texts_become_values_and_texts_again(void **state) {
        static const struct {
                const char *text;
                ValueKind kind;
                const char *formatted;
        } cases[] = {
                { "4", VALUE_SCALAR, "4" },
                { "0.1", VALUE_SCALAR, "0.1" },
                { " 1 0.25", VALUE_SCALAR, "10.25" },
                { "-1.5", VALUE_SCALAR, "-1.5" },
                { "1e3", VALUE_SCALAR, "1000" },
                { "0.0005", VALUE_SCALAR, "0.001" },
                { "0.00049", VALUE_SCALAR, "0" },
                { "[31000-32000]", VALUE_RANGES, "[31000-32000]" },
                { "[5-9, 1-3,2-4]", VALUE_RANGES, "[1-9]" },
                { "[]", VALUE_RANGES, "[]" },
                { "{b, a,b}", VALUE_SET, "{a, b}" },
                { "x y", VALUE_TEXT, "xy" },
                { "nan", VALUE_TEXT, "nan" },
                { "1e300", VALUE_TEXT, "1e300" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(value_deinit) Value v = parse(cases[i].text);

                assert_int_equal(v.kind, cases[i].kind);
                assert_text(&v, cases[i].formatted);
        }
}

static void test_bad_texts_are_refused_in_mesos_words(void **state) {
        static const struct {
                const char *text;
                const char *message;
        } bad[] = {
                { "", "Expecting non-empty string" },
                { "  ", "Expecting non-empty string" },
                { "[1-2", "Mismatched brackets" },
                { "}a{", "Mismatched brackets" },
                { "[1-2-3]", "Expecting one or more \"ranges\"" },
                { "[a-2]", "Expecting non-negative integers in 'a'" },
                { "[1-99999999999999999999999999]",
                  "Expecting non-negative integers in '99999999999999999999999999'" },
                { "[9-1]", "Invalid ranges resource: begin > end" },
                { "a[1-2]", "Unexpected '[' found" },
                { "a{b}", "Unexpected '{' found" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *message = NULL;
                Value v;

                assert_int_equal(value_parse(bad[i].text, &v, &message), VALUE_E_INVALID);
                assert_string_equal(message, bad[i].message);
        }
}

static void test_doubles_are_rounded_to_thousandths_half_away_from_zero(void **state) {
        static const struct {
                double number;
                int64_t milli;
        } cases[] = {
                { 0.1, 100 },
                { 0.0005, 1 },
                { 0.0015, 2 },
                { -0.0005, -1 },
                { 1.0004, 1000 },
                { 0, 0 },
                { 1e12, INT64_C(1000000000000000) },
        };
        int64_t milli;

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_true(value_milli_from_double(cases[i].number, &milli));
                assert_int_equal(milli, cases[i].milli);
        }

        assert_false(value_milli_from_double(NAN, &milli));
        assert_false(value_milli_from_double(INFINITY, &milli));
        assert_false(value_milli_from_double(1e300, &milli));
        assert_false(value_milli_from_double(-1e16, &milli));
}

static void test_a_tenth_and_two_tenths_are_three_tenths(void **state) {
        Value a = parse("0.1"), b = parse("0.2");

        (void) state;

        assert_int_equal(value_add(&a, &b), 0);
        assert_true(value_milli_to_double(a.milli) == 0.3);
}

static void test_scalars_that_overflow_stay_what_they_were(void **state) {
        Value a = { .milli = INT64_MAX - 1 }, b = { .milli = 2 };

        (void) state;

        assert_int_equal(value_add(&a, &b), -EOVERFLOW);
        assert_int_equal(a.milli, INT64_MAX - 1);
}

static void test_ranges_at_the_ends_of_the_numbers_merge_and_split(void **state) {
        _cleanup_(value_deinit) Value a = parse("[0-18446744073709551615]");
        _cleanup_(value_deinit) Value low = parse("[0-0]");
        _cleanup_(value_deinit) Value high = parse("[18446744073709551615-18446744073709551615]");

        (void) state;

        assert_int_equal(value_subtract(&a, &low), 0);
        assert_int_equal(value_subtract(&a, &high), 0);
        assert_text(&a, "[1-18446744073709551614]");
        assert_false(value_contains(&a, &low));
        assert_int_equal(value_add(&a, &high), 0);
        assert_int_equal(value_add(&a, &low), 0);
        assert_text(&a, "[0-18446744073709551615]");
}

/* Sets of small numbers as bit masks: ranges and sets must do what or, and-not and subset do. */
static Value from_mask(ValueKind kind, uint64_t mask) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 16);
        _cleanup_free_ char *text = NULL;

        buffer_append_char(&b, kind == VALUE_RANGES ? '[' : '{');
        for (unsigned i = 0; i < 64; i++)
                if (mask >> i & 1)
                        buffer_printf(&b, kind == VALUE_RANGES ? "%u-%u," : "%02u%02u,", i, i);
        buffer_append_char(&b, kind == VALUE_RANGES ? ']' : '}');
        text = buffer_take_text(&b);
        return parse(text);
}

static void test_ranges_and_sets_behave_as_bit_masks_do(void **state) {
        Random random = random_seeded();

        (void) state;

        for (unsigned i = 0; i < 3000; i++) {
                ValueKind kind = random_below(&random, 2) ? VALUE_RANGES : VALUE_SET;
                uint64_t x = random_u64(&random) & random_u64(&random),
                         y = random_u64(&random) & random_u64(&random);
                _cleanup_(value_deinit) Value a, b, sum, difference, expected_sum,
                                expected_difference;

                if (random_below(&random, 4) == 0)
                        y &= x;

                a = from_mask(kind, x);
                b = from_mask(kind, y);
                expected_sum = from_mask(kind, x | y);
                expected_difference = from_mask(kind, x & ~y);

                assert_int_equal(value_copy(&a, &sum), 0);
                assert_int_equal(value_add(&sum, &b), 0);
                assert_true(value_equal(&sum, &expected_sum));

                assert_int_equal(value_copy(&a, &difference), 0);
                assert_int_equal(value_subtract(&difference, &b), 0);
                assert_true(value_equal(&difference, &expected_difference));

                assert_int_equal(value_contains(&a, &b), (y & ~x) == 0);
                assert_int_equal(value_equal(&a, &b), x == y);
                assert_int_equal(value_is_empty(&a), x == 0);
        }
}

static void test_values_survive_the_wire(void **state) {
        _cleanup_(value_deinit) Value ranges = parse("[1-2,5-9]"), set = parse("{a,b}");
        _cleanup_(value_deinit) Value ranges_back = VALUE_NULL, set_back = VALUE_NULL;
        Mesos__V1__Value__Ranges *ranges_pb;
        Mesos__V1__Value__Set *set_pb;

        (void) state;

        assert_int_equal(value_to_ranges_pb(&ranges, &ranges_pb), 0);
        assert_int_equal(value_from_ranges_pb(ranges_pb, &ranges_back), 0);
        assert_true(value_equal(&ranges, &ranges_back));
        protobuf_c_message_free_unpacked(&ranges_pb->base, NULL);

        assert_int_equal(value_to_set_pb(&set, &set_pb), 0);
        assert_int_equal(value_from_set_pb(set_pb, &set_back), 0);
        assert_true(value_equal(&set, &set_back));
        protobuf_c_message_free_unpacked(&set_pb->base, NULL);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts_become_values_and_texts_again),
                cmocka_unit_test(test_bad_texts_are_refused_in_mesos_words),
                cmocka_unit_test(test_doubles_are_rounded_to_thousandths_half_away_from_zero),
                cmocka_unit_test(test_a_tenth_and_two_tenths_are_three_tenths),
                cmocka_unit_test(test_scalars_that_overflow_stay_what_they_were),
                cmocka_unit_test(test_ranges_at_the_ends_of_the_numbers_merge_and_split),
                cmocka_unit_test(test_ranges_and_sets_behave_as_bit_masks_do),
                cmocka_unit_test(test_values_survive_the_wire),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
