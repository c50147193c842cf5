/* SPDX-License-Identifier: Apache-2.0 */

/* The kinds of placement with a real process; those that this host cannot have are skipped. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/placement_ops.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "isolator/cgroup.h"

typedef struct Result {
        unsigned n_calls;
        int error;
        char message[256];
        char cgroup[256];
        char unit[256];
        char invocation_id[64];
} Result;

static void copy(char *to, size_t n, const char *text) {
        snprintf(to, n, "%s", text ? text : "");
}

static void on_placed(const char *container_id, int error, const char *message,
                      const PlacementResult *result, void *userdata) {
        Result *r = userdata;

        assert_non_null(container_id);
        r->n_calls++;
        r->error = error;
        copy(r->message, sizeof(r->message), message);
        if (result) {
                copy(r->cgroup, sizeof(r->cgroup), result->cgroup);
                copy(r->unit, sizeof(r->unit), result->unit);
                copy(r->invocation_id, sizeof(r->invocation_id), result->invocation_id);
        }
}

static void on_emptied(const char *container_id, int error, void *userdata) {
        Result *r = userdata;

        assert_non_null(container_id);
        r->n_calls++;
        r->error = error;
}

static void wait_for(sd_event *event, const Result *r, unsigned n_calls) {
        while (r->n_calls < n_calls)
                assert_true(sd_event_run(event, 20 * USEC_PER_SEC) > 0);
}

static pid_t start_sleeper(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                (void) execl("/bin/sleep", "sleep", "1000", (char *) NULL);
                _exit(127);
        }

        return pid;
}

static void end_sleeper(pid_t pid) {
        int status;

        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

static int setup(void **state) {
        sd_event *event;

        if (sd_event_new(&event) < 0)
                return -1;

        *state = event;
        return 0;
}

static int teardown(void **state) {
        sd_event_unref(*state);
        return 0;
}

/* A subtree of this test's own; skipped where there can be none. */
static Placement *make_subtree(sd_event *event, char name[static 64]) {
        Placement *p;

        snprintf(name, 64, "/holdfast-placement-%i/", getpid());
        if (placement_new_subtree(event, name, &p) < 0)
                skip();

        return p;
}

static void remove_root(const char *name) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                         mount_fd = -EBADF;
        char trimmed[64];

        mount_fd = cgroup_open_mount(proc_fd);
        assert_true(mount_fd >= 0);
        snprintf(trimmed, sizeof(trimmed), "%.*s", (int) strlen(name) - 2, name + 1);
        assert_int_equal(cgroup_remove(mount_fd, trimmed), 0);
}

static bool exists(const char *cgroup) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                         mount_fd = -EBADF, fd = -EBADF;

        mount_fd = cgroup_open_mount(proc_fd);
        assert_true(mount_fd >= 0);
        fd = cgroup_open(mount_fd, cgroup);
        return fd >= 0;
}

static void test_no_place_is_given_from_the_loop_too(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        Result r = {};

        assert_int_equal(placement_new_none(*state, &p), 0);
        assert_string_equal(placement_kind(p), "none");
        assert_int_equal(placement_place(p, "c1", "a task", getpid(), on_placed, &r), 0);
        assert_int_equal(r.n_calls, 0);
        wait_for(*state, &r, 1);
        assert_int_equal(r.error, 0);
        assert_string_equal(r.cgroup, "");

        assert_int_equal(placement_kill(p, "c1", &(PlacementResult) {}, on_emptied, &r), 0);
        wait_for(*state, &r, 2);
        assert_int_equal(r.error, 0);
}

