/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups/pids
 *
 * A bound on processes and threads of a container, the same for all (--holdfast_pids_max): a fork
 * bomb is the container's own affair. Nothing of the Mesos API asks for another number.
 */

#include <inttypes.h>

#include "isolator/isolator.h"

static int pids_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                     char **reterr_message) {
        (void) request;
        (void) reterr_message;
        return confinement_set_cgroup(c, "pids.max", 0, "%" PRIu64, config->pids_max);
}

const IsolatorOps isolator_cgroups_pids = {
        .name = "cgroups/pids",
        .controllers = "pids",
        .plan = pids_plan,
};
