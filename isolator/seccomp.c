/* SPDX-License-Identifier: Apache-2.0 */

/*
 * linux/seccomp
 *
 * Which system calls a container may make: by the profile that its task names (LinuxInfo.seccomp),
 * else by the operator's (--seccomp_profile_name), or by none where the task says "unconfined".
 *
 * Rules of a profile may depend on capabilities. Those of root are all that it can ever have (its
 * bounding set); those of other users are what they start with. A filter cannot grow later, so what
 * a setuid program of theirs could do with more is not let through.
 *
 * The kernel takes a filter from who has CAP_SYS_ADMIN, or has given up new privileges. An agent
 * without the former can only do the latter.
 */

#include <sys/capability.h>

#include "isolator/isolator.h"
#include "isolator/seccomp_profiles.h"

static bool may_filter(void) {
        cap_flag_value_t value = CAP_CLEAR;
        cap_t own = cap_get_proc();

        if (!own || cap_get_flag(own, CAP_SYS_ADMIN, CAP_EFFECTIVE, &value) < 0)
                value = CAP_CLEAR;
        (void) cap_free(own);
        return value == CAP_SET;
}

static uint64_t capabilities_of(const IsolatorRequest *request, const Confinement *c) {
        const ConfinementCapabilities *p = c->capabilities;

        if (request->uid == 0)
                return p && p->has_bounding ? p->bounding : UINT64_MAX;

        return p && p->has_effective ? p->effective : 0;
}

static int get_filter(const IsolatorConfig *config, const char *name, uint64_t capabilities, SeccompFilter *ret,
                      char **reterr_message) {
        int r;

        r = seccomp_profiles_get(config->seccomp_profiles, name, capabilities, ret, reterr_message);
        return r == SECCOMP_PROFILES_E_REFUSED ? ISOLATOR_E_REFUSED : r;
}

/* What every task without a word would fail of is found now. */
static int seccomp_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        SeccompFilter filter;

        (void) host;
        if (!config->seccomp_profile_name)
                return ISOLATOR_OK;

        return get_filter(config, config->seccomp_profile_name, 0, &filter, reterr_message);
}

static int seccomp_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                        char **reterr_message) {
        const Mesos__V1__SeccompInfo *info = NULL;
        const char *name = config->seccomp_profile_name;
        SeccompFilter filter = {};
        int r;

        if (request->info && request->info->linux_info)
                info = request->info->linux_info->seccomp;
        if (info && info->unconfined && info->profile_name)
                return isolator_refuse(reterr_message, "A container cannot have both a seccomp profile and none");
        if (info && info->unconfined)
                return ISOLATOR_OK;
        if (info && info->profile_name)
                name = info->profile_name;
        if (!name)
                return ISOLATOR_OK;

        r = get_filter(config, name, capabilities_of(request, c), &filter, reterr_message);
        if (r != ISOLATOR_OK)
                return r;
        if (!may_filter())
                confinement_set_no_new_privileges(c);

        return confinement_set_seccomp(c, name, filter.program, filter.n_program, filter.flags);
}

const IsolatorOps isolator_linux_seccomp = {
        .name = "linux/seccomp",
        .probe = seccomp_probe,
        .plan = seccomp_plan,
};
