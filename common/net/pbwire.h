#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Protobuf from strangers: checked by descriptor, then unpacked on a budget. See pbwire.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/macro.h"

/* What one decoded message may cost. */
typedef struct PbLimits {
        unsigned max_depth;      /* nested messages */
        size_t max_memory_bytes; /* of the unpacked form */
} PbLimits;

/* Generous for any real call, small beside a daemon's memory. */
#define PB_LIMITS_DEFAULT ((PbLimits) { .max_depth = 64, .max_memory_bytes = 64U << 20 })

enum {
        PB_OK = 0,
        PB_E_INVALID, /* *reterr_message says what is wrong, naming the field */
};

/*
 * Unpacks; the result is freed with pb_free(), or protobuf_c_message_free_unpacked(m, NULL).
 * Refuses what protobuf-c lets through: missing required fields, strings with NUL or invalid UTF-8,
 * unknown values in required enums; in optional ones they are unset. Mesos tells its peers no more
 * than "Failed to parse body into Call protobuf", so the message is for the log. Returns PB_OK,
 * PB_E_INVALID, -ENOMEM.
 */
int pb_unpack(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
              PbLimits limits, ProtobufCMessage **ret, char **reterr_message);

/*
 * The same, with all memory in one piece: nothing in it can be replaced or taken out, but it is made
 * and freed at a fraction of the cost. For what is looked at and let go.
 */
typedef struct PbParcel PbParcel;

int pb_unpack_parcel(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
                     PbLimits limits, PbParcel **ret, char **reterr_message);
const ProtobufCMessage *pb_parcel_message(const PbParcel *p);
PbParcel *pb_parcel_free(PbParcel *p);
DEFINE_CLEANUP(PbParcel *, pb_parcel_free)

/* The first required field missing in a message made by other means, as "a.b.c"; NULL: none. */
char *pb_missing_field(const ProtobufCMessage *m);

/* A copy with memory of its own, by packing and unpacking; NULL: out of memory, or incomplete. */
ProtobufCMessage *pb_copy(const ProtobufCMessage *m);

/* Same type and same packed bytes. */
bool pb_equal(const ProtobufCMessage *a, const ProtobufCMessage *b);

ProtobufCMessage *pb_free(ProtobufCMessage *m);
DEFINE_CLEANUP(ProtobufCMessage *, pb_free)
