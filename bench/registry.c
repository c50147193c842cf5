/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a registry of many agents costs: to be told of them, one by one and all at once, and to be
 * read by the next leader.
 *
 *     registry store|load N sqlite PATH
 *     registry store|load N zookeeper URL
 *
 * Prints lines NAME VALUE UNIT; bench/registry.py runs it.
 */

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/resources.h"
#include "common/net/zk.h"
#include "master/registry.h"

#define SESSION_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define N_SINGLE 200
#define AGENT_RESOURCES "cpus:32;mem:131072;disk:2097152;ports:[31000-32000]"

typedef struct Bench {
        sd_event *event;
        Zk *zk;
        Registry *r;
        const char *name;
        uint64_t n_agents;
        uint64_t n_done;
        Mesos__V1__Resource **resources;
        size_t n_resources;
} Bench;

static void die(const char *what) {
        fprintf(stderr, "registry: %s\n", what);
        exit(EXIT_FAILURE);
}

static void on_done(int error, void *userdata) {
        if (error < 0)
                die(strerror(-error));

        ((Bench *) userdata)->n_done++;
}

static void wait_done(Bench *b, uint64_t n) {
        while (b->n_done < n)
                if (sd_event_run(b->event, UINT64_MAX) < 0)
                        die("the loop failed");
}

static void open_registry(Bench *b, const char *kind, const char *place) {
        RegistryConfig config = { .storage = REGISTRY_SQLITE, .path = place };
        char *message = NULL;
        ZkUrl url = {};

        if (streq(kind, "zookeeper")) {
                if (zk_url_parse(place, &url, &message) != 0 ||
                    zk_new(b->event, &url, SESSION_TIMEOUT_USEC, &b->zk) < 0)
                        die(message ?: "no session");
                zk_url_deinit(&url);
                config = (RegistryConfig) {
                        .storage = REGISTRY_ZOOKEEPER,
                        .zk = b->zk,
                        .master_id = "bench",
                };
        }

        if (registry_new(b->event, &config, &b->r, &message) != REGISTRY_OK)
                die(message ?: "cannot be opened");
}

static void wait_connected(Bench *b) {
        while (b->zk && zk_state(b->zk) == ZK_CONNECTING)
                if (sd_event_run(b->event, UINT64_MAX) < 0)
                        die("the loop failed");
}

static void print(const Bench *b, const char *what, double value, const char *unit) {
        printf("registry_%s_%s %.1f %s\n", b->name, what, value, unit);
}

static long rss_kib(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
}

static void load(Bench *b) {
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC), took_usec;
        long before_kib = rss_kib();

        if (registry_load(b->r, on_done, b) < 0)
                die("cannot be loaded");
        wait_done(b, 1);
        b->n_done = 0;
        took_usec = usec_sub(usec_now(CLOCK_MONOTONIC), begin_usec);
        if (registry_count_agents(b->r) == 0)
                return;

        print(b, "load", (double) took_usec / 1000, "ms");
        print(b, "load_memory", (double) (rss_kib() - before_kib) / 1024, "MB");
        print(b, "size", (double) registry_stats(b->r).size_bytes / 1e6, "MB");
}

static void put(Bench *b, uint64_t number) {
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        Mesos__V1__AgentID id = MESOS__V1__AGENT_ID__INIT;
        char id_text[64], hostname[64];

        snprintf(id_text, sizeof(id_text), "56ff7ac1-45f6-4380-9541-8794ef6151ed-S%lu", number);
        snprintf(hostname, sizeof(hostname), "agent-%lu.cluster.example", number);
        id.value = id_text;
        info.id = &id;
        info.hostname = hostname;
        info.has_port = true;
        info.port = 5051;
        info.resources = b->resources;
        info.n_resources = b->n_resources;
        if (registry_put_agent(b->r, &info, on_done, b) != REGISTRY_OK)
                die("an agent was not taken");
}

static void store(Bench *b) {
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);

        for (uint64_t i = 0; i < b->n_agents; i++)
                put(b, i);
        wait_done(b, b->n_agents);
        print(b, "admit_together",
              (double) b->n_agents / usec_to_secs(usec_sub(usec_now(CLOCK_MONOTONIC), begin_usec)),
              "agents/s");

        b->n_done = 0;
        begin_usec = usec_now(CLOCK_MONOTONIC);
        for (uint64_t i = 0; i < N_SINGLE; i++) {
                put(b, b->n_agents + i);
                wait_done(b, i + 1);
        }
        print(b, "admit_one",
              (double) usec_sub(usec_now(CLOCK_MONOTONIC), begin_usec) / 1000 / N_SINGLE, "ms");
}

int main(int argc, char **argv) {
        Resources *resources = NULL;
        char *message = NULL;
        Bench b = {};

        if (argc != 5 || parse_u64(argv[2], &b.n_agents) < 0)
                die("store|load N sqlite|zookeeper PLACE");

        b.name = argv[3];
        if (resources_parse(AGENT_RESOURCES, "*", &resources, &message) != RESOURCES_OK ||
            resources_to_pb(resources, RESOURCE_FORMAT_NEW, &b.resources, &b.n_resources) < 0 ||
            sd_event_new(&b.event) < 0)
                die("no memory");

        open_registry(&b, argv[3], argv[4]);
        wait_connected(&b);
        load(&b);
        if (streq(argv[1], "store"))
                store(&b);

        registry_free(b.r);
        zk_free(b.zk);
        sd_event_unref(b.event);
        resources_free_pb(b.resources, b.n_resources);
        resources_free(resources);
        return 0;
}
