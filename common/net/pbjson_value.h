#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* One JSON value into one field of a message: the inside of pbjson.c. See pbjson_value.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/net/budget.h"
#include "common/net/pbwire.h"

typedef struct PbjsonParser {
        unsigned max_depth;
        Budget budget;
        bool incomplete; /* a required field is missing somewhere */
        char *message;   /* owned; why the JSON is refused */
} PbjsonParser;

/* What became of a value. */
enum {
        VALUE_SET = PB_OK,
        VALUE_INVALID = PB_E_INVALID,
        VALUE_UNSET, /* valid, and means that there is none */
};

int pbjson_refuse(PbjsonParser *p, const char *format, ...) _printf_(2, 3);
int pbjson_refuse_memory(PbjsonParser *p);
int pbjson_refuse_kind(PbjsonParser *p, const char *kind, const ProtobufCFieldDescriptor *field);

int pbjson_store_text(PbjsonParser *p, const ProtobufCFieldDescriptor *field, const char *text,
                      size_t n, void *slot);
int pbjson_store_int(PbjsonParser *p, const ProtobufCFieldDescriptor *field, int64_t value,
                     void *slot);
int pbjson_store_real(PbjsonParser *p, const ProtobufCFieldDescriptor *field, double value,
                      void *slot);
int pbjson_store_bool(PbjsonParser *p, const ProtobufCFieldDescriptor *field, bool value,
                      void *slot);
