/* SPDX-License-Identifier: Apache-2.0 */

/* History: what is over is kept within its bounds, and the next life reads what this one kept. */

#include "tests/unit/test.h"

#include <stdio.h>

#include <utlist.h>

#include "agent/checkpoint.h"
#include "agent/history.h"
#include "agent/history_store.h"
#include "agent/inventory.h"
#include "common/net/pbwire.h"
#include "tests/unit/directory.h"

#define N_EXECUTORS_MAX 3

typedef struct Life {
        Agent agent;
        AgentConfig config;
} Life;

static Life *life_begin(const Dir *d) {
        _cleanup_free_ char *message = NULL;
        Life *l = calloc(1, sizeof(*l));
        char path[64];

        assert_non_null(l);
        l->config.max_completed_executors = N_EXECUTORS_MAX;
        l->agent.config = &l->config;
        l->agent.id = (char *) "S0";
        snprintf(path, sizeof(path), "%s/agent.db", d->path);
        assert_int_equal(store_open(path, checkpoint_migrations, n_checkpoint_migrations, &l->agent.store, &message), 0);
        assert_int_equal(checkpoint_new(l->agent.store, &l->agent.checkpoint), 0);
        assert_int_equal(history_store_new(l->agent.store, &l->agent.history), 0);
        assert_int_equal(history_load(&l->agent), 0);
        return l;
}

static Life *life_end(Life *l) {
        CompletedFramework *c, *c_tmp;
        Framework *f, *f_tmp;

        assert_int_equal(store_commit(l->agent.store), 0);
        HASH_ITER (hh, l->agent.frameworks, f, f_tmp) {
                HASH_DEL(l->agent.frameworks, f);
                framework_free(f);
        }
        DL_FOREACH_SAFE (l->agent.completed, c, c_tmp) {
                DL_DELETE(l->agent.completed, c);
                framework_free(c->framework);
                free(c);
        }
        history_store_free(l->agent.history);
        checkpoint_free(l->agent.checkpoint);
        store_free(l->agent.store);
        free(l);
        return NULL;
}

static Life *life_again(Life *l, const Dir *d) {
        life_end(l);
        return life_begin(d);
}

static Framework *begin_framework(Life *l, const char *id, bool checkpoint) {
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        Mesos__V1__FrameworkID framework_id = MESOS__V1__FRAMEWORK_ID__INIT;
        Framework *f;

        framework_id.value = (char *) id;
        info.id = &framework_id;
        info.user = (char *) "root";
        info.name = (char *) "test";
        info.has_checkpoint = true;
        info.checkpoint = checkpoint;
        assert_int_equal(framework_new((Mesos__V1__FrameworkInfo *) pb_copy(&info.base), "@0.0.0.0:0", &f), 0);
        HASH_ADD_KEYPTR(hh, l->agent.frameworks, f->id, strlen(f->id), f);
        history_revive_framework(&l->agent, f);
        return f;
}

static Executor *begin_executor(Framework *f, const char *id) {
        Mesos__V1__ExecutorInfo info = MESOS__V1__EXECUTOR_INFO__INIT;
        Mesos__V1__ExecutorID executor_id = MESOS__V1__EXECUTOR_ID__INIT;
        Executor *e;

        executor_id.value = (char *) id;
        info.executor_id = &executor_id;
        assert_int_equal(executor_new(f, (Mesos__V1__ExecutorInfo *) pb_copy(&info.base), false, id, &e), 0);
        assert_true(asprintf(&e->directory, "/srv/%s", id) > 0);
        HASH_ADD_KEYPTR(hh, f->executors, e->id, strlen(e->id), e);
        return e;
}

static void run_task(Life *l, Executor *e, const char *id, TaskState state) {
        Mesos__V1__TaskInfo info = MESOS__V1__TASK_INFO__INIT;
        Mesos__V1__TaskID task_id = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;
        Task *t;

        task_id.value = (char *) id;
        agent_id.value = (char *) "S0";
        info.name = (char *) "t";
        info.task_id = &task_id;
        info.agent_id = &agent_id;
        assert_int_equal(task_new((Mesos__V1__TaskInfo *) pb_copy(&info.base), &t), TASK_OK);
        t->state = state;
        executor_add_task(e, t);
        history_add_task(&l->agent, e, t);
}

/* The whole way of a framework: one executor with one task, and all of it over. */
static void run_framework(Life *l, const char *id, bool checkpoint) {
        Framework *f = begin_framework(l, id, checkpoint);
        Executor *e = begin_executor(f, id);

        run_task(l, e, id, MESOS__V1__TASK_STATE__TASK_FINISHED);
        e->exit_status = (ExitStatus) { .known = true, .wait_status = 7 << 8 };
        history_add_executor(&l->agent, e);
        history_add_framework(&l->agent, f);
}

