/* SPDX-License-Identifier: Apache-2.0 */

/*
 * posix/rlimits
 *
 * The limits of setrlimit() that a task asks for (ContainerInfo.rlimit_info). Each has both a soft
 * and a hard limit, or neither, which is to be unlimited. Where Mesos's launcher exits in the middle
 * of a launch, what cannot be is refused here, by name.
 */

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "isolator/isolator.h"

typedef Mesos__V1__RLimitInfo__RLimit RLimit;

static const struct {
        const char *name;
        uint32_t resource;
} types[] = {
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_AS] = { "RLMT_AS", RLIMIT_AS },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_CORE] = { "RLMT_CORE", RLIMIT_CORE },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_CPU] = { "RLMT_CPU", RLIMIT_CPU },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_DATA] = { "RLMT_DATA", RLIMIT_DATA },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_FSIZE] = { "RLMT_FSIZE", RLIMIT_FSIZE },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_LOCKS] = { "RLMT_LOCKS", RLIMIT_LOCKS },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_MEMLOCK] = { "RLMT_MEMLOCK", RLIMIT_MEMLOCK },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_MSGQUEUE] = { "RLMT_MSGQUEUE", RLIMIT_MSGQUEUE },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_NICE] = { "RLMT_NICE", RLIMIT_NICE },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_NOFILE] = { "RLMT_NOFILE", RLIMIT_NOFILE },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_NPROC] = { "RLMT_NPROC", RLIMIT_NPROC },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_RSS] = { "RLMT_RSS", RLIMIT_RSS },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_RTPRIO] = { "RLMT_RTPRIO", RLIMIT_RTPRIO },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_RTTIME] = { "RLMT_RTTIME", RLIMIT_RTTIME },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_SIGPENDING] = { "RLMT_SIGPENDING", RLIMIT_SIGPENDING },
        [MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_STACK] = { "RLMT_STACK", RLIMIT_STACK },
};

static int plan_one(const RLimit *l, Confinement *c, char **reterr_message) {
        uint64_t soft = RLIM_INFINITY, hard = RLIM_INFINITY;
        unsigned type = l->has_type ? (unsigned) l->type : 0;

        if (type >= ELEMENTSOF(types) || !types[type].name)
                return isolator_refuse(reterr_message, "Unknown rlimit type %u", type);
        if (l->has_soft != l->has_hard)
                return isolator_refuse(reterr_message, "%s has only one of a soft and a hard limit; it needs both, or "
                                                       "neither to be unlimited", types[type].name);
        if (l->has_soft) {
                soft = l->soft;
                hard = l->hard;
        }

        if (soft > hard)
                return isolator_refuse(reterr_message, "The soft limit of %s, %" PRIu64 ", is above its hard limit, %"
                                                       PRIu64, types[type].name, soft, hard);

        return confinement_add_rlimit(c, types[type].resource, soft, hard);
}

static int rlimits_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                        char **reterr_message) {
        const Mesos__V1__RLimitInfo *info = request->info ? request->info->rlimit_info : NULL;
        int r = ISOLATOR_OK;

        (void) config;
        for (size_t i = 0; r == ISOLATOR_OK && info && i < info->n_rlimits; i++)
                r = plan_one(info->rlimits[i], c, reterr_message);

        return r;
}

const IsolatorOps isolator_posix_rlimits = {
        .name = "posix/rlimits",
        .plan = rlimits_plan,
};
