#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Numbers as JSON text. See json_number.c. */

#include "common/base/macro.h"

/* Room enough for any number. */
#define JSON_NUMBER_BYTES 32

size_t json_format_uint(uint64_t value, char ret[static JSON_NUMBER_BYTES]);
size_t json_format_int(int64_t value, char ret[static JSON_NUMBER_BYTES]);
size_t json_format_double(double value, char ret[static JSON_NUMBER_BYTES]);
size_t json_format_milli(int64_t thousandths, char ret[static JSON_NUMBER_BYTES]);
