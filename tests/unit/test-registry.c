/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The registry: every transition of every record, on every store that can be had here; what it was
 * told is there after a restart, and callers hear when it is.
 *
 * With ZOOKEEPER_HOSTS in the environment ZooKeeper is among them: tests/process/test-registry.py
 * starts one and us. Each test has a path of its own there.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/store.h"
#include "common/net/pbjson.h"
#include "common/net/zk.h"
#include "master/registry.h"

typedef struct Fixture {
        RegistryStorage storage;
        char directory[64];
        char path[96];
        char url[256]; /* of ZooKeeper */
        sd_event *event;
        Zk *zk;
        Registry *r;
        int n_done;
        int error; /* of the last load or change */
} Fixture;

static void done(int error, void *userdata) {
        Fixture *f = userdata;

        f->error = error;
        f->n_done++;
}

static Zk *connect_to(sd_event *event, const char *url_text) {
        _cleanup_free_ char *message = NULL;
        ZkUrl url = {};
        Zk *zk;

        assert_int_equal(zk_url_parse(url_text, &url, &message), 0);
        assert_int_equal(zk_new(event, &url, 10 * USEC_PER_SEC, &zk), 0);
        zk_url_deinit(&url);
        return zk;
}

/* Each is another master. */
static Registry *make_in_zookeeper(sd_event *event, Zk *zk) {
        static unsigned n_masters;
        RegistryConfig config = { .storage = REGISTRY_ZOOKEEPER, .zk = zk };
        _cleanup_free_ char *message = NULL;
        char id[32];
        Registry *r;

        snprintf(id, sizeof(id), "master-%u", n_masters++);
        config.master_id = id;
        assert_int_equal(registry_new(event, &config, &r, &message), REGISTRY_OK);
        return r;
}

static void make(Fixture *f) {
        RegistryConfig config = { .storage = f->storage, .path = f->path };
        _cleanup_free_ char *message = NULL;

        if (f->storage == REGISTRY_ZOOKEEPER) {
                f->zk = connect_to(f->event, f->url);
                f->r = make_in_zookeeper(f->event, f->zk);
                return;
        }

        assert_int_equal(registry_new(f->event, &config, &f->r, &message), REGISTRY_OK);
}

static void drop(Fixture *f) {
        f->r = registry_free(f->r);
        f->zk = zk_free(f->zk);
}

/* Where nothing was kept before. */
static void choose_place(Fixture *f) {
        const char *hosts = getenv("ZOOKEEPER_HOSTS");

        strcpy(f->directory, "/tmp/holdfast-registry-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        snprintf(f->path, sizeof(f->path), "%s/registry.db", f->directory);
        snprintf(f->url, sizeof(f->url), "zk://%s%s", hosts ?: "", f->directory);
}

static void run_until_done(Fixture *f, int n) {
        while (f->n_done < n)
                assert_true(sd_event_run(f->event, 1000000) > 0);
}

static void load(Fixture *f) {
        make(f);
        f->n_done = 0;
        assert_int_equal(registry_load(f->r, done, f), 0);
        assert_int_equal(f->n_done, 0);
        run_until_done(f, 1);
        f->n_done = 0;
}

/* All that is queued is durable, or has failed. */
static void settle(Fixture *f) {
        while (registry_stats(f->r).n_queued > 0)
                assert_true(sd_event_run(f->event, 1000000) >= 0);
}

/* What is durable is there still; without a store there is nothing to come back to. */
static void restart(Fixture *f) {
        settle(f);
        assert_int_equal(f->error, 0);
        if (f->storage == REGISTRY_MEMORY)
                return;

        drop(f);
        load(f);
        assert_int_equal(f->error, 0);
}

static int setup(void **state, RegistryStorage storage) {
        Fixture *f = calloc(1, sizeof(*f));

        f->storage = storage;
        choose_place(f);
        assert_int_equal(sd_event_new(&f->event), 0);
        load(f);
        *state = f;
        return 0;
}

static int setup_memory(void **state) {
        return setup(state, REGISTRY_MEMORY);
}

static int setup_sqlite(void **state) {
        return setup(state, REGISTRY_SQLITE);
}

static int setup_zookeeper(void **state) {
        return setup(state, REGISTRY_ZOOKEEPER);
}

static int teardown(void **state) {
        Fixture *f = *state;

        drop(f);
        sd_event_unref(f->event);
        assert_int_equal(file_remove_tree_at(-100, f->directory), 0);
        free(f);
        return 0;
}

/* -- Verbs -- */

static int put_from(Fixture *f, const char *id, const char *hostname) {
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;

        agent_id.value = (char *) id;
        info.hostname = (char *) hostname;
        info.id = &agent_id;
        return registry_put_agent(f->r, &info, done, f);
}

static void put(Fixture *f, const char *id) {
        assert_int_equal(put_from(f, id, "h"), REGISTRY_OK);
}

static void remove_agent(Fixture *f, const char *id) {
        assert_int_equal(registry_remove_agent(f->r, id, done, f), REGISTRY_OK);
}

static void unreachable(Fixture *f, const char *id, usec_t since_usec) {
        assert_int_equal(registry_mark_unreachable(f->r, id, since_usec, done, f), REGISTRY_OK);
}

static void gone(Fixture *f, const char *id, usec_t since_usec) {
        assert_int_equal(registry_mark_gone(f->r, id, since_usec, done, f), REGISTRY_OK);
}

static int drain(Fixture *f, const char *id) {
        Mesos__V1__DrainInfo info = MESOS__V1__DRAIN_INFO__INIT;
        Mesos__V1__DrainConfig config = MESOS__V1__DRAIN_CONFIG__INIT;

        info.state = MESOS__V1__DRAIN_STATE__DRAINING;
        info.config = &config;
        config.has_mark_gone = true;
        config.mark_gone = true;
        return registry_set_drain(f->r, id, &info, true, done, f);
}

/* -- What there is, as text -- */

static int print_agent(const RegistrySlave *agent, void *userdata) {
        return buffer_printf(userdata, "%s%s%s ", agent->info->id->value,
                             agent->drain_info ? "/drain" : "",
                             agent->deactivated ? "/deactivated" : "");
}

static int print_unreachable(const RegistryUnreachable *agent, void *userdata) {
        return buffer_printf(userdata, "%s@%d%s%s ", agent->id->value,
                             (int) (agent->timestamp->nanoseconds / 1000),
                             agent->drain_info ? "/drain" : "",
                             agent->deactivated ? "/deactivated" : "");
}

static void assert_agents(Fixture *f, const char *admitted, const char *unreachable_ones) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(4096), c = BUFFER_INIT(4096);

        assert_int_equal(registry_foreach_agent(f->r, print_agent, &b), 0);
        assert_int_equal(registry_foreach_unreachable(f->r, print_unreachable, &c), 0);
        buffer_append_char(&b, '\0');
        buffer_append_char(&c, '\0');
        assert_string_equal(buffer_data(&b), admitted);
        assert_string_equal(buffer_data(&c), unreachable_ones);
}

