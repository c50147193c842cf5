/* SPDX-License-Identifier: Apache-2.0 */

/* Status manager: nothing is told before it is durable, everything is told once it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/status_manager.h"

#define FRAMEWORK "f-0000"

typedef struct Fixture {
        char dir[64], path[96];
        sd_event *event;
        Store *store;
        Checkpoint *checkpoint;
        StatusManager *manager;
        unsigned n_recorded, n_forwarded, n_acknowledged, n_done;
        uint8_t last_forwarded[16];
} Fixture;

static void on_recorded(const Mesos__Internal__StatusUpdate *update, void *userdata) {
        assert_non_null(update->status);
        ((Fixture *) userdata)->n_recorded++;
}

static void on_forward(Mesos__Internal__StatusUpdate *update, void *userdata) {
        Fixture *f = userdata;

        memcpy(f->last_forwarded, update->status->uuid.data, 16);
        f->n_forwarded++;
}

static void on_acknowledged(const char *framework_id, const char *task_id, bool terminal, void *userdata) {
        Fixture *f = userdata;

        assert_string_equal(framework_id, FRAMEWORK);
        assert_non_null(task_id);
        f->n_acknowledged++;
        f->n_done += terminal;
}

static const StatusManagerOps ops = { on_recorded, on_forward, on_acknowledged };

static void open_manager(Fixture *f) {
        _cleanup_free_ char *message = NULL;

        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(store_open(f->path, checkpoint_migrations, n_checkpoint_migrations, &f->store, &message), 0);
        assert_true(store_attach_event(f->store, f->event) >= 0);
        assert_int_equal(checkpoint_new(f->store, &f->checkpoint), 0);
        assert_int_equal(status_manager_new(f->event, f->store, f->checkpoint, &ops, f, &f->manager), 0);
}

static void close_manager(Fixture *f) {
        f->manager = status_manager_free(f->manager);
        f->checkpoint = checkpoint_free(f->checkpoint);
        f->store = store_free(f->store);
        f->event = sd_event_unref(f->event);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->dir, "/tmp/test-status.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;
        snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
        open_manager(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        static const char *const suffixes[] = { "", "-wal", "-shm" };
        Fixture *f = *state;

        close_manager(f);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                char path[128];

                snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
                (void) unlink(path);
        }
        assert_int_equal(rmdir(f->dir), 0);
        free(f);
        return 0;
}

/* An update of task `t` whose uuid is sixteen times `n`. */
static int update(Fixture *f, uint8_t n, Mesos__V1__TaskState state) {
        Mesos__Internal__StatusUpdate u = MESOS__INTERNAL__STATUS_UPDATE__INIT;
        Mesos__V1__FrameworkID framework = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;
        Mesos__V1__TaskID task = MESOS__V1__TASK_ID__INIT;
        uint8_t uuid[16];

        memset(uuid, n, sizeof(uuid));
        framework.value = (char *) FRAMEWORK;
        task.value = (char *) "t";
        status.task_id = &task;
        status.state = state;
        status.has_uuid = true;
        status.uuid = (ProtobufCBinaryData) { sizeof(uuid), uuid };
        u.framework_id = &framework;
        u.status = &status;
        return status_manager_update(f->manager, &u, true);
}

static void acknowledge(Fixture *f, uint8_t n) {
        uint8_t uuid[16];

        memset(uuid, n, sizeof(uuid));
        assert_int_equal(status_manager_acknowledge(f->manager, FRAMEWORK, "t", uuid), 0);
}

static void turn(Fixture *f) {
        assert_true(sd_event_run(f->event, 0) >= 0);
}

static void test_an_update_is_told_only_once_it_is_durable(void **state) {
        Fixture *f = *state;

        status_manager_resume(f->manager);
        assert_int_equal(update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING), STATUS_MANAGER_OK);
        assert_int_equal(f->n_recorded + f->n_forwarded, 0);
        turn(f);
        assert_int_equal(f->n_recorded, 1);
        assert_int_equal(f->n_forwarded, 1);
}

static void test_one_update_is_in_flight_until_its_acknowledgement_is_durable(void **state) {
        Fixture *f = *state;

        status_manager_resume(f->manager);
        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_STARTING);
        (void) update(f, 2, MESOS__V1__TASK_STATE__TASK_RUNNING);
        turn(f);
        assert_int_equal(f->n_recorded, 2);
        assert_int_equal(f->n_forwarded, 1);

        acknowledge(f, 1);
        assert_int_equal(f->n_forwarded, 1);
        turn(f);
        assert_int_equal(f->n_forwarded, 2);
        assert_int_equal(f->last_forwarded[0], 2);
}

static void test_an_acknowledgement_of_something_else_changes_nothing(void **state) {
        Fixture *f = *state;

        status_manager_resume(f->manager);
        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING);
        turn(f);
        acknowledge(f, 9);
        turn(f);
        assert_int_equal(f->n_acknowledged, 0);
}

static void test_a_repetition_is_known_and_recorded_once(void **state) {
        Fixture *f = *state;

        assert_int_equal(update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING), STATUS_MANAGER_OK);
        assert_int_equal(update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING), STATUS_MANAGER_E_PENDING);
        turn(f);
        assert_int_equal(f->n_recorded, 1);
        assert_int_equal(update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING), STATUS_MANAGER_E_KNOWN);
}

static void test_after_the_terminal_update_nothing_more_is_taken(void **state) {
        Fixture *f = *state;

        status_manager_resume(f->manager);
        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_FINISHED);
        turn(f);
        assert_int_equal(update(f, 2, MESOS__V1__TASK_STATE__TASK_FAILED), STATUS_MANAGER_E_TERMINATED);
        acknowledge(f, 1);
        turn(f);
        assert_int_equal(f->n_done, 1);
}

