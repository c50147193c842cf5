/* SPDX-License-Identifier: Apache-2.0 */

/* Flags: every kind, every source, the texts of refusals, --help. */

#include <stdio.h>
#include <unistd.h>

#include "common/base/flags.h"
#include "tests/unit/test.h"

typedef struct Values {
        char *name;
        char *path;
        bool quiet;
        bool lookup;
        uint64_t port;
        usec_t timeout_usec;
        uint64_t size_bytes;
        double share;
        char **env;
        char *secret;
        bool old;
} Values;

typedef struct Fixture {
        Values v;
        Flag flags[11];
        FlagTable table;
        char *message;
        char **args;
} Fixture;

static void fixture_init(Fixture *f) {
        *f = (Fixture) {
                .flags = {
                        { .name = "name", .alias = "slave_name", .kind = FLAG_STRING, .value = &f->v.name, .help = "A name." },
                        { .name = "work_dir", .kind = FLAG_PATH, .value = &f->v.path, .metavar = "DIR", .help = "A directory." },
                        { .name = "quiet", .kind = FLAG_BOOL, .value = &f->v.quiet, .default_text = "false", .help = "Silence." },
                        { .name = "lookup", .kind = FLAG_BOOL, .value = &f->v.lookup, .default_text = "true", .help = "Look." },
                        { .name = "port", .kind = FLAG_U64, .value = &f->v.port, .default_text = "5050", .help = "A port." },
                        { .name = "timeout", .kind = FLAG_DURATION, .value = &f->v.timeout_usec, .default_text = "1mins",
                          .help = "A time." },
                        { .name = "size", .kind = FLAG_BYTES, .value = &f->v.size_bytes, .default_text = "2GB", .help = "A size." },
                        { .name = "share", .kind = FLAG_DOUBLE, .value = &f->v.share, .default_text = "0.1", .help = "A share." },
                        { .name = "env", .kind = FLAG_LIST, .value = &f->v.env, .help = "Many." },
                        { .name = "credential", .kind = FLAG_STRING, .value = &f->v.secret, .secret = true, .help = "Hidden." },
                        { .name = "old", .kind = FLAG_BOOL, .value = &f->v.old, .ignored = true, .help = "Once upon a time." },
                },
        };
        f->table = (FlagTable) {
                .program = "mesos-agent",
                .env_prefix = "MESOS_",
                .flags = f->flags,
                .n_flags = ELEMENTSOF(f->flags),
        };
}

static void fixture_deinit(Fixture *f) {
        flags_deinit(&f->table);
        free(f->message);
        free(f->args);
}

static int parse(Fixture *f, char **argv, char **env) {
        int argc = 0;

        while (argv[argc])
                argc++;

        return flags_parse(&f->table, argc, argv, env, &f->args, &f->message);
}

#define ARGS(...) ((char *[]) { (char *) "mesos-agent", __VA_ARGS__ __VA_OPT__(,) NULL })
#define ENV(...) ((char *[]) { __VA_ARGS__ __VA_OPT__(,) NULL })
#define T(text) ((char *) (text))

static void assert_refused(char **argv, char **env, const char *expected) {
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f);
        assert_int_equal(parse(&f, argv, env), FLAGS_E_INVALID);
        assert_string_equal(f.message, expected);
}

static void test_defaults_hold_when_nothing_is_given(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f);
        assert_int_equal(parse(&f, ARGS(), NULL), FLAGS_OK);
        assert_null(f.v.name);
        assert_false(f.v.quiet);
        assert_true(f.v.lookup);
        assert_int_equal(f.v.port, 5050);
        assert_int_equal(f.v.timeout_usec, 60 * USEC_PER_SEC);
        assert_true(f.v.size_bytes == UINT64_C(2) << 30);
        assert_true(f.v.share == 0.1);
        assert_false(f.flags[4].given);
}

static void test_every_kind_is_read_from_the_command_line(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f);
        assert_int_equal(parse(&f, ARGS(T("--name=a=b"), T("--work_dir=file:///x"), T("--quiet"), T("--no-lookup"), T("--port=7"),
                                        T("--timeout=1.5secs"), T("--size=1KB"), T("--share=0.5"), T("--env=A=1"),
                                        T("--env=B=2")), NULL), FLAGS_OK);
        assert_string_equal(f.v.name, "a=b");
        assert_string_equal(f.v.path, "file:///x");
        assert_true(f.v.quiet);
        assert_false(f.v.lookup);
        assert_int_equal(f.v.port, 7);
        assert_int_equal(f.v.timeout_usec, 1500000);
        assert_int_equal(f.v.size_bytes, 1024);
        assert_true(f.v.share == 0.5);
        assert_string_equal(f.v.env[0], "A=1");
        assert_string_equal(f.v.env[1], "B=2");
        assert_null(f.v.env[2]);
        assert_true(f.flags[4].given);
}

static void test_the_command_line_wins_over_the_environment(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f);
        assert_int_equal(parse(&f, ARGS(T("--port=1")),
                               ENV(T("MESOS_PORT=2"), T("MESOS_TIMEOUT=3secs"), T("MESOS_UNKNOWN=4"), T("PORT=5"))), FLAGS_OK);
        assert_int_equal(f.v.port, 1);
        assert_int_equal(f.v.timeout_usec, 3 * USEC_PER_SEC);
}