#define MASTER "\"master\":{\"info\":{\"id\":\"m\",\"ip\":0,\"port\":5050}}"

static void assert_json(Fixture *f, const char *expected) {
        Mesos__V1__MasterInfo leader = MESOS__V1__MASTER_INFO__INIT;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(65536);
        JsonWriter w = JSON_WRITER(&b);

        leader.id = (char *) "m";
        registry_to_json(f->r, &leader, &w);
        assert_int_equal(w.error, 0);
        buffer_append_char(&b, '\0');
        assert_string_equal(buffer_data(&b), expected);
}

/* -- Order -- */

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

static void test_lookups_do_not_see_what_is_only_queued(void **state) {
        Fixture *f = *state;

        put(f, "a");
        assert_null(registry_find_agent(f->r, "a"));
        assert_int_equal(registry_count_agents(f->r), 0);
        settle(f);
        assert_string_equal(registry_find_agent(f->r, "a")->info->hostname, "h");

        gone(f, "a", 1);
        assert_false(registry_is_gone(f->r, "a"));
        assert_non_null(registry_find_agent(f->r, "a"));
        settle(f);
        assert_true(registry_is_gone(f->r, "a"));
        assert_null(registry_find_agent(f->r, "a"));
}

typedef struct Order {
        Fixture *f;
        char text[64];
} Order;

static void on_unreachable(int error, void *userdata) {
        Order *o = userdata;

        assert_int_equal(error, 0);
        strcat(o->text, registry_is_unreachable(o->f->r, "a", NULL) ? "unreachable " : "- ");
}

static void on_back(int error, void *userdata) {
        Order *o = userdata;

        assert_int_equal(error, 0);
        strcat(o->text, registry_find_agent(o->f->r, "a") ? "back " : "- ");
        put(o->f, "b");
}

static void test_each_callback_finds_the_index_as_its_change_left_it(void **state) {
        Fixture *f = *state;
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        Mesos__V1__AgentID id = MESOS__V1__AGENT_ID__INIT;
        Order order = { .f = f };

        id.value = (char *) "a";
        info.hostname = (char *) "h";
        info.id = &id;
        put(f, "a");
        assert_int_equal(registry_mark_unreachable(f->r, "a", 1, on_unreachable, &order), 0);
        assert_int_equal(registry_put_agent(f->r, &info, on_back, &order), 0);
        settle(f);
        assert_string_equal(order.text, "unreachable back ");
        assert_agents(f, "a b ", "");
        restart(f);
        assert_agents(f, "a b ", "");
}

static void test_what_was_not_committed_is_not_there_after_a_restart(void **state) {
        Fixture *f = *state;

        put(f, "a");
        drop(f);
        load(f);
        assert_agents(f, "", "");
        assert_int_equal(f->n_done, 0);
}

static void test_what_changes_nothing_is_told_in_its_turn_all_the_same(void **state) {
        Fixture *f = *state;
        uint64_t size_bytes;

        put(f, "a");
        settle(f);
        size_bytes = registry_stats(f->r).size_bytes;
        put(f, "a");
        remove_agent(f, "unknown");
        assert_int_equal(f->n_done, 1);
        settle(f);
        assert_int_equal(f->n_done, 3);
        assert_int_equal(f->error, 0);
        assert_int_equal(registry_stats(f->r).size_bytes, size_bytes);
}

/* -- Agents -- */

