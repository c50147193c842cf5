/* SPDX-License-Identifier: Apache-2.0 */

/*
 * linux/capabilities
 *
 * Two sets: what a container has from the start (effective), and the most that it, and whatever it
 * executes, can ever get (bounding). A task may ask for both (LinuxInfo), within what the operator
 * allows:
 *
 *                 task says           else                             else
 *      bounding   within the flag's   --bounding_capabilities          the effective set; else nothing changes
 *      effective  within bounding     --effective_capabilities,        as the container's user has them:
 *                                     as far as the task's bounding    root all, others none
 *
 * The effective set reaches through every exec, whoever the user is: others than root get it as
 * ambient capabilities, and root's programs do not get all of the bounding set by being root's.
 *
 * What the agent does not have itself it cannot give, and says so before anything is started.
 */

#include <sys/capability.h>

#include "common/base/buffer.h"
#include "isolator/isolator.h"

/* The API counts from here. */
#define NUMBER_BASE 1000

#define LIST_MAX_BYTES 4096

static int mask_of(const Mesos__V1__CapabilityInfo *info, uint64_t *ret, char **reterr_message) {
        uint64_t mask = 0;

        for (size_t i = 0; i < info->n_capabilities; i++) {
                int n = (int) info->capabilities[i] - NUMBER_BASE;

                if (n < 0 || n >= 64 || n >= cap_max_bits())
                        return isolator_refuse(reterr_message, "Capability %i is not one of this host",
                                               (int) info->capabilities[i]);
                mask |= UINT64_C(1) << n;
        }

        *ret = mask;
        return ISOLATOR_OK;
}

/* "cap_net_raw" in the API's words. */
static int append_name(Buffer *b, int n) {
        char *name = cap_to_name(n);
        int r = 0;

        if (!name)
                return -ENOMEM;

        for (const char *p = startswith(name, "cap_") ? name + 4 : name; r >= 0 && *p; p++)
                r = buffer_append_char(b, *p >= 'a' && *p <= 'z' ? (char) (*p - 'a' + 'A') : *p);

        (void) cap_free(name);
        return r;
}

/* "{ NET_RAW, SYS_ADMIN }"; the caller's, NULL out of memory. */
static char *format_set(uint64_t mask) {
        Buffer b = BUFFER_INIT(LIST_MAX_BYTES);
        const char *separator = "{ ";
        int r = mask ? 0 : buffer_append_text(&b, "{");

        for (int n = 0; n < 64 && r >= 0; n++) {
                if (!(mask & UINT64_C(1) << n))
                        continue;

                r = buffer_append_text(&b, separator);
                if (r >= 0)
                        r = append_name(&b, n);
                separator = ", ";
        }

        if (r >= 0)
                r = buffer_append_text(&b, mask ? " }" : "}");
        if (r < 0) {
                buffer_deinit(&b);
                return NULL;
        }

        return buffer_take_text(&b);
}

static int check_within(const char *what, uint64_t mask, uint64_t limit, char **reterr_message) {
        _cleanup_free_ char *requested = NULL, *allowed = NULL;

        if (!(mask & ~limit))
                return ISOLATOR_OK;

        requested = format_set(mask);
        allowed = format_set(limit);
        if (!requested || !allowed)
                return -ENOMEM;

        return isolator_refuse(reterr_message, "Requested %s '%s', but only '%s' are allowed", what, requested,
                               allowed);
}

/* What this process could give to another. */
static int read_own(uint64_t *ret) {
        cap_t own = cap_get_proc();
        uint64_t mask = 0;

        if (!own)
                return -errno;

        for (int n = 0; n < 64 && n < cap_max_bits(); n++) {
                cap_flag_value_t value = CAP_CLEAR;

                if (cap_get_flag(own, n, CAP_PERMITTED, &value) == 0 && value == CAP_SET)
                        mask |= UINT64_C(1) << n;
        }

        (void) cap_free(own);
        *ret = mask;
        return 0;
}

