/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The allocator: who is offered what and when, and, after any sequence of events, that nothing is
 * offered twice, lost, or shown to who does not want it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/model/resources.h"
#include "master/allocator.h"
#include "tests/unit/seed.h"

#define T0 (1000 * USEC_PER_SEC)
#define OFFERS_MAX 4096

typedef struct Made {
        char framework[32];
        char role[32];
        char agent[32];
        Resources *resources;
} Made;

/* A master small enough to hold in the head: the allocator, and the offers it made. */
typedef struct Fixture {
        Allocator *a;
        Made offers[OFFERS_MAX];
        size_t n_offers;
} Fixture;

static Resources *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        if (resources_parse(text, "*", &r, &message) != 0)
                fail_msg("'%s': %s", text, message);
        return r;
}

static void on_offer(const char *framework_id, const char *role, const char *agent_id,
                     void *agent_owner, Resources *offered, void *userdata) {
        Fixture *f = userdata;
        Made *made = &f->offers[f->n_offers++];

        assert_in_range(f->n_offers, 1, OFFERS_MAX);
        assert_false(resources_is_empty(offered));
        assert_string_equal(resources_allocation_role(offered), role);
        assert_ptr_equal(agent_owner, f);

        snprintf(made->framework, sizeof(made->framework), "%s", framework_id);
        snprintf(made->role, sizeof(made->role), "%s", role);
        snprintf(made->agent, sizeof(made->agent), "%s", agent_id);
        made->resources = offered;
}

static int setup_with(void **state, const AllocatorConfig *config) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_int_equal(allocator_new(config, &f->a), 0);
        *state = f;
        return 0;
}

static int setup(void **state) {
        return setup_with(state, &(AllocatorConfig) {});
}

static int teardown(void **state) {
        Fixture *f = *state;

        for (size_t i = 0; i < f->n_offers; i++)
                resources_free(f->offers[i].resources);
        allocator_free(f->a);
        free(f);
        return 0;
}

static void add_agent(Fixture *f, const char *id, const char *total) {
        _cleanup_(resources_freep) Resources *r = parse(total);

        assert_int_equal(allocator_agent_add(f->a, id, r, false, f), 0);
}

static void add_framework_with(Fixture *f, const char *id, const char *role,
                               unsigned capabilities) {
        const AllocatorRole roles[] = { { .name = role } };
        const AllocatorFramework info = {
                .capabilities = capabilities,
                .roles = roles,
                .n_roles = 1,
        };

        assert_int_equal(allocator_framework_add(f->a, id, &info), 0);
}

static void add_framework(Fixture *f, const char *id, const char *role) {
        add_framework_with(f, id, role, 0);
}

static int run(Fixture *f, usec_t now_usec) {
        return allocator_run(f->a, now_usec, on_offer, f);
}

static Made *last_offer(Fixture *f) {
        assert_in_range(f->n_offers, 1, OFFERS_MAX);
        return &f->offers[f->n_offers - 1];
}

static void assert_resources(const Resources *r, const char *text) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1 << 20);
        _cleanup_free_ char *formatted = NULL;

        assert_non_null(r);
        assert_return_code(resources_format(r, &b), 0);
        formatted = buffer_take_text(&b);
        assert_string_equal(formatted, text);
}

static void assert_offer(const Made *made, const char *framework, const char *agent,
                         const char *text) {
        assert_string_equal(made->framework, framework);
        assert_string_equal(made->agent, agent);
        assert_resources(made->resources, text);
}

/* The framework answers offer i; it is gone then. */
static void answer(Fixture *f, size_t i, AllocatorReason reason, usec_t refuse_usec,
                   usec_t now_usec) {
        Made made = f->offers[i];

        f->offers[i] = f->offers[--f->n_offers];
        assert_int_equal(allocator_recover(f->a, made.framework, made.agent, made.resources, reason,
                                           refuse_usec, now_usec),
                         0);
        resources_free(made.resources);
}

