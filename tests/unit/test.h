#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* cmocka needs these four before it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
