/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Base64
 *
 * How bytes look in JSON. Reading is as lenient as Mesos is: blanks are skipped, the first '=' ends
 * the text, and padding may be missing.
 */

#include "common/net/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Writes base64_encoded_length(n) characters, and no NUL. */
void base64_encode(const void *data, size_t n, char *ret) {
        const uint8_t *p = data;

        for (; n >= 3; n -= 3, p += 3) {
                uint32_t three = (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];

                *ret++ = alphabet[three >> 18];
                *ret++ = alphabet[three >> 12 & 63];
                *ret++ = alphabet[three >> 6 & 63];
                *ret++ = alphabet[three & 63];
        }

        if (n > 0) {
                uint32_t rest = (uint32_t) p[0] << 16 | (n == 2 ? (uint32_t) p[1] << 8 : 0);

                *ret++ = alphabet[rest >> 18];
                *ret++ = alphabet[rest >> 12 & 63];
                *ret++ = n == 2 ? alphabet[rest >> 6 & 63] : '=';
                *ret++ = '=';
        }
}

static int digit_value(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == '+')
                return 62;
        if (c == '/')
                return 63;

        return -1;
}

/*
 * Decodes into ret, which has room for base64_decoded_max(n) bytes. Returns 0, or -EINVAL with the
 * character that has no place in base64 in *reterr_c.
 */
int base64_decode(const char *text, size_t n, void *ret, size_t *ret_n, char *reterr_c) {
        uint8_t *out = ret;
        uint32_t bits = 0;
        unsigned n_bits = 0;

        for (size_t i = 0; i < n && text[i] != '='; i++) {
                int value;

                if (strchr(" \t\n\v\f\r", text[i]) && text[i] != '\0')
                        continue;

                value = digit_value(text[i]);
                if (value < 0) {
                        *reterr_c = text[i];
                        return -EINVAL;
                }

                bits = (bits << 6 | (uint32_t) value) & 0xffffff;
                n_bits += 6;
                if (n_bits >= 8) {
                        n_bits -= 8;
                        *out++ = (uint8_t) (bits >> n_bits);
                }
        }

        *ret_n = (size_t) (out - (uint8_t *) ret);
        return 0;
}
