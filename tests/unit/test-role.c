/* SPDX-License-Identifier: Apache-2.0 */

/* Roles: their syntax and who is below whom. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/model/role.h"

static void test_paths_and_the_star_are_roles(void **state) {
        static const char *const good[] = { "*",   "a",   "a/b/c", "web-1",
                                            "a.b", "...", "a*",    "\xc3\xa4" };
        char *message = NULL;

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_int_equal(role_check(good[i], &message), 0);
        assert_null(message);
}

static void test_bad_roles_are_refused_in_mesos_words(void **state) {
        static const struct {
                const char *role;
                const char *message;
        } bad[] = {
                { "", "Role names cannot be the empty string" },
                { "/a", "Role '/a' cannot start with a slash" },
                { "a/", "Role 'a/' cannot end with a slash" },
                { "a//b", "Role 'a//b' cannot contain two adjacent slashes" },
                { "a/./b", "Role 'a/./b' cannot include '.' as a component" },
                { "..", "Role '..' cannot include '..' as a component" },
                { "a/*", "Role 'a/*' cannot include '*' as a component" },
                { "a/-b", "Role component '-b' is invalid because it starts with a dash" },
                { "a b/c",
                  "Role component 'a b' is invalid because it contains backspace or whitespace" },
        };

        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *message = NULL;

                assert_int_equal(role_check(bad[i].role, &message), ROLE_E_INVALID);
                assert_string_equal(message, bad[i].message);
                free(message);
        }
}

static void test_a_subrole_is_below_whole_components_only(void **state) {
        (void) state;

        assert_true(role_is_strict_subrole("a/b", "a"));
        assert_true(role_is_strict_subrole("a/b/c", "a"));
        assert_false(role_is_strict_subrole("a", "a"));
        assert_false(role_is_strict_subrole("ab", "a"));
        assert_false(role_is_strict_subrole("a", "a/b"));
        assert_true(role_is_same_or_subrole("a", "a"));
        assert_true(role_is_same_or_subrole("a/b", "a"));
        assert_false(role_is_same_or_subrole("ab", "a"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_paths_and_the_star_are_roles),
                cmocka_unit_test(test_bad_roles_are_refused_in_mesos_words),
                cmocka_unit_test(test_a_subrole_is_below_whole_components_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
