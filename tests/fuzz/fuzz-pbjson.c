/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text is a message or refused; a message printed and parsed again prints the same. The first
 * byte picks the type.
 */

#include "common/net/pbjson.h"
#include "proto/agent.pb-c.h"
#include "proto/master.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include "tests/fuzz/fuzz.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
        &mesos__v1__scheduler__call__descriptor, &mesos__v1__master__call__descriptor,
        &mesos__v1__agent__call__descriptor,     &mesos__v1__resource_statistics__descriptor,
        &mesos__v1__task_info__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        const PbLimits limits = { .max_depth = 16, .max_memory_bytes = 1 << 20 };
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL, *again = NULL;
        _cleanup_free_ char *message = NULL;
        Buffer b = BUFFER_INIT(16 << 20), c = BUFFER_INIT(16 << 20);

        if (n == 0 || pbjson_parse(descriptors[data[0] % ELEMENTSOF(descriptors)],
                                   (const char *) data + 1, n - 1, limits, &m, &message) != PB_OK)
                return 0;

        assert(pbjson_print(m, &b) == 0);
        assert(pbjson_parse(m->descriptor, buffer_data(&b), buffer_size(&b), PB_LIMITS_DEFAULT,
                            &again, NULL) == PB_OK);
        assert(pbjson_print(again, &c) == 0);
        assert(buffer_size(&b) == buffer_size(&c) &&
               memcmp(buffer_data(&b), buffer_data(&c), buffer_size(&b)) == 0);
        buffer_deinit(&b);
        buffer_deinit(&c);
        return 0;
}