/* From each state by each verb; in one turn, in turns of their own, and with a restart between. */
static const struct {
        const char *verbs; /* p: put, x: remove, u: unreachable, g: gone, d: drain, a: reactivate */
        const char *admitted, *unreachable;
        bool is_gone;
} transitions[] = {
        { "p", "a ", "", false },
        { "x", "", "", false },
        { "u", "", "a@1 ", false },
        { "g", "", "", true },
        { "pp", "a ", "", false },
        { "px", "", "", false },
        { "pu", "", "a@2 ", false },
        { "pg", "", "", true },
        { "pd", "a/drain/deactivated ", "", false },
        { "pda", "a ", "", false },
        { "pdp", "a/drain/deactivated ", "", false },
        { "pdx", "", "", false },
        { "pdxp", "a ", "", false },
        { "pdu", "", "a@3/drain/deactivated ", false },
        { "pdup", "a/drain/deactivated ", "", false },
        { "pdua", "", "a@3 ", false },
        { "pduap", "a ", "", false },
        { "pdg", "", "", true },
        { "pup", "a ", "", false },
        { "pux", "", "a@2 ", false },
        { "puu", "", "a@2 ", false },
        { "pug", "", "", true },
        { "pud", "", "a@2/drain/deactivated ", false },
        { "pudp", "a/drain/deactivated ", "", false },
        { "pgx", "", "", true },
        { "pgu", "", "", true },
        { "pgg", "", "", true },
};

static void do_verb(Fixture *f, char verb, usec_t now_usec) {
        switch (verb) {
        case 'p':
                put(f, "a");
                break;
        case 'x':
                remove_agent(f, "a");
                break;
        case 'u':
                unreachable(f, "a", now_usec);
                break;
        case 'g':
                gone(f, "a", now_usec);
                break;
        case 'd':
                assert_int_equal(drain(f, "a"), REGISTRY_OK);
                break;
        default:
                assert_int_equal(registry_set_drain(f->r, "a", NULL, false, done, f), REGISTRY_OK);
        }
}

static void begin_anew(Fixture *f) {
        drop(f);
        assert_int_equal(file_remove_tree_at(-100, f->directory), 0);
        choose_place(f);
}

/* As good as new, by other means than the ones that are tested. */
static void empty(Fixture *f) {
        begin_anew(f);
        load(f);
}

static void test_every_verb_takes_an_agent_from_each_state_to_the_right_one(void **state) {
        static void (*const between[])(Fixture * f) = { NULL, settle, restart };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(transitions); i++)
                for (size_t j = 0; j < ELEMENTSOF(between); j++) {
                        empty(f);
                        for (const char *v = transitions[i].verbs; *v; v++) {
                                do_verb(f, *v, (usec_t) (v - transitions[i].verbs) + 1);
                                if (between[j])
                                        between[j](f);
                        }

                        settle(f);
                        assert_agents(f, transitions[i].admitted, transitions[i].unreachable);
                        assert_int_equal(registry_is_gone(f->r, "a"), transitions[i].is_gone);
                        restart(f);
                        assert_agents(f, transitions[i].admitted, transitions[i].unreachable);
                        assert_int_equal(registry_is_gone(f->r, "a"), transitions[i].is_gone);
                        assert_int_equal(registry_count_gone(f->r), transitions[i].is_gone);
                }
}

static void test_gone_agent_is_not_let_in_not_even_before_that_is_durable(void **state) {
        Fixture *f = *state;

        put(f, "a");
        settle(f);
        gone(f, "a", 1);
        assert_int_equal(put_from(f, "a", "h"), REGISTRY_E_GONE);
        settle(f);
        assert_int_equal(put_from(f, "a", "h"), REGISTRY_E_GONE);
        assert_int_equal(registry_set_drain(f->r, "a", NULL, true, done, f), REGISTRY_E_UNKNOWN);
        assert_int_equal(registry_stats(f->r).n_queued, 0);
}

static void test_unknown_agent_does_not_drain(void **state) {
        Fixture *f = *state;

        assert_int_equal(drain(f, "a"), REGISTRY_E_UNKNOWN);
        assert_int_equal(registry_stats(f->r).n_queued, 0);
        put(f, "a");
        assert_int_equal(drain(f, "a"), REGISTRY_OK);
        settle(f);
}

static void test_unreachable_agent_tells_since_when(void **state) {
        Fixture *f = *state;
        usec_t since_usec = 0;

        put(f, "a");
        unreachable(f, "a", 123);
        settle(f);
        assert_true(registry_is_unreachable(f->r, "a", &since_usec));
        assert_int_equal(since_usec, 123);
        assert_false(registry_is_unreachable(f->r, "b", &since_usec));
        assert_int_equal(registry_find_unreachable(f->r, "a")->timestamp->nanoseconds, 123000);
        assert_null(registry_find_unreachable(f->r, "b"));
        assert_int_equal(registry_count_unreachable(f->r), 1);
}

static void test_agent_that_describes_itself_anew_is_known_by_that(void **state) {
        Fixture *f = *state;

        put(f, "a");
        put(f, "b");
        settle(f);
        assert_int_equal(put_from(f, "a", "other"), REGISTRY_OK);
        restart(f);
        assert_string_equal(registry_find_agent(f->r, "a")->info->hostname, "other");
        assert_agents(f, "a b ", "");
}

static void test_agent_too_large_for_any_store_is_refused(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *hostname = malloc((1U << 20) + 1);

        memset(hostname, 'h', 1U << 20);
        hostname[1U << 20] = '\0';
        assert_int_equal(put_from(f, "a", hostname), REGISTRY_E_TOO_LARGE);
        assert_int_equal(registry_stats(f->r).n_queued, 0);
        put(f, "b");
        restart(f);
        assert_agents(f, "b ", "");
}

