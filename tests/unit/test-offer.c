/* SPDX-License-Identifier: Apache-2.0 */

/* Offers, tasks and agents: the books agree whatever is entered and removed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/net/pbwire.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/offer_view.h"
#include "master/reject.h"
#include "master/task.h"

typedef struct World {
        FrameworkTable frameworks;
        NodeTable nodes;
        OfferTable offers;
        Framework *f, *other;
        Node *n, *away;
} World;

static Resources *resources(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r;

        assert_int_equal(resources_parse(text, "*", &r, &message), RESOURCES_OK);
        assert_int_equal(resources_allocate(r, "*"), 0);
        return r;
}

static Framework *framework(World *w, const char *id) {
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        Framework *f;

        info.user = (char *) "u";
        info.name = (char *) "n";
        assert_int_equal(framework_new(&w->frameworks, id, &info, &f), 0);
        return f;
}

static Node *node(World *w, const char *id, uint16_t port) {
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;
        _cleanup_free_ char *message = NULL;
        Upid pid;
        Node *n;

        agent_id.value = (char *) id;
        info.hostname = (char *) "h";
        info.id = &agent_id;
        assert_int_equal(upid_make("slave(1)", "127.0.0.1", port, &pid), 0);
        assert_int_equal(node_new(&w->nodes, &info, NULL, 0, &pid, &n, &message), 0);
        n->connected = true;
        return n;
}

static int setup(void **state) {
        World *w = calloc(1, sizeof(*w));

        w->f = framework(w, "F");
        w->other = framework(w, "G");
        w->n = node(w, "S0", 1);
        w->away = node(w, "S1", 2);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        while (w->offers.offers)
                offer_free(w->offers.offers);
        framework_free(w->f);
        framework_free(w->other);
        node_free(w->n);
        node_free(w->away);
        framework_table_deinit(&w->frameworks);
        node_table_deinit(&w->nodes);
        offer_table_deinit(&w->offers);
        free(w);
        return 0;
}

static Offer *offer(World *w, Framework *f, Node *n, const char *role) {
        Offer *o;

        assert_int_equal(offer_new(&w->offers, "M", f, n, role, resources("cpus:2;mem:64"), &o), 0);
        return o;
}

static void assert_invalid(World *w, const char *a, const char *b, const char *expected) {
        const char *ids[] = { a, b };
        _cleanup_free_ char *message = NULL;
        Offer *found[2];

        assert_int_equal(offers_validate(&w->offers, ids,
                                         b   ? 2
                                         : a ? 1
                                             : 0,
                                         w->f, found, &message),
                         REJECTED);
        assert_string_equal(message, expected);
}

static void assert_offered(const World *w, int64_t cpus_milli) {
        _cleanup_(resources_freep) Resources *sum = NULL;

        assert_int_equal(offers_sum(w->n, &sum), 0);
        assert_int_equal(resources_scalar_milli(sum, "cpus"), cpus_milli);
        assert_int_equal(resources_is_empty(sum), cpus_milli == 0);
}

static void test_offered_is_counted_at_the_agent_until_the_offer_is_gone(void **state) {
        World *w = *state;
        Offer *a = offer(w, w->f, w->n, "*"), *b = offer(w, w->other, w->n, "*");

        assert_string_equal(a->id, "M-O0");
        assert_string_equal(b->id, "M-O1");
        assert_offered(w, 4000);
        offer_free(a);
        assert_offered(w, 2000);
        offer_free(b);
        assert_offered(w, 0);
        assert_null(offer_find(&w->offers, "M-O0"));
}

static void test_accepted_offers_must_belong_together(void **state) {
        World *w = *state;

        (void) offer(w, w->f, w->n, "*");
        (void) offer(w, w->f, w->away, "*");
        (void) offer(w, w->other, w->n, "*");
        (void) offer(w, w->f, w->n, "r");

        assert_invalid(w, NULL, NULL, "No offers specified");
        assert_invalid(w, "nope-O1", NULL, "Offer nope-O1 is no longer valid");
        assert_invalid(w, "M-O0", "M-O0", "Duplicate offer M-O0 in offer list");
        assert_invalid(w, "M-O2", NULL,
                       "Offer M-O2 has invalid framework G while framework F is expected");
        assert_invalid(w, "M-O0", "M-O1",
                       "Aggregated offers must belong to one single agent. Offer M-O1 uses agent "
                       "S1 and agent S0");
        assert_invalid(w, "M-O0", "M-O3",
                       "Aggregated offers must be allocated to the same role. Offer M-O3 uses role "
                       "'r' "
                       "but another is using role '*'");
}

static void test_offers_of_an_agent_that_is_cut_off_are_void(void **state) {
        World *w = *state;

        (void) offer(w, w->f, w->n, "*");
        w->n->connected = false;
        assert_invalid(w, "M-O0", NULL, "Offer M-O0 outlived disconnected agent S0");
}

static Task *task(World *w, const char *id) {
        Mesos__V1__TaskInfo info = MESOS__V1__TASK_INFO__INIT;
        Mesos__V1__TaskID task_id = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;
        Task *t;

        task_id.value = (char *) id;
        agent_id.value = w->n->id;
        info.name = (char *) "n";
        info.task_id = &task_id;
        info.agent_id = &agent_id;
        assert_int_equal(task_new_from_info(&info, w->f->id, resources("cpus:1"), &t), 0);
        return t;
}

static void test_task_moves_between_the_collections_of_its_framework(void **state) {
        World *w = *state;
        Task *t = task(w, "t");

        t->node = w->n;
        framework_add_task(w->f, t);
        assert_ptr_equal(framework_find_task(w->f, "t"), t);
        assert_ptr_equal(w->n->tasks, t);

        framework_remove_task(w->f, t);
        assert_null(w->n->tasks);
        framework_add_unreachable(w->f, t, 10);
        assert_ptr_equal(framework_find_unreachable(w->f, "t"), t);

        framework_remove_unreachable(w->f, t);
        framework_add_completed(w->f, t, 10);
        assert_null(framework_find_unreachable(w->f, "t"));
        assert_int_equal(w->f->n_completed_tasks, 1);
}

static void test_remembered_tasks_are_bounded_and_the_oldest_goes(void **state) {
        World *w = *state;

        framework_add_completed(w->f, task(w, "a"), 2);
        framework_add_completed(w->f, task(w, "b"), 2);
        framework_add_completed(w->f, task(w, "c"), 2);
        assert_int_equal(w->f->n_completed_tasks, 2);
        assert_string_equal(w->f->completed_tasks->id, "b");

        framework_add_unreachable(w->f, task(w, "x"), 1);
        framework_add_unreachable(w->f, task(w, "y"), 1);
        assert_null(framework_find_unreachable(w->f, "x"));
        assert_non_null(framework_find_unreachable(w->f, "y"));
}

static void add_status(Task *t, TaskState state, double timestamp) {
        Mesos__V1__TaskStatus s = MESOS__V1__TASK_STATUS__INIT;
        Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;

        id.value = t->id;
        s.task_id = &id;
        s.state = state;
        s.has_timestamp = true;
        s.timestamp = timestamp;
        s.has_data = true;
        s.data = (ProtobufCBinaryData) { 3, (uint8_t *) "abc" };
        assert_int_equal(task_add_status(t, &s), 0);
}

static void test_statuses_keep_the_last_of_each_run_and_no_data(void **state) {
        World *w = *state;
        _cleanup_(task_freep) Task *t = task(w, "t");
        Mesos__V1__Task *m;

        add_status(t, MESOS__V1__TASK_STATE__TASK_STARTING, 1);
        add_status(t, MESOS__V1__TASK_STATE__TASK_RUNNING, 2);
        add_status(t, MESOS__V1__TASK_STATE__TASK_RUNNING, 3);
        assert_int_equal(t->n_statuses, 2);
        assert_true(task_first_timestamp(t) == 1);

        assert_int_equal(task_to_pb(t, &m), 0);
        assert_int_equal(m->n_statuses, 2);
        assert_true(m->statuses[1]->timestamp == 3);
        assert_false(m->statuses[1]->has_data);
        pb_free(&m->base);
}

static void test_statuses_of_a_task_that_flips_for_ever_stay_few(void **state) {
        World *w = *state;
        _cleanup_(task_freep) Task *t = task(w, "t");

        for (int i = 1; i <= 1000; i++)
                add_status(t,
                           i % 2 ? MESOS__V1__TASK_STATE__TASK_RUNNING
                                 : MESOS__V1__TASK_STATE__TASK_KILLING,
                           i);

        assert_true(t->n_statuses <= 32);
        assert_true(task_first_timestamp(t) == 1);
        assert_true(t->statuses[t->n_statuses - 1].timestamp_secs == 1000);
}

static void test_executor_is_found_by_both_ids_and_counted_once(void **state) {
        World *w = *state;
        Mesos__V1__ExecutorInfo info = MESOS__V1__EXECUTOR_INFO__INIT;
        Mesos__V1__ExecutorID id = MESOS__V1__EXECUTOR_ID__INIT;
        _cleanup_(resources_freep) Resources *r = resources("cpus:3");
        Executor *e;

        id.value = (char *) "e";
        info.executor_id = &id;
        assert_int_equal(
                        resources_to_pb(r, RESOURCE_FORMAT_NEW, &info.resources, &info.n_resources),
                        0);
        assert_int_equal(executor_new(w->f, w->n, &info, &e), 0);
        resources_free_pb(info.resources, info.n_resources);

        assert_ptr_equal(executor_find(w->n, "F", "e"), e);
        assert_null(executor_find(w->n, "G", "e"));
        assert_int_equal(resources_scalar_milli(w->n->used, "cpus"), 3000);
        executor_free(e);
        assert_true(resources_is_empty(w->n->used));
        assert_null(w->f->executors);
}

static void test_agents_are_found_by_id_and_by_address_also_after_a_change(void **state) {
        World *w = *state;
        Upid elsewhere, before = w->n->pid;

        assert_int_equal(upid_make("slave(1)", "127.0.0.1", 77, &elsewhere), 0);
        node_set_pid(w->n, &elsewhere);
        assert_ptr_equal(node_find_pid(&w->nodes, &elsewhere), w->n);
        assert_null(node_find_pid(&w->nodes, &before));
        assert_ptr_equal(node_find(&w->nodes, "S0"), w->n);
}

/* The message that a scheduler gets out of what it is sent. */
static Mesos__V1__Offer *received(const Offer *o, MediaType type) {
        _cleanup_free_ uint8_t *packed = NULL;
        Mesos__V1__Offer *m;
        OfferView v;
        size_t n;

        assert_int_equal(offer_view_init(&v, o, type), 0);
        n = mesos__v1__offer__get_packed_size(&v.message);
        packed = malloc(n);
        assert_non_null(packed);
        mesos__v1__offer__pack(&v.message, packed);
        offer_view_deinit(&v);

        m = mesos__v1__offer__unpack(NULL, n, packed);
        assert_non_null(m);
        return m;
}

