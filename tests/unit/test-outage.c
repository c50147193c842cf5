/* SPDX-License-Identifier: Apache-2.0 */

/* Outages: which frameworks are asked about an agent that is to be away, when, and how often. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "master/allocator.h"

#define T0 (1000 * USEC_PER_SEC)

typedef struct Fixture {
        Allocator *a;
        Resources *offered;           /* the last offer */
        char asked[512];              /* "framework@agent " of each question, since last looked at */
        char answers[512];
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_int_equal(allocator_new(&(AllocatorConfig) {}, &f->a), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        resources_free(f->offered);
        allocator_free(f->a);
        free(f);
        return 0;
}

static Resources *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        assert_int_equal(resources_parse(text, "*", &r, &message), 0);
        return r;
}

static void on_offer(const char *framework_id, const char *role, const char *agent_id,
                     void *agent_owner _unused_, Resources *offered, void *userdata) {
        Fixture *f = userdata;

        (void) framework_id;
        (void) role;
        (void) agent_id;
        resources_free(f->offered);
        f->offered = offered;
}

static void on_asked(const char *framework_id, const char *agent_id, void *userdata) {
        Fixture *f = userdata;
        size_t n = strlen(f->asked);

        snprintf(f->asked + n, sizeof(f->asked) - n, "%s@%s ", framework_id, agent_id);
}

static void assert_asked(Fixture *f, usec_t now_usec, const char *expected) {
        *f->asked = '\0';
        assert_return_code(allocator_run(f->a, now_usec, on_offer, f), 0);
        assert_return_code(allocator_run_outages(f->a, now_usec, on_asked, f), 0);
        assert_string_equal(f->asked, expected);
}

static int on_answer(const char *framework_id, OutageAnswer answer, usec_t wall_clock_usec,
                     void *userdata) {
        Fixture *f = userdata;
        size_t n = strlen(f->answers);

        snprintf(f->answers + n, sizeof(f->answers) - n, "%s:%s:%llu ", framework_id,
                 answer == OUTAGE_ACCEPTED ? "yes" : "no", (unsigned long long) wall_clock_usec);
        return 0;
}

static void assert_answers(Fixture *f, const char *agent, const char *expected) {
        *f->answers = '\0';
        assert_int_equal(allocator_outage_foreach_answer(f->a, agent, on_answer, f), 0);
        assert_string_equal(f->answers, expected);
}

static void add_agent(Fixture *f, const char *id) {
        _cleanup_(resources_freep) Resources *r = parse("cpus:4;mem:1000");

        assert_int_equal(allocator_agent_add(f->a, id, r, false, NULL), 0);
}

static void add_framework(Fixture *f, const char *id) {
        const AllocatorRole roles[] = { { .name = "r" } };

        assert_int_equal(allocator_framework_add(
                                         f->a, id,
                                         &(AllocatorFramework){ .roles = roles, .n_roles = 1 }),
                         0);
}

static Resources *task(void) {
        Resources *r = parse("cpus:1;mem:100");

        assert_int_equal(resources_allocate(r, "r"), 0);
        return r;
}

static void run_task(Fixture *f, const char *framework, const char *agent) {
        _cleanup_(resources_freep) Resources *r = task();

        assert_int_equal(allocator_charge(f->a, framework, agent, r), 0);
}

static void end_task(Fixture *f, const char *framework, const char *agent) {
        _cleanup_(resources_freep) Resources *r = task();

        assert_int_equal(allocator_recover(f->a, framework, agent, r, ALLOCATOR_FREED, 0, T0), 0);
}

static void answer(Fixture *f, const char *framework, const char *agent, OutageAnswer what,
                   usec_t refuse_usec, usec_t now_usec) {
        assert_int_equal(allocator_outage_answer(f->a, framework, agent, what, 7, refuse_usec,
                                                 now_usec),
                         0);
}

/* Two agents and two frameworks: one with a task on each agent, one with a task on the first. Offers
 * go to nobody, so that only tasks count. */
static void populate(Fixture *f) {
        add_agent(f, "a");
        add_agent(f, "b");
        add_framework(f, "x");
        add_framework(f, "y");
        assert_int_equal(allocator_suppress(f->a, "x", NULL), 0);
        assert_int_equal(allocator_suppress(f->a, "y", NULL), 0);
        run_task(f, "x", "a");
        run_task(f, "x", "b");
        run_task(f, "y", "a");
}

static void test_everybody_with_something_on_the_agent_is_asked_once(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_asked(f, T0, "");
        assert_int_equal(allocator_agent_set_outage(f->a, "a", true), 0);
        assert_true(allocator_next_due(f->a) == 0);
        assert_asked(f, T0, "x@a y@a ");
        assert_true(allocator_next_due(f->a) == USEC_INFINITY);
        assert_asked(f, T0 + USEC_PER_HOUR, "");
}

static void test_an_offer_counts_as_something(void **state) {
        Fixture *f = *state;

        add_agent(f, "a");
        add_framework(f, "x");
        assert_int_equal(allocator_agent_set_outage(f->a, "a", true), 0);
        assert_asked(f, T0, "x@a ");
}

static void test_who_comes_later_is_asked_then(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_asked(f, T0, "x@b ");
        run_task(f, "y", "b");
        assert_true(allocator_next_due(f->a) == 0);
        assert_asked(f, T0, "y@b ");
}