/* -- Retention -- */

static void test_old_entries_and_those_beyond_the_count_are_forgotten(void **state) {
        Fixture *f = *state;
        char id[16];

        for (int i = 5; i >= 1; i--) {
                snprintf(id, sizeof(id), "u%d", i);
                unreachable(f, id, (usec_t) i * 100);
                snprintf(id, sizeof(id), "g%d", i);
                gone(f, id, (usec_t) i * 100);
        }
        put(f, "a");
        settle(f);

        assert_int_equal(registry_prune(f->r, 200, 3, done, f), REGISTRY_OK);
        restart(f);
        assert_agents(f, "a ", "u3@300 u4@400 u5@500 ");
        assert_false(registry_is_gone(f->r, "g2"));
        assert_int_equal(registry_count_gone(f->r), 3);

        assert_int_equal(registry_prune(f->r, 401, 3, done, f), REGISTRY_OK);
        restart(f);
        assert_agents(f, "a ", "u5@500 ");
        assert_int_equal(registry_count_gone(f->r), 1);

        assert_int_equal(registry_prune(f->r, 0, 0, done, f), REGISTRY_OK);
        restart(f);
        assert_agents(f, "a ", "");
        assert_int_equal(registry_count_gone(f->r), 0);
}

static void test_thousands_are_forgotten_and_that_is_told_once(void **state) {
        Fixture *f = *state;
        char id[16];

        for (int i = 0; i < 1700; i++) {
                snprintf(id, sizeof(id), "u%04d", i);
                unreachable(f, id, (usec_t) i);
        }
        settle(f);
        f->n_done = 0;
        assert_int_equal(registry_prune(f->r, 0, 10, done, f), REGISTRY_OK);
        settle(f);
        assert_int_equal(f->n_done, 1);
        assert_int_equal(registry_count_unreachable(f->r), 10);
        assert_true(registry_is_unreachable(f->r, "u1690", NULL));
}

static void test_agent_that_is_just_coming_back_is_not_forgotten(void **state) {
        Fixture *f = *state;

        unreachable(f, "a", 1);
        unreachable(f, "b", 2);
        settle(f);
        put(f, "a");
        assert_int_equal(registry_prune(f->r, 100, 0, done, f), REGISTRY_OK);
        restart(f);
        assert_agents(f, "a ", "");
}

/* -- Maintenance -- */

static void from_json(const ProtobufCMessageDescriptor *descriptor, const char *json,
                      ProtobufCMessage **ret) {
        _cleanup_free_ char *error = NULL;

        if (pbjson_parse(descriptor, json, strlen(json), PB_LIMITS_DEFAULT, ret, &error) != 0)
                fail_msg("%s: %s", json, error ?: "?");
}

static void set_schedule(Fixture *f, const char *json) {
        ProtobufCMessage *schedule;

        from_json(&mesos__v1__maintenance__schedule__descriptor, json, &schedule);
        assert_int_equal(registry_set_maintenance(f->r, (void *) schedule, done, f), REGISTRY_OK);
        pb_free(schedule);
}

static int set_mode(Fixture *f, const char *hostname, const char *ip,
                    Mesos__V1__MachineInfo__Mode mode) {
        Mesos__V1__MachineID id = MESOS__V1__MACHINE_ID__INIT, *ids[] = { &id };

        id.hostname = (char *) hostname;
        id.ip = (char *) ip;
        return registry_set_machines_mode(f->r, ids, 1, mode, done, f);
}

static int print_machine(const Mesos__V1__MachineInfo *machine, void *userdata) {
        static const char *const modes[] = { "?", "UP", "DRAINING", "DOWN" };

        return buffer_printf(userdata, "%s=%s@%d ", machine->id->hostname ?: machine->id->ip,
                             modes[machine->mode],
                             (int) machine->unavailability->start->nanoseconds);
}

static void assert_machines(Fixture *f, const char *expected) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(4096);

        assert_int_equal(registry_foreach_machine(f->r, print_machine, &b), 0);
        buffer_append_char(&b, '\0');
        assert_string_equal(buffer_data(&b), expected);
}

#define WINDOW(start, machines)                                                                    \
        "{\"machine_ids\":[" machines "],\"unavailability\":{\"start\":{\"nanoseconds\":" #start   \
        "}}}"
#define HOST(name) "{\"hostname\":\"" name "\"}"

static void test_machines_follow_the_schedule(void **state) {
        Fixture *f = *state;

        set_schedule(f, "{\"windows\":[" WINDOW(1, HOST("m") "," HOST("n")) "," WINDOW(
                                        2, "{\"ip\":\"192.0.2.1\"}") "]}");
        assert_null(registry_schedule(f->r));
        restart(f);
        assert_int_equal(registry_schedule(f->r)->n_windows, 2);
        assert_machines(f, "m=DRAINING@1 n=DRAINING@1 192.0.2.1=DRAINING@2 ");
        assert_int_equal(set_mode(f, "m", "192.0.2.1", MESOS__V1__MACHINE_INFO__MODE__DOWN), REGISTRY_E_UNKNOWN);

        /* One that is down stays so in the next schedule; those not in it are forgotten. */
        assert_int_equal(set_mode(f, "M", NULL, MESOS__V1__MACHINE_INFO__MODE__DOWN), REGISTRY_OK);
        set_schedule(f, "{\"windows\":[" WINDOW(3, HOST("m") "," HOST("o")) "]}");
        restart(f);
        assert_machines(f, "m=DOWN@3 o=DRAINING@3 ");

        set_schedule(f, "{}");
        restart(f);
        assert_null(registry_schedule(f->r));
        assert_machines(f, "");
        assert_json(f, "{" MASTER "}");
}

