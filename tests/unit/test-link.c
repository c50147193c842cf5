/* SPDX-License-Identifier: Apache-2.0 */

/* The agent's end against real launchers; what launchers do by themselves is tests/process. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "launcher/link.h"

typedef struct Fixture {
        char path[40];
        char runtime[64], record[64], sandbox[64], log[64], launcher[1024];
        char *argv[4];
        LaunchCommand command;
        LaunchPlan plan;
        sd_event *event;
        LauncherLink *link;

        char heard[64];          /* one letter for each callback, in order */
        LauncherState state;
        int wait_status;
        char message[256];
        int gone_error;
        bool recorded;
        bool free_when_gone;
} Fixture;

static void hear(Fixture *f, char what) {
        size_t n = strlen(f->heard);

        assert_true(n + 1 < sizeof(f->heard));
        f->heard[n] = what;
}

static void on_hello(LauncherLink *l, const LauncherHello *hello, void *userdata) {
        Fixture *f = userdata;

        assert_int_equal(hello->pid, launcher_link_pid(l));
        assert_int_equal(hello->start_time_ticks, launcher_link_start_time_ticks(l));
        assert_string_equal(hello->container_id, "c1");
        f->state = hello->state;
        hear(f, 'h');
}

static void on_started(LauncherLink *l _unused_, pid_t pid, uint64_t start_time_ticks,
                       void *userdata) {
        assert_true(pid > 0 && start_time_ticks > 0);
        hear(userdata, 's');
}

static void on_failed(LauncherLink *l _unused_, const ExitRecord *record, bool recorded,
                      void *userdata) {
        Fixture *f = userdata;

        snprintf(f->message, sizeof(f->message), "%s", record->message ? record->message : "");
        f->recorded = recorded;
        hear(f, 'f');
}

static void on_exited(LauncherLink *l _unused_, const ExitRecord *record, bool recorded,
                      bool left_behind, void *userdata) {
        Fixture *f = userdata;

        assert_true(record->status.known);
        assert_false(left_behind);
        f->wait_status = record->status.wait_status;
        f->recorded = recorded;
        hear(f, 'e');
}

static void on_gone(LauncherLink *l, int error, void *userdata) {
        Fixture *f = userdata;

        f->gone_error = error;
        hear(f, 'g');
        if (f->free_when_gone) {
                assert_ptr_equal(l, f->link);
                f->link = launcher_link_free(l);
        }
}

static const LauncherLinkOps ops = {
        .hello = on_hello,
        .started = on_started,
        .failed = on_failed,
        .exited = on_exited,
        .gone = on_gone,
};

static void set_script(Fixture *f, const char *script) {
        f->argv[0] = (char *) "sh";
        f->argv[1] = (char *) "-c";
        f->argv[2] = (char *) script;
}

static int setup(void **state) {
        const char *builddir = getenv("top_builddir");
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;

        strcpy(f->path, "/tmp/test-link-XXXXXX");
        if (!mkdtemp(f->path) || sd_event_new(&f->event) < 0)
                return -1;

        snprintf(f->launcher, sizeof(f->launcher), "%s/holdfast-launcher",
                 builddir ? builddir : ".");
        snprintf(f->runtime, sizeof(f->runtime), "%s/run/c1", f->path);
        snprintf(f->record, sizeof(f->record), "%s/record", f->path);
        snprintf(f->sandbox, sizeof(f->sandbox), "%s/sandbox", f->path);
        snprintf(f->log, sizeof(f->log), "%s/log", f->path);
        set_script(f, "exit 7");
        f->command = (LaunchCommand) { .file = "/bin/sh", .argv = f->argv };
        f->plan = (LaunchPlan) {
                .container_id = "c1",
                .runtime_directory = f->runtime,
                .exit_record_path = f->record,
                .log_path = f->log,
                .sandbox_directory = f->sandbox,
                .uid = geteuid(),
                .gid = getegid(),
                .umask = 022,
                .command = &f->command,
        };
        *state = f;
        return mkdir(f->sandbox, 0755);
}

static int teardown(void **state) {
        Fixture *f = *state;
        int r;

        launcher_link_free(f->link);
        sd_event_unref(f->event);
        r = file_remove_tree_at(AT_FDCWD, f->path);
        free(f);
        return r;
}

static void run_until(Fixture *f, const char *heard) {
        while (!streq(f->heard, heard)) {
                if (!startswith(heard, f->heard))
                        fail_msg("heard '%s', expected '%s'", f->heard, heard);
                assert_true(sd_event_run(f->event, 15 * USEC_PER_SEC) > 0);
        }
}

static void spawn(Fixture *f) {
        if (access(f->launcher, X_OK) < 0)
                skip();

        assert_int_equal(launcher_link_spawn(f->event, f->launcher, &f->plan, &ops, f, &f->link),
                         0);
        run_until(f, "h");
        assert_int_equal(f->state, LAUNCHER_WAITING);
}

