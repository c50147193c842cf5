/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Numbers as JSON text
 *
 * Each function writes without a NUL and returns the length. Doubles have the fewest digits that
 * read back as the same double, and always a fraction or an exponent, so that 5 is "5.0"; clients
 * in typed languages rely on that. What isn't finite is a bare word, as Mesos has it.
 *
 * Nearly every double we print is a whole number, thousandths of something or a time in
 * microseconds. Those are found with two multiplications: if n / 10^k is the double at hand, with n
 * and 10^k exact, then the decimal n * 10^-k reads back as that double, because division rounds
 * correctly. The rest goes the long way through printf.
 */

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "common/base/parse.h"
#include "common/net/json_number.h"

/* Up to here every whole number is a double. */
#define EXACT_MAX 0x1p53

/* Above and below these Mesos's printer changes to exponents: 1e21, 1e-7. */
#define MAX_WHOLE_DIGITS 21
#define MAX_LEADING_ZEROS 5

static const double powers_of_ten[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9 };

static char *put_uint(uint64_t value, char *p) {
        char digits[20];
        size_t n = 0;

        do
                digits[n++] = (char) ('0' + value % 10);
        while ((value /= 10) > 0);

        while (n > 0)
                *p++ = digits[--n];

        return p;
}

/* Exactly n_digits, with leading zeros. */
static char *put_padded(uint64_t value, size_t n_digits, char *p) {
        for (size_t i = n_digits; i > 0; i--, value /= 10)
                p[i - 1] = (char) ('0' + value % 10);

        return p + n_digits;
}

static char *put_text(const char *text, char *p) {
        size_t n = strlen(text);

        memcpy(p, text, n);
        return p + n;
}

static char *put_zeros(size_t n, char *p) {
        memset(p, '0', n);
        return p + n;
}

size_t json_format_uint(uint64_t value, char ret[static JSON_NUMBER_BYTES]) {
        return (size_t) (put_uint(value, ret) - ret);
}

size_t json_format_int(int64_t value, char ret[static JSON_NUMBER_BYTES]) {
        char *p = ret;

        if (value < 0)
                *p++ = '-';

        /* The detour over unsigned is for INT64_MIN. */
        return (size_t) (put_uint(value < 0 ? 0 - (uint64_t) value : (uint64_t) value, p) - ret);
}

/* n * 10^-n_decimals, with no zeros at the end but the one after the point. */
static char *put_decimal(uint64_t n, size_t n_decimals, char *p) {
        uint64_t scale = 1;

        for (size_t i = 0; i < n_decimals; i++)
                scale *= 10;

        p = put_uint(n / scale, p);
        *p++ = '.';
        return put_padded(n % scale, n_decimals, p);
}

size_t json_format_milli(int64_t thousandths, char ret[static JSON_NUMBER_BYTES]) {
        uint64_t n = thousandths < 0 ? 0 - (uint64_t) thousandths : (uint64_t) thousandths;
        size_t n_decimals = 3;
        char *p = ret;

        for (; n_decimals > 1 && n % 10 == 0; n_decimals--)
                n /= 10;

        if (thousandths < 0)
                *p++ = '-';

        return (size_t) (put_decimal(n, n_decimals, p) - ret);
}

/* Finds the fewest decimals that do; returns NULL if more than nine are needed, or a 54th bit. */
static char *put_short(double value, char *p) {
        for (size_t k = 1; k < ELEMENTSOF(powers_of_ten); k++) {
                double scaled = value * powers_of_ten[k];
                uint64_t n;

                if (scaled >= EXACT_MAX)
                        return NULL;

                n = (uint64_t) (scaled + 0.5);
                if ((double) n / powers_of_ten[k] == value)
                        return put_decimal(n, k, p);
        }

        return NULL;
}

/* digits[0].digits[1..] * 10^exponent, laid out as Mesos's printer does it. */
static char *put_digits(const char *digits, int n_digits, int exponent, char *p) {
        int n_whole = exponent + 1;

        if (n_whole > MAX_WHOLE_DIGITS || n_whole < -MAX_LEADING_ZEROS) {
                *p++ = digits[0];
                if (n_digits > 1) {
                        *p++ = '.';
                        memcpy(p, digits + 1, (size_t) n_digits - 1);
                        p += n_digits - 1;
                }
                *p++ = 'e';
                if (exponent < 0)
                        *p++ = '-';

                return put_uint((uint64_t) (exponent < 0 ? -exponent : exponent), p);
        }

        if (n_whole <= 0) {
                p = put_text("0.", p);
                p = put_zeros((size_t) -n_whole, p);
                memcpy(p, digits, (size_t) n_digits);
                return p + n_digits;
        }

        if (n_digits <= n_whole) {
                memcpy(p, digits, (size_t) n_digits);
                p = put_zeros((size_t) (n_whole - n_digits), p + n_digits);
                return put_text(".0", p);
        }

        memcpy(p, digits, (size_t) n_whole);
        p += n_whole;
        *p++ = '.';
        memcpy(p, digits + n_whole, (size_t) (n_digits - n_whole));
        return p + n_digits - n_whole;
}

/* The shortest of what printf offers that reads back: 15 to 17 digits, fewer of a denormal. */
static char *put_long(double value, char *p) {
        char text[JSON_NUMBER_BYTES], digits[JSON_NUMBER_BYTES];
        int n_digits = 0;
        int64_t exponent;
        char *e;

        for (int precision = value < DBL_MIN ? 0 : 14; precision <= 16; precision++) {
                double back;

                (void) snprintf(text, sizeof(text), "%.*e", precision, value);
                if (parse_double(text, &back) == 0 && back == value)
                        break;
        }

        e = strchr(text, 'e');
        assert(e);
        for (const char *c = text; c < e; c++)
                if (*c != '.')
                        digits[n_digits++] = *c;
        while (n_digits > 1 && digits[n_digits - 1] == '0')
                n_digits--;

        e += e[1] == '+' ? 2 : 1;
        if (parse_i64(e, &exponent) < 0)
                assert(false);

        return put_digits(digits, n_digits, (int) exponent, p);
}

size_t json_format_double(double value, char ret[static JSON_NUMBER_BYTES]) {
        char *p = ret, *end = NULL;

        if (isnan(value))
                return (size_t) (put_text("NaN", p) - ret);

        if (signbit(value)) {
                *p++ = '-';
                value = -value;
        }

        if (isinf(value))
                end = put_text("Infinity", p);
        else if (value < EXACT_MAX && value == (double) (uint64_t) value)
                end = put_text(".0", put_uint((uint64_t) value, p));
        else if (value >= 1e-6)
                end = put_short(value, p);

        if (!end)
                end = put_long(value, p);

        return (size_t) (end - ret);
}
