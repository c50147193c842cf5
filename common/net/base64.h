#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Base64, the standard alphabet. See base64.c. */

#include "common/base/macro.h"

static inline size_t base64_encoded_length(size_t n) {
        return (n + 2) / 3 * 4;
}

/* More than enough for n characters. */
static inline size_t base64_decoded_max(size_t n) {
        return n / 4 * 3 + 3;
}

void base64_encode(const void *data, size_t n, char *ret);
int base64_decode(const char *text, size_t n, void *ret, size_t *ret_n, char *reterr_c);
