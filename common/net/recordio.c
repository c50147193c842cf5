/* SPDX-License-Identifier: Apache-2.0 */

/*
 * RecordIO
 *
 * Event streams and interactive containers send messages one after the other, each behind its
 * length in decimal digits and a newline:
 *
 *     "5\nhello" "0\n" "2\n{}"
 *
 * The reader takes bytes as the network cut them and gives whole records back. What it keeps is
 * bounded: one unfinished record of max_record_bytes plus whatever the caller fed at once. A
 * length that is no number, or larger than the bound, poisons the stream for good, because there
 * is no way to find the next record.
 */

#include <stdio.h>
#include <inttypes.h>

#include "common/net/recordio.h"

/* UINT64_MAX has 20 digits; nobody writes more, leading zeros included. */
#define LENGTH_DIGITS_MAX 20U

void record_reader_deinit(RecordReader *r) {
        buffer_deinit(&r->buffer);
}

/*
 * Adds n bytes. Returns 0, -ENOMEM, or -ENOBUFS when the caller did not take the records of
 * earlier calls first.
 */
int record_reader_feed(RecordReader *r, const void *data, size_t n) {
        size_t unfinished = buffer_size(&r->buffer);

        if (unfinished > r->max_record_bytes + LENGTH_DIGITS_MAX + 1)
                return -ENOBUFS;

        /* One read may hold many records: it must fit beside the unfinished one. */
        r->buffer.max_bytes = MAX(r->buffer.max_bytes, unfinished + n);
        return buffer_append(&r->buffer, data, n);
}

/* Reads "<digits>\n" at the start of the buffer: RECORDIO_RECORD and its parts, RECORDIO_MORE, -EBADMSG. */
static int read_length(const RecordReader *r, size_t *ret_digits, uint64_t *ret_length) {
        const char *p = buffer_data(&r->buffer);
        size_t n = buffer_size(&r->buffer);
        uint64_t length = 0;

        for (size_t i = 0; i < n; i++) {
                if (p[i] == '\n' && i > 0) {
                        *ret_digits = i;
                        *ret_length = length;
                        return RECORDIO_RECORD;
                }

                if (p[i] < '0' || p[i] > '9' || i >= LENGTH_DIGITS_MAX)
                        return -EBADMSG;

                if (__builtin_mul_overflow(length, 10U, &length) ||
                    __builtin_add_overflow(length, (uint64_t) (p[i] - '0'), &length) ||
                    length > r->max_record_bytes)
                        return -EBADMSG;
        }

        return RECORDIO_MORE;
}

int record_reader_next(RecordReader *r, const void **ret_data, size_t *ret_n) {
        uint64_t length;
        size_t digits;
        int k;

        if (buffer_size(&r->buffer) == 0)
                return RECORDIO_MORE;

        k = read_length(r, &digits, &length);
        if (k != RECORDIO_RECORD)
                return k;

        if (buffer_size(&r->buffer) - digits - 1 < length)
                return RECORDIO_MORE;

        *ret_data = buffer_data(&r->buffer) + digits + 1;
        *ret_n = length;

        /* Consuming moves no bytes, so the record stays readable until the next feed. */
        buffer_consume(&r->buffer, digits + 1 + length);
        return RECORDIO_RECORD;
}

const char *recordio_prefix(size_t n, char buf[static RECORDIO_PREFIX_MAX]) {
        (void) snprintf(buf, RECORDIO_PREFIX_MAX, "%zu\n", n);
        return buf;
}

int recordio_append(Buffer *b, const void *data, size_t n) {
        char prefix[RECORDIO_PREFIX_MAX];
        size_t before = buffer_size(b);
        int r;

        r = buffer_append_text(b, recordio_prefix(n, prefix));
        if (r < 0)
                return r;

        r = buffer_append(b, data, n);
        if (r < 0)
                b->end = b->begin + before; /* all or nothing: a length alone would poison the stream */

        return r;
}
