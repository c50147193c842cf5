#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Budget: the memory one request may take. See budget.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/macro.h"

typedef struct Budget {
        size_t max_bytes;
        size_t used_bytes;
        bool exceeded; /* an allocation was refused: it was the budget, not the machine */
} Budget;

#define BUDGET_INIT(max) ((Budget) { .max_bytes = (max) })

bool budget_charge(Budget *b, size_t n);
void *budget_alloc(Budget *b, size_t n);
void *budget_resize_array(Budget *b, void *array, size_t n_elements, size_t element_bytes);
char *budget_strndup(Budget *b, const char *text, size_t n);

ProtobufCAllocator budget_allocator(Budget *b);
