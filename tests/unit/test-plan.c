/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "launcher/plan.h"
#include "proto/launcher.pb-c.h"

static char *const argv[] = { (char *) "sh", (char *) "-c", (char *) "exit 7", NULL };
static char *const environment[] = { (char *) "A=1", (char *) "EMPTY=", NULL };
static const gid_t groups[] = { 4, 24 };
static const LaunchCommand command = { .file = "/bin/sh",
                                       .argv = argv,
                                       .environment = environment };
static const LaunchCommand fetcher = { .argv = argv, .input = "a\0b", .n_input = 3 };

static ConfinementNamespace namespaces[] = { HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__MOUNT,
                                             HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__PID };
static ConfinementRlimit core = {
        .base = PROTOBUF_C_MESSAGE_INIT(&holdfast__launcher__rlimit__descriptor),
        .resource = RLIMIT_CORE,
        .hard = RLIM_INFINITY,
};
static const Confinement confinement = {
        .base = PROTOBUF_C_MESSAGE_INIT(&holdfast__launcher__confinement__descriptor),
        .namespaces = namespaces,
        .n_namespaces = ELEMENTSOF(namespaces),
        .rlimits = &(ConfinementRlimit *) { &core },
        .n_rlimits = 1,
};

static LaunchPlan make_plan(void) {
        return (LaunchPlan) {
                .container_id = "c1",
                .runtime_directory = "/run/c1",
                .exit_record_path = "/var/exits/c1",
                .sandbox_directory = "/var/sandbox",
                .uid = 65534,
                .gid = 100,
                .groups = groups,
                .n_groups = ELEMENTSOF(groups),
                .umask = 027,
                .confinement = &confinement,
                .fetcher = &fetcher,
                .command = &command,
        };
}

static int round_trip(const LaunchPlan *p, LaunchPlan **ret, char **reterr_message) {
        _cleanup_free_ void *data = NULL;
        size_t n;

        assert_int_equal(launch_plan_encode(p, &data, &n), 0);
        return launch_plan_decode(data, n, ret, reterr_message);
}

static void assert_strings(char *const *found, char *const *expected) {
        for (; *expected; expected++, found++)
                assert_string_equal(*found, *expected);
        assert_null(*found);
}

static void test_a_plan_comes_back_as_it_was(void **state) {
        _cleanup_(launch_plan_freep) LaunchPlan *p = NULL;
        const LaunchPlan plan = make_plan();
        char *message;

        (void) state;
        assert_int_equal(round_trip(&plan, &p, &message), LAUNCH_PLAN_OK);
        assert_string_equal(p->container_id, "c1");
        assert_string_equal(p->runtime_directory, "/run/c1");
        assert_string_equal(p->exit_record_path, "/var/exits/c1");
        assert_null(p->log_path);
        assert_string_equal(p->working_directory, "/var/sandbox");
        assert_int_equal(p->uid, 65534);
        assert_int_equal(p->gid, 100);
        assert_int_equal(p->n_groups, 2);
        assert_memory_equal(p->groups, groups, sizeof(groups));
        assert_int_equal(p->umask, 027);
        assert_int_equal(p->confinement->n_rlimits, 1);
        assert_int_equal(p->confinement->rlimits[0]->resource, RLIMIT_CORE);
        assert_true(p->confinement->rlimits[0]->hard == RLIM_INFINITY);
        assert_int_equal(p->confinement->n_namespaces, 2);
        assert_memory_equal(p->confinement->namespaces, namespaces, sizeof(namespaces));
        assert_string_equal(p->command->file, "/bin/sh");
        assert_strings(p->command->argv, argv);
        assert_strings(p->command->environment, environment);
        assert_null(p->command->input);
        assert_string_equal(p->fetcher->file, "sh");
        assert_int_equal(p->fetcher->n_input, 3);
        assert_memory_equal(p->fetcher->input, "a\0b", 3);
        assert_null(p->fetcher->environment[0]);
}

static void assert_invalid(const LaunchPlan *p, const char *expected) {
        _cleanup_free_ char *message = NULL;
        LaunchPlan *decoded;

        assert_int_equal(round_trip(p, &decoded, &message), LAUNCH_PLAN_E_INVALID);
        assert_non_null(strstr(message, expected));
}

static void test_what_cannot_be_done_is_refused_with_a_reason(void **state) {
        static char *const nothing[] = { NULL };
        static char *const bad_environment[] = { (char *) "NOVALUE", NULL };
        LaunchPlan p;

        (void) state;
        p = make_plan();
        p.sandbox_directory = "relative";
        assert_invalid(&p, "sandbox");

        p = make_plan();
        p.command = &(LaunchCommand) { .file = "/bin/sh", .argv = nothing };
        assert_invalid(&p, "no arguments");

        p = make_plan();
        p.command = &(LaunchCommand) { .file = "/bin/sh",
                                       .argv = argv,
                                       .environment = bad_environment };
        assert_invalid(&p, "NOVALUE");

        p = make_plan();
        p.umask = 01000;
        assert_invalid(&p, "umask");
}

