/* SPDX-License-Identifier: Apache-2.0 */

/* Checkpoint: what was written is what a later life reads, and what was forgotten is gone. */

#include "tests/unit/test.h"

#include <stdio.h>
#include <unistd.h>

#include "agent/checkpoint.h"
#include "agent/command_executor.h"
#include "common/net/pbwire.h"

typedef struct Fixture {
        char dir[64], path[96];
        Store *store;
        Checkpoint *checkpoint;
        int64_t records[3];
        unsigned n_frameworks, n_executors, n_tasks, n_updates, n_acknowledged;
} Fixture;

static void reopen(Fixture *f) {
        _cleanup_free_ char *message = NULL;

        f->checkpoint = checkpoint_free(f->checkpoint);
        f->store = store_free(f->store);
        assert_int_equal(store_open(f->path, checkpoint_migrations, n_checkpoint_migrations, &f->store, &message), 0);
        assert_int_equal(checkpoint_new(f->store, &f->checkpoint), 0);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->dir, "/tmp/test-checkpoint.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;
        snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
        reopen(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        static const char *const suffixes[] = { "", "-wal", "-shm" };
        Fixture *f = *state;

        checkpoint_free(f->checkpoint);
        store_free(f->store);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                char path[128];

                snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
                (void) unlink(path);
        }
        assert_int_equal(rmdir(f->dir), 0);
        free(f);
        return 0;
}

static Framework *make_framework(void) {
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
        Framework *f;

        id.value = (char *) "f-0000";
        info.id = &id;
        info.user = (char *) "root";
        info.name = (char *) "test";
        assert_int_equal(framework_new((Mesos__V1__FrameworkInfo *) pb_copy(&info.base), "@0.0.0.0:0", &f), 0);
        return f;
}

static Mesos__V1__TaskInfo *make_task_info(const char *command) {
        Mesos__V1__TaskInfo info = MESOS__V1__TASK_INFO__INIT;
        Mesos__V1__CommandInfo command_info = MESOS__V1__COMMAND_INFO__INIT;
        Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__AgentID agent = MESOS__V1__AGENT_ID__INIT;

        id.value = (char *) "t";
        agent.value = (char *) "a-S0";
        command_info.value = (char *) command;
        info.name = (char *) "t";
        info.task_id = &id;
        info.agent_id = &agent;
        info.command = &command_info;
        return (Mesos__V1__TaskInfo *) pb_copy(&info.base);
}

static Executor *make_executor(Framework *f, const char *container_id) {
        Mesos__V1__TaskInfo *task = make_task_info("sleep 1000");
        Executor *e;

        assert_int_equal(executor_new(f, command_executor_info(task, f->id, "/libexec"), true, container_id, &e), 0);
        e->directory = strdup("/srv/sandbox");
        e->user = strdup("nobody");
        pb_free(&task->base);
        HASH_ADD_KEYPTR(hh, f->executors, e->id, strlen(e->id), e);
        return e;
}

static int see_framework(const char *pid, const void *info, size_t n, void *userdata) {
        assert_string_equal(pid, "@0.0.0.0:0");
        assert_non_null(info);
        assert_true(n > 0);
        ((Fixture *) userdata)->n_frameworks++;
        return 0;
}

static int see_executor(const StoredExecutor *e, void *userdata) {
        assert_string_equal(e->framework_id, "f-0000");
        assert_string_equal(e->container_id, "c1");
        assert_string_equal(e->directory, "/srv/sandbox");
        assert_string_equal(e->user, "nobody");
        assert_true(e->generated);
        assert_true(e->subscribed);
        assert_int_equal(e->identity.launcher_pid, 4711);
        assert_int_equal(e->identity.launcher_start, 99);
        assert_string_equal(e->identity.cgroup, "/holdfast.slice/x.scope");
        assert_null(e->identity.invocation_id);
        ((Fixture *) userdata)->n_executors++;
        return 0;
}

static int see_task(const StoredTask *t, void *userdata) {
        assert_string_equal(t->executor_id, "t");
        ((Fixture *) userdata)->n_tasks++;
        return 0;
}

static int see_update(const StoredUpdate *u, void *userdata) {
        Fixture *f = userdata;

        /* In the order in which they were written. */
        assert_true(u->record > 0);
        assert_int_equal(u->uuid[0], ++f->n_updates);
        f->n_acknowledged += u->acknowledged;
        return 0;
}

static void look(Fixture *f) {
        f->n_frameworks = f->n_executors = f->n_tasks = f->n_updates = f->n_acknowledged = 0;
        assert_int_equal(checkpoint_foreach_framework(f->checkpoint, see_framework, f), 0);
        assert_int_equal(checkpoint_foreach_executor(f->checkpoint, see_executor, f), 0);
        assert_int_equal(checkpoint_foreach_task(f->checkpoint, see_task, f), 0);
        assert_int_equal(checkpoint_foreach_update(f->checkpoint, see_update, f), 0);
}