static void test_machine_that_is_up_again_leaves_the_schedule(void **state) {
        Fixture *f = *state;

        set_schedule(f, "{\"windows\":[" WINDOW(1, HOST("m") "," HOST("n")) "," WINDOW(
                                        2, HOST("o")) "]}");
        assert_int_equal(set_mode(f, "o", NULL, MESOS__V1__MACHINE_INFO__MODE__UP), REGISTRY_OK);
        assert_int_equal(set_mode(f, "M", NULL, MESOS__V1__MACHINE_INFO__MODE__UP), REGISTRY_OK);
        assert_int_equal(set_mode(f, "o", NULL, MESOS__V1__MACHINE_INFO__MODE__DOWN),
                         REGISTRY_E_UNKNOWN);
        restart(f);
        assert_machines(f, "n=DRAINING@1 ");
        assert_int_equal(registry_schedule(f->r)->n_windows, 1);
        assert_int_equal(registry_schedule(f->r)->windows[0]->n_machine_ids, 1);

        assert_int_equal(set_mode(f, "n", NULL, MESOS__V1__MACHINE_INFO__MODE__UP), REGISTRY_OK);
        restart(f);
        assert_machines(f, "");
        assert_null(registry_schedule(f->r));
}

/* -- Roles -- */

static void set_weight(Fixture *f, const char *role, double weight) {
        Mesos__V1__WeightInfo info = MESOS__V1__WEIGHT_INFO__INIT, *list[] = { &info };

        info.role = (char *) role;
        info.weight = weight;
        assert_int_equal(registry_set_weights(f->r, list, 1, done, f), REGISTRY_OK);
}

static void test_weights_are_kept_by_role(void **state) {
        Fixture *f = *state;
        RegistryWeight *const *weights;
        size_t n = 1;

        (void) registry_weights(f->r, &n);
        assert_int_equal(n, 0);
        set_weight(f, "a", 2.5);
        set_weight(f, "b", 3);
        set_weight(f, "a", 4);
        restart(f);
        weights = registry_weights(f->r, &n);
        assert_int_equal(n, 2);
        assert_string_equal(weights[0]->info->role, "b");
        assert_string_equal(weights[1]->info->role, "a");
        assert_true(weights[1]->info->weight == 4);
}

static void test_role_that_is_named_twice_has_the_last_weight(void **state) {
        Mesos__V1__WeightInfo infos[3], *list[3];
        RegistryWeight *const *weights;
        Fixture *f = *state;
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(infos); i++) {
                mesos__v1__weight_info__init(&infos[i]);
                infos[i].role = (char *) (i == 1 ? "b" : "a");
                infos[i].weight = (double) (i + 1);
                list[i] = &infos[i];
        }
        assert_int_equal(registry_set_weights(f->r, list, ELEMENTSOF(list), done, f), REGISTRY_OK);
        restart(f);
        weights = registry_weights(f->r, &n);
        assert_int_equal(n, 2);
        assert_string_equal(weights[0]->info->role, "a");
        assert_true(weights[0]->info->weight == 3);
}

static void set_quota(Fixture *f, const char *json) {
        ProtobufCMessage *config;
        Mesos__V1__Quota__QuotaConfig *list[1];

        from_json(&mesos__v1__quota__quota_config__descriptor, json, &config);
        list[0] = (void *) config;
        assert_int_equal(registry_set_quota_configs(f->r, list, 1, done, f), REGISTRY_OK);
        pb_free(config);
}

static void test_quotas_are_kept_by_role_and_one_that_says_nothing_is_none(void **state) {
        Fixture *f = *state;
        size_t n = 1;

        set_quota(f, "{\"role\":\"a\",\"limits\":{\"cpus\":{\"value\":2}}}");
        set_quota(f, "{\"role\":\"b\",\"guarantees\":{\"cpus\":{\"value\":1}}}");
        restart(f);
        assert_string_equal(registry_quota_configs(f->r, &n)[0]->role, "a");
        assert_int_equal(n, 2);
        set_quota(f, "{\"role\":\"a\"}");
        restart(f);
        assert_string_equal(registry_quota_configs(f->r, &n)[0]->role, "b");
        assert_int_equal(n, 1);
        set_quota(f, "{\"role\":\"b\"}");
        restart(f);
        (void) registry_quota_configs(f->r, &n);
        assert_int_equal(n, 0);
}

/* -- As a whole -- */

