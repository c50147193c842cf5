/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lists in messages
 *
 * protobuf-c has a bare array of pointers for a repeated message. Ours grow in powers of two, which
 * the count alone tells, so nothing is kept beside it.
 */

#include "agent/pb_list.h"

int pb_list_add(void *list, size_t *n, void *item) {
        void **array;

        memcpy(&array, list, sizeof(array));
        if ((*n & (*n - 1)) == 0) {
                array = reallocarray(array, MAX(*n * 2, (size_t) 1), sizeof(*array));
                if (!array)
                        return -ENOMEM;

                memcpy(list, &array, sizeof(array));
        }

        array[(*n)++] = item;
        return 0;
}

void *pb_list_add_new(void *list, size_t *n, const ProtobufCMessageDescriptor *type) {
        _cleanup_free_ ProtobufCMessage *m = malloc(type->sizeof_message);

        if (!m)
                return NULL;

        protobuf_c_message_init(type, m);
        if (pb_list_add(list, n, m) < 0)
                return NULL;

        return TAKE_PTR(m);
}