static unsigned n_rows(const Life *l, const char *table) {
        char sql[80];
        sqlite3_stmt *s;
        unsigned n;

        assert_int_equal(store_commit(l->agent.store), 0);
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
        s = store_prepare(l->agent.store, sql);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        n = (unsigned) sqlite3_column_int(s, 0);
        (void) sqlite3_finalize(s);
        return n;
}

static void assert_rows(const Life *l, unsigned n_frameworks, unsigned n_executors, unsigned n_tasks) {
        assert_int_equal(n_rows(l, "completed_frameworks"), n_frameworks);
        assert_int_equal(n_rows(l, "completed_executors"), n_executors);
        assert_int_equal(n_rows(l, "completed_tasks"), n_tasks);
}

static Mesos__V1__Task *unpack(const CompletedTask *t) {
        return mesos__v1__task__unpack(NULL, t->n_packed, t->packed);
}

static void test_next_life_knows_what_was_over_in_the_last(void **state) {
        Life *l = life_begin(*state);
        const Framework *f;
        const Executor *e;
        Mesos__V1__Task *t;

        run_framework(l, "F", true);
        assert_rows(l, 1, 1, 1);
        l = life_again(l, *state);

        assert_null(l->agent.frameworks);
        assert_int_equal(l->agent.n_completed, 1);
        f = l->agent.completed->framework;
        assert_string_equal(f->id, "F");
        e = f->completed->executor;
        assert_string_equal(e->id, "F");
        assert_string_equal(e->directory, "/srv/F");
        assert_true(e->exit_status.known);
        assert_int_equal(e->exit_status.wait_status, 7 << 8);
        assert_int_equal(e->state, EXECUTOR_TERMINATED);
        t = unpack(e->completed);
        assert_string_equal(t->task_id->value, "F");
        assert_string_equal(t->executor_id->value, "F");
        assert_int_equal(t->state, MESOS__V1__TASK_STATE__TASK_FINISHED);
        pb_free(&t->base);
        life_end(l);
}

static void test_frameworks_that_do_not_checkpoint_are_kept_in_memory_alone(void **state) {
        Life *l = life_begin(*state);

        run_framework(l, "F", false);
        assert_int_equal(l->agent.n_completed, 1);
        assert_rows(l, 0, 0, 0);
        l = life_again(l, *state);
        assert_int_equal(l->agent.n_completed, 0);
        life_end(l);
}

static void test_the_oldest_framework_gives_way_with_all_it_had(void **state) {
        Life *l = life_begin(*state);

        for (unsigned i = 0; i < 60; i++) {
                char id[8];

                snprintf(id, sizeof(id), "F%u", i);
                run_framework(l, id, true);
        }

        for (unsigned life = 0; life < 2; life++) {
                assert_int_equal(l->agent.n_completed, 50);
                assert_rows(l, 50, 50, 50);
                assert_string_equal(l->agent.completed->framework->id, "F59");
                assert_string_equal(l->agent.completed->prev->framework->id, "F10");
                l = life_again(l, *state);
        }
        life_end(l);
}

static void test_the_oldest_task_and_the_oldest_executor_give_way(void **state) {
        Life *l = life_begin(*state);
        Framework *f = begin_framework(l, "F", true);

        for (unsigned i = 0; i < 5; i++) {
                char id[8];
                Executor *e;

                snprintf(id, sizeof(id), "E%u", i);
                e = begin_executor(f, id);
                for (unsigned k = 0; k < 210; k++) {
                        snprintf(id, sizeof(id), "t%u", k);
                        run_task(l, e, id, MESOS__V1__TASK_STATE__TASK_FAILED);
                }
                assert_int_equal(e->n_completed, 200);
                history_add_executor(&l->agent, e);
        }
        history_add_framework(&l->agent, f);

        for (unsigned life = 0; life < 2; life++) {
                const Executor *newest = l->agent.completed->framework->completed->executor;
                Mesos__V1__Task *t = unpack(newest->completed);

                assert_rows(l, 1, N_EXECUTORS_MAX, N_EXECUTORS_MAX * 200);
                assert_string_equal(newest->id, "E4");
                assert_string_equal(t->task_id->value, "t209");
                pb_free(&t->base);
                l = life_again(l, *state);
        }
        life_end(l);
}