static void write_all(Fixture *fixture, Framework *f, Executor *e) {
        ContainerIdentity identity = { .launcher_pid = 4711, .launcher_start = 99,
                                       .cgroup = (char *) "/holdfast.slice/x.scope", .unit = (char *) "x.scope" };
        Checkpoint *c = fixture->checkpoint;
        Task *t;

        assert_int_equal(task_new(make_task_info("sleep 1000"), &t), TASK_OK);
        executor_add_task(e, t);
        assert_int_equal(checkpoint_framework(c, f), 0);
        assert_int_equal(checkpoint_executor(c, e), 0);
        assert_int_equal(checkpoint_container(c, e, &identity), 0);
        assert_int_equal(checkpoint_executor_subscribed(c, e), 0);
        assert_int_equal(checkpoint_task(c, e, t), 0);
        for (uint8_t i = 1; i <= 3; i++) {
                uint8_t uuid[16];

                memset(uuid, i, sizeof(uuid));
                assert_int_equal(checkpoint_update(c, f->id, t->id, uuid, "body", 4, &fixture->records[i - 1]), 0);
                if (i == 1)
                        assert_int_equal(checkpoint_ack(c, fixture->records[0]), 0);
        }
        assert_int_equal(store_commit(fixture->store), 0);
}

static void test_a_later_life_reads_what_was_written(void **state) {
        Framework *f = make_framework();
        Executor *e = make_executor(f, "c1");

        write_all(*state, f, e);
        reopen(*state);
        look(*state);
        assert_int_equal(((Fixture *) *state)->n_frameworks, 1);
        assert_int_equal(((Fixture *) *state)->n_executors, 1);
        assert_int_equal(((Fixture *) *state)->n_tasks, 1);
        assert_int_equal(((Fixture *) *state)->n_updates, 3);
        assert_int_equal(((Fixture *) *state)->n_acknowledged, 1);
        framework_free(f);
}

static void test_tasks_and_updates_are_forgotten_one_by_one(void **state) {
        Fixture *fixture = *state;
        Framework *f = make_framework();

        write_all(fixture, f, make_executor(f, "c1"));
        assert_int_equal(checkpoint_forget_task(fixture->checkpoint, f->id, "t"), 0);
        assert_int_equal(checkpoint_forget_update(fixture->checkpoint, fixture->records[2]), 0);
        assert_int_equal(store_commit(fixture->store), 0);
        look(fixture);
        assert_int_equal(fixture->n_tasks, 0);
        assert_int_equal(fixture->n_updates, 2);
        assert_int_equal(fixture->n_executors, 1);
        framework_free(f);
}

static void test_forgetting_an_old_run_leaves_the_new_one(void **state) {
        Fixture *fixture = *state;
        Framework *f = make_framework();
        Executor *e = make_executor(f, "c1"), *old;

        write_all(fixture, f, e);
        assert_int_equal(executor_new(f, (Mesos__V1__ExecutorInfo *) pb_copy(&e->info->base), true, "c0", &old), 0);
        assert_int_equal(checkpoint_forget_executor(fixture->checkpoint, old), 0);
        assert_int_equal(store_commit(fixture->store), 0);
        look(fixture);
        assert_int_equal(fixture->n_executors, 1);
        executor_free(old);
        framework_free(f);
}

static void test_an_uncommitted_turn_never_was(void **state) {
        Fixture *fixture = *state;
        Framework *f = make_framework();

        assert_int_equal(checkpoint_framework(fixture->checkpoint, f), 0);
        reopen(fixture);
        look(fixture);
        assert_int_equal(fixture->n_frameworks, 0);
        framework_free(f);
}

static void test_the_agent_finds_its_own_id_again(void **state) {
        Fixture *fixture = *state;
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        _cleanup_free_ char *value = NULL, *gone = NULL;
        size_t n;

        info.hostname = (char *) "host";
        assert_int_equal(checkpoint_agent_info(fixture->checkpoint, &info), 0);
        assert_int_equal(checkpoint_boot_id(fixture->checkpoint, "boot"), 0);
        assert_int_equal(store_commit(fixture->store), 0);
        reopen(fixture);
        assert_int_equal(checkpoint_load_meta(fixture->checkpoint, "boot_id", &value, &n), 0);
        assert_string_equal(value, "boot");
        assert_int_equal(checkpoint_forget_agent(fixture->checkpoint), 0);
        assert_int_equal(checkpoint_load_meta(fixture->checkpoint, "agent_info", &gone, &n), 0);
        assert_null(gone);
}

static void test_command_executors_are_named_as_operators_know_them(void **state) {
        static const struct {
                const char *command, *name;
        } cases[] = {
                { "sleep 1000", "Command Executor (Task: t) (Command: sh -c 'sleep 1000')" },
                { "echo live one; sleep 1000", "Command Executor (Task: t) (Command: sh -c 'echo live on...')" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Mesos__V1__TaskInfo *task = make_task_info(cases[i].command);
                Mesos__V1__ExecutorInfo *info = command_executor_info(task, "f", "/libexec");

                assert_string_equal(info->name, cases[i].name);
                assert_string_equal(info->command->value, "/libexec/holdfast-executor");
                assert_int_equal(info->n_resources, 2);
                pb_free(&info->base);
                pb_free(&task->base);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_later_life_reads_what_was_written),
                TEST(test_tasks_and_updates_are_forgotten_one_by_one),
                TEST(test_forgetting_an_old_run_leaves_the_new_one),
                TEST(test_an_uncommitted_turn_never_was),
                TEST(test_the_agent_finds_its_own_id_again),
                cmocka_unit_test(test_command_executors_are_named_as_operators_know_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