static void test_all_of_it_is_told_as_json(void **state) {
        Fixture *f = *state;

        assert_json(f, "{" MASTER "}");
        put(f, "a");
        put(f, "b");
        assert_int_equal(drain(f, "a"), REGISTRY_OK);
        put(f, "c");
        unreachable(f, "c", 5);
        gone(f, "d", 6);
        set_weight(f, "r", 2);
        settle(f);
        assert_json(f, "{" MASTER ",\"slaves\":{\"slaves\":["
                       "{\"info\":{\"hostname\":\"h\",\"port\":5051,\"id\":{\"value\":\"a\"}},"
                       "\"drain_info\":{\"state\":\"DRAINING\",\"config\":{\"mark_gone\":true}},"
                       "\"deactivated\":true},"
                       "{\"info\":{\"hostname\":\"h\",\"port\":5051,\"id\":{\"value\":\"b\"}},"
                       "\"deactivated\":false}]},"
                       "\"unreachable\":{\"slaves\":[{\"id\":{\"value\":\"c\"},"
                       "\"timestamp\":{\"nanoseconds\":5000},\"deactivated\":false}]},"
                       "\"gone\":{\"slaves\":[{\"id\":{\"value\":\"d\"},"
                       "\"timestamp\":{\"nanoseconds\":6000}}]},"
                       "\"weights\":[{\"info\":{\"weight\":2.0,\"role\":\"r\"}}],"
                       "\"minimum_capabilities\":[{\"capability\":\"AGENT_DRAINING\"}]}");
}

static void test_before_it_is_loaded_there_is_nothing_to_show(void **state) {
        Fixture *f = *state;

        put(f, "a");
        settle(f);
        drop(f);
        make(f);
        assert_false(registry_is_loaded(f->r));
        assert_json(f, "{}");
        assert_agents(f, "", "");
}

/* -- What an SQLite database may be like -- */

static void execute(Fixture *f, const char *sql) {
        sqlite3 *db;

        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        sqlite3_close(db);
}

/* As the first version made it; an AgentInfo is told in bytes. */
static const char version_1[] =
                "CREATE TABLE agents (id TEXT PRIMARY KEY, info BLOB NOT NULL) WITHOUT ROWID;"
                "CREATE TABLE unreachable (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL)"
                " WITHOUT ROWID;"
                "CREATE TABLE gone (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL) WITHOUT "
                "ROWID;"
                "INSERT INTO agents VALUES ('a', x'0a01683203' || x'0a0161'),"
                "                          ('x', x'0a01683203' || x'0a0178');"
                "INSERT INTO unreachable VALUES ('u', 1234), ('x', 5);"
                "INSERT INTO gone VALUES ('g', 99), ('x', 7);"
                "PRAGMA user_version = 1;";

static void test_registry_of_the_first_version_is_carried_over(void **state) {
        Fixture *f = *state;

        begin_anew(f);
        execute(f, version_1);
        for (int i = 0; i < 2; i++) {
                load(f);
                assert_int_equal(f->error, 0);
                assert_agents(f, "a ", "u@1234 ");
                assert_string_equal(registry_find_agent(f->r, "a")->info->hostname, "h");
                assert_true(registry_is_gone(f->r, "g"));
                assert_true(registry_is_gone(f->r, "x"));
                assert_int_equal(registry_count_gone(f->r), 2);
                f->r = registry_free(f->r);
        }
}

static void assert_refused(Fixture *f, const char *text) {
        RegistryConfig config = { .storage = f->storage, .path = f->path };
        _cleanup_free_ char *message = NULL;

        assert_int_equal(registry_new(f->event, &config, &f->r, &message), REGISTRY_E_UNUSABLE);
        assert_non_null(strstr(message, f->path));
        assert_non_null(strstr(message, text));
}

static void test_file_that_is_no_registry_is_refused_by_name(void **state) {
        Fixture *f = *state;
        FILE *file;

        begin_anew(f);
        file = fopen(f->path, "w");
        assert_non_null(file);
        for (int i = 0; i < 1000; i++)
                fputs("this is not a database\n", file);
        fclose(file);
        assert_refused(f, "not a database");
}

static void test_registry_of_a_later_version_is_refused_by_name(void **state) {
        Fixture *f = *state;

        f->r = registry_free(f->r);
        execute(f, "PRAGMA user_version = 3");
        assert_refused(f, "later version");
}

/* A load that fails leaves an empty registry that takes nothing. */
static void assert_not_loaded(Fixture *f, const char *sql, int error) {
        begin_anew(f);
        load(f);
        put(f, "a");
        settle(f);
        f->r = registry_free(f->r);
        execute(f, sql);
        load(f);
        assert_int_equal(f->error, error);
        assert_false(registry_is_loaded(f->r));
        assert_agents(f, "", "");
        assert_int_equal(put_from(f, "b", "h"), error);
}

static void test_record_that_is_damaged_keeps_the_registry_from_being_loaded(void **state) {
        Fixture *f = *state;

        assert_not_loaded(f, "UPDATE records SET value = x'ff'", -EBADMSG);
        assert_not_loaded(f, "UPDATE records SET value = x''", -EBADMSG);
        assert_not_loaded(f, "UPDATE records SET id = 'b'", -EBADMSG);
        assert_not_loaded(f, "UPDATE records SET kind = 'unreachable'", -EBADMSG);
        assert_not_loaded(f, "UPDATE records SET kind = 'agent'", -EBADMSG);
}

/* "BLOCKCHAIN", as MinimumCapability in a Registry. */
static void test_registry_that_needs_what_this_master_lacks_is_not_loaded(void **state) {
        Fixture *f = *state;

        assert_not_loaded(f,
                          "INSERT INTO records VALUES ('minimum_capabilities', '',"
                          " x'520c0a0a' || 'BLOCKCHAIN')",
                          -EPROTONOSUPPORT);
}

/* -- Two masters -- */

typedef struct Rival {
        Zk *zk;
        Registry *r;
        int n_done, error;
} Rival;

