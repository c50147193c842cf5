#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Small things between messages and what we compute with. See convert.c. */

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "common/base/usec.h"
#include "proto/mesos.pb-c.h"

/* A deep copy for any message, to be freed with message_free(); NULL when memory is short. */
void *message_copy(const void *message);
void *message_free(void *message);

/* Equal as serialized: fields, and unknown ones as well. False when memory is short. */
bool message_equal(const void *a, const void *b);

/* DurationInfo and TimeInfo count nanoseconds; negative ones are for the validator to refuse. */
int64_t duration_info_to_nsec(const Mesos__V1__DurationInfo *d);
usec_t duration_info_to_usec(const Mesos__V1__DurationInfo *d);     /* 0 when negative or absent */
usec_t time_info_to_usec(const Mesos__V1__TimeInfo *t);             /* the same */
int64_t usec_to_nsec(usec_t t);                                     /* saturates */

enum {
        ATTRIBUTES_OK = 0,
        ATTRIBUTES_E_INVALID,
};

/* "rack:a;u:1;range:[1-3,7-9]": an array for AgentInfo, malloc()ed as protobuf-c expects. */
int attributes_parse(const char *text, Mesos__V1__Attribute ***ret, size_t *ret_n,
                     char **reterr_message);

/* What /state shows: "[1-3, 7-9]" of ranges, "xy" of texts, "1.5" of scalars (a number there). */
int attribute_format(const Mesos__V1__Attribute *a, Buffer *b);