static void test_an_unknown_flag_is_refused_in_mesos_words(_unused_ void **state) {
        assert_refused(ARGS(T("--nosuchflag=1")), NULL,
                       "Failed to load unknown flag 'nosuchflag'\n\n"
                       "See `mesos-agent --help` for a list of supported flags.");
        assert_refused(ARGS(T("--no-such")), NULL,
                       "Failed to load unknown flag 'no-such'\n\n"
                       "See `mesos-agent --help` for a list of supported flags.");
        assert_refused(ARGS(T("--work-dir=/x")), NULL,
                       "Failed to load unknown flag 'work-dir'\n\n"
                       "See `mesos-agent --help` for a list of supported flags.");
}

static void test_a_flag_given_twice_is_refused_under_any_of_its_names(_unused_ void **state) {
        assert_refused(ARGS(T("--port=1"), T("--port=1")), NULL, "Duplicate flag 'port' on command line");
        assert_refused(ARGS(T("--quiet"), T("--no-quiet")), NULL, "Duplicate flag 'quiet' on command line");
        assert_refused(ARGS(T("--name=a"), T("--slave_name=b")), NULL, "Duplicate flag 'name' on command line");
}

static void test_a_bad_value_names_the_flag_and_what_was_expected(_unused_ void **state) {
        assert_refused(ARGS(T("--port=http")), NULL,
                       "Failed to load flag 'port': Failed to load value 'http': expected a whole number");
        assert_refused(ARGS(T("--port=99999999999999999999")), NULL,
                       "Failed to load flag 'port': Failed to load value '99999999999999999999': out of range");
        assert_refused(ARGS(), ENV(T("MESOS_SIZE=2")),
                       "Failed to load flag 'size': Failed to load value '2': expected a size such as 64MB "
                       "(B, KB, MB, GB, TB)");
        assert_refused(ARGS(T("--quiet=maybe")), NULL,
                       "Failed to load flag 'quiet': Failed to load value 'maybe': expected true or false");
        assert_refused(ARGS(T("--port")), NULL,
                       "Failed to load non-boolean flag 'port': Missing value, expected a whole number as in --port=VALUE");
        assert_refused(ARGS(T("--no-port")), NULL, "Failed to load non-boolean flag 'port' via 'no-port'");
        assert_refused(ARGS(T("--no-quiet=1")), NULL,
                       "Failed to load boolean flag 'quiet' via 'no-quiet' with value '1'");
        assert_refused(ARGS(T("--name=file:///no/such/file")), NULL,
                       "Failed to load flag 'name': Failed to load value 'file:///no/such/file': No such file or directory");
}

static void test_arguments_that_are_no_flags_are_refused_unless_the_program_takes_them(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;

        assert_refused(ARGS(T("port=1")), NULL,
                       "Unexpected argument 'port=1': flags are written as --name=value\n\n"
                       "See `mesos-agent --help` for a list of supported flags.");

        fixture_init(&f);
        f.table.positional = "FILE";
        assert_int_equal(parse(&f, ARGS(T("one"), T("--port=9"), T("--"), T("--two")), NULL), FLAGS_OK);
        assert_string_equal(f.args[0], "one");
        assert_string_equal(f.args[1], "--two");
        assert_null(f.args[2]);
        assert_int_equal(f.v.port, 9);
}

static void test_a_deprecated_name_works_and_so_does_an_ignored_flag(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f, g;

        fixture_init(&f);
        assert_int_equal(parse(&f, ARGS(T("--slave_name=x"), T("--old")), NULL), FLAGS_OK);
        assert_string_equal(f.v.name, "x");
        assert_true(f.v.old);

        fixture_init(&g);
        assert_int_equal(parse(&g, ARGS(), ENV(T("MESOS_SLAVE_NAME=y"))), FLAGS_OK);
        assert_string_equal(g.v.name, "y");
}

static void test_a_required_flag_may_come_from_the_environment_but_not_be_missing(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f, g;

        fixture_init(&f);
        f.flags[1].required = true;
        assert_int_equal(parse(&f, ARGS(), NULL), FLAGS_E_INVALID);
        assert_string_equal(f.message, "Flag 'work_dir' is required, but it was not provided");

        fixture_init(&g);
        g.flags[1].required = true;
        assert_int_equal(parse(&g, ARGS(), ENV(T("MESOS_WORK_DIR=/x"))), FLAGS_OK);
}

static void test_text_is_read_from_a_file_when_asked(_unused_ void **state) {
        _cleanup_(fixture_deinit) Fixture f;
        char path[] = "/tmp/test-flags-XXXXXX", argument[64];
        int fd;

        fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "contents\n", 9), 9);
        close(fd);
        snprintf(argument, sizeof(argument), "--name=file://%s", path);

        fixture_init(&f);
        assert_int_equal(parse(&f, ARGS(argument), NULL), FLAGS_OK);
        assert_string_equal(f.v.name, "contents");
        unlink(path);
}

