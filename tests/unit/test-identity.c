/* SPDX-License-Identifier: Apache-2.0 */

/* Identities: the helper's answers and failures; one helper per name; cancelling; local names. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/identity.h"

/* Says who it is asked about in "asked", then does what the name tells. */
static const char worker_script[] =
        "#!/bin/sh\n"
        "echo \"$2\" >>\"${0%/*}/asked\"\n"
        "case $2 in\n"
        "nobody-here) exit 2 ;;\n"
        "broken) exit 1 ;;\n"
        "garbage) echo uid x ;;\n"
        "flood) yes ;;\n"
        "half) echo uid 7 ;;\n"
        "homeless) printf 'uid 7\\ngid 8\\ngroups\\nhome \\n' ;;\n"
        "*) printf 'uid 1001\\ngid 1002\\ngroups 1002 27 100\\nhome /home/x\\n' ;;\n"
        "esac\n";

typedef struct Fixture {
        char dir[64];
        char path[128];
        sd_event *event;
        Identities *identities;
} Fixture;

typedef struct Answer {
        unsigned n;
        bool known;
        Identity identity;
        size_t n_groups;
        gid_t last_group;
        bool has_home;
        char error[128];
} Answer;

static void found(const Identity *identity, const char *error, void *userdata) {
        Answer *a = userdata;

        a->n++;
        a->known = identity;
        assert_true(!identity == !!error);
        if (identity) {
                a->identity = *identity;
                a->last_group = identity->n_groups > 0 ? identity->groups[identity->n_groups - 1]
                                                       : 0;
                a->has_home = identity->home;
        } else
                snprintf(a->error, sizeof(a->error), "%s", error);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        FILE *script;

        strcpy(f->dir, "/tmp/test-identity.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;

        snprintf(f->path, sizeof(f->path), "%s/holdfast-worker", f->dir);
        script = fopen(f->path, "we");
        if (!script || fputs(worker_script, script) < 0 || fclose(script) != 0 ||
            chmod(f->path, 0755) < 0)
                return -1;

        if (sd_event_new(&f->event) < 0 || identities_new(f->event, f->dir, &f->identities) < 0)
                return -1;

        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        char command[128];

        identities_free(f->identities);
        sd_event_unref(f->event);
        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static void run_until(Fixture *f, const unsigned *n, unsigned wanted) {
        while (*n < wanted)
                assert_int_equal(sd_event_run(f->event, 20 * 1000 * 1000) > 0, 1);
}

static Answer ask(Fixture *f, const char *user) {
        Answer a = {};

        assert_int_equal(identities_resolve(f->identities, user, found, &a, NULL), 0);
        assert_int_equal(a.n, 0);
        run_until(f, &a.n, 1);
        return a;
}

static unsigned n_asked(Fixture *f) {
        char path[160], line[64];
        unsigned n = 0;
        FILE *asked;

        snprintf(path, sizeof(path), "%s/asked", f->dir);
        asked = fopen(path, "re");
        while (asked && fgets(line, sizeof(line), asked))
                n++;
        if (asked)
                fclose(asked);
        return n;
}

static void test_helper_tells_who_a_user_is(void **state) {
        Answer a = ask(*state, "alice");

        assert_true(a.known);
        assert_int_equal(a.identity.uid, 1001);
        assert_int_equal(a.identity.gid, 1002);
        assert_int_equal(a.identity.n_groups, 3);
        assert_int_equal(a.last_group, 100);
        assert_true(a.has_home);
}

static void test_user_without_groups_and_home_is_known(void **state) {
        Answer a = ask(*state, "homeless");

        assert_true(a.known);
        assert_int_equal(a.identity.gid, 8);
        assert_int_equal(a.identity.n_groups, 0);
        assert_false(a.has_home);
}

static void test_unknown_user_has_the_text_frameworks_see(void **state) {
        Answer a = ask(*state, "nobody-here");

        assert_false(a.known);
        assert_string_equal(a.error, "No such user 'nobody-here'");
}

static void test_failures_of_the_helper_are_told(void **state) {
        assert_string_equal(ask(*state, "broken").error,
                            "Failed to look up user 'broken': the helper failed");
        assert_string_equal(ask(*state, "garbage").error,
                            "Failed to look up user 'garbage': the helper failed");
        assert_string_equal(ask(*state, "half").error,
                            "Failed to look up user 'half': the helper failed");
}

static void test_helper_that_floods_is_ended(void **state) {
        assert_false(ask(*state, "flood").known);
}

static void test_missing_helper_is_told(void **state) {
        Fixture *f = *state;

        assert_int_equal(unlink(f->path), 0);
        assert_string_equal(ask(f, "alice").error,
                            "Failed to look up user 'alice': No such file or directory");
}

static void test_root_and_own_user_need_no_helper(void **state) {
        Fixture *f = *state;
        char own[ACCOUNT_NAME_MAX];

        assert_true(ask(f, "root").known);
        assert_int_equal(ask(f, "root").identity.uid, 0);

        account_user_name(geteuid(), own);
        assert_int_equal(ask(f, own).identity.uid, geteuid());
        assert_int_equal(n_asked(f), 0);
}

static void test_one_helper_answers_all_who_ask_for_a_name(void **state) {
        Fixture *f = *state;
        Answer a = {};

        for (int i = 0; i < 5; i++)
                assert_int_equal(identities_resolve(f->identities, "alice", found, &a, NULL), 0);
        run_until(f, &a.n, 5);

        assert_true(ask(f, "alice").known);
        assert_int_equal(n_asked(f), 1);
}

static void test_many_names_wait_their_turn(void **state) {
        Fixture *f = *state;
        Answer a = {};
        char name[32];

        for (int i = 0; i < 40; i++) {
                snprintf(name, sizeof(name), "user%d", i);
                assert_int_equal(identities_resolve(f->identities, name, found, &a, NULL), 0);
        }
        run_until(f, &a.n, 40);
        assert_int_equal(n_asked(f), 40);
}

static void test_number_of_names_is_bounded(void **state) {
        Fixture *f = *state;
        unsigned n = 0;
        Answer a = {};
        char name[32];
        int r;

        do {
                snprintf(name, sizeof(name), "user%u", n);
                r = identities_resolve(f->identities, name, found, &a, NULL);
        } while (r == 0 && ++n < 5000);

        assert_int_equal(r, -ENOBUFS);
        assert_int_equal(n, 1024);
        /* The rest is cancelled in teardown. */
        run_until(f, &a.n, 1);
}

static void test_cancelled_query_is_not_answered(void **state) {
        Fixture *f = *state;
        Answer a = {}, b = {};
        IdentityQuery *early, *late;

        assert_int_equal(identities_resolve(f->identities, "alice", found, &a, &early), 0);
        assert_int_equal(identities_resolve(f->identities, "alice", found, &b, NULL), 0);
        assert_null(identity_query_cancel(early));
        run_until(f, &b.n, 1);

        assert_int_equal(identities_resolve(f->identities, "alice", found, &a, &late), 0);
        assert_null(identity_query_cancel(late));
        ask(f, "alice");
        assert_int_equal(a.n, 0);
}

static void test_local_names_are_found_by_number(void **state) {
        Fixture *f = *state;
        char name[ACCOUNT_NAME_MAX] = "", path[128];
        FILE *file;

        snprintf(path, sizeof(path), "%s/group", f->dir);
        file = fopen(path, "we");
        fputs("bad line\nroot:x:0:\n:x:7:\nmany:x:5:", file);
        for (int i = 0; i < 500; i++)
                fprintf(file, "member%d,", i);
        fputs("\nx:0:9:\nlast:x:12:\nlast2:x:12", file);
        assert_int_equal(fclose(file), 0);

        assert_true(account_find_name(path, 0, name));
        assert_string_equal(name, "root");
        assert_true(account_find_name(path, 5, name));
        assert_string_equal(name, "many");
        assert_true(account_find_name(path, 12, name));
        assert_string_equal(name, "last");
        assert_false(account_find_name(path, 7, name));
        assert_false(account_find_name(path, 4, name));
        assert_false(account_find_name("/nonexistent", 4, name));

        account_user_name(4000000000U, name);
        assert_string_equal(name, "4000000000");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_helper_tells_who_a_user_is, setup, teardown),
                cmocka_unit_test_setup_teardown(test_user_without_groups_and_home_is_known, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_unknown_user_has_the_text_frameworks_see,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_failures_of_the_helper_are_told, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_helper_that_floods_is_ended, setup, teardown),
                cmocka_unit_test_setup_teardown(test_missing_helper_is_told, setup, teardown),
                cmocka_unit_test_setup_teardown(test_root_and_own_user_need_no_helper, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_one_helper_answers_all_who_ask_for_a_name,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_names_wait_their_turn, setup, teardown),
                cmocka_unit_test_setup_teardown(test_number_of_names_is_bounded, setup, teardown),
                cmocka_unit_test_setup_teardown(test_cancelled_query_is_not_answered, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_local_names_are_found_by_number, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
