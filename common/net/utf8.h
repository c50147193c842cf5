#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* UTF-8: is it, and how far. See utf8.c. */

#include "common/base/macro.h"

size_t utf8_sequence_length(const char *text, size_t n);
bool utf8_is_valid(const char *text, size_t n);