static void assert_format(const Flag *f, const char *expected) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1000);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(flag_format(f, &b), 0);
        text = buffer_take_text(&b);
        assert_string_equal(text, expected);
}

static void test_values_are_shown_as_mesos_shows_them_and_secrets_are_not(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1000);
        _cleanup_(fixture_deinit) Fixture f;

        fixture_init(&f);
        assert_int_equal(parse(&f, ARGS(T("--credential=hush"), T("--env=A=1"), T("--env=B=2")), NULL), FLAGS_OK);
        assert_int_equal(flag_format(f.flags + 0, &b), FLAG_UNSET);
        assert_format(f.flags + 2, "false");
        assert_format(f.flags + 4, "5050");
        assert_format(f.flags + 5, "1mins");
        assert_format(f.flags + 6, "2GB");
        assert_format(f.flags + 7, "0.1");
        assert_format(f.flags + 8, "A=1,B=2");
        assert_format(f.flags + 9, "***");
}

static void test_password_of_a_url_is_not_shown(_unused_ void **state) {
        static const struct {
                const char *given, *shown;
        } cases[] = {
                { "--name=zk://user:pa:s@s@h:1,i/m", "zk://user:***@h:1,i/m" },
                { "--name=zk://h:1/m@x:y", "zk://h:1/m@x:y" },
                { "--name=master@h:5050", "master@h:5050" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(fixture_deinit) Fixture f;

                fixture_init(&f);
                assert_int_equal(parse(&f, ARGS((char *) cases[i].given), NULL), FLAGS_OK);
                assert_format(f.flags + 0, cases[i].shown);
        }
}

static void test_help_names_every_flag_within_100_columns(_unused_ void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(100000);
        _cleanup_(fixture_deinit) Fixture f;
        _cleanup_free_ char *text = NULL;

        fixture_init(&f);
        f.flags[0].help = "A sentence that is so long that it cannot possibly stand in one line of one hundred columns, "
                          "and has to go on in another one.";
        assert_int_equal(flags_print_help(&f.table, &b), 0);
        text = buffer_take_text(&b);
        for (size_t i = 0; i < f.table.n_flags; i++)
                assert_non_null(strstr(text, f.flags[i].name));
        assert_non_null(strstr(text, "  --work_dir=DIR"));
        assert_non_null(strstr(text, "  --[no-]lookup"));
        assert_non_null(strstr(text, "(default: 2GB)"));
        assert_non_null(strstr(text, "has no effect"));
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                assert_true(strlen(line) <= 100);
}

static void test_a_flag_may_stand_alone_and_excuse_what_is_required(void **state) {
        _cleanup_free_ char *message = NULL;
        char *look = NULL, *need = NULL;
        Flag flags[] = {
                { .name = "look", .kind = FLAG_STRING, .value = &look, .bare_text = "text", .excuses = true },
                { .name = "need", .kind = FLAG_STRING, .value = &need, .required = true },
        };
        FlagTable t = { .program = "test", .flags = flags, .n_flags = ELEMENTSOF(flags) };

        (void) state;
        assert_int_equal(flags_parse(&t, 2, (char *[]) { (char *) "test", (char *) "--look", NULL }, NULL, NULL, &message),
                         FLAGS_OK);
        assert_string_equal(look, "text");
        flags_deinit(&t);

        assert_int_equal(flags_parse(&t, 2, (char *[]) { (char *) "test", (char *) "--look=json", NULL }, NULL, NULL,
                                     &message),
                         FLAGS_OK);
        assert_string_equal(look, "json");
        flags_deinit(&t);

        assert_int_equal(flags_parse(&t, 1, (char *[]) { (char *) "test", NULL }, NULL, NULL, &message),
                         FLAGS_E_INVALID);
        assert_non_null(strstr(message, "'need' is required"));
        flags_deinit(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_flag_may_stand_alone_and_excuse_what_is_required),
                cmocka_unit_test(test_defaults_hold_when_nothing_is_given),
                cmocka_unit_test(test_every_kind_is_read_from_the_command_line),
                cmocka_unit_test(test_the_command_line_wins_over_the_environment),
                cmocka_unit_test(test_an_unknown_flag_is_refused_in_mesos_words),
                cmocka_unit_test(test_a_flag_given_twice_is_refused_under_any_of_its_names),
                cmocka_unit_test(test_a_bad_value_names_the_flag_and_what_was_expected),
                cmocka_unit_test(test_arguments_that_are_no_flags_are_refused_unless_the_program_takes_them),
                cmocka_unit_test(test_a_deprecated_name_works_and_so_does_an_ignored_flag),
                cmocka_unit_test(test_a_required_flag_may_come_from_the_environment_but_not_be_missing),
                cmocka_unit_test(test_text_is_read_from_a_file_when_asked),
                cmocka_unit_test(test_values_are_shown_as_mesos_shows_them_and_secrets_are_not),
                cmocka_unit_test(test_password_of_a_url_is_not_shown),
                cmocka_unit_test(test_help_names_every_flag_within_100_columns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
