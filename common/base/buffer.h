#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Buffer: bytes that grow up to a hard maximum. See buffer.c. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/macro.h"

typedef struct Buffer {
        char *data;        /* owned; what is unread starts at data + begin */
        size_t begin;
        size_t end;
        size_t n_allocated;
        size_t max_bytes;  /* never holds more than this many unread bytes */
} Buffer;

#define BUFFER_INIT(max) ((Buffer) { .max_bytes = (max) })

void buffer_deinit(Buffer *b);

static inline size_t buffer_size(const Buffer *b) {
        return b->end - b->begin;
}

static inline char *buffer_data(const Buffer *b) {
        return b->data + b->begin;
}

int buffer_reserve(Buffer *b, size_t n, char **ret);
void buffer_commit(Buffer *b, size_t n);
void buffer_consume(Buffer *b, size_t n);
void buffer_clear(Buffer *b);

int buffer_append(Buffer *b, const void *data, size_t n);
int buffer_append_text(Buffer *b, const char *text);
int buffer_append_char(Buffer *b, char c);
int buffer_append_size(Buffer *b, uint64_t bytes);
int buffer_printf(Buffer *b, const char *format, ...) _printf_(2, 3);
int buffer_vprintf(Buffer *b, const char *format, va_list ap) _printf_(2, 0);

char *buffer_take_text(Buffer *b);
