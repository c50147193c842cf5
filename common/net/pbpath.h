#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* PbPath: where in a message, for people: "accept.operations[0].launch". See pbpath.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/buffer.h"

/* Lives on the stack of whoever walks the message, a link per level. */
typedef struct PbPath {
        const struct PbPath *parent;
        const ProtobufCFieldDescriptor *field;
        size_t index; /* of a repeated field */
} PbPath;

/* Of texts about a message: as much as anybody reads. */
#define PB_MAX_TEXT_BYTES 4096

void pbpath_append(const PbPath *path, Buffer *b);
void pbpath_append_missing(const PbPath *parent, const ProtobufCFieldDescriptor *field, Buffer *b);
