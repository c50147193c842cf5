/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Judging a FrameworkInfo
 *
 * Pure: nothing here knows of connections or of other frameworks. The texts are Mesos's; frameworks
 * read them in ERROR events and in the answers to UPDATE_FRAMEWORK.
 */

#include <math.h>

#include "common/model/id.h"
#include "common/model/role.h"
#include "master/framework_info.h"
#include "master/reject.h"

/* Durations are int64 nanoseconds in Mesos: some 292 years. */
#define FAILOVER_TIMEOUT_MAX_SECS 9223372036.0

static bool info_has_capability(const Mesos__V1__FrameworkInfo *info,
                                Mesos__V1__FrameworkInfo__Capability__Type type) {
        for (size_t i = 0; i < info->n_capabilities; i++)
                if (info->capabilities[i]->has_type && info->capabilities[i]->type == type)
                        return true;

        return false;
}

/* protobuf-c points an unset string with a default at that default. */
static bool info_sets_role(const Mesos__V1__FrameworkInfo *info) {
        return info->role && info->role != mesos__v1__framework_info__role__default_value;
}

static bool list_has(char *const *list, size_t n, const char *text) {
        for (size_t i = 0; i < n; i++)
                if (streq(list[i], text))
                        return true;

        return false;
}

static bool info_has_role(const Mesos__V1__FrameworkInfo *info, const char *role) {
        if (info_has_capability(info, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE))
                return list_has(info->roles, info->n_roles, role);

        return streq(info->role ?: ROLE_UNRESERVED, role);
}

static int validate_role_list(const Mesos__V1__FrameworkInfo *info, char **reterr_message) {
        int r;

        if (info->n_roles > FRAMEWORK_MAX_ROLES)
                return reject(reterr_message,
                              "'FrameworkInfo.roles' contains %zu items, more than the %d a "
                              "framework may have",
                              info->n_roles, FRAMEWORK_MAX_ROLES);

        for (size_t i = 0; i < info->n_roles; i++)
                if (list_has(info->roles, i, info->roles[i]))
                        return reject(reterr_message,
                                      "'FrameworkInfo.roles' contains duplicate items: { %s }",
                                      info->roles[i]);

        for (size_t i = 0; i < info->n_roles; i++) {
                r = role_check(info->roles[i], reterr_message);
                if (r != ROLE_OK)
                        return reject_prefix(r, reterr_message,
                                             "'FrameworkInfo.roles' contains invalid role");
        }

        return ACCEPTED;
}

static int validate_roles(const Mesos__V1__FrameworkInfo *info, char **reterr_message) {
        int r;

        if (info_has_capability(info, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE)) {
                if (info_sets_role(info))
                        return reject(reterr_message,
                                      "'FrameworkInfo.role' must not be set when the framework is "
                                      "MULTI_ROLE capable");

                return validate_role_list(info, reterr_message);
        }

        if (info->n_roles > 0)
                return reject(reterr_message,
                              "'FrameworkInfo.roles' must not be set when the framework is not "
                              "MULTI_ROLE capable");

        r = role_check(info->role ?: ROLE_UNRESERVED, reterr_message);
        return reject_prefix(r, reterr_message, "'FrameworkInfo.role' is not a valid role");
}

bool framework_whitelist_has(const char *list, const char *role) {
        size_t n_role = strlen(role);

        for (const char *p = list; *p;) {
                size_t n = strcspn(p, ",");

                if (n == n_role && memcmp(p, role, n) == 0)
                        return true;

                p += n;
                p += *p == ',';
        }

        return streq(role, ROLE_UNRESERVED);
}

static int validate_policy(const Mesos__V1__FrameworkInfo *info, const FrameworkPolicy *policy,
                           char **reterr_message) {
        if (!policy->root_submissions && streq(info->user, "root"))
                return reject(reterr_message,
                              "User 'root' is not allowed to run frameworks without root "
                              "submissions (--root_submissions)");

        if (!policy->roles)
                return ACCEPTED;

        for (size_t i = 0; i < info->n_roles; i++)
                if (!framework_whitelist_has(policy->roles, info->roles[i]))
                        return reject(reterr_message,
                                      "Role '%s' is not present in the master's --roles",
                                      info->roles[i]);

        if (info_sets_role(info) && !framework_whitelist_has(policy->roles, info->role))
                return reject(reterr_message, "Role '%s' is not present in the master's --roles",
                              info->role);

        return ACCEPTED;
}