static void go(Fixture *f) {
        assert_int_equal(launcher_link_go(f->link, NULL), 0);
}

/* Waits without hearing: for when the test has no link. */
static void wait_for_file(const char *path) {
        for (unsigned i = 0; access(path, F_OK) < 0; i++) {
                assert_true(i < 15000);
                (void) usleep(1000);
        }
}

static void test_an_end_is_heard_in_order(void **state) {
        Fixture *f = *state;
        pid_t pid;

        spawn(f);
        pid = launcher_link_pid(f->link);
        f->free_when_gone = true;
        go(f);
        run_until(f, "hseg");
        assert_int_equal(f->wait_status, 7 << 8);
        assert_int_equal(f->gone_error, 0);
        assert_true(f->recorded);
        assert_null(f->link);

        /* No zombie is left. */
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static void test_a_failure_is_heard_with_its_reason(void **state) {
        Fixture *f = *state;

        f->command.file = "/no/such/program";
        spawn(f);
        go(f);
        run_until(f, "hfg");
        assert_string_equal(f->message,
                            "Failed to execute '/no/such/program': No such file or directory");
}

static void test_a_link_that_is_freed_before_go_leaves_nothing(void **state) {
        _cleanup_(exit_record_deinit) ExitRecord record = EXIT_RECORD_NULL;
        Fixture *f = *state;
        pid_t pid;

        spawn(f);
        pid = launcher_link_pid(f->link);
        f->link = launcher_link_free(f->link);
        wait_for_file(f->record);
        assert_int_equal(exit_record_read(AT_FDCWD, f->record, &record), EXIT_RECORD_OK);
        assert_int_equal(record.kind, EXIT_RECORD_NEVER_STARTED);

        /* The loop reaps what nobody holds any more. */
        while (kill(pid, 0) >= 0)
                assert_true(sd_event_run(f->event, 15 * USEC_PER_SEC) > 0);
        assert_string_equal(f->heard, "h");
}

static void test_a_launcher_is_found_again(void **state) {
        Fixture *f = *state;

        set_script(f, "while ! [ -e go ]; do sleep 0.02; done; exit 3");
        spawn(f);
        go(f);
        run_until(f, "hs");
        f->link = launcher_link_free(f->link);

        f->heard[1] = f->heard[0] = '\0';
        assert_int_equal(launcher_link_connect(f->event, f->runtime, &ops, f, &f->link), 0);
        run_until(f, "h");
        assert_int_equal(f->state, LAUNCHER_RUNNING);
        assert_int_equal(launcher_link_check(f->link), 0);
        run_until(f, "hh");
        assert_int_equal(launcher_link_kill(f->link, SIGKILL, false), 0);
        run_until(f, "hheg");
        assert_int_equal(f->wait_status, SIGKILL);

        assert_int_equal(launcher_link_connect(f->event, f->runtime, &ops, f, &f->link), -ENOENT);
}

static void test_a_dead_launchers_socket_refuses(void **state) {
        Fixture *f = *state;

        set_script(f, "sleep 1000");
        spawn(f);
        go(f);
        run_until(f, "hs");
        assert_int_equal(kill(launcher_link_pid(f->link), SIGKILL), 0);
        run_until(f, "hsg");
        assert_int_equal(launcher_link_go(f->link, NULL), -ENOTCONN);
        f->link = launcher_link_free(f->link);
        assert_int_equal(launcher_link_connect(f->event, f->runtime, &ops, f, &f->link),
                         -ECONNREFUSED);
        assert_int_equal(access(f->record, F_OK), -1);
}

static void test_an_unrecorded_end_is_let_go_by_the_agent(void **state) {
        Fixture *f = *state;

        f->plan.exit_record_path = "/proc/no/such/place";
        spawn(f);
        go(f);
        run_until(f, "hse");
        assert_false(f->recorded);
        assert_int_equal(launcher_link_release(f->link), 0);
        run_until(f, "hseg");
}

static void test_a_missing_launcher_is_an_error_at_once(void **state) {
        Fixture *f = *state;

        assert_int_equal(launcher_link_spawn(f->event, "/no/such/launcher", &f->plan, &ops, f,
                                             &f->link),
                         -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_an_end_is_heard_in_order),
                TEST(test_a_failure_is_heard_with_its_reason),
                TEST(test_a_link_that_is_freed_before_go_leaves_nothing),
                TEST(test_a_launcher_is_found_again),
                TEST(test_a_dead_launchers_socket_refuses),
                TEST(test_an_unrecorded_end_is_let_go_by_the_agent),
                TEST(test_a_missing_launcher_is_an_error_at_once),
        };

        if (process_pidfd_open(getpid()) == -ENOSYS) {
                print_message("valgrind knows no pidfds\n");
                return 77;
        }

        return cmocka_run_group_tests(tests, NULL, NULL);
}