static void on_rival_done(int error, void *userdata) {
        Rival *rival = userdata;

        rival->n_done++;
        rival->error = error;
}

static void rival_wait(Fixture *f, Rival *rival, int n_done) {
        while (rival->n_done < n_done)
                assert_true(sd_event_run(f->event, 1000000) >= 0);
}

static void rival_load(Fixture *f, Rival *rival) {
        *rival = (Rival) { .zk = connect_to(f->event, f->url) };
        rival->r = make_in_zookeeper(f->event, rival->zk);
        assert_int_equal(registry_load(rival->r, on_rival_done, rival), 0);
        rival_wait(f, rival, 1);
        assert_int_equal(rival->error, 0);
}

static void rival_free(Rival *rival) {
        registry_free(rival->r);
        zk_free(rival->zk);
}

static void test_former_leader_cannot_write(void **state) {
        Fixture *f = *state;
        Rival rival;

        put(f, "a");
        settle(f);
        rival_load(f, &rival);
        assert_non_null(registry_find_agent(rival.r, "a"));

        put(f, "b");
        gone(f, "a", 1);
        settle(f);
        assert_int_equal(f->n_done, 3);
        assert_int_equal(f->error, -ESTALE);
        assert_agents(f, "a ", "");
        assert_int_equal(put_from(f, "c", "h"), -ESTALE);

        /* The one that leads has noticed nothing. */
        assert_int_equal(registry_mark_unreachable(rival.r, "a", 5, on_rival_done, &rival), 0);
        rival_wait(f, &rival, 2);
        assert_int_equal(rival.error, 0);
        rival_free(&rival);

        drop(f);
        load(f);
        assert_agents(f, "", "a@5 ");
}

static void test_change_under_way_when_another_leads_is_all_or_nothing(void **state) {
        Fixture *f = *state;
        char id[16];
        Rival rival;

        for (int i = 0; i < 1200; i++) {
                snprintf(id, sizeof(id), "a%04d", i);
                put(f, id);
        }
        assert_true(sd_event_run(f->event, 1000000) > 0); /* on its way, in several transactions */
        rival_load(f, &rival);
        settle(f);
        assert_int_equal(f->n_done, 1200);

        /* Those that came first, and the next leader knows of each that was told to be durable. */
        for (uint64_t i = 0; i < registry_count_agents(rival.r); i++) {
                snprintf(id, sizeof(id), "a%04d", (int) i);
                assert_non_null(registry_find_agent(rival.r, id));
        }
        assert_true(f->error == 0 ? registry_count_agents(rival.r) == 1200
                                  : registry_count_agents(f->r) == 0);
        rival_free(&rival);
}

static void test_more_than_a_transaction_carries_goes_in_several(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *hostname = malloc((100U << 10) + 1);
        char id[16];

        memset(hostname, 'h', 100U << 10);
        hostname[100U << 10] = '\0';
        for (int i = 0; i < 25; i++) {
                snprintf(id, sizeof(id), "large%02d", i);
                assert_int_equal(put_from(f, id, hostname), REGISTRY_OK);
        }
        for (int i = 0; i < 1100; i++) {
                snprintf(id, sizeof(id), "many%04d", i);
                put(f, id);
                unreachable(f, id, (usec_t) i);
        }
        settle(f);
        assert_int_equal(f->error, 0);
        restart(f);
        assert_int_equal(registry_count_agents(f->r), 25);
        assert_int_equal(registry_count_unreachable(f->r), 1100);
}

static void test_ids_that_are_no_names_of_znodes_are_kept(void **state) {
        Fixture *f = *state;
        static const char *const ids[] = { "a b", "50%", "\xc3\xa9", "\xef\xbf\xbf", "zookeeper", "..." };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                put(f, ids[i]);
        restart(f);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                assert_non_null(registry_find_agent(f->r, ids[i]));
        assert_int_equal(registry_count_agents(f->r), ELEMENTSOF(ids));
}

typedef struct Write {
        int error;
        bool done;
} Write;

static void on_written(const ZkAnswer *answer, void *userdata) {
        *(Write *) userdata = (Write) { answer->error, true };
}

/* By the hand of somebody else. */
static void write_znode(Fixture *f, const char *name, const void *data, size_t n) {
        char path[128];
        Write w = {};

        snprintf(path, sizeof(path), "%s/holdfast/%s", f->directory, name);
        assert_int_equal(zk_delete(f->zk, path, ZK_ANY_VERSION, NULL, NULL), 0);
        assert_int_equal(zk_create(f->zk, path, data, n, 0, on_written, &w), 0);
        while (!w.done)
                assert_true(sd_event_run(f->event, 1000000) >= 0);
        assert_int_equal(w.error, 0);
}

static void assert_not_loaded_with(Fixture *f, const char *name, const void *data, size_t n,
                                   int error) {
        empty(f);
        write_znode(f, name, data, n);
        drop(f);
        load(f);
        assert_int_equal(f->error, error);
        assert_false(registry_is_loaded(f->r));
}

static void test_znodes_that_are_damaged_keep_the_registry_from_being_loaded(void **state) {
        Fixture *f = *state;

        assert_not_loaded_with(f, "agents/a", "\xff", 1, -EBADMSG);
        assert_not_loaded_with(f, "agents/a", "", 0, -EBADMSG);
        assert_not_loaded_with(f, "agents/%zz", "", 0, -EBADMSG);
        assert_not_loaded_with(f, "weights", "\xff", 1, -EBADMSG);
        assert_not_loaded_with(f, "epoch", "", 0, -EBADMSG);
        assert_not_loaded_with(f, "epoch", "2 of-a-later-version 1", 22, -EBADMSG);
        assert_not_loaded_with(f, "minimum_capabilities", "R\x0c\n\nBLOCKCHAIN", 14,
                               -EPROTONOSUPPORT);
}