static void test_a_cancelled_placement_is_not_heard_of(void **state) {
        Placement *p;
        Result r = {};

        assert_int_equal(placement_new_none(*state, &p), 0);
        assert_int_equal(placement_place(p, "c1", "a task", getpid(), on_placed, &r), 0);
        assert_int_equal(placement_place(p, "c2", "a task", getpid(), on_placed, &r), 0);
        placement_cancel(p, "c1");
        wait_for(*state, &r, 1);
        assert_int_equal(placement_place(p, "c3", "a task", getpid(), on_placed, &r), 0);
        assert_null(placement_free(p));
        assert_int_equal(sd_event_run(*state, 0), 0);
        assert_int_equal(r.n_calls, 1);
}

static void test_a_subtree_gives_each_container_a_directory_and_takes_it_back(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        char name[64], expected[128];
        Result r = {};

        p = make_subtree(*state, name);
        assert_int_equal(placement_place(p, "c1", "a task", getpid(), on_placed, &r), 0);
        wait_for(*state, &r, 1);
        assert_int_equal(r.error, 0);
        snprintf(expected, sizeof(expected), "/%.*s/c1", (int) strlen(name) - 2, name + 1);
        assert_string_equal(r.cgroup, expected);
        assert_true(exists(r.cgroup));

        placement_remove(p, "c1", &(PlacementResult) {});
        assert_false(exists(r.cgroup));
        placement_remove(p, "c1", &(PlacementResult) { .cgroup = r.cgroup });
        placement_remove(p, "c1", &(PlacementResult) { .cgroup = r.cgroup });
        assert_false(exists(r.cgroup));
        remove_root(name);
}

static void test_killing_empties_a_container_and_removes_it(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        char name[64], path[1024], pid_text[16];
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                         mount_fd = -EBADF;
        pid_t pid;
        Result r = {};

        p = make_subtree(*state, name);
        assert_int_equal(placement_place(p, "c1", "a task", getpid(), on_placed, &r), 0);
        wait_for(*state, &r, 1);

        pid = start_sleeper();
        mount_fd = cgroup_open_mount(proc_fd);
        snprintf(path, sizeof(path), "%s/payload/main", r.cgroup + 1);
        assert_int_equal(file_mkdirs_at(mount_fd, path, 0755), 0);
        snprintf(path, sizeof(path), "%s/payload/main/cgroup.procs", r.cgroup + 1);
        snprintf(pid_text, sizeof(pid_text), "%i", pid);
        assert_int_equal(file_write_at(mount_fd, path, pid_text), 0);

        assert_int_equal(placement_kill(p, "c1", &(PlacementResult) { .cgroup = r.cgroup },
                                        on_emptied, &r),
                         0);
        wait_for(*state, &r, 2);
        assert_int_equal(r.error, 0);
        assert_false(exists(r.cgroup));
        end_sleeper(pid);

        /* What is not there is empty. */
        assert_int_equal(placement_kill(p, "c1", &(PlacementResult) { .cgroup = r.cgroup },
                                        on_emptied, &r),
                         0);
        wait_for(*state, &r, 3);
        assert_int_equal(r.error, 0);
        remove_root(name);
}

static void test_a_root_that_leads_out_is_refused(void **state) {
        Placement *p;

        assert_int_equal(placement_new_subtree(*state, "a/../..", &p), -EINVAL);
        assert_true(placement_new_subtree(*state, "//", &p) < 0);
        assert_int_equal(placement_new_subtree(*state, "a//./b", &p), -EINVAL);
}

static Placement *make_systemd(sd_event *event) {
        const PlacementSystemdConfig config = {};
        Placement *p;

        if (access("/run/systemd/system", F_OK) < 0 ||
            placement_new_systemd(event, &config, &p) < 0)
                skip();

        return p;
}

