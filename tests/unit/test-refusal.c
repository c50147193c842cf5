/* SPDX-License-Identifier: Apache-2.0 */

/* Refusals: found, ended in order, dropped by agent and by framework, and never too many. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/refusal.h"
#include "tests/unit/seed.h"

#define N_AGENTS 5
#define N_CLIENTS 7

typedef struct Fixture {
        RefusalQueue queue;
        RefusalAgent agents[N_AGENTS];
        RefusalClient clients[N_CLIENTS];
        uint64_t version;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        for (size_t i = 0; i < N_AGENTS; i++)
                f->agents[i].owner = &f->agents[i];
        for (size_t i = 0; i < N_CLIENTS; i++)
                f->clients[i].serial = i + 1;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        for (size_t i = 0; i < N_AGENTS; i++)
                refusal_drop_agent(&f->queue, &f->agents[i]);
        for (size_t i = 0; i < N_CLIENTS; i++)
                assert_null(f->clients[i].items);
        refusal_queue_deinit(&f->queue);
        free(f);
        return 0;
}

static Resources *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        assert_int_equal(resources_parse(text, "*", &r, &message), 0);
        return r;
}

static void refuse(Fixture *f, size_t agent, size_t client, const char *text, usec_t until_usec) {
        _cleanup_(resources_freep) Resources *r = parse(text);

        assert_int_equal(
                        refusal_add(&f->queue, &f->agents[agent], &f->clients[client], r, until_usec),
                        0);
}

static bool covers(Fixture *f, size_t agent, size_t client, const char *text) {
        _cleanup_(resources_freep) Resources *r = parse(text);

        return refusal_covers(&f->agents[agent], &f->clients[client], r, ++f->version);
}

static void test_the_same_and_less_are_covered_and_only_there(void **state) {
        Fixture *f = *state;

        refuse(f, 0, 0, "cpus:4;mem:100", 10);
        assert_true(covers(f, 0, 0, "cpus:4;mem:100"));
        assert_true(covers(f, 0, 0, "cpus:1"));
        assert_false(covers(f, 0, 0, "cpus:4.1"));
        assert_false(covers(f, 0, 0, "cpus:1;disk:1"));
        assert_false(covers(f, 0, 1, "cpus:1"));
        assert_false(covers(f, 1, 0, "cpus:1"));
}

static void test_any_one_of_several_refusals_covers(void **state) {
        Fixture *f = *state;

        refuse(f, 0, 0, "cpus:4", 10);
        refuse(f, 0, 0, "mem:100", 20);
        assert_true(covers(f, 0, 0, "cpus:4"));
        assert_true(covers(f, 0, 0, "mem:50"));
        assert_false(covers(f, 0, 0, "cpus:1;mem:1"));
}

static void test_a_wider_and_longer_refusal_takes_the_place_of_others(void **state) {
        Fixture *f = *state;

        refuse(f, 0, 0, "cpus:1", 10);
        refuse(f, 0, 0, "cpus:2", 20);
        refuse(f, 0, 0, "cpus:8", 15);
        assert_int_equal(f->queue.n, 2);
        refuse(f, 0, 0, "cpus:8", 30);
        assert_int_equal(f->queue.n, 1);
        assert_int_equal(refusal_next(&f->queue), 30);
}

static void test_one_framework_has_few_refusals_of_an_agent(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 100; i++) {
                char text[32];

                snprintf(text, sizeof(text), "kind%u:1", i);
                refuse(f, 0, 0, text, 100 + i);
        }

        assert_int_equal(f->queue.n, 8);
        assert_int_equal(refusal_next(&f->queue), 192);
        assert_true(covers(f, 0, 0, "kind99:1"));
        assert_false(covers(f, 0, 0, "kind0:1"));
}

static void count(void *owner, void *userdata) {
        assert_non_null(owner);
        ++*(unsigned *) userdata;
}

static void test_dropping_a_framework_tells_of_its_agents(void **state) {
        Fixture *f = *state;
        unsigned n = 0;

        refuse(f, 0, 0, "cpus:1", 10);
        refuse(f, 1, 0, "cpus:1", 10);
        refuse(f, 1, 1, "cpus:1", 10);
        refusal_drop_client(&f->queue, &f->clients[0], count, &n);
        assert_int_equal(n, 2);
        assert_false(covers(f, 1, 0, "cpus:1"));
        assert_true(covers(f, 1, 1, "cpus:1"));
}

/* Beside a plain table of who refuses what until when. */
static void test_refusals_end_in_order_whatever_is_dropped_meanwhile(void **state) {
        usec_t until_usec[N_AGENTS][N_CLIENTS] = {};
        Random random = random_seeded();
        Fixture *f = *state;
        usec_t now_usec = 1;

        for (unsigned step = 0; step < 20000; step++) {
                size_t agent = random_below(&random, N_AGENTS);
                size_t client = random_below(&random, N_CLIENTS);
                usec_t soonest_usec = USEC_INFINITY;

                switch (random_below(&random, 12)) {
                case 0:
                        refusal_drop_agent(&f->queue, &f->agents[agent]);
                        memset(until_usec[agent], 0, sizeof(until_usec[agent]));
                        break;
                case 1:
                        refusal_drop_client(&f->queue, &f->clients[client], NULL, NULL);
                        for (size_t i = 0; i < N_AGENTS; i++)
                                until_usec[i][client] = 0;
                        break;
                case 2 ... 4:
                        now_usec += random_below(&random, 30);
                        break;
                default: {
                        usec_t t = now_usec + 1 + random_below(&random, 100);

                        refuse(f, agent, client, "cpus:1", t);
                        until_usec[agent][client] = MAX(until_usec[agent][client], t);
                }
                }

                while (refusal_next(&f->queue) <= now_usec)
                        assert_non_null(refusal_expire(&f->queue, now_usec));
                assert_null(refusal_expire(&f->queue, now_usec));

                for (size_t i = 0; i < N_AGENTS; i++)
                        for (size_t k = 0; k < N_CLIENTS; k++)
                                if (until_usec[i][k] > now_usec)
                                        soonest_usec = MIN(soonest_usec, until_usec[i][k]);

                assert_true(refusal_next(&f->queue) <= soonest_usec);
                assert_int_equal(covers(f, agent, client, "cpus:1"),
                                 until_usec[agent][client] > now_usec);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_the_same_and_less_are_covered_and_only_there),
                TEST(test_any_one_of_several_refusals_covers),
                TEST(test_a_wider_and_longer_refusal_takes_the_place_of_others),
                TEST(test_one_framework_has_few_refusals_of_an_agent),
                TEST(test_dropping_a_framework_tells_of_its_agents),
                TEST(test_refusals_end_in_order_whatever_is_dropped_meanwhile),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