static void test_paused_updates_wait_and_go_out_on_resume(void **state) {
        Fixture *f = *state;

        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING);
        turn(f);
        assert_int_equal(f->n_recorded, 1);
        assert_int_equal(f->n_forwarded, 0);
        status_manager_resume(f->manager);
        assert_int_equal(f->n_forwarded, 1);
        status_manager_pause(f->manager);
        status_manager_resume(f->manager);
        assert_int_equal(f->n_forwarded, 2);
}

static void test_an_update_the_disk_refuses_waits_and_is_recorded_later(void **state) {
        Fixture *f = *state;

        status_manager_resume(f->manager);
        assert_int_equal(store_exec(f->store, "PRAGMA query_only = ON"), 0);
        assert_int_equal(update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING), STATUS_MANAGER_OK);
        turn(f);
        assert_int_equal(f->n_recorded + f->n_forwarded, 0);
        assert_int_equal(update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING), STATUS_MANAGER_E_PENDING);

        assert_int_equal(store_exec(f->store, "PRAGMA query_only = OFF"), 0);
        for (unsigned i = 0; i < 20 && f->n_recorded == 0; i++)
                assert_true(sd_event_run(f->event, USEC_PER_SEC) >= 0);
        assert_int_equal(f->n_recorded, 1);
        assert_int_equal(f->n_forwarded, 1);
}

static int replay(const StoredUpdate *stored, void *userdata) {
        return status_manager_replay(((Fixture *) userdata)->manager, stored);
}

static void test_a_new_life_goes_on_where_the_former_one_was_cut(void **state) {
        Fixture *f = *state;

        status_manager_resume(f->manager);
        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_STARTING);
        (void) update(f, 2, MESOS__V1__TASK_STATE__TASK_RUNNING);
        turn(f);
        acknowledge(f, 1);
        turn(f);
        close_manager(f);

        open_manager(f);
        assert_int_equal(checkpoint_foreach_update(f->checkpoint, replay, f), 0);
        f->n_forwarded = 0;
        status_manager_resume(f->manager);
        assert_int_equal(f->n_forwarded, 1);
        assert_int_equal(f->last_forwarded[0], 2);
        assert_int_equal(update(f, 1, MESOS__V1__TASK_STATE__TASK_STARTING), STATUS_MANAGER_E_KNOWN);
        assert_int_equal(update(f, 2, MESOS__V1__TASK_STATE__TASK_RUNNING), STATUS_MANAGER_E_KNOWN);
}

static int count(const StoredUpdate *stored, void *userdata) {
        assert_non_null(stored->update);
        ++*(unsigned *) userdata;
        return 0;
}

static void test_nothing_is_kept_of_a_task_that_is_over(void **state) {
        Fixture *f = *state;
        unsigned n = 0;

        status_manager_resume(f->manager);
        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING);
        (void) update(f, 2, MESOS__V1__TASK_STATE__TASK_FINISHED);
        turn(f);
        acknowledge(f, 1);
        turn(f);
        acknowledge(f, 2);
        turn(f);
        turn(f);
        assert_int_equal(f->n_done, 1);
        assert_int_equal(checkpoint_foreach_update(f->checkpoint, count, &n), 0);
        assert_int_equal(n, 0);
}

static void test_a_forgotten_framework_leaves_no_callback_behind(void **state) {
        Fixture *f = *state;

        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING);
        status_manager_forget_framework(f->manager, FRAMEWORK);
        turn(f);
        assert_int_equal(f->n_recorded, 0);
}

static void test_the_end_of_a_task_is_news_until_it_is_acknowledged(void **state) {
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);
        Fixture *f = *state;

        status_manager_resume(f->manager);
        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_RUNNING);
        turn(f);
        assert_false(status_manager_has_news(f->manager, begin_usec));

        (void) update(f, 2, MESOS__V1__TASK_STATE__TASK_FINISHED);
        assert_true(status_manager_has_news(f->manager, begin_usec));
        turn(f);
        acknowledge(f, 1);
        turn(f);
        assert_int_equal(f->last_forwarded[0], 2);
        assert_true(status_manager_has_news(f->manager, begin_usec));

        acknowledge(f, 2);
        turn(f);
        assert_false(status_manager_has_news(f->manager, begin_usec));
}

static void test_what_nobody_listens_to_is_no_news(void **state) {
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);
        Fixture *f = *state;

        (void) update(f, 1, MESOS__V1__TASK_STATE__TASK_FINISHED);
        turn(f);
        assert_false(status_manager_has_news(f->manager, begin_usec));

        status_manager_resume(f->manager);
        assert_true(status_manager_has_news(f->manager, begin_usec));
        assert_false(status_manager_has_news(f->manager, usec_now(CLOCK_MONOTONIC) + 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_an_update_is_told_only_once_it_is_durable),
                TEST(test_one_update_is_in_flight_until_its_acknowledgement_is_durable),
                TEST(test_an_acknowledgement_of_something_else_changes_nothing),
                TEST(test_a_repetition_is_known_and_recorded_once),
                TEST(test_after_the_terminal_update_nothing_more_is_taken),
                TEST(test_paused_updates_wait_and_go_out_on_resume),
                TEST(test_an_update_the_disk_refuses_waits_and_is_recorded_later),
                TEST(test_a_new_life_goes_on_where_the_former_one_was_cut),
                TEST(test_nothing_is_kept_of_a_task_that_is_over),
                TEST(test_a_forgotten_framework_leaves_no_callback_behind),
                TEST(test_the_end_of_a_task_is_news_until_it_is_acknowledged),
                TEST(test_what_nobody_listens_to_is_no_news),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