static void test_lower_bound_takes_effect_in_the_next_life(void **state) {
        Life *l = life_begin(*state);
        Framework *f = begin_framework(l, "F", true);

        l->config.max_completed_executors = 20;
        for (unsigned i = 0; i < 10; i++) {
                char id[8];

                snprintf(id, sizeof(id), "E%u", i);
                history_add_executor(&l->agent, begin_executor(f, id));
        }
        history_add_framework(&l->agent, f);
        assert_rows(l, 1, 10, 0);
        l = life_again(l, *state);
        assert_rows(l, 1, N_EXECUTORS_MAX, 0);
        life_end(l);
}

static void test_task_that_its_framework_did_not_wait_for_was_killed(void **state) {
        Life *l = life_begin(*state);
        Executor *e = begin_executor(begin_framework(l, "F", true), "E");
        Mesos__V1__Task *t;

        run_task(l, e, "t", MESOS__V1__TASK_STATE__TASK_RUNNING);
        t = unpack(e->completed);
        assert_int_equal(t->state, MESOS__V1__TASK_STATE__TASK_KILLED);
        pb_free(&t->base);
        life_end(l);
}

static void test_sandbox_takes_what_is_stored_along_and_leaves_memory_alone(void **state) {
        Life *l = life_begin(*state);

        run_framework(l, "F", true);
        run_framework(l, "G", true);
        history_forget_sandbox(&l->agent, "/srv/F");
        history_forget_sandbox(&l->agent, "/srv/F");
        assert_rows(l, 2, 1, 1);
        assert_int_equal(l->agent.completed->next->framework->n_completed, 1);
        life_end(l);
}

/* A full disk leaves rows behind that fit nothing: they go in the next life. */
static void test_rows_that_belong_to_nothing_are_dropped(void **state) {
        Life *l = life_begin(*state);

        run_framework(l, "F", true);
        assert_int_equal(store_commit(l->agent.store), 0);
        assert_int_equal(store_exec(l->agent.store,
                                    "INSERT INTO completed_frameworks SELECT record + 1000, pid, info FROM completed_frameworks;"
                                    "INSERT INTO completed_executors SELECT record + 1000, 'nobody', 'lost', directory, user, "
                                    "generated, wait_status, info FROM completed_executors;"
                                    "INSERT INTO completed_tasks SELECT record + 1000, 'nowhere', task FROM completed_tasks"),
                         0);
        assert_rows(l, 2, 2, 2);
        l = life_again(l, *state);
        assert_int_equal(l->agent.n_completed, 1);
        assert_rows(l, 1, 1, 1);
        life_end(l);
}

static void test_inventory_tells_the_newest_oldest_first_and_no_more_than_it_may(void **state) {
        Life *l = life_begin(*state);
        Executor *e = begin_executor(begin_framework(l, "F", true), "E");
        Inventory v;

        for (unsigned k = 0; k < 180; k++) {
                char id[8];

                snprintf(id, sizeof(id), "t%u", k);
                run_task(l, e, id, MESOS__V1__TASK_STATE__TASK_FINISHED);
        }
        run_framework(l, "G", true);

        assert_int_equal(inventory_take(&l->agent, &v), 0);
        assert_int_equal(v.n_frameworks, 1);
        assert_int_equal(v.n_executors, 1);
        assert_int_equal(v.n_tasks, 0);
        assert_int_equal(v.n_completed, 2);
        assert_string_equal(v.completed[0]->framework_info->id->value, "F");
        assert_int_equal(v.completed[0]->n_tasks, 150);
        assert_string_equal(v.completed[0]->tasks[0]->task_id->value, "t30");
        assert_string_equal(v.completed[0]->tasks[149]->task_id->value, "t179");
        assert_string_equal(v.completed[1]->framework_info->id->value, "G");
        inventory_deinit(&v);
        life_end(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_next_life_knows_what_was_over_in_the_last, dir_setup, dir_teardown),
                cmocka_unit_test_setup_teardown(test_frameworks_that_do_not_checkpoint_are_kept_in_memory_alone, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_the_oldest_framework_gives_way_with_all_it_had, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_the_oldest_task_and_the_oldest_executor_give_way, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_lower_bound_takes_effect_in_the_next_life, dir_setup, dir_teardown),
                cmocka_unit_test_setup_teardown(test_task_that_its_framework_did_not_wait_for_was_killed, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_sandbox_takes_what_is_stored_along_and_leaves_memory_alone, dir_setup,
                                                dir_teardown),
                cmocka_unit_test_setup_teardown(test_rows_that_belong_to_nothing_are_dropped, dir_setup, dir_teardown),
                cmocka_unit_test_setup_teardown(test_inventory_tells_the_newest_oldest_first_and_no_more_than_it_may,
                                                dir_setup, dir_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