static void test_a_new_agent_is_offered_at_once_and_whole(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        assert_int_equal(allocator_next_due(f->a), USEC_INFINITY);
        add_agent(f, "a1", "cpus:8;mem:8192;disk:16384;ports:[31000-32000]");
        assert_int_equal(allocator_next_due(f->a), 0);

        assert_int_equal(run(f, T0), 1);
        assert_offer(last_offer(f), "f1", "a1",
                     "ports(allocated: *):[31000-32000]; cpus(allocated: *):8; mem(allocated: "
                     "*):8192; disk(allocated: *):16384");
        assert_true(resources_is_empty(allocator_agent_free(f->a, "a1")));
        assert_int_equal(allocator_next_due(f->a), USEC_INFINITY);
        assert_int_equal(run(f, T0), 0);
}

static void test_a_new_framework_is_offered_what_is_free_at_once(void **state) {
        Fixture *f = *state;

        add_agent(f, "a1", "cpus:1;mem:64");
        assert_int_equal(run(f, T0), 0);
        add_framework(f, "f1", "*");
        assert_int_equal(allocator_next_due(f->a), 0);
        assert_int_equal(run(f, T0), 1);
}

static void test_what_is_freed_is_offered_at_once(void **state) {
        Fixture *f = *state;
        _cleanup_(resources_freep) Resources *task = parse("cpus:1;mem:32");

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);

        resources_allocate(task, "*");
        assert_int_equal(allocator_recover(f->a, "f1", "a1", task, ALLOCATOR_FREED, 0, T0), 0);
        assert_int_equal(allocator_next_due(f->a), 0);
        assert_int_equal(run(f, T0), 1);
        assert_offer(last_offer(f), "f1", "a1", "cpus(allocated: *):1; mem(allocated: *):32");
}

static void
test_a_declined_agent_goes_to_the_next_framework_and_comes_back_when_the_filter_ends(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_framework(f, "f2", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);
        assert_string_equal(last_offer(f)->framework, "f1");

        answer(f, 0, ALLOCATOR_DECLINED, 5 * USEC_PER_SEC, T0);
        assert_int_equal(run(f, T0), 1);
        assert_string_equal(last_offer(f)->framework, "f2");

        answer(f, 0, ALLOCATOR_DECLINED, 7 * USEC_PER_SEC, T0);
        assert_int_equal(run(f, T0), 0);
        assert_int_equal(allocator_next_due(f->a), T0 + 5 * USEC_PER_SEC);
        assert_int_equal(run(f, T0 + 5 * USEC_PER_SEC - 1), 0);
        assert_int_equal(run(f, T0 + 5 * USEC_PER_SEC), 1);
        assert_string_equal(last_offer(f)->framework, "f1");
}

static void test_a_filter_lasts_no_less_than_the_allocation_interval(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);

        answer(f, 0, ALLOCATOR_DECLINED, 1, T0);
        run(f, T0);
        assert_int_equal(allocator_next_due(f->a), T0 + USEC_PER_SEC);
        assert_int_equal(run(f, T0 + USEC_PER_SEC), 1);

        /*
         * "No filter" of a decline is one interval as well, of the rest of an accepted offer
         * nothing.
         */
        answer(f, 0, ALLOCATOR_DECLINED, 0, T0);
        assert_int_equal(run(f, T0), 0);
        assert_int_equal(run(f, T0 + USEC_PER_SEC), 1);
        answer(f, 0, ALLOCATOR_UNUSED, 0, T0);
        assert_int_equal(run(f, T0), 1);
}

static void test_more_than_was_refused_breaks_through_a_filter(void **state) {
        Fixture *f = *state;
        _cleanup_(resources_freep) Resources *task = parse("cpus:1"), *more = parse("cpus:1;mem:1");

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);

        /* A task takes a cpu; the rest is refused for an hour. */
        resources_allocate(task, "*");
        resources_allocate(more, "*");
        assert_int_equal(resources_subtract(f->offers[0].resources, task), 0);
        answer(f, 0, ALLOCATOR_UNUSED, USEC_PER_HOUR, T0);
        assert_int_equal(run(f, T0), 0);

        assert_int_equal(allocator_recover(f->a, "f1", "a1", task, ALLOCATOR_FREED, 0, T0), 0);
        assert_int_equal(run(f, T0), 1);
        assert_offer(last_offer(f), "f1", "a1", "cpus(allocated: *):8; mem(allocated: *):8192");
}

