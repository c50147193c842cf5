/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Buffers
 *
 * One kind of growing byte buffer for sockets, printers and parsers. Each has a maximum given at
 * birth, because whatever fills it is somebody else's decision: at the maximum appending fails
 * with -ENOBUFS and changes nothing. Reading advances `begin`; the space before it is reused once it is
 * as large as the rest.
 */

#include <inttypes.h>
#include <stdio.h>

#include "common/base/buffer.h"

void buffer_deinit(Buffer *b) {
        free(b->data);
        *b = BUFFER_INIT(b->max_bytes);
}

void buffer_clear(Buffer *b) {
        b->begin = b->end = 0;
}

/*
 * Makes room for n more bytes and stores where they go; buffer_commit() then says how many were
 * written. Returns 0, -ENOBUFS at the maximum, -ENOMEM.
 */
int buffer_reserve(Buffer *b, size_t n, char **ret) {
        size_t size = buffer_size(b), wanted;

        if (n > b->max_bytes || size > b->max_bytes - n)
                return -ENOBUFS;

        /* Only when at least as much was read as has to be moved: a queue that stays nearly full, read and
         * written in small pieces, would otherwise be moved as a whole for each of them. */
        if (b->end + n > b->n_allocated && b->begin > 0 && b->begin >= size) {
                memmove(b->data, b->data + b->begin, size);
                b->begin = 0;
                b->end = size;
        }

        if (b->end + n > b->n_allocated) {
                char *p;

                /* Doubling keeps appending linear; the maximum caps it. What was read and is still there
                 * is less than what was not, so twice the maximum is enough for both. */
                wanted = MIN(b->n_allocated * 2, b->begin > 0 ? b->max_bytes * 2 : b->max_bytes);
                wanted = MAX(b->end + n, wanted);
                wanted = MAX(wanted, (size_t) 64);

                p = realloc(b->data, wanted);
                if (!p)
                        return -ENOMEM;

                b->data = p;
                b->n_allocated = wanted;
        }

        *ret = b->data + b->end;
        return 0;
}

void buffer_commit(Buffer *b, size_t n) {
        assert(n <= b->n_allocated - b->end);

        b->end += n;
}

void buffer_consume(Buffer *b, size_t n) {
        assert(n <= buffer_size(b));

        b->begin += n;
        if (b->begin == b->end)
                b->begin = b->end = 0;
}

int buffer_append(Buffer *b, const void *data, size_t n) {
        char *p;
        int r;

        if (n == 0)
                return 0;

        r = buffer_reserve(b, n, &p);
        if (r < 0)
                return r;

        memcpy(p, data, n);
        buffer_commit(b, n);
        return 0;
}

int buffer_append_text(Buffer *b, const char *text) {
        return buffer_append(b, text, strlen(text));
}

int buffer_append_char(Buffer *b, char c) {
        return buffer_append(b, &c, 1);
}

/* "64MB": in the largest unit that takes nothing away. */
int buffer_append_size(Buffer *b, uint64_t bytes) {
        static const char *const units[] = { "B", "KB", "MB", "GB", "TB" };
        size_t unit = 0;

        while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < ELEMENTSOF(units)) {
                bytes /= 1024;
                unit++;
        }

        return buffer_printf(b, "%" PRIu64 "%s", bytes, units[unit]);
}

int buffer_vprintf(Buffer *b, const char *format, va_list ap) {
        va_list again;
        char *p;
        int n, r;

        va_copy(again, ap);
        n = vsnprintf(NULL, 0, format, again);
        va_end(again);
        if (n < 0)
                return -EINVAL;

        /* One byte more for the NUL that vsnprintf() insists on; it is not committed. */
        r = buffer_reserve(b, (size_t) n + 1, &p);
        if (r < 0)
                return r;

        (void) vsnprintf(p, (size_t) n + 1, format, ap);
        buffer_commit(b, (size_t) n);
        return 0;
}

int buffer_printf(Buffer *b, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = buffer_vprintf(b, format, ap);
        va_end(ap);
        return r;
}

/* Hands over the contents as a NUL-terminated string, leaving the buffer empty; NULL when out of memory. */
char *buffer_take_text(Buffer *b) {
        size_t n = buffer_size(b);
        char *text;

        if (b->begin > 0)
                memmove(b->data, b->data + b->begin, n);

        text = realloc(b->data, n + 1);
        if (!text)
                return NULL;

        text[n] = '\0';
        *b = BUFFER_INIT(b->max_bytes);
        return text;
}
