/* SPDX-License-Identifier: Apache-2.0 */

/* Numbers, durations, sizes, addresses and UUIDs from text. */

#include "common/base/parse.h"
#include "tests/unit/test.h"

static void test_whole_numbers_are_the_whole_text_and_fit(_unused_ void **state) {
        uint64_t u;
        int64_t i;

        assert_int_equal(parse_u64("0", &u), 0);
        assert_int_equal(u, 0);
        assert_int_equal(parse_u64("18446744073709551615", &u), 0);
        assert_true(u == UINT64_MAX);
        assert_int_equal(parse_u64("18446744073709551616", &u), -ERANGE);

        for (const char *const *p = (const char *const[]) { "", " 1", "1 ", "+1", "-1", "0x10", "1.0", "a", NULL }; *p; p++)
                assert_int_equal(parse_u64(*p, &u), -EINVAL);

        assert_int_equal(parse_i64("-9223372036854775808", &i), 0);
        assert_true(i == INT64_MIN);
        assert_int_equal(parse_i64("9223372036854775807", &i), 0);
        assert_true(i == INT64_MAX);
        assert_int_equal(parse_i64("9223372036854775808", &i), -ERANGE);
        assert_int_equal(parse_i64("-9223372036854775809", &i), -ERANGE);
        assert_int_equal(parse_i64("--1", &i), -EINVAL);
        assert_int_equal(parse_i64("-", &i), -EINVAL);
}

static void test_doubles_are_finite_decimals(_unused_ void **state) {
        double d;

        assert_int_equal(parse_double("1.5", &d), 0);
        assert_true(d == 1.5);
        assert_int_equal(parse_double("-2e3", &d), 0);
        assert_true(d == -2000);
        assert_int_equal(parse_double("1e999", &d), -ERANGE);

        for (const char *const *p = (const char *const[]) { "", "inf", "nan", "0x1p3", " 1", "1 ", "1.5x", "1e", "-", NULL }; *p; p++)
                assert_int_equal(parse_double(*p, &d), -EINVAL);
}

static void test_thousandths_are_rounded_to_the_nearest(_unused_ void **state) {
        int64_t m;

        assert_int_equal(parse_milli("0.1", &m), 0);
        assert_int_equal(m, 100);
        assert_int_equal(parse_milli("8", &m), 0);
        assert_int_equal(m, 8000);
        assert_int_equal(parse_milli("0.0004", &m), 0);
        assert_int_equal(m, 0);
        assert_int_equal(parse_milli("0.0015", &m), 0);
        assert_int_equal(m, 2);
        assert_int_equal(parse_milli("-1.25", &m), 0);
        assert_int_equal(m, -1250);
        assert_int_equal(parse_milli("1e18", &m), -ERANGE);
        assert_int_equal(parse_milli("cpus", &m), -EINVAL);
}

static void test_booleans_have_four_spellings(_unused_ void **state) {
        bool b;

        assert_int_equal(parse_bool("true", &b), 0);
        assert_true(b);
        assert_int_equal(parse_bool("0", &b), 0);
        assert_false(b);
        assert_int_equal(parse_bool("1", &b), 0);
        assert_true(b);
        assert_int_equal(parse_bool("false", &b), 0);
        assert_false(b);
        assert_int_equal(parse_bool("yes", &b), -EINVAL);
        assert_int_equal(parse_bool("True", &b), -EINVAL);
        assert_int_equal(parse_bool("", &b), -EINVAL);
}

static void test_durations_have_a_unit_and_may_have_a_fraction(_unused_ void **state) {
        static const struct {
                const char *text;
                usec_t expected;
        } good[] = {
                { "15secs", 15 * USEC_PER_SEC }, { "1.5mins", 90 * USEC_PER_SEC },
                { "0ns", 0 },                    { "499ns", 0 },
                { "500ns", 1 },                  { "7us", 7 },
                { "2ms", 2000 },                 { "0.1hrs", 6 * USEC_PER_MINUTE },
                { "2days", 2 * USEC_PER_DAY },   { "1weeks", USEC_PER_WEEK },
                { ".5secs", 500000 },            { "000000000000000000000001secs", USEC_PER_SEC },
        };
        usec_t t;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(parse_duration(good[i].text, &t), 0);
                assert_int_equal(t, good[i].expected);
        }

        for (const char *const *p = (const char *const[]) { "", "15", "secs", "15 secs", "15sec", "15s", "-1secs", "1.2.3secs",
                                                            "1e3secs", ".secs", "1.secs", "15secs ", NULL }; *p; p++)
                assert_int_equal(parse_duration(*p, &t), -EINVAL);

        assert_int_equal(parse_duration("99999999999weeks", &t), -ERANGE);
        assert_int_equal(parse_duration("99999999999999999999ns", &t), -ERANGE);
        assert_int_equal(parse_duration("0.00000000000000000001secs", &t), -ERANGE);
}

