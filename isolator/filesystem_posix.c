/* SPDX-License-Identifier: Apache-2.0 */

/*
 * filesystem/posix
 *
 * Containers see the host's filesystem: the default. Images and volumes are refused, in the words of
 * Mesos; persistent volumes are links in the sandbox, which are the agent's business.
 */

#include "isolator/filesystem.h"

static int posix_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                      char **reterr_message) {
        int r;

        (void) config;
        (void) c;
        r = filesystem_check(request->info, reterr_message);
        if (r != ISOLATOR_OK)
                return r;
        if (request->info && request->info->n_volumes > 0)
                return isolator_refuse(reterr_message, "Volumes in ContainerInfo is not supported");

        return ISOLATOR_OK;
}

const IsolatorOps isolator_filesystem_posix = {
        .name = "filesystem/posix",
        .plan = posix_plan,
};