static void test_systemd_gives_each_container_a_scope(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        Result r = {};
        pid_t pid;

        p = make_systemd(*state);
        pid = start_sleeper();
        assert_int_equal(placement_place(p, "c1-a", "a task of a framework", pid, on_placed, &r),
                         0);
        wait_for(*state, &r, 1);
        if (r.error < 0)
                print_message("%s\n", r.message);
        assert_int_equal(r.error, 0);
        assert_string_equal(r.unit, "holdfast-c1-a.scope");
        assert_string_equal(r.cgroup, "/holdfast.slice/holdfast-c1-a.scope");
        assert_int_equal(strlen(r.invocation_id), 32);
        assert_true(exists(r.cgroup));

        assert_int_equal(placement_kill(p, "c1-a", &(PlacementResult) { .cgroup = r.cgroup },
                                        on_emptied, &r),
                         0);
        wait_for(*state, &r, 2);
        assert_int_equal(r.error, 0);
        end_sleeper(pid);
}

static Placement *make_scope(sd_event *event) {
        const char *top_builddir = getenv("top_builddir");
        const PlacementSystemdConfig config = {};
        char launcher[4096];
        Placement *p;

        snprintf(launcher, sizeof(launcher), "%s/holdfast-launcher", top_builddir ?: ".");
        if (access("/run/systemd/system", F_OK) < 0 || access(launcher, X_OK) < 0 ||
            placement_new_scope(event, &config, launcher, &p) < 0)
                skip();

        return p;
}

static void end_scope(void) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), mount_fd = -EBADF, fd = -EBADF;

        mount_fd = cgroup_open_mount(proc_fd);
        fd = cgroup_open(mount_fd, "/holdfast.slice/holdfast-containers.scope");
        assert_true(fd >= 0);
        assert_int_equal(cgroup_kill(fd), 0);
        while (cgroup_is_populated(fd) > 0)
                (void) usleep(1000);
}

static void test_one_scope_gives_each_container_a_directory_and_takes_it_back(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        Result r = {};

        /* The second waits for the scope that the first one needs; the third finds it. */
        p = make_scope(*state);
        assert_int_equal(placement_place(p, "c1", "a task", getpid(), on_placed, &r), 0);
        assert_int_equal(placement_place(p, "c2", "a task", getpid(), on_placed, &r), 0);
        wait_for(*state, &r, 2);
        if (r.error < 0)
                print_message("%s\n", r.message);
        assert_int_equal(r.error, 0);
        assert_string_equal(r.cgroup, "/holdfast.slice/holdfast-containers.scope/c2");
        assert_true(exists("/holdfast.slice/holdfast-containers.scope/c1"));
        assert_true(exists(r.cgroup));

        placement_remove(p, "c2", &(PlacementResult) { .cgroup = r.cgroup });
        assert_false(exists(r.cgroup));

        /* The agent after this one; its predecessor may have died before it wrote down where c1 is. */
        p = placement_free(p);
        p = make_scope(*state);
        assert_int_equal(placement_kill(p, "c1", &(PlacementResult) {}, on_emptied, &r), 0);
        wait_for(*state, &r, 3);
        assert_false(exists("/holdfast.slice/holdfast-containers.scope/c1"));
        assert_int_equal(placement_place(p, "c3", "a task", getpid(), on_placed, &r), 0);
        placement_cancel(p, "c3");
        assert_false(exists("/holdfast.slice/holdfast-containers.scope/c3"));

        end_scope();
}

static void test_a_scope_without_its_keeper_program_is_no_place(void **state) {
        const PlacementSystemdConfig config = {};
        _cleanup_(placement_freep) Placement *p = NULL;
        Result r = {};

        if (access("/run/systemd/system", F_OK) < 0 ||
            placement_new_scope(*state, &config, "/nonexistent", &p) < 0)
                skip();

        assert_int_equal(placement_place(p, "c1", "a task", getpid(), on_placed, &r), -ENOENT);
        assert_int_equal(r.n_calls, 0);
}

static void test_a_process_that_is_gone_gets_no_scope_but_a_reason(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        Result r = {};
        pid_t pid;

        p = make_systemd(*state);
        pid = start_sleeper();
        end_sleeper(pid);
        assert_int_equal(placement_place(p, "c2", "a task", pid, on_placed, &r), 0);
        wait_for(*state, &r, 1);
        assert_true(r.error < 0);
        assert_non_null(startswith(r.message, "Failed to start scope 'holdfast-c2.scope': "));
}