static void test_sizes_are_powers_of_1024_and_have_a_unit(_unused_ void **state) {
        uint64_t n;

        assert_int_equal(parse_bytes("64MB", &n), 0);
        assert_int_equal(n, 64 << 20);
        assert_int_equal(parse_bytes("0B", &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(parse_bytes("4KB", &n), 0);
        assert_int_equal(n, 4096);
        assert_int_equal(parse_bytes("3TB", &n), 0);
        assert_true(n == UINT64_C(3) << 40);
        assert_int_equal(parse_bytes("99999999TB", &n), -ERANGE);
        assert_int_equal(parse_bytes("99999999999999999999999999B", &n), -ERANGE);

        for (const char *const *p = (const char *const[]) { "", "64", "MB", "64 MB", "1.5GB", "64mb", "64MiB", "-1B", NULL }; *p; p++)
                assert_int_equal(parse_bytes(*p, &n), -EINVAL);
}

static void test_addresses_split_at_the_port(_unused_ void **state) {
        _cleanup_free_ char *host = NULL, *host6 = NULL, *unused = NULL;
        uint16_t port;

        assert_int_equal(parse_host_port("localhost:5050", &host, &port), 0);
        assert_string_equal(host, "localhost");
        assert_int_equal(port, 5050);
        assert_int_equal(parse_host_port("[::1]:80", &host6, &port), 0);
        assert_string_equal(host6, "::1");
        assert_int_equal(port, 80);

        for (const char *const *p = (const char *const[]) { "", "localhost", ":5050", "localhost:", "::1:80", "[]:80", "a b:80",
                                                            "a:x", "http://a:80", "[::1]", "u@h:1", NULL }; *p; p++)
                assert_int_equal(parse_host_port(*p, &unused, &port), -EINVAL);
        assert_int_equal(parse_host_port("a:65536", &unused, &port), -ERANGE);
        assert_null(unused);
}

static void test_uuids_are_random_version_4_and_survive_their_text(_unused_ void **state) {
        uint8_t a[16], b[16], c[16];
        char text[37];

        assert_int_equal(uuid_new(a), 0);
        assert_int_equal(uuid_new(b), 0);
        assert_memory_not_equal(a, b, 16);
        assert_int_equal(a[6] >> 4, 4);
        assert_int_equal(a[8] >> 6, 2);

        uuid_to_text(a, text);
        assert_int_equal(strlen(text), 36);
        assert_int_equal(text[14], '4');
        assert_int_equal(uuid_parse(text, c), 0);
        assert_memory_equal(a, c, 16);

        assert_int_equal(uuid_parse("", c), -EINVAL);
        assert_int_equal(uuid_parse("0123456789abcdef0123456789abcdef", c), -EINVAL);
        assert_int_equal(uuid_parse("0123456g-89ab-4def-8123-456789abcdef", c), -EINVAL);
        assert_int_equal(uuid_parse("01234567-89ab-4def-8123-456789abcdef0", c), -EINVAL);
        assert_int_equal(uuid_parse("012345678-9ab-4def-8123-456789abcdef", c), -EINVAL);
}

static void test_hexadecimal_digits_come_in_the_number_asked_for(_unused_ void **state) {
        uint8_t bytes[3];

        assert_int_equal(hex_to_bytes("00fFA1", bytes, 3), 0);
        assert_memory_equal(bytes, "\x00\xff\xa1", 3);
        assert_int_equal(hex_to_bytes("00ff", bytes, 3), -EINVAL);
        assert_int_equal(hex_to_bytes("00ffa100", bytes, 3), -EINVAL);
        assert_int_equal(hex_to_bytes("0", bytes, 1), -EINVAL);
        assert_int_equal(hex_to_bytes("", bytes, 0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_numbers_are_the_whole_text_and_fit),
                cmocka_unit_test(test_doubles_are_finite_decimals),
                cmocka_unit_test(test_thousandths_are_rounded_to_the_nearest),
                cmocka_unit_test(test_booleans_have_four_spellings),
                cmocka_unit_test(test_durations_have_a_unit_and_may_have_a_fraction),
                cmocka_unit_test(test_sizes_are_powers_of_1024_and_have_a_unit),
                cmocka_unit_test(test_addresses_split_at_the_port),
                cmocka_unit_test(test_uuids_are_random_version_4_and_survive_their_text),
                cmocka_unit_test(test_hexadecimal_digits_come_in_the_number_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