static void assert_received_alike(const Offer *o) {
        Mesos__V1__Offer *packed = received(o, MEDIA_PROTOBUF), *parts = received(o, MEDIA_JSON);

        assert_true(parts->n_resources > 0 && parts->url);
        assert_true(pb_equal(&packed->base, &parts->base));
        mesos__v1__offer__free_unpacked(packed, NULL);
        mesos__v1__offer__free_unpacked(parts, NULL);
}

static void test_offers_say_the_same_however_encoded_and_wherever_the_agent_goes(void **state) {
        Mesos__V1__Attribute attribute = MESOS__V1__ATTRIBUTE__INIT, *attributes[] = { &attribute };
        Mesos__V1__Value__Scalar scalar = MESOS__V1__VALUE__SCALAR__INIT;
        World *w = *state;
        Mesos__V1__AgentInfo info = *w->n->info;
        _cleanup_free_ char *message = NULL;
        Offer *o = offer(w, w->f, w->n, "*");
        Upid elsewhere;

        w->f->capabilities = UINT32_MAX;
        assert_received_alike(o);

        assert_int_equal(upid_make("slave(1)", "127.0.0.1", 77, &elsewhere), 0);
        node_set_pid(w->n, &elsewhere);
        assert_received_alike(o);

        attribute.name = (char *) "rack";
        attribute.type = MESOS__V1__VALUE__TYPE__SCALAR;
        attribute.scalar = &scalar;
        info.attributes = attributes;
        info.n_attributes = ELEMENTSOF(attributes);
        assert_int_equal(node_set_info(w->n, &info, NULL, 0, &message), 0);
        assert_received_alike(o);

        w->f->capabilities = 0;
        assert_received_alike(o);
}

static void test_completed_frameworks_are_bounded(void **state) {
        World *w = *state;

        framework_complete(framework(w, "H"), 1);
        framework_complete(framework(w, "I"), 1);
        assert_null(framework_find_completed(&w->frameworks, "H"));
        assert_non_null(framework_find_completed(&w->frameworks, "I"));
        assert_null(framework_find(&w->frameworks, "I"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                                test_offered_is_counted_at_the_agent_until_the_offer_is_gone, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(test_accepted_offers_must_belong_together, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_offers_of_an_agent_that_is_cut_off_are_void,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                                test_task_moves_between_the_collections_of_its_framework, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(
                                test_remembered_tasks_are_bounded_and_the_oldest_goes, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(test_statuses_keep_the_last_of_each_run_and_no_data,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                                test_statuses_of_a_task_that_flips_for_ever_stay_few, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(test_executor_is_found_by_both_ids_and_counted_once,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                                test_offers_say_the_same_however_encoded_and_wherever_the_agent_goes,
                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                                test_agents_are_found_by_id_and_by_address_also_after_a_change,
                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_completed_frameworks_are_bounded, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
