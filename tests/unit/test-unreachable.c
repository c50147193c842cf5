/* SPDX-License-Identifier: Apache-2.0 */

/* Unreachable tasks: by agent, and within the bound of their framework. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "master/framework.h"
#include "master/task.h"

typedef struct Books {
        FrameworkTable table;
        Framework *framework;
} Books;

static void books_init(Books *b) {
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;

        *b = (Books) {};
        info.user = (char *) "root";
        info.name = (char *) "f";
        assert_int_equal(framework_new(&b->table, "f-1", &info, &b->framework), 0);
}

static void books_deinit(Books *b) {
        framework_free(b->framework);
        framework_table_deinit(&b->table);
}

static void lose(Books *b, const char *task_id, const char *agent_id, unsigned max) {
        Mesos__V1__Task report = MESOS__V1__TASK__INIT;
        Mesos__V1__TaskID tid = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__AgentID aid = MESOS__V1__AGENT_ID__INIT;
        Task *t;

        tid.value = (char *) task_id;
        fid.value = b->framework->id;
        aid.value = (char *) agent_id;
        report.name = (char *) task_id;
        report.task_id = &tid;
        report.framework_id = &fid;
        report.agent_id = &aid;
        report.state = MESOS__V1__TASK_STATE__TASK_UNREACHABLE;
        assert_int_equal(task_new_from_report(&report, &t), 0);
        framework_add_unreachable(b->framework, t, max);
}

static void find(Books *b, const char *task_id) {
        assert_non_null(framework_find_unreachable(b->framework, task_id));
}

static void miss(Books *b, const char *task_id) {
        assert_null(framework_find_unreachable(b->framework, task_id));
}

static void test_tasks_are_found_by_id_and_by_agent(void **state _unused_) {
        Books b;
        Task *t;

        books_init(&b);
        lose(&b, "t1", "a1", 10);
        lose(&b, "t2", "a2", 10);
        lose(&b, "t3", "a1", 10);
        find(&b, "t1");
        find(&b, "t3");
        miss(&b, "t4");
        assert_null(unreachable_index_first(&b.table.unreachable, "a3"));

        while ((t = unreachable_index_first(&b.table.unreachable, "a1"))) {
                framework_remove_unreachable(b.framework, t);
                task_free(t);
        }
        assert_int_equal(framework_count_unreachable(b.framework), 1);
        miss(&b, "t1");
        find(&b, "t2");
        books_deinit(&b);
}

static void test_beyond_the_bound_the_oldest_is_forgotten(void **state _unused_) {
        Books b;

        books_init(&b);
        lose(&b, "t1", "a1", 2);
        lose(&b, "t2", "a2", 2);
        lose(&b, "t3", "a1", 2);
        miss(&b, "t1");
        find(&b, "t2");
        find(&b, "t3");
        assert_string_equal(unreachable_index_first(&b.table.unreachable, "a1")->id, "t3");
        books_deinit(&b);
}

static void test_where_none_is_kept_none_is(void **state _unused_) {
        Books b;

        books_init(&b);
        lose(&b, "t1", "a1", 0);
        miss(&b, "t1");
        assert_null(unreachable_index_first(&b.table.unreachable, "a1"));
        books_deinit(&b);
}

static void test_task_that_two_agents_claimed_is_the_later_ones(void **state _unused_) {
        Books b;

        books_init(&b);
        lose(&b, "t1", "a1", 10);
        lose(&b, "t1", "a2", 10);
        assert_int_equal(framework_count_unreachable(b.framework), 1);
        assert_null(unreachable_index_first(&b.table.unreachable, "a1"));
        assert_string_equal(unreachable_index_first(&b.table.unreachable, "a2")->id, "t1");
        books_deinit(&b);
}

typedef struct Visit {
        Books *books;
        unsigned n;
} Visit;

static void take_all(const char *agent_id, void *userdata) {
        Visit *v = userdata;
        Task *t;

        v->n++;
        while ((t = unreachable_index_first(&v->books->table.unreachable, agent_id))) {
                framework_remove_unreachable(v->books->framework, t);
                task_free(t);
        }
}

static void test_who_visits_agents_may_take_their_tasks(void **state _unused_) {
        char task_id[32], agent_id[32];
        Books b;
        Visit v = { .books = &b };

        books_init(&b);
        for (unsigned i = 0; i < 1000; i++) {
                snprintf(task_id, sizeof(task_id), "t%u", i);
                snprintf(agent_id, sizeof(agent_id), "a%u", i % 100);
                lose(&b, task_id, agent_id, 1000);
        }

        unreachable_index_foreach(&b.table.unreachable, take_all, &v);
        assert_int_equal(v.n, 100);
        assert_int_equal(framework_count_unreachable(b.framework), 0);
        books_deinit(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tasks_are_found_by_id_and_by_agent),
                cmocka_unit_test(test_beyond_the_bound_the_oldest_is_forgotten),
                cmocka_unit_test(test_where_none_is_kept_none_is),
                cmocka_unit_test(test_task_that_two_agents_claimed_is_the_later_ones),
                cmocka_unit_test(test_who_visits_agents_may_take_their_tasks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
