/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Roles
 *
 * A role is a path: "eng/web" is below "eng", "engineering" is not. "*" stands for what is reserved
 * to nobody and is no part of the tree. Components become directory names (persistent volumes), so
 * the rules are stricter than those of ids.
 */

#include "common/model/explain.h"
#include "common/model/role.h"

static int component_check(const char *role, const char *component, size_t n,
                           char **reterr_message) {
        static const char *const reserved[] = { ".", "..", "*" };
        const int n_print = (int) n;

        for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
                if (strlen(reserved[i]) == n && memcmp(component, reserved[i], n) == 0)
                        return explain(reterr_message, ROLE_E_INVALID,
                                       "Role '%s' cannot include '%s' as a component", role,
                                       reserved[i]);

        if (component[0] == '-')
                return explain(reterr_message, ROLE_E_INVALID,
                               "Role component '%.*s' is invalid because it starts with a dash",
                               n_print, component);

        for (size_t i = 0; i < n; i++)
                if (strchr("\t\n\v\f\r \x7f", component[i]))
                        return explain(reterr_message, ROLE_E_INVALID,
                                       "Role component '%.*s' is invalid because it contains "
                                       "backspace or whitespace",
                                       n_print, component);

        return ROLE_OK;
}

/* Returns 0, ROLE_E_INVALID with the reason, or -ENOMEM. */
int role_check(const char *role, char **reterr_message) {
        size_t n;

        assert(role);

        if (streq(role, ROLE_UNRESERVED))
                return ROLE_OK;

        n = strlen(role);
        if (n == 0)
                return explain(reterr_message, ROLE_E_INVALID,
                               "Role names cannot be the empty string");
        if (n > ROLE_TEXT_MAX)
                return explain(reterr_message, ROLE_E_INVALID,
                               "Role must not be longer than %d characters", ROLE_TEXT_MAX);
        if (role[0] == '/')
                return explain(reterr_message, ROLE_E_INVALID,
                               "Role '%s' cannot start with a slash", role);
        if (role[n - 1] == '/')
                return explain(reterr_message, ROLE_E_INVALID, "Role '%s' cannot end with a slash",
                               role);
        if (strstr(role, "//"))
                return explain(reterr_message, ROLE_E_INVALID,
                               "Role '%s' cannot contain two adjacent slashes", role);

        for (const char *p = role; *p;) {
                size_t n_component = strcspn(p, "/");
                int r;

                r = component_check(role, p, n_component, reterr_message);
                if (r != ROLE_OK)
                        return r;

                p += n_component;
                p += *p == '/';
        }

        return ROLE_OK;
}

bool role_is_strict_subrole(const char *role, const char *ancestor) {
        const char *rest = startswith(role, ancestor);

        return rest && *rest == '/';
}

bool role_is_same_or_subrole(const char *role, const char *ancestor) {
        const char *rest = startswith(role, ancestor);

        return rest && (*rest == '/' || *rest == '\0');
}
