/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes are a message or refused; a message survives packing and unpacking. The first byte
 * picks the type.
 */

#include "common/net/pbjson.h"
#include "proto/internal.pb-c.h"
#include "proto/master.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include "tests/fuzz/fuzz.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
        &mesos__v1__scheduler__call__descriptor,
        &mesos__internal__run_task_message__descriptor,
        &mesos__internal__reregister_slave_message__descriptor,
        &mesos__v1__master__response__descriptor,
        &mesos__v1__capability_info__descriptor,
        &mesos__v1__scheduler__attribute_constraint__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        const PbLimits limits = { .max_depth = 16, .max_memory_bytes = 1 << 20 };
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL, *copy = NULL;
        _cleanup_(pb_parcel_freep) PbParcel *parcel = NULL;
        const ProtobufCMessageDescriptor *descriptor;
        _cleanup_free_ char *message = NULL;
        Buffer b = BUFFER_INIT(4 << 20);

        if (n == 0)
                return 0;

        descriptor = descriptors[data[0] % ELEMENTSOF(descriptors)];
        if (pb_unpack(descriptor, data + 1, n - 1, limits, &m, &message) != PB_OK)
                return 0;

        assert(!pb_missing_field(m));
        if (pb_unpack_parcel(descriptor, data + 1, n - 1, limits, &parcel, NULL) == PB_OK)
                assert(pb_equal(pb_parcel_message(parcel), m));
        copy = pb_copy(m);
        assert(copy && pb_equal(m, copy));
        (void) pbjson_print(m, &b);
        buffer_deinit(&b);
        return 0;
}
