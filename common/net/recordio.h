#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* RecordIO: "<decimal length>\n<bytes>", one after the other. See recordio.c. */

#include "common/base/buffer.h"

typedef struct RecordReader {
        Buffer buffer;               /* the unfinished record */
        size_t max_record_bytes;
} RecordReader;

#define RECORD_READER_INIT(max) ((RecordReader) { .buffer = BUFFER_INIT((max) + 24), .max_record_bytes = (max) })

enum {
        RECORDIO_MORE = 0,       /* no complete record is there */
        RECORDIO_RECORD,         /* *ret_data and *ret_n are set, borrowed until the next call */
};

void record_reader_deinit(RecordReader *r);

/* Adds bytes as they came; then record_reader_next() until it says RECORDIO_MORE. */
int record_reader_feed(RecordReader *r, const void *data, size_t n);

/* RECORDIO_*, or -EBADMSG for a malformed or oversized length, after which the reader is of no use. */
int record_reader_next(RecordReader *r, const void **ret_data, size_t *ret_n);

/* What goes before a record of n bytes. Returns buf. */
#define RECORDIO_PREFIX_MAX 24
const char *recordio_prefix(size_t n, char buf[static RECORDIO_PREFIX_MAX]);

/* Appends one framed record. */
int recordio_append(Buffer *b, const void *data, size_t n);