static void test_less_than_was_refused_stays_filtered(void **state) {
        Fixture *f = *state;
        _cleanup_(resources_freep) Resources *less = parse("cpus:4;mem:1024");

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);
        answer(f, 0, ALLOCATOR_DECLINED, USEC_PER_HOUR, T0);
        assert_int_equal(allocator_agent_set_total(f->a, "a1", less), 0);
        assert_int_equal(run(f, T0), 0);
}

static void test_reviving_drops_filters_and_suppression(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);
        answer(f, 0, ALLOCATOR_DECLINED, USEC_PER_HOUR, T0);
        assert_int_equal(run(f, T0), 0);
        assert_int_equal(allocator_revive(f->a, "f1", "*"), 0);
        assert_int_equal(run(f, T0), 1);

        assert_int_equal(allocator_suppress(f->a, "f1", NULL), 0);
        answer(f, 0, ALLOCATOR_FREED, 0, T0);
        assert_int_equal(run(f, T0), 0);
        assert_int_equal(allocator_revive(f->a, "f1", NULL), 0);
        assert_int_equal(run(f, T0), 1);

        assert_int_equal(allocator_revive(f->a, "f1", "other"), ALLOCATOR_E_UNKNOWN);
        assert_int_equal(allocator_suppress(f->a, "f9", NULL), ALLOCATOR_E_UNKNOWN);
}

static void test_a_disconnected_framework_gets_nothing_and_its_filters_are_forgotten(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);
        answer(f, 0, ALLOCATOR_DECLINED, USEC_PER_HOUR, T0);
        assert_int_equal(allocator_framework_deactivate(f->a, "f1"), 0);
        assert_int_equal(run(f, T0), 0);
        assert_int_equal(allocator_next_due(f->a), USEC_INFINITY);
        assert_int_equal(allocator_framework_activate(f->a, "f1"), 0);
        assert_int_equal(run(f, T0), 1);
}

static void test_an_inactive_agent_is_not_offered(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        assert_int_equal(allocator_agent_deactivate(f->a, "a1"), 0);
        assert_int_equal(run(f, T0), 0);
        assert_int_equal(allocator_agent_activate(f->a, "a1"), 0);
        assert_int_equal(run(f, T0), 1);
}

static void test_new_attributes_clear_the_filters_of_an_agent(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        run(f, T0);
        answer(f, 0, ALLOCATOR_DECLINED, USEC_PER_HOUR, T0);
        assert_int_equal(allocator_agent_clear_filters(f->a, "a1"), 0);
        assert_int_equal(run(f, T0), 1);
}

static void test_agents_with_gpus_are_hidden_from_who_does_not_know_gpus(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192;gpus:2");
        assert_int_equal(run(f, T0), 0);
        add_framework_with(f, "f2", "*", ALLOCATOR_GPU_RESOURCES);
        assert_int_equal(run(f, T0), 1);
        assert_string_equal(last_offer(f)->framework, "f2");
}

static int setup_gpus_for_all(void **state) {
        return setup_with(state, &(AllocatorConfig) { .offer_gpus_to_all = true });
}

static void test_gpus_are_offered_to_all_when_the_operator_says_so(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192;gpus:2");
        assert_int_equal(run(f, T0), 1);
}

static void test_remote_regions_are_for_region_aware_frameworks(void **state) {
        Fixture *f = *state;
        _cleanup_(resources_freep) Resources *total = parse("cpus:8;mem:8192");

        add_framework(f, "f1", "*");
        assert_int_equal(allocator_agent_add(f->a, "a1", total, true, f), 0);
        assert_int_equal(run(f, T0), 0);
        add_framework_with(f, "f2", "*", ALLOCATOR_REGION_AWARE);
        assert_int_equal(run(f, T0), 1);
        assert_string_equal(last_offer(f)->framework, "f2");
}

static void test_reserved_resources_go_to_their_role_and_those_below_it(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "other");
        add_framework(f, "f2", "eng/web");
        add_agent(f, "a1", "cpus:1;mem:64;cpus(eng):4;mem(eng):256;cpus(eng/db):2");
        /* By name "eng" comes first, and "eng/web" has all but what is for its sibling. */
        assert_int_equal(run(f, T0), 1);
        assert_offer(last_offer(f), "f2", "a1",
                     "cpus(allocated: eng/web)(reservations: [(STATIC,eng)]):4; mem(allocated: "
                     "eng/web)(reservations: [(STATIC,eng)]):256; cpus(allocated: eng/web):1; "
                     "mem(allocated: eng/web):64");
        assert_resources(allocator_agent_free(f->a, "a1"),
                         "cpus(reservations: [(STATIC,eng/db)]):2");
}

