#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Repeated message fields that grow. See pb_list.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/macro.h"

/* `list` is the address of the field's array, whatever its element type. */
int pb_list_add(void *list, size_t *n, void *item);

/* Adds a new message of the type, which the array owns from then on; NULL out of memory. */
void *pb_list_add_new(void *list, size_t *n, const ProtobufCMessageDescriptor *type);
