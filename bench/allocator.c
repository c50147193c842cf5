/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the allocator takes in a large cluster
 *
 * 10,000 agents and 100 frameworks in 10 roles, everything in one process without a message sent:
 *
 *     allocator_cycle           every agent is free and offered to somebody
 *     allocator_refused_cycle   everybody has refused every agent; all are looked at in vain
 *     allocator_decline         one offer is declined and made to the next framework
 *     allocator_task_end        a task ends, and what it used is offered
 *
 *     allocator [AGENTS [FRAMEWORKS]]
 *
 * Prints lines NAME_AGENTSxFRAMEWORKS VALUE UNIT.
 */

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "common/base/macro.h"
#include "common/base/parse.h"
#include "common/base/usec.h"
#include "common/model/resources.h"
#include "master/allocator.h"

#define AGENTS_MAX 1000000
#define FRAMEWORKS_MAX 10000
#define N_ROLES 10

/* A filter that outlasts the measurement. */
#define REFUSE_USEC USEC_PER_DAY

typedef struct Offer {
        unsigned framework;
        unsigned agent;
        Resources *resources;
} Offer;

typedef struct Bench {
        Allocator *a;
        Offer *offers;
        size_t n_offers;
        unsigned n_agents;
        unsigned n_frameworks;
} Bench;

static void check(int r, const char *what) {
        if (r >= 0)
                return;

        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static unsigned number(const char *id) {
        uint64_t n = 0;

        (void) parse_u64(id + 1, &n);
        return (unsigned) n;
}

static const char *name(char kind, unsigned n, char buf[static 16]) {
        snprintf(buf, 16, "%c%u", kind, n);
        return buf;
}

static void on_offer(const char *framework_id, _unused_ const char *role, const char *agent_id,
                     void *agent_owner _unused_, Resources *offered, void *userdata) {
        Bench *b = userdata;

        b->offers[b->n_offers++] = (Offer) { number(framework_id), number(agent_id), offered };
}

static double milliseconds_since(usec_t start_usec) {
        return (double) (usec_now(CLOCK_MONOTONIC) - start_usec) / 1000;
}

static double run(Bench *b) {
        usec_t start_usec = usec_now(CLOCK_MONOTONIC);

        check(allocator_run(b->a, 1, on_offer, b), "run");
        return milliseconds_since(start_usec);
}

static void give_back(Bench *b, const Offer *offer, AllocatorReason reason) {
        char framework[16], agent[16];

        check(allocator_recover(b->a, name('f', offer->framework, framework),
                                name('a', offer->agent, agent), offer->resources, reason,
                                REFUSE_USEC, 1),
              "recover");
        resources_free(offer->resources);
}

static void decline_all(Bench *b) {
        for (size_t i = 0; i < b->n_offers; i++)
                give_back(b, &b->offers[i], ALLOCATOR_DECLINED);
        b->n_offers = 0;
}

static void populate(Bench *b) {
        _cleanup_(resources_freep) Resources *total = NULL;
        _cleanup_free_ char *message = NULL;
        char id[16], role[16];

        check(resources_parse("cpus:32;mem:131072;disk:1000000;ports:[31000-32000]", "*", &total,
                              &message),
              "parse");

        for (unsigned i = 0; i < b->n_frameworks; i++) {
                AllocatorRole roles[] = { { .name = name('r', i % N_ROLES, role) } };

                check(allocator_framework_add(
                                      b->a, name('f', i, id),
                                      &(AllocatorFramework) { .roles = roles, .n_roles = 1 }),
                      "framework");
        }

        for (unsigned i = 0; i < b->n_agents; i++)
                check(allocator_agent_add(b->a, name('a', i, id), total, false, NULL), "agent");
}

static void print(const Bench *b, const char *what, double value, const char *unit) {
        printf("allocator_%s_%ux%u %.3f %s\n", what, b->n_agents, b->n_frameworks, value, unit);
}

/* Makes every agent due, as if something had changed there. */
static void wake_all(Bench *b) {
        char id[16];

        for (unsigned i = 0; i < b->n_agents; i++) {
                check(allocator_agent_deactivate(b->a, name('a', i, id)), "deactivate");
                check(allocator_agent_activate(b->a, id), "activate");
        }
}

static void measure_cycle(Bench *b) {
        double best_ms = INFINITY;

        for (unsigned i = 0; i < 5; i++) {
                best_ms = MIN(best_ms, run(b));
                for (size_t k = 0; k < b->n_offers; k++)
                        give_back(b, &b->offers[k], ALLOCATOR_FREED);
                b->n_offers = 0;
        }

        print(b, "cycle", best_ms, "ms");
}

static void measure_decline(Bench *b) {
        const unsigned n = MIN(b->n_agents, 1000U);
        usec_t start_usec;

        run(b);
        start_usec = usec_now(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < n; i++) {
                Offer offer = b->offers[--b->n_offers];

                give_back(b, &offer, ALLOCATOR_DECLINED);
                run(b);
        }

        print(b, "decline", milliseconds_since(start_usec) * 1000 / n, "us");
}

static void measure_task_end(Bench *b) {
        _cleanup_(resources_freep) Resources *task = NULL;
        _cleanup_free_ char *message = NULL;
        usec_t start_usec;
        unsigned n = 0;

        check(resources_parse("cpus:0.1;mem:32", "*", &task, &message), "parse");
        check(resources_allocate(task, "r0"), "allocate");

        start_usec = usec_now(CLOCK_MONOTONIC);
        for (size_t i = 0; i < b->n_offers; i++) {
                const Offer *offer = &b->offers[i];
                char framework[16], agent[16];

                if (offer->framework % N_ROLES != 0)
                        continue;

                check(allocator_recover(b->a, name('f', offer->framework, framework),
                                        name('a', offer->agent, agent), task, ALLOCATOR_FREED, 0,
                                        1),
                      "recover");
                run(b);
                resources_free(b->offers[--b->n_offers].resources);
                n++;
        }

        print(b, "task_end", milliseconds_since(start_usec) * 1000 / MAX(n, 1U), "us");
}

static void measure_refused_cycle(Bench *b) {
        double best_ms = INFINITY;

        while (b->n_offers > 0) {
                decline_all(b);
                run(b);
        }

        for (unsigned i = 0; i < 3; i++) {
                wake_all(b);
                best_ms = MIN(best_ms, run(b));
        }

        print(b, "refused_cycle", best_ms, "ms");
}

int main(int argc, char *argv[]) {
        Bench b = { .n_agents = 10000, .n_frameworks = 100 };
        uint64_t n;

        if (argc > 1 && parse_u64(argv[1], &n) >= 0 && n > 0 && n <= AGENTS_MAX)
                b.n_agents = (unsigned) n;
        if (argc > 2 && parse_u64(argv[2], &n) >= 0 && n > 0 && n <= FRAMEWORKS_MAX)
                b.n_frameworks = (unsigned) n;

        b.offers = calloc(b.n_agents + 1000, sizeof(*b.offers));
        check(b.offers ? 0 : -ENOMEM, "offers");
        check(allocator_new(&(AllocatorConfig) {}, &b.a), "allocator");

        populate(&b);
        measure_cycle(&b);
        measure_decline(&b);
        measure_task_end(&b);
        measure_refused_cycle(&b);

        for (size_t i = 0; i < b.n_offers; i++)
                resources_free(b.offers[i].resources);
        free(b.offers);
        allocator_free(b.a);
        return EXIT_SUCCESS;
}