static void test_more_scopes_at_once_than_dbus_has_replies_all_come(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        pid_t pids[300];
        Result r = {};

        p = make_systemd(*state);
        for (unsigned i = 0; i < ELEMENTSOF(pids); i++) {
                char id[16];

                pids[i] = start_sleeper();
                snprintf(id, sizeof(id), "many-%u", i);
                assert_int_equal(placement_place(p, id, "one of many", pids[i], on_placed, &r), 0);
        }

        wait_for(*state, &r, ELEMENTSOF(pids));
        for (unsigned i = 0; i < ELEMENTSOF(pids); i++)
                end_sleeper(pids[i]);
        assert_int_equal(r.error, 0);
}

static void test_scopes_come_while_systemd_executes_itself_anew(void **state) {
        _cleanup_(placement_freep) Placement *p = NULL;
        pid_t pids[30];
        Result r = {};

        p = make_systemd(*state);
        for (unsigned i = 0; i < ELEMENTSOF(pids); i++) {
                char id[16];

                if (i % 10 == 0)
                        assert_true(system("systemctl daemon-reexec --no-block 2>/dev/null") >= 0);

                pids[i] = start_sleeper();
                snprintf(id, sizeof(id), "anew-%u", i);
                assert_int_equal(placement_place(p, id, "one of many", pids[i], on_placed, &r), 0);
                wait_for(*state, &r, i + 1);
                if (r.error < 0)
                        print_message("%s\n", r.message);
                assert_int_equal(r.error, 0);
        }

        for (unsigned i = 0; i < ELEMENTSOF(pids); i++)
                end_sleeper(pids[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void make_child(int fd, const char *name, const char *memory_low) {
        char path[64];

        assert_return_code(mkdirat(fd, name, 0755), errno);
        snprintf(path, sizeof(path), "%s/memory.low", name);
        if (memory_low)
                assert_return_code(file_replace_at(fd, path, memory_low, strlen(memory_low), 0644), errno);
}

static void test_parent_has_to_protect_what_its_children_claim(void **state) {
        char path[] = "/tmp/holdfast-test-XXXXXX";
        _cleanup_fd_ int fd = -EBADF;
        uint64_t bytes;

        (void) state;
        assert_non_null(mkdtemp(path));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(placement_sum_claims(fd, &bytes), 0);
        assert_true(bytes == 0);

        make_child(fd, "a", "1048576\n");
        make_child(fd, "b", "2\n");
        make_child(fd, "without-the-controller", NULL);
        make_child(fd, "odd", "many\n");
        assert_int_equal(placement_sum_claims(fd, &bytes), 0);
        assert_true(bytes == 1048578);

        make_child(fd, "all", "max\n");
        assert_int_equal(placement_sum_claims(fd, &bytes), 0);
        assert_true(bytes == UINT64_MAX);
        assert_int_equal(file_remove_tree_at(AT_FDCWD, path), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_no_place_is_given_from_the_loop_too),
                TEST(test_a_cancelled_placement_is_not_heard_of),
                TEST(test_a_subtree_gives_each_container_a_directory_and_takes_it_back),
                TEST(test_killing_empties_a_container_and_removes_it),
                TEST(test_a_root_that_leads_out_is_refused),
                TEST(test_systemd_gives_each_container_a_scope),
                TEST(test_one_scope_gives_each_container_a_directory_and_takes_it_back),
                TEST(test_a_scope_without_its_keeper_program_is_no_place),
                TEST(test_a_process_that_is_gone_gets_no_scope_but_a_reason),
                TEST(test_more_scopes_at_once_than_dbus_has_replies_all_come),
                TEST(test_scopes_come_while_systemd_executes_itself_anew),
                cmocka_unit_test(test_parent_has_to_protect_what_its_children_claim),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
