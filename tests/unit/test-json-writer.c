/* SPDX-License-Identifier: Apache-2.0 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/parse.h"
#include "common/net/base64.h"
#include "common/net/json_number.h"
#include "common/net/json_writer.h"
#include "tests/unit/seed.h"

static void assert_written(Buffer *b, const char *wanted) {
        _cleanup_free_ char *text = buffer_take_text(b);

        assert_string_equal(text, wanted);
}

static void test_keys_and_commas_are_the_writers_business(void **state) {
        Buffer b = BUFFER_INIT(4096);
        JsonWriter w = JSON_WRITER(&b);

        (void) state;
        json_object_begin(&w, NULL);
        json_put_string(&w, "name", "x");
        json_array_begin(&w, "list");
        json_put_int(&w, NULL, -1);
        json_put_uint(&w, NULL, UINT64_MAX);
        json_object_begin(&w, NULL);
        json_object_end(&w);
        json_array_begin(&w, NULL);
        json_array_end(&w);
        json_array_end(&w);
        json_put_bool(&w, "yes", true);
        json_put_bool(&w, "no", false);
        json_put_null(&w, "null");
        json_put_string(&w, "none", NULL);
        json_put_milli(&w, "cpus", 100);
        json_put_base64(&w, "bytes", "\x00\xff", 2);
        json_put_raw(&w, "raw", "[1,2]", 5);
        json_object_end(&w);
        assert_int_equal(json_finish(&w), 0);
        assert_written(&b, "{\"name\":\"x\",\"list\":[-1,18446744073709551615,{},[]],\"yes\":true,"
                           "\"no\":false,"
                           "\"null\":null,\"none\":null,\"cpus\":0.1,\"bytes\":\"AP8=\",\"raw\":[1,"
                           "2]}");
}

static void test_strings_and_keys_are_escaped_and_mended(void **state) {
        Buffer b = BUFFER_INIT(4096);
        JsonWriter w = JSON_WRITER(&b);

        (void) state;
        json_object_begin(&w, NULL);
        json_put_string(&w, "a\"b", "\b\t\n\v\f\r\x1f \"\\/\x7f");
        json_put_string(&w, "", "");
        json_put_string(&w, "long enough for words", "0123456789abcdef\n0123456789abcdef");
        json_put_string(&w, "utf-8", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
        json_put_string(&w, "broken",
                        "a\xff\xc3"
                        "b\xed\xa0\x80");
        json_put_string_n(&w, "nul", "a\0b", 3);
        json_object_end(&w);
        assert_int_equal(json_finish(&w), 0);
        assert_written(&b, "{\"a\\\"b\":\"\\b\\t\\n\\u000B\\f\\r\\u001F \\\"\\\\/\x7f\",\"\":\"\","
                           "\"long enough for words\":\"0123456789abcdef\\n0123456789abcdef\","
                           "\"utf-8\":\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\","
                           "\"broken\":\"a\xef\xbf\xbd\xef\xbf\xbd"
                           "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                           "\"nul\":\"a\\u0000b\"}");
}

/* Each byte in each place of a word, so that the eight-at-a-time test can't miss one. */
static void test_no_byte_slips_through_unescaped(void **state) {
        (void) state;
        for (unsigned c = 0; c < 256; c++)
                for (size_t place = 0; place < 17; place++) {
                        Buffer b = BUFFER_INIT(4096);
                        JsonWriter w = JSON_WRITER(&b);
                        char text[17];
                        bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

                        memset(text, 'x', sizeof(text));
                        text[place] = (char) c;
                        json_put_string_n(&w, NULL, text, sizeof(text));
                        assert_int_equal(buffer_size(&b) == sizeof(text) + 2, plain);
                        buffer_deinit(&b);
                }
}

static void test_an_error_sticks_and_is_told_once(void **state) {
        Buffer b = BUFFER_INIT(64);
        JsonWriter w = JSON_WRITER(&b);

        (void) state;
        json_object_begin(&w, NULL);
        for (unsigned i = 0; i < 100; i++)
                json_put_string(&w, "key \"quoted\"", "value\n");
        json_object_end(&w);
        assert_int_equal(json_finish(&w), -ENOBUFS);
        assert_true(buffer_size(&b) <= 64);
        buffer_deinit(&b);
}

static void assert_double(double value, const char *wanted) {
        char text[JSON_NUMBER_BYTES + 1];

        text[json_format_double(value, text)] = '\0';
        assert_string_equal(text, wanted);
}