static void test_who_answered_is_asked_again_when_its_refusal_ends(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "a", true), 0);
        assert_asked(f, T0, "x@a y@a ");
        assert_answers(f, "a", "");

        answer(f, "x", "a", OUTAGE_ACCEPTED, 10 * USEC_PER_SEC, T0);
        answer(f, "y", "a", OUTAGE_DECLINED, 20 * USEC_PER_SEC, T0);
        assert_answers(f, "a", "x:yes:7 y:no:7 ");
        assert_true(allocator_next_due(f->a) == T0 + 10 * USEC_PER_SEC);
        assert_asked(f, T0 + 9 * USEC_PER_SEC, "");
        assert_asked(f, T0 + 10 * USEC_PER_SEC, "x@a ");
        assert_asked(f, T0 + 20 * USEC_PER_SEC, "y@a ");
        assert_answers(f, "a", "x:yes:7 y:no:7 ");
}

static void test_nobody_is_asked_more_often_than_the_allocation_interval(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_asked(f, T0, "x@b ");
        answer(f, "x", "b", OUTAGE_DECLINED, 0, T0);
        assert_asked(f, T0, "");
        assert_true(allocator_next_due(f->a) == T0 + USEC_PER_SEC);
        assert_asked(f, T0 + USEC_PER_SEC, "x@b ");
}

static void test_who_has_nothing_left_is_not_asked_again(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_asked(f, T0, "x@b ");
        answer(f, "x", "b", OUTAGE_ACCEPTED, USEC_PER_SEC, T0);
        end_task(f, "x", "b");
        assert_asked(f, T0 + USEC_PER_MINUTE, "");
        assert_true(allocator_next_due(f->a) >= T0 + USEC_PER_MINUTE);
        assert_asked(f, T0 + 2 * USEC_PER_MINUTE, "");
        assert_true(allocator_next_due(f->a) == USEC_INFINITY);
}

static void test_another_outage_forgets_what_was_said_of_the_last(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_asked(f, T0, "x@b ");
        answer(f, "x", "b", OUTAGE_ACCEPTED, USEC_PER_HOUR, T0);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_answers(f, "b", "");
        assert_asked(f, T0, "x@b ");
        assert_int_equal(allocator_agent_set_outage(f->a, "b", false), 0);
        assert_asked(f, T0 + USEC_PER_DAY, "");
        assert_int_equal(allocator_outage_withdraw(f->a, "x", "b"), ALLOCATOR_E_UNKNOWN);
}

static void test_what_is_taken_back_is_asked_when_the_agent_is_active_again(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_asked(f, T0, "x@b ");
        assert_int_equal(allocator_agent_deactivate(f->a, "b"), 0);
        assert_int_equal(allocator_outage_withdraw(f->a, "x", "b"), 0);
        assert_asked(f, T0, "");
        assert_int_equal(allocator_agent_activate(f->a, "b"), 0);
        assert_asked(f, T0, "x@b ");
}

static void test_a_framework_that_is_away_is_asked_when_it_returns(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_framework_deactivate(f->a, "x"), 0);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_asked(f, T0, "");
        assert_int_equal(allocator_framework_activate(f->a, "x"), 0);
        assert_asked(f, T0, "x@b ");
}

static void test_reviving_lifts_refusals_of_questions(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "b", true), 0);
        assert_asked(f, T0, "x@b ");
        answer(f, "x", "b", OUTAGE_DECLINED, USEC_PER_HOUR, T0);
        assert_asked(f, T0, "");
        assert_int_equal(allocator_revive(f->a, "x", NULL), 0);
        assert_asked(f, T0, "x@b ");
        assert_answers(f, "b", "x:no:7 ");
}

static void test_what_a_removed_framework_said_is_gone(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "a", true), 0);
        assert_asked(f, T0, "x@a y@a ");
        answer(f, "x", "a", OUTAGE_ACCEPTED, 0, T0);
        answer(f, "y", "a", OUTAGE_DECLINED, 0, T0);
        assert_int_equal(allocator_framework_remove(f->a, "x"), 0);
        assert_answers(f, "a", "y:no:7 ");
}

static void test_a_removed_agent_takes_its_outage_along(void **state) {
        Fixture *f = *state;

        populate(f);
        assert_int_equal(allocator_agent_set_outage(f->a, "a", true), 0);
        assert_int_equal(allocator_agent_remove(f->a, "a"), 0);
        assert_asked(f, T0, "");
        assert_int_equal(allocator_agent_set_outage(f->a, "a", true), ALLOCATOR_E_UNKNOWN);
        assert_answers(f, "a", "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_everybody_with_something_on_the_agent_is_asked_once),
                TEST(test_an_offer_counts_as_something),
                TEST(test_who_comes_later_is_asked_then),
                TEST(test_who_answered_is_asked_again_when_its_refusal_ends),
                TEST(test_nobody_is_asked_more_often_than_the_allocation_interval),
                TEST(test_who_has_nothing_left_is_not_asked_again),
                TEST(test_another_outage_forgets_what_was_said_of_the_last),
                TEST(test_what_is_taken_back_is_asked_when_the_agent_is_active_again),
                TEST(test_a_framework_that_is_away_is_asked_when_it_returns),
                TEST(test_reviving_lifts_refusals_of_questions),
                TEST(test_what_a_removed_framework_said_is_gone),
                TEST(test_a_removed_agent_takes_its_outage_along),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