static void test_too_little_is_not_offered(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:0.009;mem:31;disk:1000");
        assert_int_equal(run(f, T0), 0);
        add_agent(f, "a2", "cpus:0.01;disk:1000");
        assert_int_equal(run(f, T0), 1);
        add_agent(f, "a3", "mem:32");
        assert_int_equal(run(f, T0), 1);
}

static void test_frameworks_may_have_minimums_of_their_own(void **state) {
        Fixture *f = *state;
        _cleanup_(minimums_freep) Minimums *much = NULL, *any = minimums_new();
        _cleanup_free_ char *message = NULL;
        AllocatorRole role = { .name = "*" };

        assert_int_equal(minimums_parse("cpus:4;mem:1024", &much, &message), 0);
        role.minimums = much;
        allocator_framework_add(f->a, "f1", &(AllocatorFramework) { .roles = &role, .n_roles = 1 });
        add_agent(f, "a1", "cpus:8;mem:512");
        assert_int_equal(run(f, T0), 0);
        add_agent(f, "a2", "cpus:4;mem:1024");
        assert_int_equal(run(f, T0), 1);

        role.minimums = any;
        allocator_framework_add(f->a, "f2", &(AllocatorFramework) { .roles = &role, .n_roles = 1 });
        add_agent(f, "a3", "ports:[1-2]");
        assert_int_equal(run(f, T0), 2);
}

static void test_equal_demands_get_equal_shares(void **state) {
        Fixture *f = *state;
        unsigned counts[4] = {};

        for (unsigned i = 0; i < 4; i++) {
                char id[8];

                snprintf(id, sizeof(id), "f%u", i);
                add_framework(f, id, "*");
        }

        for (unsigned i = 0; i < 100; i++) {
                char id[8];

                snprintf(id, sizeof(id), "a%u", i);
                add_agent(f, id, "cpus:8;mem:8192");
        }

        assert_int_equal(run(f, T0), 100);
        for (size_t i = 0; i < f->n_offers; i++)
                counts[f->offers[i].framework[1] - '0']++;
        for (unsigned i = 0; i < 4; i++) {
                char id[8];

                snprintf(id, sizeof(id), "f%u", i);
                assert_int_equal(counts[i], 25);
                assert_true(fabs(allocator_share(f->a, id, "*") - 0.25) < 1e-9);
        }
}

static void test_weights_of_roles_divide_the_cluster(void **state) {
        Fixture *f = *state;
        unsigned n_heavy = 0;

        assert_int_equal(allocator_set_weight(f->a, "heavy", 3), 0);
        add_framework(f, "f1", "heavy");
        add_framework(f, "f2", "light");
        for (unsigned i = 0; i < 100; i++) {
                char id[8];

                snprintf(id, sizeof(id), "a%u", i);
                add_agent(f, id, "cpus:8;mem:8192");
        }

        run(f, T0);
        for (size_t i = 0; i < f->n_offers; i++)
                n_heavy += f->offers[i].framework[1] == '1';
        assert_int_equal(n_heavy, 75);
}

