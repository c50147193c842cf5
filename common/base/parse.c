/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Text to numbers
 *
 * The only strto*() in the tree. Whatever comes from a flag, a header or the environment passes
 * here: the whole text must be the number, without blanks before or after, and what does not fit
 * is -ERANGE rather than something near it. Nothing here depends on the locale, because no
 * program of ours calls setlocale().
 */

#include <math.h>
#include <sys/random.h>

#include "common/base/parse.h"

/* Digits a duration may have: as many as nanoseconds in 64 bits do, so that 128 hold the product. */
#define MAX_DURATION_DIGITS 19

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

int parse_u64(const char *text, uint64_t *ret) {
        uint64_t value = 0;

        if (!is_digit(text[0]))
                return -EINVAL;

        for (const char *p = text; *p; p++) {
                if (!is_digit(*p))
                        return -EINVAL;
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
                        return -ERANGE;
        }

        *ret = value;
        return 0;
}

int parse_i64(const char *text, int64_t *ret) {
        bool negative = text[0] == '-';
        uint64_t magnitude;
        int r;

        r = parse_u64(text + negative, &magnitude);
        if (r < 0)
                return r;
        if (magnitude > (uint64_t) INT64_MAX + negative)
                return -ERANGE;

        /* INT64_MIN has no positive counterpart, hence the detour over unsigned. */
        *ret = (int64_t) (negative ? 0 - magnitude : magnitude);
        return 0;
}

/* Finite decimals only: strtod() also knows blanks, hexadecimal, "inf" and "nan". */
int parse_double(const char *text, double *ret) {
        double value;
        char *end;

        if (!text[0] || text[strspn(text, "0123456789.eE+-")] != '\0')
                return -EINVAL;

        errno = 0;
        value = strtod(text, &end);
        if (end == text || *end != '\0')
                return -EINVAL;
        if (!isfinite(value))
                return -ERANGE;

        *ret = value;
        return 0;
}

int parse_bool(const char *text, bool *ret) {
        if (streq(text, "true") || streq(text, "1"))
                *ret = true;
        else if (streq(text, "false") || streq(text, "0"))
                *ret = false;
        else
                return -EINVAL;

        return 0;
}

/* Thousandths, rounded to the nearest: how resources are counted. */
int parse_milli(const char *text, int64_t *ret) {
        double value;
        int r;

        r = parse_double(text, &value);
        if (r < 0)
                return r;

        value *= 1000;
        if (fabs(value) >= 0x1p63)
                return -ERANGE;

        *ret = double_round(value);
        return 0;
}

/*
 * Durations as Mesos writes them: "1.5mins", "10secs". The unit may not be missing. Computed in
 * integers, so that what usec_format() prints comes back exactly. Nanoseconds are rounded.
 */
int parse_duration(const char *text, usec_t *ret) {
        static const struct {
                const char *name;
                uint64_t nsec;
        } units[] = {
                { "ns", 1 },
                { "us", 1000 },
                { "ms", 1000 * USEC_PER_MSEC },
                { "secs", 1000 * USEC_PER_SEC },
                { "mins", 1000 * USEC_PER_MINUTE },
                { "hrs", 1000 * USEC_PER_HOUR },
                { "days", 1000 * USEC_PER_DAY },
                { "weeks", 1000 * USEC_PER_WEEK },
        };
        uint64_t mantissa = 0, divisor = 1;
        unsigned n_digits = 0;
        bool fraction = false;
        const char *p;

        for (p = text; is_digit(*p) || (*p == '.' && !fraction); p++) {
                if (*p == '.') {
                        fraction = true;
                        continue;
                }
                if (n_digits == MAX_DURATION_DIGITS)
                        return -ERANGE;
                mantissa = mantissa * 10 + (uint64_t) (*p - '0');
                n_digits += mantissa > 0;
                if (fraction)
                        divisor *= 10;
                if (divisor >= UINT64_C(1000000000000000000))
                        return -ERANGE;
        }
        if (p == text || !is_digit(p[-1]))
                return -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                unsigned __int128 nsec;

                if (!streq(p, units[i].name))
                        continue;

                nsec = (unsigned __int128) mantissa * units[i].nsec / divisor;
                /* Mesos counts nanoseconds in 64 signed bits: the same bound makes the same errors. */
                if (nsec > INT64_MAX)
                        return -ERANGE;

                *ret = (usec_t) ((nsec + 500) / 1000);
                return 0;
        }

        return -EINVAL;
}

