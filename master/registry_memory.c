/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The registry that forgets: its index is all there is. For trying out and for tests,
 * --registry=in_memory.
 */

#include "master/registry_backend.h"

static int memory_load(void *backend _unused_, RegistryEntry entry _unused_,
                       RegistryBackendDone done, void *userdata) {
        done(0, userdata);
        return 0;
}

static int memory_commit(void *backend _unused_, const RegistryWrite *writes _unused_,
                         size_t n_writes _unused_, RegistryBackendDone done, void *userdata) {
        done(0, userdata);
        return 0;
}

static void memory_free(void *backend _unused_) {
}

int registry_memory_new(RegistryBackend *ret) {
        static const RegistryBackendOps ops = {
                .load = memory_load,
                .commit = memory_commit,
                .free = memory_free,
        };

        *ret = (RegistryBackend){ .ops = &ops };
        return 0;
}
