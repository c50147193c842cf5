/* SPDX-License-Identifier: Apache-2.0 */

/* Records are the same however their bytes are cut into pieces: the first byte says how. */

#include "common/net/recordio.h"
#include "tests/fuzz/fuzz.h"

/* Bytes and number of records found, until the end or the first error. */
static uint64_t read_records(const uint8_t *data, size_t n, size_t piece) {
        RecordReader reader = RECORD_READER_INIT(1000);
        uint64_t seen = 0;
        const void *record;
        size_t n_record;
        int r = 0;

        for (size_t at = 0; at < n && r >= 0; at += piece) {
                r = record_reader_feed(&reader, data + at, MIN(piece, n - at));
                while (r >= 0 && (r = record_reader_next(&reader, &record, &n_record)) == RECORDIO_RECORD)
                        seen = seen * 31 + n_record + 1;
        }

        record_reader_deinit(&reader);
        return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        if (n < 2)
                return 0;

        assert(read_records(data + 1, n - 1, 1) == read_records(data + 1, n - 1, 1U + data[0]));
        return 0;
}
