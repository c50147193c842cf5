/* SPDX-License-Identifier: Apache-2.0 */

/*
 * namespaces/ipc
 *
 * System V queues, semaphores and segments, POSIX queues, and /dev/shm:
 *
 *     linux_info.ipc_mode     namespace     /dev/shm
 *     PRIVATE                 its own       its own, of shm_size MB
 *     SHARE_PARENT            the host's    the host's; refused where that is not allowed
 *     not set                 its own       the host's, as ever with Mesos; its own where sharing
 *                                           is not allowed
 */

#include <inttypes.h>
#include <sys/mount.h>

#include "isolator/isolator.h"

static int add_shm(uint64_t bytes, Confinement *c) {
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;
        _cleanup_free_ char *data = NULL;
        int r;

        r = bytes > 0 ? confinement_set_text(&data, "mode=1777,size=%" PRIu64, bytes)
                      : confinement_set_text(&data, "mode=1777");
        if (r < 0)
                return r;

        m.source = m.type = (char *) "tmpfs";
        m.target = (char *) "/dev/shm";
        m.flags = MS_NOSUID | MS_NODEV | MS_STRICTATIME;
        m.data = data;
        return confinement_add_mount(c, &m);
}

static int ipc_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                    char **reterr_message) {
        const Mesos__V1__LinuxInfo *l = request->info ? request->info->linux_info : NULL;
        bool private = l && l->has_ipc_mode && l->ipc_mode == MESOS__V1__LINUX_INFO__IPC_MODE__PRIVATE;
        bool shared = l && l->has_ipc_mode && l->ipc_mode == MESOS__V1__LINUX_INFO__IPC_MODE__SHARE_PARENT;
        int r;

        if (l && l->has_ipc_mode && !private && !shared)
                return isolator_refuse(reterr_message, "Unknown IPC mode");
        if (l && l->has_shm_size && !private)
                return isolator_refuse(reterr_message,
                                       "Only support specifying the size of /dev/shm when the IPC mode is `PRIVATE`");
        if (shared && config->disallow_sharing_ipc)
                return isolator_refuse(reterr_message,
                                       "Sharing agent IPC namespace with top-level container is not allowed");
        if (shared)
                return ISOLATOR_OK;

        r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__IPC);
        if (r < 0 || (!private && !config->disallow_sharing_ipc))
                return r;

        return add_shm(l && l->has_shm_size ? (uint64_t) l->shm_size << 20 : config->default_shm_bytes, c);
}

const IsolatorOps isolator_namespaces_ipc = {
        .name = "namespaces/ipc",
        .plan = ipc_plan,
};
