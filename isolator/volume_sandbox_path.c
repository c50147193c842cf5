/* SPDX-License-Identifier: Apache-2.0 */

/*
 * volume/sandbox_path
 *
 * A directory of the sandbox at another place in the container: /tmp, say. It is made if it is not
 * there, and is the task's user's. SELF is the container's own sandbox; PARENT would be that of the
 * container which a nested one is in, and there are no nested containers with a filesystem of their own.
 */

#include "isolator/filesystem.h"

static int add_one(const IsolatorRequest *request, const Mesos__V1__Volume *v, Confinement *c, char **reterr_message) {
        const Mesos__V1__Volume__Source__SandboxPath *s = v->source ? v->source->sandbox_path : NULL;
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;
        const char *path = s ? s->path : v->host_path;

        if (s && s->type == MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__PARENT)
                return isolator_refuse(reterr_message, "PARENT sandbox path only works for nested container");
        if (s && s->type != MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__SELF)
                return isolator_refuse(reterr_message, "Unknown type of SANDBOX_PATH volume");
        if (!*path || path[0] == '/' || path_climbs(path))
                return isolator_refuse(reterr_message, "Path '%s' in SANDBOX_PATH volume is not below the sandbox",
                                       path);

        m.source_below = (char *) request->sandbox;
        m.source = (char *) path;
        m.make_source = true;
        return volume_add(request, v, &m, c, reterr_message);
}

static int sandbox_path_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                             char **reterr_message) {
        int r = ISOLATOR_OK;

        (void) config;
        for (size_t i = 0; r == ISOLATOR_OK && request->info && i < request->info->n_volumes; i++)
                if (volume_kind(request->info->volumes[i]) == VOLUME_SANDBOX_PATH)
                        r = add_one(request, request->info->volumes[i], c, reterr_message);

        return r;
}

const IsolatorOps isolator_volume_sandbox_path = {
        .name = "volume/sandbox_path",
        .plan = sandbox_path_plan,
};