static int check_own(uint64_t effective, char **reterr_message) {
        _cleanup_free_ char *missing = NULL;
        uint64_t own = 0;
        int r;

        r = read_own(&own);
        if (r < 0)
                return r;
        if (!(effective & ~own))
                return ISOLATOR_OK;

        missing = format_set(effective & ~own);
        if (!missing)
                return -ENOMEM;

        return isolator_refuse(reterr_message, "The agent itself does not have the capabilities '%s'", missing);
}

static int capabilities_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        uint64_t effective, bounding;
        int r;

        if (!host->root)
                return isolator_refuse(reterr_message, "linux/capabilities needs an agent that runs as root");

        if (config->bounding_capabilities) {
                r = mask_of(config->bounding_capabilities, &bounding, reterr_message);
                if (r != ISOLATOR_OK)
                        return r;
        }

        if (!config->effective_capabilities)
                return ISOLATOR_OK;

        r = mask_of(config->effective_capabilities, &effective, reterr_message);
        if (r != ISOLATOR_OK)
                return r;
        if (config->bounding_capabilities && effective & ~bounding)
                return isolator_refuse(reterr_message,
                                       "Allowed capabilities are not a subset of the bounding capabilities");

        return check_own(effective, reterr_message);
}

/* One of the two sets, while it is being decided. */
typedef struct Set {
        bool known;
        uint64_t mask;
} Set;

static int read_set(const Mesos__V1__CapabilityInfo *info, Set *ret, char **reterr_message) {
        int r = info ? mask_of(info, &ret->mask, reterr_message) : ISOLATOR_OK;

        ret->known = info && r == ISOLATOR_OK;
        return r;
}

static int decide_bounding(const Mesos__V1__LinuxInfo *info, const IsolatorConfig *config, Set *ret,
                           char **reterr_message) {
        Set asked = {};
        int r;

        r = read_set(config->bounding_capabilities, ret, reterr_message);
        if (r == ISOLATOR_OK)
                r = read_set(info ? info->bounding_capabilities : NULL, &asked, reterr_message);
        if (r != ISOLATOR_OK || !asked.known)
                return r;

        if (ret->known)
                r = check_within("bounding capabilities", asked.mask, ret->mask, reterr_message);
        *ret = asked;
        return r;
}

static int decide_effective(const Mesos__V1__LinuxInfo *info, const IsolatorConfig *config, const Set *bounding,
                            Set *ret, char **reterr_message) {
        const Mesos__V1__CapabilityInfo *asked = NULL;
        int r;

        if (info)
                asked = info->effective_capabilities ?: info->capability_info;

        r = read_set(asked ?: config->effective_capabilities, ret, reterr_message);
        if (r != ISOLATOR_OK || !ret->known || !bounding->known)
                return r;

        /* What a task did not ask for it is not refused for. */
        if (!asked)
                ret->mask &= bounding->mask;

        return check_within("capabilities", ret->mask, bounding->mask, reterr_message);
}

static int capabilities_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                             char **reterr_message) {
        const Mesos__V1__LinuxInfo *info = request->info ? request->info->linux_info : NULL;
        Set bounding = {}, effective = {};
        int r;

        r = decide_bounding(info, config, &bounding, reterr_message);
        if (r == ISOLATOR_OK)
                r = decide_effective(info, config, &bounding, &effective, reterr_message);
        if (r == ISOLATOR_OK && effective.known)
                r = check_own(effective.mask, reterr_message);
        if (r != ISOLATOR_OK || (!effective.known && !bounding.known))
                return r;

        if (!bounding.known)
                bounding = effective;

        return confinement_set_capabilities(c, &bounding.mask, effective.known ? &effective.mask : NULL);
}

const IsolatorOps isolator_linux_capabilities = {
        .name = "linux/capabilities",
        .probe = capabilities_probe,
        .plan = capabilities_plan,
};