/* Sizes: "64MB", in powers of 1024. The unit may not be missing. */
int parse_bytes(const char *text, uint64_t *ret) {
        static const char *const units[] = { "B", "KB", "MB", "GB", "TB" };
        size_t n = strspn(text, "0123456789");
        char digits[24];
        uint64_t value;
        int r;

        if (n == 0)
                return -EINVAL;
        if (n >= sizeof(digits))
                return -ERANGE;

        memcpy(digits, text, n);
        digits[n] = '\0';
        r = parse_u64(digits, &value);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(text + n, units[i])) {
                        if (__builtin_mul_overflow(value, UINT64_C(1) << (10 * i), &value))
                                return -ERANGE;

                        *ret = value;
                        return 0;
                }

        return -EINVAL;
}

int parse_port(const char *text, uint16_t *ret) {
        uint64_t value;
        int r;

        r = parse_u64(text, &value);
        if (r < 0)
                return r;
        if (value > UINT16_MAX)
                return -ERANGE;

        *ret = (uint16_t) value;
        return 0;
}

/* "host:port" and "[::1]:port"; the brackets are not part of the host. */
int parse_host_port(const char *text, char **ret_host, uint16_t *ret_port) {
        const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
        uint16_t port;
        char *host;
        int r;

        if (!colon)
                return -EINVAL;

        if (text[0] == '[') {
                begin = text + 1;
                end = colon - 1;
                if (end <= begin || *end != ']')
                        return -EINVAL;
        } else if (memchr(begin, ':', (size_t) (end - begin)))
                return -EINVAL;    /* an IPv6 address without brackets could end anywhere */

        if (begin == end)
                return -EINVAL;

        for (const char *p = begin; p < end; p++)
                if ((unsigned char) *p <= ' ' || *p == '/' || *p == '@' || *p == 0x7f)
                        return -EINVAL;

        r = parse_port(colon + 1, &port);
        if (r < 0)
                return r;

        host = strndup(begin, (size_t) (end - begin));
        if (!host)
                return -ENOMEM;

        *ret_host = host;
        *ret_port = port;
        return 0;
}

static int hex_digit(char c) {
        if (is_digit(c))
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

/* Exactly 2 n digits. On failure part of `ret` may have been written. */
int hex_to_bytes(const char *text, void *ret, size_t n) {
        uint8_t *bytes = ret;

        for (size_t i = 0; i < n; i++) {
                int high, low;

                high = hex_digit(text[2 * i]);
                if (high < 0)
                        return -EINVAL;

                low = hex_digit(text[2 * i + 1]);
                if (low < 0)
                        return -EINVAL;

                bytes[i] = (uint8_t) (high << 4 | low);
        }

        return text[2 * n] == '\0' ? 0 : -EINVAL;
}

void uuid_to_text(const uint8_t uuid[static 16], char ret[static 37]) {
        static const char digits[16] = "0123456789abcdef";
        char *p = ret;

        for (size_t i = 0; i < 16; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *p++ = '-';
                *p++ = digits[uuid[i] >> 4];
                *p++ = digits[uuid[i] & 15];
        }
        *p = '\0';
}

int uuid_parse(const char *text, uint8_t ret[static 16]) {
        static const size_t dashes[] = { 8, 13, 18, 23 };
        char digits[33], *p = digits;

        if (strlen(text) != 36)
                return -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(dashes); i++)
                if (text[dashes[i]] != '-')
                        return -EINVAL;

        for (size_t i = 0; i < 36; i++)
                if (i != 8 && i != 13 && i != 18 && i != 23)
                        *p++ = text[i];
        *p = '\0';

        return hex_to_bytes(digits, ret, 16);
}

/* A random one (RFC 4122 version 4). */
int uuid_new(uint8_t ret[static 16]) {
        ssize_t n;

        do
                n = getrandom(ret, 16, 0);
        while (n < 0 && errno == EINTR);
        if (n != 16)
                return n < 0 ? -errno : -EIO;

        ret[6] = (uint8_t) ((ret[6] & 0x0f) | 0x40);
        ret[8] = (uint8_t) ((ret[8] & 0x3f) | 0x80);
        return 0;
}
