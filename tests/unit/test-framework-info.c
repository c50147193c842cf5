/* SPDX-License-Identifier: Apache-2.0 */

/* What a framework may say about itself, with the words recorded from Mesos. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/net/pbjson.h"
#include "master/framework_info.h"
#include "master/reject.h"

#define MULTI_ROLE "\"capabilities\":[{\"type\":\"MULTI_ROLE\"}]"

static Mesos__V1__FrameworkInfo *info_of(const char *rest) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;
        char json[1024];

        snprintf(json, sizeof(json), "{\"user\":\"root\",\"name\":\"x\"%s%s}", *rest ? "," : "",
                 rest);
        if (pbjson_parse(&mesos__v1__framework_info__descriptor, json, strlen(json),
                         PB_LIMITS_DEFAULT, &m, &message) != PB_OK)
                fail_msg("%s: %s", message, json);
        return (Mesos__V1__FrameworkInfo *) m;
}

static void assert_judged(const char *rest, FrameworkPolicy policy, const char *expected) {
        Mesos__V1__FrameworkInfo *info = info_of(rest);
        _cleanup_free_ char *message = NULL;
        int r;

        r = framework_info_validate(info, &policy, &message);
        pb_free(&info->base);
        assert_string_equal(message ?: "", expected);
        assert_int_equal(r, *expected ? REJECTED : ACCEPTED);
}

static const FrameworkPolicy anything = { .root_submissions = true };

static void test_roles_go_with_the_capability(void **state) {
        (void) state;
        assert_judged("", anything, "");
        assert_judged("\"role\":\"a\"", anything, "");
        assert_judged(MULTI_ROLE, anything, "");
        assert_judged(MULTI_ROLE ",\"roles\":[\"a\",\"b\"]", anything, "");
        assert_judged(MULTI_ROLE ",\"role\":\"a\"", anything,
                      "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE "
                      "capable");
        assert_judged("\"roles\":[\"a\"]", anything,
                      "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE "
                      "capable");
}

static void test_bad_roles_are_told_apart(void **state) {
        (void) state;
        assert_judged(MULTI_ROLE ",\"roles\":[\"a\",\"a\"]", anything,
                      "'FrameworkInfo.roles' contains duplicate items: { a }");
        assert_judged(MULTI_ROLE ",\"roles\":[\"/a\"]", anything,
                      "'FrameworkInfo.roles' contains invalid role: Role '/a' cannot start with a "
                      "slash");
        assert_judged(MULTI_ROLE ",\"roles\":[\"\"]", anything,
                      "'FrameworkInfo.roles' contains invalid role: Role names cannot be the empty "
                      "string");
        assert_judged(MULTI_ROLE ",\"roles\":[\"*/a\"]", anything,
                      "'FrameworkInfo.roles' contains invalid role: Role '*/a' cannot include '*' "
                      "as a component");
}

static void test_framework_has_no_more_roles_than_can_be_compared(void **state) {
        char *const role = (char *) "a";
        char *roles[FRAMEWORK_MAX_ROLES + 1];
        Mesos__V1__FrameworkInfo *info = info_of(MULTI_ROLE);
        Mesos__V1__FrameworkInfo many = *info;
        _cleanup_free_ char *message = NULL, *suppressed = NULL;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(roles); i++)
                roles[i] = role;
        many.roles = roles;
        many.n_roles = ELEMENTSOF(roles);

        assert_int_equal(framework_info_validate(&many, &anything, &message), REJECTED);
        assert_string_equal(message, "'FrameworkInfo.roles' contains 1025 items, more than the "
                                     "1024 a framework may have");
        assert_int_equal(framework_info_validate_suppressed(&many, roles, ELEMENTSOF(roles),
                                                            &suppressed),
                         REJECTED);
        assert_string_equal(suppressed, "Suppressed roles contain 1025 items, more than the 1024 "
                                        "a framework may have");
        pb_free(&info->base);
}

static void test_failover_timeout_must_be_a_duration_but_may_be_negative(void **state) {
        (void) state;
        assert_judged("\"failover_timeout\":-5", anything, "");
        assert_judged("\"failover_timeout\":1e30", anything,
                      "The framework failover_timeout (1e+30) is invalid");
}

static void test_operator_can_forbid_root_and_roles(void **state) {
        (void) state;
        assert_judged("", (FrameworkPolicy) {},
                      "User 'root' is not allowed to run frameworks without root submissions "
                      "(--root_submissions)");
        assert_judged("\"role\":\"b\"",
                      (FrameworkPolicy) { .root_submissions = true, .roles = "a,b" }, "");
        assert_judged("\"role\":\"c\"",
                      (FrameworkPolicy) { .root_submissions = true, .roles = "a,b" },
                      "Role 'c' is not present in the master's --roles");
        assert_judged("", (FrameworkPolicy) { .root_submissions = true, .roles = "a,b" }, "");
}

static void test_suppressed_roles_must_be_the_frameworks_own(void **state) {
        Mesos__V1__FrameworkInfo *info = info_of(MULTI_ROLE ",\"roles\":[\"a\"]");
        char *const good[] = { (char *) "a" }, *const bad[] = { (char *) "a", (char *) "zork" };
        _cleanup_free_ char *message = NULL;

        (void) state;
        assert_int_equal(framework_info_validate_suppressed(info, good, 1, &message), ACCEPTED);
        assert_int_equal(framework_info_validate_suppressed(info, bad, 2, &message), REJECTED);
        assert_string_equal(message,
                            "Suppressed roles { zork } are not contained in the set of roles");
        pb_free(&info->base);
}

static void test_updates_may_not_change_user_checkpoint_or_principal(void **state) {
        static const struct {
                const char *now, *expected;
        } cases[] = {
                { "\"checkpoint\":true,\"principal\":\"p\",\"webui_url\":\"http://x/\"", NULL },
                { "\"checkpoint\":false,\"principal\":\"p\"",
                  "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from "
                  "'true' to 'false'" },
                { "\"checkpoint\":true", "Changing framework's principal is not allowed." },
        };
        Mesos__V1__FrameworkInfo *was = info_of("\"checkpoint\":true,\"principal\":\"p\"");

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Mesos__V1__FrameworkInfo *now = info_of(cases[i].now);
                _cleanup_free_ char *message = NULL;

                (void) framework_info_validate_update(was, now, &message);
                assert_string_equal(message ?: "", cases[i].expected ?: "");
                pb_free(&now->base);
        }
        pb_free(&was->base);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_roles_go_with_the_capability),
                cmocka_unit_test(test_bad_roles_are_told_apart),
                cmocka_unit_test(test_framework_has_no_more_roles_than_can_be_compared),
                cmocka_unit_test(test_failover_timeout_must_be_a_duration_but_may_be_negative),
                cmocka_unit_test(test_operator_can_forbid_root_and_roles),
                cmocka_unit_test(test_suppressed_roles_must_be_the_frameworks_own),
                cmocka_unit_test(test_updates_may_not_change_user_checkpoint_or_principal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