static void test_what_runs_already_counts(void **state) {
        Fixture *f = *state;
        _cleanup_(resources_freep) Resources *used = parse("cpus:6;mem:6144");

        add_framework(f, "f1", "*");
        add_framework(f, "f2", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        add_agent(f, "a2", "cpus:8;mem:8192");
        resources_allocate(used, "*");
        assert_int_equal(allocator_charge(f->a, "f1", "a1", used), 0);
        assert_true(fabs(allocator_share(f->a, "f1", "*") - 0.375) < 1e-9);

        assert_int_equal(run(f, T0), 2);
        assert_offer(&f->offers[0], "f2", "a1", "cpus(allocated: *):2; mem(allocated: *):2048");
        assert_offer(&f->offers[1], "f2", "a2", "cpus(allocated: *):8; mem(allocated: *):8192");
}

static void test_an_agent_that_shrank_pays_its_debt_before_it_offers(void **state) {
        Fixture *f = *state;
        _cleanup_(resources_freep) Resources *used = parse("cpus:6;ports:[1-6]"),
                                             *less = parse("cpus:4;ports:[1-4]");
        _cleanup_(resources_freep) Resources *part = parse("cpus:3;ports:[1-3]");

        add_agent(f, "a1", "cpus:8;ports:[1-8]");
        resources_allocate(used, "*");
        resources_allocate(part, "*");
        assert_int_equal(allocator_charge(f->a, "f1", "a1", used), 0);
        assert_int_equal(allocator_agent_set_total(f->a, "a1", less), 0);
        assert_resources(allocator_agent_free(f->a, "a1"), "{}");

        assert_int_equal(allocator_recover(f->a, "f1", "a1", part, ALLOCATOR_FREED, 0, T0), 0);
        assert_resources(allocator_agent_free(f->a, "a1"), "cpus:1; ports:[1-3]");

        assert_int_equal(resources_subtract(used, part), 0);
        assert_int_equal(allocator_recover(f->a, "f1", "a1", used, ALLOCATOR_FREED, 0, T0), 0);
        assert_resources(allocator_agent_free(f->a, "a1"), "cpus:4; ports:[1-4]");
}

static void test_removed_agents_and_frameworks_may_still_be_recovered_from(void **state) {
        Fixture *f = *state;

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:8;mem:8192");
        add_agent(f, "a2", "cpus:8;mem:8192");
        assert_int_equal(run(f, T0), 2);

        assert_int_equal(allocator_agent_remove(f->a, f->offers[0].agent), 0);
        assert_true(fabs(allocator_share(f->a, "f1", "*") - 1) < 1e-9);
        answer(f, 0, ALLOCATOR_FREED, 0, T0);

        assert_int_equal(allocator_framework_remove(f->a, "f1"), 0);
        answer(f, 0, ALLOCATOR_DECLINED, USEC_PER_HOUR, T0);
        assert_int_equal(allocator_framework_remove(f->a, "f1"), ALLOCATOR_E_UNKNOWN);
        assert_int_equal(run(f, T0), 0);

        add_framework(f, "f1", "*");
        assert_int_equal(run(f, T0), 1);
}

static void test_a_role_left_behind_is_charged_until_its_tasks_end(void **state) {
        Fixture *f = *state;
        const AllocatorRole other[] = { { .name = "b" } };

        add_framework(f, "f1", "a");
        add_agent(f, "a1", "cpus:8;mem:8192");
        assert_int_equal(run(f, T0), 1);
        assert_int_equal(allocator_framework_update(
                                         f->a, "f1",
                                         &(AllocatorFramework) { .roles = other, .n_roles = 1 }),
                         0);
        assert_true(allocator_share(f->a, "f1", "a") > 0.99);
        answer(f, 0, ALLOCATOR_FREED, 0, T0);
        assert_true(allocator_share(f->a, "f1", "a") < 0.01);
        assert_int_equal(run(f, T0), 1);
        assert_string_equal(last_offer(f)->role, "b");
}

static void test_a_suppressed_role_at_subscription_gets_nothing(void **state) {
        Fixture *f = *state;
        const AllocatorRole roles[] = { { .name = "a", .suppressed = true }, { .name = "b" } };

        allocator_framework_add(f->a, "f1", &(AllocatorFramework) { .roles = roles, .n_roles = 2 });
        add_agent(f, "a1", "cpus:8;mem:8192");
        assert_int_equal(run(f, T0), 1);
        assert_string_equal(last_offer(f)->role, "b");
}

static void test_known_ids_are_not_added_twice(void **state) {
        Fixture *f = *state;
        _cleanup_(resources_freep) Resources *total = parse("cpus:1");

        add_framework(f, "f1", "*");
        add_agent(f, "a1", "cpus:1");
        assert_int_equal(allocator_framework_add(f->a, "f1", &(AllocatorFramework) {}),
                         ALLOCATOR_E_EXISTS);
        assert_int_equal(allocator_agent_add(f->a, "a1", total, false, NULL), ALLOCATOR_E_EXISTS);
        assert_int_equal(allocator_agent_remove(f->a, "a9"), ALLOCATOR_E_UNKNOWN);
        assert_null(allocator_agent_free(f->a, "a9"));
}

/*
 * Anything may happen in any order. Beside the allocator the test keeps what every agent should
 * have and who wants what; after each event the books must agree.
 */
#define N_AGENTS 12
#define N_FRAMEWORKS 6

typedef struct World {
        Fixture *f;
        Random random;
        usec_t now_usec;

        bool agent_known[N_AGENTS];
        bool agent_active[N_AGENTS];
        Resources *total[N_AGENTS];

        bool framework_known[N_FRAMEWORKS];
        bool framework_active[N_FRAMEWORKS];
        bool suppressed[N_FRAMEWORKS];
        const char *role[N_FRAMEWORKS];

        /* Declined by whom, of which agent, what, until when. */
        struct {
                unsigned framework, agent;
                Resources *resources;
                usec_t until_usec;
        } refusals[4096];
        size_t n_refusals;
} World;

static unsigned number(const char *id) {
        return (unsigned) strtoul(id + 1, NULL, 10);
}

static const char *name(char kind, unsigned n) {
        static char names[4][16];
        static unsigned next;
        char *text = names[next++ % 4];

        snprintf(text, sizeof(names[0]), "%c%u", kind, n);
        return text;
}

static void forget_refusals(World *w, int framework, int agent) {
        size_t n = 0;

        for (size_t i = 0; i < w->n_refusals; i++)
                if ((framework < 0 || w->refusals[i].framework == (unsigned) framework) &&
                    (agent < 0 || w->refusals[i].agent == (unsigned) agent))
                        resources_free(w->refusals[i].resources);
                else
                        w->refusals[n++] = w->refusals[i];
        w->n_refusals = n;
}

static void forget_offers(World *w, int framework, int agent) {
        Fixture *f = w->f;

        for (size_t i = 0; i < f->n_offers;)
                if ((framework < 0 || number(f->offers[i].framework) == (unsigned) framework) &&
                    (agent < 0 || number(f->offers[i].agent) == (unsigned) agent)) {
                        resources_free(f->offers[i].resources);
                        f->offers[i] = f->offers[--f->n_offers];
                } else
                        i++;
}

static Resources *random_total(World *w) {
        static const char *const totals[] = {
                "cpus:8;mem:8192;ports:[1-100]",
                "cpus:0.5;mem:16",
                "cpus:4;mem:64;cpus(a):2;disk(a/b):100;rack:{x,y}",
                "mem:1000;gpus:1;cpus:1",
        };

        return parse(totals[random_below(&w->random, ELEMENTSOF(totals))]);
}

static void world_agent_event(World *w, unsigned i) {
        Allocator *a = w->f->a;
        const char *id = name('a', i);

        if (!w->agent_known[i]) {
                w->total[i] = random_total(w);
                assert_int_equal(allocator_agent_add(a, id, w->total[i], false, w->f), 0);
                w->agent_known[i] = w->agent_active[i] = true;
                return;
        }

        switch (random_below(&w->random, 4)) {
        case 0:
                assert_int_equal(allocator_agent_remove(a, id), 0);
                forget_refusals(w, -1, (int) i);
                forget_offers(w, -1, (int) i);
                w->total[i] = resources_free(w->total[i]);
                w->agent_known[i] = false;
                break;
        case 1:
                assert_int_equal(allocator_agent_deactivate(a, id), 0);
                w->agent_active[i] = false;
                break;
        case 2:
                assert_int_equal(allocator_agent_activate(a, id), 0);
                w->agent_active[i] = true;
                break;
        case 3:
                assert_int_equal(allocator_agent_clear_filters(a, id), 0);
                forget_refusals(w, -1, (int) i);
        }
}

static void world_framework_event(World *w, unsigned i) {
        static const char *const roles[] = { "*", "a", "a/b", "c" };
        Allocator *a = w->f->a;
        const char *id = name('f', i);

        if (!w->framework_known[i]) {
                w->role[i] = roles[random_below(&w->random, ELEMENTSOF(roles))];
                add_framework_with(w->f, id, w->role[i], (unsigned) random_below(&w->random, 32));
                w->framework_known[i] = w->framework_active[i] = true;
                w->suppressed[i] = false;
                return;
        }

        switch (random_below(&w->random, 5)) {
        case 0:
                assert_int_equal(allocator_framework_remove(a, id), 0);
                for (size_t k = 0; k < w->f->n_offers;)
                        if (number(w->f->offers[k].framework) == i)
                                answer(w->f, k, ALLOCATOR_FREED, 0, w->now_usec);
                        else
                                k++;
                forget_refusals(w, (int) i, -1);
                w->framework_known[i] = false;
                break;
        case 1:
                assert_int_equal(allocator_framework_deactivate(a, id), 0);
                forget_refusals(w, (int) i, -1);
                w->framework_active[i] = false;
                break;
        case 2:
                assert_int_equal(allocator_framework_activate(a, id), 0);
                w->framework_active[i] = true;
                break;
        case 3:
                assert_int_equal(allocator_suppress(a, id, NULL), 0);
                w->suppressed[i] = true;
                break;
        case 4:
                assert_int_equal(allocator_revive(a, id, NULL), 0);
                forget_refusals(w, (int) i, -1);
                w->suppressed[i] = false;
        }
}

/* Declines an offer, or gives back a part as a task does that ends. */
static void world_answer(World *w) {
        Fixture *f = w->f;
        size_t i;

        if (f->n_offers == 0)
                return;

        i = random_below(&w->random, f->n_offers);
        if (random_below(&w->random, 2)) {
                const unsigned framework = number(f->offers[i].framework),
                               agent = number(f->offers[i].agent);
                usec_t refuse_usec = random_below(&w->random, 20) * USEC_PER_SEC;

                if (w->framework_active[framework] && w->n_refusals < ELEMENTSOF(w->refusals)) {
                        w->refusals[w->n_refusals].framework = framework;
                        w->refusals[w->n_refusals].agent = agent;
                        w->refusals[w->n_refusals].resources =
                                        resources_copy(f->offers[i].resources);
                        resources_unallocate(w->refusals[w->n_refusals].resources);
                        w->refusals[w->n_refusals++].until_usec =
                                        w->now_usec + MAX(refuse_usec, USEC_PER_SEC);
                }

                answer(f, i, ALLOCATOR_DECLINED, refuse_usec, w->now_usec);
        } else if (resources_scalar_milli(f->offers[i].resources, "cpus") > 0) {
                _cleanup_(resources_freep) Resources *part = parse("cpus:0.1");

                resources_allocate(part, f->offers[i].role);
                if (!resources_contains(f->offers[i].resources, part))
                        return;

                resources_subtract(f->offers[i].resources, part);
                assert_int_equal(allocator_recover(f->a, f->offers[i].framework, f->offers[i].agent,
                                                   part, ALLOCATOR_FREED, 0, w->now_usec),
                                 0);
                if (resources_is_empty(f->offers[i].resources)) {
                        resources_free(f->offers[i].resources);
                        f->offers[i] = f->offers[--f->n_offers];
                }
        }
}

static void assert_wanted(const World *w, const Made *made) {
        const unsigned framework = number(made->framework), agent = number(made->agent);
        _cleanup_(resources_freep) Resources *offered = resources_copy(made->resources);

        assert_true(w->framework_known[framework] && w->framework_active[framework] &&
                    !w->suppressed[framework]);
        assert_true(w->agent_known[agent] && w->agent_active[agent]);
        assert_string_equal(made->role, w->role[framework]);

        resources_unallocate(offered);
        for (size_t i = 0; i < w->n_refusals; i++)
                if (w->refusals[i].framework == framework && w->refusals[i].agent == agent &&
                    w->refusals[i].until_usec > w->now_usec)
                        assert_false(resources_contains(w->refusals[i].resources, offered));
}

/* offered + used + free == total, on every agent. */
static void assert_books(const World *w) {
        for (unsigned i = 0; i < N_AGENTS; i++) {
                _cleanup_(resources_freep) Resources *sum = NULL;

                if (!w->agent_known[i])
                        continue;

                sum = resources_copy(allocator_agent_free(w->f->a, name('a', i)));
                for (size_t k = 0; k < w->f->n_offers; k++)
                        if (number(w->f->offers[k].agent) == i) {
                                _cleanup_(resources_freep) Resources *held =
                                                resources_copy(w->f->offers[k].resources);

                                resources_unallocate(held);
                                assert_int_equal(resources_add(sum, held), 0);
                        }

                assert_true(resources_equal(sum, w->total[i]));
                assert_true(resources_equal(allocator_agent_total(w->f->a, name('a', i)),
                                            w->total[i]));
        }
}

static void assert_shares(const World *w) {
        int64_t total = 0, held[N_FRAMEWORKS] = {};

        for (unsigned i = 0; i < N_AGENTS; i++)
                if (w->agent_known[i])
                        total += resources_scalar_milli(w->total[i], "cpus");

        for (size_t k = 0; k < w->f->n_offers; k++)
                held[number(w->f->offers[k].framework)] +=
                                resources_scalar_milli(w->f->offers[k].resources, "cpus");

        for (unsigned i = 0; i < N_FRAMEWORKS && total > 0; i++)
                if (w->framework_known[i])
                        assert_true(allocator_share(w->f->a, name('f', i), w->role[i]) >=
                                    (double) held[i] / (double) total - 1e-9);
}

static void world_step(World *w) {
        size_t n_before;
        int n;

        switch (random_below(&w->random, 8)) {
        case 0:
                world_agent_event(w, (unsigned) random_below(&w->random, N_AGENTS));
                break;
        case 1:
                world_framework_event(w, (unsigned) random_below(&w->random, N_FRAMEWORKS));
                break;
        case 2:
                w->now_usec += random_below(&w->random, 5) * USEC_PER_SEC;
                break;
        default:
                world_answer(w);
        }

        n_before = w->f->n_offers;
        n = run(w->f, w->now_usec);
        assert_int_equal(n, w->f->n_offers - n_before);
        for (size_t i = n_before; i < w->f->n_offers; i++)
                assert_wanted(w, &w->f->offers[i]);

        assert_true(allocator_next_due(w->f->a) > w->now_usec);
        assert_books(w);
        assert_shares(w);
}

static void
test_whatever_happens_the_books_agree_and_nobody_gets_what_they_do_not_want(void **state) {
        _cleanup_free_ World *w = calloc(1, sizeof(*w));

        w->random = random_seeded();
        w->f = *state;
        w->now_usec = T0;

        for (unsigned i = 0; i < 20000; i++)
                world_step(w);

        forget_refusals(w, -1, -1);
        for (unsigned i = 0; i < N_AGENTS; i++)
                resources_free(w->total[i]);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_a_new_agent_is_offered_at_once_and_whole),
                TEST(test_a_new_framework_is_offered_what_is_free_at_once),
                TEST(test_what_is_freed_is_offered_at_once),
                TEST(test_a_declined_agent_goes_to_the_next_framework_and_comes_back_when_the_filter_ends),
                TEST(test_a_filter_lasts_no_less_than_the_allocation_interval),
                TEST(test_more_than_was_refused_breaks_through_a_filter),
                TEST(test_less_than_was_refused_stays_filtered),
                TEST(test_reviving_drops_filters_and_suppression),
                TEST(test_a_disconnected_framework_gets_nothing_and_its_filters_are_forgotten),
                TEST(test_an_inactive_agent_is_not_offered),
                TEST(test_new_attributes_clear_the_filters_of_an_agent),
                TEST(test_agents_with_gpus_are_hidden_from_who_does_not_know_gpus),
                cmocka_unit_test_setup_teardown(
                                test_gpus_are_offered_to_all_when_the_operator_says_so,
                                setup_gpus_for_all, teardown),
                TEST(test_remote_regions_are_for_region_aware_frameworks),
                TEST(test_reserved_resources_go_to_their_role_and_those_below_it),
                TEST(test_too_little_is_not_offered),
                TEST(test_frameworks_may_have_minimums_of_their_own),
                TEST(test_equal_demands_get_equal_shares),
                TEST(test_weights_of_roles_divide_the_cluster),
                TEST(test_what_runs_already_counts),
                TEST(test_an_agent_that_shrank_pays_its_debt_before_it_offers),
                TEST(test_removed_agents_and_frameworks_may_still_be_recovered_from),
                TEST(test_a_role_left_behind_is_charged_until_its_tasks_end),
                TEST(test_a_suppressed_role_at_subscription_gets_nothing),
                TEST(test_known_ids_are_not_added_twice),
                TEST(test_whatever_happens_the_books_agree_and_nobody_gets_what_they_do_not_want),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
