/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UTF-8
 *
 * Strings of messages are UTF-8 by definition, and what a framework sends as a task's name is read
 * by the web pages, tools and JSON parsers of others. So it is checked where it enters, and mended
 * where text of unknown origin (a file's name) leaves. Strict: no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 */

#include "common/net/utf8.h"

static bool is_continuation(char c) {
        return ((unsigned char) c & 0xc0) == 0x80;
}

/* The length of the one character text begins with; 0 when these bytes are none. */
size_t utf8_sequence_length(const char *text, size_t n) {
        const unsigned char *p = (const unsigned char *) text;
        size_t length;

        if (n == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;

        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                length = 2;
        else if (p[0] >= 0xe0 && p[0] <= 0xef)
                length = 3;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                length = 4;
        else
                return 0;

        if (n < length)
                return 0;
        for (size_t i = 1; i < length; i++)
                if (!is_continuation(text[i]))
                        return 0;

        /* Overlong forms, surrogates, and what lies behind the last code point. */
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
            (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
                return 0;

        return length;
}

bool utf8_is_valid(const char *text, size_t n) {
        size_t i = 0;

        while (i < n) {
                uint64_t eight;
                size_t length;

                /* Almost everything is ASCII: eight bytes at a time. */
                if (n - i >= sizeof(eight)) {
                        memcpy(&eight, text + i, sizeof(eight));
                        if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                                i += sizeof(eight);
                                continue;
                        }
                }

                length = (unsigned char) text[i] < 0x80 ? 1 : utf8_sequence_length(text + i, n - i);
                if (length == 0)
                        return false;

                i += length;
        }

        return true;
}