static void test_text_of_a_plan_has_a_form_and_a_bound(void **state) {
        static const gid_t many[65537];
        static const char *const ids[] = { "", ".", "..", "a/b", "../c" };
        char path[4097], id[257];
        LaunchPlan p;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                p = make_plan();
                p.container_id = ids[i];
                assert_invalid(&p, "is not the id of a container");
        }

        memset(id, 'a', 256);
        id[256] = '\0';
        p = make_plan();
        p.container_id = id;
        assert_invalid(&p, "is not the id of a container");

        memset(path, '/', 4096);
        path[4096] = '\0';
        for (unsigned i = 0; i < 5; i++) {
                p = make_plan();
                const char **const paths[] = { &p.runtime_directory, &p.exit_record_path, &p.log_path, &p.sandbox_directory,
                                               &p.working_directory };

                *paths[i] = path;
                assert_invalid(&p, "too long");
                *paths[i] = "relative";
                assert_invalid(&p, "is not absolute");
        }

        p = make_plan();
        p.groups = many;
        p.n_groups = ELEMENTSOF(many);
        assert_invalid(&p, "groups are too many");
}

static void test_a_plan_of_a_later_version_is_told_from_a_bad_one(void **state) {
        _cleanup_free_ void *data = NULL;
        const LaunchPlan plan = make_plan();
        Holdfast__Launcher__LaunchPlan *m;
        uint8_t changed[1024];
        LaunchPlan *p;
        char *message;
        size_t n;

        (void) state;
        assert_int_equal(launch_plan_encode(&plan, &data, &n), 0);
        m = holdfast__launcher__launch_plan__unpack(NULL, n, data);
        assert_non_null(m);
        m->version = LAUNCH_PLAN_VERSION + 1;
        n = holdfast__launcher__launch_plan__pack(m, changed);
        holdfast__launcher__launch_plan__free_unpacked(m, NULL);
        assert_int_equal(launch_plan_decode(changed, n, &p, &message), LAUNCH_PLAN_E_NEWER);
}

static void test_no_truncated_plan_is_taken_for_a_plan(void **state) {
        _cleanup_free_ uint8_t *data = NULL;
        LaunchPlan plan = make_plan();
        size_t n;

        /* The command is the last field and required; cut anywhere, it isn't there. */
        (void) state;
        assert_int_equal(launch_plan_encode(&plan, (void **) &data, &n), 0);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *message = NULL;
                LaunchPlan *p;

                assert_int_equal(launch_plan_decode(data, i, &p, &message), LAUNCH_PLAN_E_INVALID);
        }
}

static void test_a_plan_larger_than_any_command_line_is_refused(void **state) {
        const LaunchCommand large = { .argv = argv,
                                      .input = calloc(1, LAUNCH_PLAN_MAX_BYTES),
                                      .n_input = LAUNCH_PLAN_MAX_BYTES };
        LaunchPlan p = make_plan();
        void *data;
        size_t n;

        (void) state;
        p.command = &large;
        assert_int_equal(launch_plan_encode(&p, &data, &n), -E2BIG);
        free((void *) large.input);
}

static void test_a_printed_plan_is_text_whatever_is_in_it(void **state) {
        static char *const evil[] = { (char *) "a\x1b[2J\nfake 'line'", NULL };
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(65536);
        _cleanup_free_ char *text = NULL;
        LaunchPlan p = make_plan();

        (void) state;
        p.command = &(LaunchCommand) { .file = "/bin/echo", .argv = evil };
        assert_int_equal(launch_plan_print(&p, &b), 0);
        text = buffer_take_text(&b);
        assert_non_null(text);
        assert_null(strchr(text, '\x1b'));
        assert_null(strstr(text, "\nfake"));
        assert_non_null(strstr(text, "namespaces      mount pid \n"));
        assert_non_null(strstr(text, "groups          100 4 24\n"));
        assert_non_null(strstr(text, "fetch           'sh'\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_plan_comes_back_as_it_was),
                cmocka_unit_test(test_what_cannot_be_done_is_refused_with_a_reason),
                cmocka_unit_test(test_text_of_a_plan_has_a_form_and_a_bound),
                cmocka_unit_test(test_a_plan_of_a_later_version_is_told_from_a_bad_one),
                cmocka_unit_test(test_no_truncated_plan_is_taken_for_a_plan),
                cmocka_unit_test(test_a_plan_larger_than_any_command_line_is_refused),
                cmocka_unit_test(test_a_printed_plan_is_text_whatever_is_in_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
