/* SPDX-License-Identifier: Apache-2.0 */

/*
 * namespaces/pid
 *
 * A container sees its own processes only, and all of them end with it, whatever happens to its
 * launcher and to the agent. Process 1 is an init of ours (launcher/init.c). A task may ask to see
 * the host's processes (linux_info.share_pid_namespace), unless the operator says no to that.
 */

#include <sys/mount.h>

#include "isolator/isolator.h"
#include "isolator/user_namespace.h"

static int pid_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                    char **reterr_message) {
        const Mesos__V1__LinuxInfo *l = request->info ? request->info->linux_info : NULL;
        Mount m = HOLDFAST__LAUNCHER__MOUNT__INIT;
        int r;

        if (l && l->has_share_pid_namespace && l->share_pid_namespace) {
                if (config->disallow_sharing_pid)
                        return isolator_refuse(reterr_message,
                                               "Sharing agent pid namespace with top-level container is not allowed");
                return ISOLATOR_OK;
        }

        r = confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__PID);
        if (r < 0)
                return r;

        /* One /proc shows one namespace: that of who mounted it. */
        m.source = m.type = (char *) "proc";
        m.target = (char *) "/proc";
        m.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        return confinement_add_mount(c, &m);
}

static int pid_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        (void) config;
        return host->root ? ISOLATOR_OK : user_namespace_probe_proc(reterr_message);
}

const IsolatorOps isolator_namespaces_pid = {
        .name = "namespaces/pid",
        .probe = pid_probe,
        .plan = pid_plan,
};
