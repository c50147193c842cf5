#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Value: a scalar in thousandths, ranges of numbers, a set of names, or a text. See value.c. */

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"

typedef enum ValueKind {
        VALUE_SCALAR = MESOS__V1__VALUE__TYPE__SCALAR,
        VALUE_RANGES = MESOS__V1__VALUE__TYPE__RANGES,
        VALUE_SET = MESOS__V1__VALUE__TYPE__SET,
        VALUE_TEXT = MESOS__V1__VALUE__TYPE__TEXT,
} ValueKind;

/* Both ends belong to it. */
typedef struct ValueRange {
        uint64_t begin;
        uint64_t end;
} ValueRange;

typedef struct Value {
        ValueKind kind;
        size_t n;                      /* of ranges or items */
        union {
                int64_t milli;
                ValueRange *ranges;    /* owned; sorted, and never two that touch */
                char **items;          /* owned; sorted, each once */
                char *text;            /* owned */
        };
} Value;

#define VALUE_NULL ((Value) { .kind = VALUE_SCALAR })

enum {
        VALUE_OK = 0,
        VALUE_E_INVALID,
};

void value_deinit(Value *v);
int value_copy(const Value *v, Value *ret);

bool value_is_empty(const Value *v);
bool value_equal(const Value *a, const Value *b);
bool value_contains(const Value *a, const Value *b);

/*
 * Of equal kinds, and not of texts. Subtracting more than there is leaves nothing. -EOVERFLOW and
 * -ENOMEM change nothing.
 */
int value_add(Value *a, const Value *b);
int value_subtract(Value *a, const Value *b);

/* "4.5", "[1-5,7-9]", "{a,b}", or any other text. *reterr_message as Mesos words it. */
int value_parse(const char *text, Value *ret, char **reterr_message);

/* "4.5", "[1-5, 7-9]", "{a, b}". */
int value_format(const Value *v, Buffer *b);

/*
 * The wire's double, rounded half away from zero; false if it is no amount: not finite, or too
 * large.
 */
bool value_milli_from_double(double number, int64_t *ret_milli);
double value_milli_to_double(int64_t milli);
int value_format_milli(int64_t milli, Buffer *b);

/*
 * The wire's parts; the caller has judged them: ranges ordered within themselves, items distinct.
 */
int value_from_ranges_pb(const Mesos__V1__Value__Ranges *pb, Value *ret);
int value_from_set_pb(const Mesos__V1__Value__Set *pb, Value *ret);

/* malloc()ed as protobuf-c expects. */
int value_to_scalar_pb(const Value *v, Mesos__V1__Value__Scalar **ret);
int value_to_ranges_pb(const Value *v, Mesos__V1__Value__Ranges **ret);
int value_to_set_pb(const Value *v, Mesos__V1__Value__Set **ret);