static int validate_quantities(const Mesos__V1__OfferFilters *filters, char **reterr_message) {
        const Mesos__V1__OfferFilters__MinAllocatableResources *min =
                        filters->min_allocatable_resources;

        for (size_t i = 0; min && i < min->n_quantities; i++) {
                const Mesos__V1__OfferFilters__ResourceQuantities *q = min->quantities[i];

                if (q->n_quantities == 0)
                        return reject(reterr_message,
                                      "Invalid 'OfferFilters': Resource quantities must contain at "
                                      "least one quantity");

                for (size_t j = 0; j < q->n_quantities; j++) {
                        double value = q->quantities[j]->value ? q->quantities[j]->value->value : 0;

                        if (!isfinite(value) || value < 0 || fpclassify(value) == FP_SUBNORMAL)
                                return reject(reterr_message,
                                              "Invalid 'OfferFilters': Invalid resource quantity "
                                              "'%s': %g",
                                              q->quantities[j]->key, value);
                }
        }

        return ACCEPTED;
}

int framework_info_validate(const Mesos__V1__FrameworkInfo *info, const FrameworkPolicy *policy,
                            char **reterr_message) {
        char buf[ID_MESSAGE_MAX];
        int r;

        assert(info);
        assert(policy);
        assert(reterr_message);

        r = validate_roles(info, reterr_message);
        if (r != ACCEPTED)
                return r;

        if (info->id && *info->id->value && id_check_message(info->id->value, buf))
                return reject(reterr_message, "%s", buf);

        for (size_t i = 0; i < info->n_offer_filters; i++)
                if (info->offer_filters[i]->value) {
                        r = validate_quantities(info->offer_filters[i]->value, reterr_message);
                        if (r != ACCEPTED)
                                return r;
                }

        if (info->has_failover_timeout &&
            (!isfinite(info->failover_timeout) ||
             fabs(info->failover_timeout) > FAILOVER_TIMEOUT_MAX_SECS))
                return reject(reterr_message, "The framework failover_timeout (%g) is invalid",
                              info->failover_timeout);

        return validate_policy(info, policy, reterr_message);
}

int framework_info_validate_suppressed(const Mesos__V1__FrameworkInfo *info,
                                       char *const *suppressed, size_t n, char **reterr_message) {
        if (n > FRAMEWORK_MAX_ROLES)
                return reject(reterr_message,
                              "Suppressed roles contain %zu items, more than the %d a framework "
                              "may have",
                              n, FRAMEWORK_MAX_ROLES);

        for (size_t i = 0; i < n; i++)
                if (!info_has_role(info, suppressed[i]))
                        return reject(reterr_message,
                                      "Suppressed roles { %s } are not contained in the set of "
                                      "roles",
                                      suppressed[i]);

        return ACCEPTED;
}

/*
 * We do not filter offers by constraints yet. A framework that sets some counts on them, so it is
 * told instead of being sent offers it excluded.
 */
int framework_info_validate_constraints(const Mesos__V1__FrameworkInfo *info,
                                        const Mesos__V1__Scheduler__OfferConstraints *constraints,
                                        char **reterr_message) {
        if (!constraints || constraints->n_role_constraints == 0)
                return ACCEPTED;

        if (constraints->n_role_constraints > FRAMEWORK_MAX_ROLES)
                return reject(reterr_message,
                              "Offer constraints contain %zu items, more than the %d roles a "
                              "framework may have",
                              constraints->n_role_constraints, FRAMEWORK_MAX_ROLES);

        for (size_t i = 0; i < constraints->n_role_constraints; i++)
                if (!constraints->role_constraints[i]->key ||
                    !info_has_role(info, constraints->role_constraints[i]->key))
                        return reject(reterr_message,
                                      "Offer constraints specify constraints for roles { %s } that "
                                      "are not contained in the set of roles",
                                      constraints->role_constraints[i]->key ?: "");

        return reject(reterr_message,
                      "Offer constraints are not valid: this master does not support constraints");
}

int framework_info_validate_resubscribe(const Mesos__V1__FrameworkInfo *was,
                                        const Mesos__V1__FrameworkInfo *now,
                                        char **reterr_message) {
        if (!streq_ptr(was->principal, now->principal))
                return reject(reterr_message, "Changing framework's principal is not allowed.");

        return ACCEPTED;
}

static int reject_change(char **reterr_message, const char *field, const char *was,
                         const char *now) {
        return reject(reterr_message,
                      "Updating 'FrameworkInfo.%s' is unsupported; attempted to update from '%s' "
                      "to '%s'",
                      field, was, now);
}

int framework_info_validate_update(const Mesos__V1__FrameworkInfo *was,
                                   const Mesos__V1__FrameworkInfo *now, char **reterr_message) {
        static const char *const yes_no[] = { "false", "true" };

        if (!streq_ptr(was->principal, now->principal))
                return reject(reterr_message, "Changing framework's principal is not allowed.");

        if (!streq(was->user, now->user))
                return reject_change(reterr_message, "user", was->user, now->user);

        if (was->checkpoint != now->checkpoint)
                return reject_change(reterr_message, "checkpoint", yes_no[was->checkpoint],
                                     yes_no[now->checkpoint]);

        return ACCEPTED;
}
