/* SPDX-License-Identifier: Apache-2.0 */

/* The registry: what it was told is there after a restart, and callers hear when it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/file.h"
#include "master/registry.h"

typedef struct Fixture {
        char directory[64];
        char path[96];
        sd_event *event;
        Registry *r;
        int n_done;
} Fixture;

static void open_registry(Fixture *f) {
        _cleanup_free_ char *message = NULL;

        assert_int_equal(registry_open(f->event, f->path, &f->r, &message), REGISTRY_OK);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->directory, "/tmp/holdfast-registry-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        snprintf(f->path, sizeof(f->path), "%s/registry.db", f->directory);
        assert_int_equal(sd_event_new(&f->event), 0);
        open_registry(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        registry_free(f->r);
        sd_event_unref(f->event);
        assert_int_equal(file_remove_tree_at(-100, f->directory), 0);
        free(f);
        return 0;
}

static void done(int error, void *userdata) {
        assert_int_equal(error, 0);
        (*(int *) userdata)++;
}

/* One turn of the loop, at the end of which all is committed. */
static void settle(Fixture *f) {
        while (registry_stats(f->r).n_queued > 0)
                assert_true(sd_event_run(f->event, 1000000) >= 0);
}

static void put(Fixture *f, const char *id) {
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;

        agent_id.value = (char *) id;
        info.hostname = (char *) "h";
        info.id = &agent_id;
        assert_int_equal(registry_put_agent(f->r, &info, done, &f->n_done), 0);
}

static int collect(const Mesos__V1__AgentInfo *info, void *userdata) {
        char *text = userdata;

        strcat(strcat(text, info->id->value), " ");
        return 0;
}

static void assert_agents(Fixture *f, const char *expected) {
        char text[256] = "";

        assert_int_equal(registry_foreach_agent(f->r, collect, text), 0);
        assert_string_equal(text, expected);
}

static void restart(Fixture *f) {
        f->r = registry_free(f->r);
        open_registry(f);
}

static void observe(usec_t took_usec, void *userdata) {
        assert_true(took_usec < USEC_PER_MINUTE);
        (*(int *) userdata)++;
}

static void test_callback_comes_at_the_end_of_the_turn_not_before(void **state) {
        Fixture *f = *state;
        int n_observed = 0;

        registry_observe(f->r, observe, &n_observed);
        put(f, "a");
        put(f, "b");
        assert_int_equal(f->n_done, 0);
        assert_int_equal(registry_stats(f->r).n_queued, 2);
        settle(f);
        assert_int_equal(f->n_done, 2);
        assert_int_equal(n_observed, 2);
}

static void test_admitted_agents_are_there_after_a_restart(void **state) {
        Fixture *f = *state;

        put(f, "a");
        put(f, "b");
        settle(f);
        restart(f);
        assert_agents(f, "a b ");
}

static void test_what_was_not_committed_is_not_there_after_a_restart(void **state) {
        Fixture *f = *state;

        put(f, "a");
        restart(f);
        assert_agents(f, "");
        assert_int_equal(f->n_done, 0);
}

static void test_agent_is_in_one_place_at_a_time(void **state) {
        Fixture *f = *state;
        usec_t since_usec = 0;

        put(f, "a");
        assert_int_equal(registry_mark_unreachable(f->r, "a", 123, done, &f->n_done), 0);
        settle(f);
        restart(f);
        assert_agents(f, "");
        assert_true(registry_is_unreachable(f->r, "a", &since_usec));
        assert_int_equal(since_usec, 123);
        assert_int_equal(registry_count_unreachable(f->r), 1);

        put(f, "a");
        assert_false(registry_is_unreachable(f->r, "a", NULL));
        assert_agents(f, "a ");

        assert_int_equal(registry_mark_gone(f->r, "a", 456, NULL, NULL), 0);
        assert_true(registry_is_gone(f->r, "a"));
        assert_agents(f, "");
        settle(f);
}

static void test_removed_agent_leaves_no_trace(void **state) {
        Fixture *f = *state;

        put(f, "a");
        assert_int_equal(registry_remove_agent(f->r, "a", NULL, NULL), 0);
        assert_agents(f, "");
        assert_false(registry_is_unreachable(f->r, "a", NULL));
        assert_false(registry_is_gone(f->r, "a"));
        settle(f);
}

static void test_old_entries_and_those_beyond_the_count_are_forgotten(void **state) {
        Fixture *f = *state;
        char id[16];

        for (int i = 1; i <= 5; i++) {
                snprintf(id, sizeof(id), "u%d", i);
                assert_int_equal(registry_mark_unreachable(f->r, id, (usec_t) i * 100, NULL, NULL),
                                 0);
                assert_int_equal(registry_mark_gone(f->r, i % 2 ? "odd" : "even", (usec_t) i * 100,
                                                    NULL, NULL),
                                 0);
        }

        assert_int_equal(registry_prune(f->r, 200, 3), 0);
        assert_false(registry_is_unreachable(f->r, "u1", NULL));
        assert_false(registry_is_unreachable(f->r, "u2", NULL));
        assert_true(registry_is_unreachable(f->r, "u3", NULL));
        assert_true(registry_is_gone(f->r, "odd"));
        settle(f);
}

static void test_file_that_is_no_registry_is_refused_by_name(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *message = NULL;
        FILE *file;

        f->r = registry_free(f->r);
        file = fopen(f->path, "w");
        assert_non_null(file);
        for (int i = 0; i < 1000; i++)
                fputs("this is not a database\n", file);
        fclose(file);

        assert_int_equal(registry_open(f->event, f->path, &f->r, &message), REGISTRY_E_UNUSABLE);
        assert_non_null(strstr(message, f->path));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                                test_callback_comes_at_the_end_of_the_turn_not_before, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(test_admitted_agents_are_there_after_a_restart,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                                test_what_was_not_committed_is_not_there_after_a_restart, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(test_agent_is_in_one_place_at_a_time, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_removed_agent_leaves_no_trace, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                                test_old_entries_and_those_beyond_the_count_are_forgotten, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(test_file_that_is_no_registry_is_refused_by_name,
                                                setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
