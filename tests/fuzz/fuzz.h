#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What libFuzzer calls, and replay.c in its place. */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
