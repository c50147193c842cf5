/* SPDX-License-Identifier: Apache-2.0 */

/* RecordIO: any cut of the bytes gives the same records; malformed lengths are refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/net/recordio.h"

static const char sample[] = "5\nhello0\n3\na\nb12\n0123456789ab";

static void check_sample(size_t cut) {
        static const char *const records[] = { "hello", "", "a\nb", "0123456789ab" };
        RecordReader r = RECORD_READER_INIT(16);
        unsigned n_seen = 0;

        for (size_t i = 0; i < strlen(sample); i += cut) {
                const void *data;
                size_t n;

                assert_int_equal(record_reader_feed(&r, sample + i, MIN(cut, strlen(sample) - i)), 0);
                while (record_reader_next(&r, &data, &n) == RECORDIO_RECORD) {
                        assert_true(n_seen < ELEMENTSOF(records));
                        assert_int_equal(n, strlen(records[n_seen]));
                        assert_memory_equal(data, records[n_seen], n);
                        n_seen++;
                }
        }

        assert_int_equal(n_seen, ELEMENTSOF(records));
        record_reader_deinit(&r);
}

static void test_records_do_not_depend_on_how_bytes_arrive(void **state) {
        (void) state;

        for (size_t cut = 1; cut <= strlen(sample); cut++)
                check_sample(cut);
}

static void test_many_small_records_may_come_at_once(void **state) {
        RecordReader r = RECORD_READER_INIT(4);
        Buffer b = BUFFER_INIT(1 << 20);
        const void *data;
        size_t n, n_seen = 0;

        (void) state;
        for (unsigned i = 0; i < 10000; i++)
                assert_int_equal(recordio_append(&b, "abcd", 4), 0);
        assert_int_equal(record_reader_feed(&r, buffer_data(&b), buffer_size(&b)), 0);
        while (record_reader_next(&r, &data, &n) == RECORDIO_RECORD)
                n_seen++;
        assert_int_equal(n_seen, 10000);

        buffer_deinit(&b);
        record_reader_deinit(&r);
}

static void test_malformed_and_oversized_lengths_are_refused(void **state) {
        static const char *const bad[] = {
                "x", "\n", "-1\n", "+1\n", " 1\n", "17\n", "99999999999999999999999\n", "000000000000000000000", "1x\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                RecordReader r = RECORD_READER_INIT(16);
                const void *data;
                size_t n;

                assert_int_equal(record_reader_feed(&r, bad[i], strlen(bad[i])), 0);
                assert_int_equal(record_reader_next(&r, &data, &n), -EBADMSG);
                record_reader_deinit(&r);
        }
}

static void test_a_caller_who_never_takes_records_is_bounded(void **state) {
        RecordReader r = RECORD_READER_INIT(16);
        int k = 0;

        (void) state;
        for (unsigned i = 0; i < 1000 && k == 0; i++)
                k = record_reader_feed(&r, "1\na", 3);
        assert_int_equal(k, -ENOBUFS);
        record_reader_deinit(&r);
}

static void test_append_is_all_or_nothing(void **state) {
        Buffer b = BUFFER_INIT(10);

        (void) state;
        assert_int_equal(recordio_append(&b, "abc", 3), 0);
        assert_int_equal(recordio_append(&b, "defghij", 7), -ENOBUFS);
        assert_int_equal(buffer_size(&b), 5);
        assert_memory_equal(buffer_data(&b), "3\nabc", 5);
        buffer_deinit(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_records_do_not_depend_on_how_bytes_arrive),
                cmocka_unit_test(test_many_small_records_may_come_at_once),
                cmocka_unit_test(test_malformed_and_oversized_lengths_are_refused),
                cmocka_unit_test(test_a_caller_who_never_takes_records_is_bounded),
                cmocka_unit_test(test_append_is_all_or_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