static void test_doubles_have_a_fraction_and_the_fewest_digits(void **state) {
        (void) state;
        assert_double(0, "0.0");
        assert_double(-0.0, "-0.0");
        assert_double(5, "5.0");
        assert_double(-5, "-5.0");
        assert_double(0.1, "0.1");
        assert_double(0.1 + 0.2, "0.30000000000000004");
        assert_double(1.0 / 3, "0.3333333333333333");
        assert_double(15.001, "15.001");
        assert_double(1795290450.4349, "1795290450.4349");
        assert_double(1795290450.123456, "1795290450.123456");
        assert_double(1795290450.1234567, "1795290450.1234567");
        assert_double(123456789.123456789, "123456789.12345679");
        assert_double(0x1p53, "9007199254740992.0");
        assert_double(0x1p63, "9223372036854776000.0");
        assert_double(1e20, "100000000000000000000.0");
        assert_double(1e21, "1e21");
        assert_double(-1.5e30, "-1.5e30");
        assert_double(1e-6, "0.000001");
        assert_double(1.25e-6, "0.00000125");
        assert_double(1e-7, "1e-7");
        assert_double(1.5e-9, "1.5e-9");
        assert_double(2.2250738585072014e-308, "2.2250738585072014e-308");
        assert_double(5e-324, "5e-324");
        assert_double(1.7976931348623157e308, "1.7976931348623157e308");
        assert_double(INFINITY, "Infinity");
        assert_double(-INFINITY, "-Infinity");
        assert_double((double) NAN, "NaN");
}

static void assert_reads_back(double value) {
        char text[JSON_NUMBER_BYTES + 1];
        double back;

        text[json_format_double(value, text)] = '\0';
        assert_int_equal(parse_double(text, &back), 0);
        assert_true(back == value);
        assert_true(strpbrk(text, ".e"));
}

static void test_any_double_reads_back_as_itself(void **state) {
        Random random = random_seeded();

        (void) state;
        for (unsigned i = 0; i < 100000; i++) {
                uint64_t bits = random_u64(&random);
                double value;

                memcpy(&value, &bits, sizeof(value));
                if (isfinite(value))
                        assert_reads_back(value);

                assert_reads_back((double) (bits % 1000000) / 1000);
                assert_reads_back((double) (bits >> 12) / 1e6);
                assert_reads_back((double) (bits % 1000) * 0.1);
        }
}

static void test_thousandths_are_printed_as_the_double_would_be(void **state) {
        static const int64_t values[] = { 0,  1,     10,     100,   1000,      1500,
                                          -1, -1500, 123456, 99990, 1000000007 };
        char milli[JSON_NUMBER_BYTES], real[JSON_NUMBER_BYTES];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                size_t n = json_format_milli(values[i], milli);

                assert_int_equal(json_format_double((double) values[i] / 1000, real), n);
                assert_memory_equal(milli, real, n);
        }

        assert_int_equal(json_format_milli(INT64_MIN, milli), strlen("-9223372036854775.808"));
        assert_memory_equal(milli, "-9223372036854775.808", 21);
}

static void test_integers_at_their_limits(void **state) {
        char text[JSON_NUMBER_BYTES];

        (void) state;
        assert_int_equal(json_format_int(INT64_MIN, text), 20);
        assert_memory_equal(text, "-9223372036854775808", 20);
        assert_int_equal(json_format_int(INT64_MAX, text), 19);
        assert_memory_equal(text, "9223372036854775807", 19);
        assert_int_equal(json_format_uint(0, text), 1);
        assert_memory_equal(text, "0", 1);
}

static void test_base64_goes_there_and_back(void **state) {
        uint8_t data[64], back[66];
        char text[88], c;
        size_t n_back;

        (void) state;
        for (size_t n = 0; n < sizeof(data); n++) {
                data[n] = (uint8_t) (n * 37);
                base64_encode(data, n, text);
                assert_int_equal(base64_decode(text, base64_encoded_length(n), back, &n_back, &c),
                                 0);
                assert_int_equal(n_back, n);
                assert_memory_equal(back, data, n);
        }
}

static void test_base64_is_read_leniently_but_not_wrongly(void **state) {
        uint8_t back[32];
        size_t n;
        char c;

        (void) state;
        assert_int_equal(base64_decode("aGV sbG\n8", 9, back, &n, &c), 0);
        assert_int_equal(n, 5);
        assert_memory_equal(back, "hello", 5);
        assert_int_equal(base64_decode("aGVsbG8===!", 11, back, &n, &c), 0);
        assert_int_equal(n, 5);
        assert_int_equal(base64_decode("a", 1, back, &n, &c), 0);
        assert_int_equal(n, 0);
        assert_int_equal(base64_decode("!!!!", 4, back, &n, &c), -EINVAL);
        assert_int_equal(c, '!');
        assert_int_equal(base64_decode("ab\0c", 4, back, &n, &c), -EINVAL);
        assert_int_equal(c, '\0');
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keys_and_commas_are_the_writers_business),
                cmocka_unit_test(test_strings_and_keys_are_escaped_and_mended),
                cmocka_unit_test(test_no_byte_slips_through_unescaped),
                cmocka_unit_test(test_an_error_sticks_and_is_told_once),
                cmocka_unit_test(test_doubles_have_a_fraction_and_the_fewest_digits),
                cmocka_unit_test(test_any_double_reads_back_as_itself),
                cmocka_unit_test(test_thousandths_are_printed_as_the_double_would_be),
                cmocka_unit_test(test_integers_at_their_limits),
                cmocka_unit_test(test_base64_goes_there_and_back),
                cmocka_unit_test(test_base64_is_read_leniently_but_not_wrongly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