static void test_znode_that_somebody_else_removed_is_noticed(void **state) {
        Fixture *f = *state;
        char path[128];

        put(f, "a");
        settle(f);
        snprintf(path, sizeof(path), "%s/holdfast/agents/a", f->directory);
        assert_int_equal(zk_delete(f->zk, path, ZK_ANY_VERSION, NULL, NULL), 0);
        unreachable(f, "a", 1);
        settle(f);
        assert_int_equal(f->error, -EIO);
}

/* Nobody listens there. */
static void test_store_that_does_not_answer_is_given_up_in_time(void **state) {
        RegistryConfig config = {
                .storage = REGISTRY_ZOOKEEPER,
                .master_id = "m",
                .fetch_timeout_usec = 50 * USEC_PER_MSEC,
        };
        _cleanup_free_ char *message = NULL;
        Fixture *f = *state;

        drop(f);
        f->zk = config.zk = connect_to(f->event, "zk://127.0.0.1:1/nowhere");
        assert_int_equal(registry_new(f->event, &config, &f->r, &message), REGISTRY_OK);
        assert_int_equal(registry_load(f->r, done, f), 0);
        run_until_done(f, 1);
        assert_int_equal(f->error, -ETIMEDOUT);
        assert_false(registry_is_loaded(f->r));
        assert_int_equal(put_from(f, "a", "h"), -ETIMEDOUT);
}

/* Everything that any store must do. */
#define TESTS_OF_ANY_STORE(ON)                                                                     \
        ON(test_callback_comes_at_the_end_of_the_turn_not_before) \
        ON(test_lookups_do_not_see_what_is_only_queued) \
        ON(test_each_callback_finds_the_index_as_its_change_left_it) \
        ON(test_what_was_not_committed_is_not_there_after_a_restart) \
        ON(test_what_changes_nothing_is_told_in_its_turn_all_the_same) \
        ON(test_every_verb_takes_an_agent_from_each_state_to_the_right_one) \
        ON(test_gone_agent_is_not_let_in_not_even_before_that_is_durable) \
        ON(test_unknown_agent_does_not_drain) \
        ON(test_unreachable_agent_tells_since_when) \
        ON(test_agent_that_describes_itself_anew_is_known_by_that) \
        ON(test_agent_too_large_for_any_store_is_refused) \
        ON(test_old_entries_and_those_beyond_the_count_are_forgotten) \
        ON(test_thousands_are_forgotten_and_that_is_told_once) \
        ON(test_agent_that_is_just_coming_back_is_not_forgotten) \
        ON(test_machines_follow_the_schedule) \
        ON(test_machine_that_is_up_again_leaves_the_schedule) \
        ON(test_weights_are_kept_by_role) \
        ON(test_role_that_is_named_twice_has_the_last_weight) \
        ON(test_quotas_are_kept_by_role_and_one_that_says_nothing_is_none) \
        ON(test_all_of_it_is_told_as_json) \
        ON(test_before_it_is_loaded_there_is_nothing_to_show)

#define ON_MEMORY(test) { #test " (memory)", test, setup_memory, teardown, NULL },
#define ON_SQLITE(test) { #test " (SQLite)", test, setup_sqlite, teardown, NULL },
#define ON_ZOOKEEPER(test) { #test " (ZooKeeper)", test, setup_zookeeper, teardown, NULL },

static int run_here(void) {
        const struct CMUnitTest tests[] = {
                TESTS_OF_ANY_STORE(ON_MEMORY)
                TESTS_OF_ANY_STORE(ON_SQLITE)
                ON_SQLITE(test_registry_of_the_first_version_is_carried_over)
                ON_SQLITE(test_file_that_is_no_registry_is_refused_by_name)
                ON_SQLITE(test_registry_of_a_later_version_is_refused_by_name)
                ON_SQLITE(test_record_that_is_damaged_keeps_the_registry_from_being_loaded)
                ON_SQLITE(test_registry_that_needs_what_this_master_lacks_is_not_loaded)
                ON_MEMORY(test_store_that_does_not_answer_is_given_up_in_time)
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_with_zookeeper(void) {
        const struct CMUnitTest tests[] = {
                TESTS_OF_ANY_STORE(ON_ZOOKEEPER)
                ON_ZOOKEEPER(test_former_leader_cannot_write)
                ON_ZOOKEEPER(test_change_under_way_when_another_leads_is_all_or_nothing)
                ON_ZOOKEEPER(test_more_than_a_transaction_carries_goes_in_several)
                ON_ZOOKEEPER(test_ids_that_are_no_names_of_znodes_are_kept)
                ON_ZOOKEEPER(test_znodes_that_are_damaged_keep_the_registry_from_being_loaded)
                ON_ZOOKEEPER(test_znode_that_somebody_else_removed_is_noticed)
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void) {
        log_set_max_level(LOG_WARNING); /* sessions come and go here by the hundred */
        return getenv("ZOOKEEPER_HOSTS") ? run_with_zookeeper() : run_here();
}
