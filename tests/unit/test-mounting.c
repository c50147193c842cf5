/* SPDX-License-Identifier: Apache-2.0 */

/* filesystem/posix, filesystem/linux, volumes and namespaces: what they decide, as data. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "isolator/filesystem.h"
#include "isolator/registry.h"
#include "isolator/user_namespace.h"
#include "tests/unit/directory.h"

#define SANDBOX "/srv/slaves/S/runs/c"
#define LINUX "filesystem/linux,namespaces/pid,namespaces/ipc"

static const IsolatorHost host = { .root = true, .cgroups = true, .controllers = "", .proc_fd = -EBADF };
static const IsolatorConfig config = { .work_dir = "/srv", .runtime_dir = "/run/agent" };

static IsolatorSet *choose(const char *names, const IsolatorConfig *c) {
        _cleanup_free_ char *message = NULL;
        IsolatorSet *s = NULL;

        assert_int_equal(isolator_set_new(names, &host, c, &s, &message), ISOLATOR_OK);
        return s;
}

static Confinement *plan_with(const char *names, const IsolatorConfig *c, const IsolatorRequest *request) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = choose(names, c);
        _cleanup_free_ char *message = NULL;
        Confinement *confinement = NULL;

        assert_int_equal(isolator_set_plan(s, request, &confinement, &message), ISOLATOR_OK);
        assert_int_equal(confinement_check(confinement, &message), CONFINEMENT_OK);
        return confinement;
}

static void assert_refused_with(const char *names, const IsolatorConfig *c, const IsolatorRequest *request,
                                const char *expected) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = choose(names, c);
        _cleanup_free_ char *message = NULL;
        Confinement *confinement;

        assert_int_equal(isolator_set_plan(s, request, &confinement, &message), ISOLATOR_E_REFUSED);
        assert_non_null(strstr(message, expected));
}

/* A container with one volume, or none. */
typedef struct Asked {
        Mesos__V1__Volume volume, *volumes[1];
        Mesos__V1__Volume__Source source;
        Mesos__V1__Volume__Source__HostPath host_path;
        Mesos__V1__Volume__Source__SandboxPath sandbox_path;
        Mesos__V1__MountPropagation propagation;
        Mesos__V1__LinuxInfo linux_info;
        Mesos__V1__ContainerInfo info;
        IsolatorRequest request;
} Asked;

static void ask(Asked *a) {
        mesos__v1__volume__init(&a->volume);
        mesos__v1__volume__source__init(&a->source);
        mesos__v1__volume__source__host_path__init(&a->host_path);
        mesos__v1__volume__source__sandbox_path__init(&a->sandbox_path);
        mesos__v1__mount_propagation__init(&a->propagation);
        mesos__v1__linux_info__init(&a->linux_info);
        mesos__v1__container_info__init(&a->info);
        a->info.type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
        a->info.linux_info = &a->linux_info;
        a->volumes[0] = &a->volume;
        a->info.volumes = a->volumes;
        a->volume.mode = MESOS__V1__VOLUME__MODE__RW;
        a->source.has_type = true;
        a->request = (IsolatorRequest) {
                .container_id = "c", .sandbox = SANDBOX, .info = &a->info, .uid = 7, .gid = 8 };
}

static void ask_host(Asked *a, const char *path, const char *container_path) {
        ask(a);
        a->info.n_volumes = 1;
        a->volume.source = &a->source;
        a->volume.container_path = (char *) container_path;
        a->source.type = MESOS__V1__VOLUME__SOURCE__TYPE__HOST_PATH;
        a->source.host_path = &a->host_path;
        a->host_path.path = (char *) path;
}

static void ask_sandbox(Asked *a, Mesos__V1__Volume__Source__SandboxPath__Type type, const char *path,
                        const char *container_path) {
        ask_host(a, "", container_path);
        a->source.type = MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH;
        a->source.host_path = NULL;
        a->source.sandbox_path = &a->sandbox_path;
        a->sandbox_path.has_type = true;
        a->sandbox_path.type = type;
        a->sandbox_path.path = (char *) path;
}

static const Mount *find_mount(const Confinement *c, const char *below, const char *target) {
        for (size_t i = 0; i < c->n_mounts; i++)
                if (streq(c->mounts[i]->target, target) && streq_ptr(c->mounts[i]->target_below, below))
                        return c->mounts[i];

        return NULL;
}

static void assert_volume_refused(const Asked *a, const char *expected) {
        assert_refused_with("filesystem/linux", &config, &a->request, expected);
}

/* -- Choosing -- */

static void test_a_filesystem_is_always_there_and_brings_its_volumes(void **state) {
        _cleanup_(isolator_set_freep) IsolatorSet *plain = choose("posix/cpu", &config), *own = choose(LINUX, &config);

        (void) state;
        assert_true(isolator_set_has(plain, "filesystem/posix"));
        assert_false(isolator_set_has(plain, "volume/host_path"));
        assert_true(isolator_set_has(own, "volume/host_path"));
        assert_true(isolator_set_has(own, "volume/sandbox_path"));
        assert_false(isolator_set_has(own, "filesystem/posix"));
}

static void assert_not_chosen(const char *names, const IsolatorHost *h, const char *expected) {
        _cleanup_free_ char *message = NULL;
        IsolatorSet *s;

        assert_int_equal(isolator_set_new(names, h, &config, &s, &message), ISOLATOR_E_REFUSED);
        assert_non_null(strstr(message, expected));
}

static void test_what_mounts_needs_a_filesystem_to_mount_in(void **state) {
        const IsolatorHost posix = { .root = true, .controllers = "" };

        (void) state;
        assert_not_chosen("namespaces/pid", &host, "namespaces/pid needs filesystem/linux");
        assert_not_chosen("namespaces/ipc", &host, "namespaces/ipc needs filesystem/linux");
        assert_not_chosen("volume/host_path,filesystem/posix", &host, "volume/host_path needs filesystem/linux");
        assert_not_chosen("filesystem/linux,filesystem/posix", &host, "exclude each other");
        assert_not_chosen("filesystem/linux", &posix, "--launcher=linux");
}

static void test_the_switch_that_forbids_user_namespaces_is_named(void **state) {
        const struct {
                const char *file, *value, *expected;
        } cases[] = {
                { "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n",
                  "apparmor_restrict_unprivileged_userns is 1" },
                { "proc/sys/kernel/unprivileged_userns_clone", "0\n", "unprivileged_userns_clone is 0" },
                { "proc/sys/user/max_user_namespaces", "0\n", "max_user_namespaces is 0" },
        };
        Dir *d = *state;

        assert_int_equal(file_mkdirs_at(d->fd, "proc/sys/kernel", 0755), 0);
        assert_int_equal(file_mkdirs_at(d->fd, "proc/sys/user", 0755), 0);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *message = NULL, *other = NULL;
                int fd = openat(d->fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                assert_int_equal(user_namespace_explain(fd, EPERM, &other), ISOLATOR_E_REFUSED);
                assert_int_equal(file_replace_at(d->fd, cases[i].file, cases[i].value, 2, 0644), 0);
                assert_int_equal(user_namespace_explain(fd, EPERM, &message), ISOLATOR_E_REFUSED);
                assert_non_null(strstr(message, cases[i].expected));
                assert_null(strstr(other, cases[i].expected));
                close(fd);
        }
}

/* -- filesystem/posix -- */

static void test_the_hosts_filesystem_has_no_volumes_and_no_images(void **state) {
        Mesos__V1__ContainerInfo__MesosInfo mesos = MESOS__V1__CONTAINER_INFO__MESOS_INFO__INIT;
        Mesos__V1__Image image = MESOS__V1__IMAGE__INIT;
        Asked a;

        (void) state;
        ask_host(&a, "/srv", "data");
        assert_refused_with("process", &config, &a.request, "Volumes in ContainerInfo is not supported");

        ask(&a);
        image.type = MESOS__V1__IMAGE__TYPE__APPC;
        mesos.image = &image;
        a.info.mesos = &mesos;
        assert_refused_with("process", &config, &a.request, "Unsupported container image type: APPC");
        assert_refused_with(LINUX, &config, &a.request, "Unsupported container image type: APPC");

        ask(&a);
        a.info.type = MESOS__V1__CONTAINER_INFO__TYPE__DOCKER;
        assert_refused_with("process", &config, &a.request, "None of the enabled containerizers (mesos)");
}

/* -- filesystem/linux -- */

static void test_the_work_directory_is_empty_but_for_what_is_the_containers(void **state) {
        char *exposed[] = { (char *) "/srv/volumes/roles/r/v", (char *) "/elsewhere/v", NULL };
        _cleanup_(confinement_freep) Confinement *c = NULL;
        const Mount *first, *sandbox;
        Asked a;

        (void) state;
        ask(&a);
        a.request.exposed = exposed;
        c = plan_with("filesystem/linux", &config, &a.request);
        assert_true(confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__MOUNT));
        assert_false(confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__USER));
        assert_false(confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP));

        first = find_mount(c, NULL, "/srv");
        assert_ptr_equal(first, c->mounts[0]);
        assert_string_equal(first->type, "tmpfs");
        sandbox = find_mount(c, "/srv", "slaves/S/runs/c");
        assert_string_equal(sandbox->source, SANDBOX);
        assert_true(sandbox->make_target);
        assert_non_null(find_mount(c, "/srv", "volumes/roles/r/v"));
        assert_true(c->mounts[3]->flags & MS_REMOUNT && c->mounts[3]->flags & MS_RDONLY);
        assert_string_equal(find_mount(c, NULL, "/run/agent/containers")->type, "tmpfs");
        assert_int_equal(c->n_mounts, 6);
}

static void test_sockets_in_the_work_directory_stay_where_executors_look(void **state) {
        const IsolatorConfig inside = {
                .work_dir = "/srv", .runtime_dir = "/srv/run", .socket_dir = "/srv/run" };
        const IsolatorConfig hidden = { .work_dir = "/srv", .runtime_dir = "/srv/run" };
        _cleanup_(confinement_freep) Confinement *c = NULL, *without = NULL;
        Asked a;

        (void) state;
        ask(&a);
        c = plan_with("filesystem/linux", &inside, &a.request);
        assert_non_null(find_mount(c, "/srv", "run"));
        assert_non_null(find_mount(c, NULL, "/srv/run/containers"));

        without = plan_with("filesystem/linux", &hidden, &a.request);
        assert_null(find_mount(without, "/srv", "run"));
        assert_null(find_mount(without, NULL, "/srv/run/containers"));
}

static void test_users_are_mapped_to_themselves_where_the_agent_is_one(void **state) {
        const IsolatorConfig user = { .work_dir = "/srv", .runtime_dir = "/run/agent", .unprivileged = true };
        _cleanup_(confinement_freep) Confinement *c = NULL;
        Asked a;

        (void) state;
        ask(&a);
        c = plan_with("filesystem/linux", &user, &a.request);
        assert_true(confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__USER));
        assert_string_equal(c->uid_map, "7 7 1");
        assert_string_equal(c->gid_map, "8 8 1");
}

static void test_cgroups_are_hidden_where_there_are_any(void **state) {
        const IsolatorConfig with = { .work_dir = "/srv", .runtime_dir = "/run/agent", .cgroup_mount = "/cg" };
        _cleanup_(confinement_freep) Confinement *c = NULL;
        Asked a;

        (void) state;
        ask(&a);
        c = plan_with("filesystem/linux", &with, &a.request);
        assert_true(confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP));
        assert_string_equal(c->mounts[0]->type, "tmpfs");
        assert_string_equal(c->mounts[1]->type, "cgroup2");
        assert_string_equal(c->mounts[1]->target, "/cg");
}

static void test_more_than_a_launcher_mounts_is_refused_before_there_is_one(void **state) {
        char *exposed[301] = {};
        Asked a;

        (void) state;
        for (size_t i = 0; i < 300; i++)
                exposed[i] = (char *) "/srv/volumes/roles/r/v";
        ask(&a);
        a.request.exposed = exposed;
        assert_refused_with("filesystem/linux", &config, &a.request, "mounts are too many");
}

/* -- Volumes -- */

static void test_a_volume_is_bound_below_the_sandbox_or_where_it_says(void **state) {
        _cleanup_(confinement_freep) Confinement *relative = NULL, *absolute = NULL, *of_root = NULL;
        const Mount *m;
        Asked a;

        (void) state;
        ask_host(&a, "/srv", "a/b");
        a.volume.mode = MESOS__V1__VOLUME__MODE__RO;
        relative = plan_with("filesystem/linux", &config, &a.request);
        m = find_mount(relative, SANDBOX, "a/b");
        assert_string_equal(m->source, "/srv");
        assert_true(m->make_target && m->owned && m->flags & MS_RDONLY);
        assert_false(relative->no_new_privileges);

        /* Whoever has a say in /etc could have one in what a setuid program believes. */
        ask_host(&a, "/srv", "/etc/x");
        absolute = plan_with("filesystem/linux", &config, &a.request);
        m = find_mount(absolute, NULL, "/etc/x");
        assert_false(m->make_target || m->flags & MS_RDONLY);
        assert_true(absolute->no_new_privileges);
        a.request.uid = 0;
        of_root = plan_with("filesystem/linux", &config, &a.request);
        assert_false(of_root->no_new_privileges);
}

static void test_paths_that_lead_elsewhere_are_refused(void **state) {
        static const struct {
                const char *host, *container, *expected;
        } cases[] = {
                { "relative", "data", "'relative' in HOST_PATH volume is not absolute" },
                { "/srv", "../x", "'../x' is not below the sandbox" },
                { "/srv", "a/../../x", "is not below the sandbox" },
                { "/srv", "", "is not below the sandbox" },
                { "/srv", "/mnt/../etc", "has '..' in it" },
                { "/srv", "/", "would hide the sandbox" },
                { "/srv", "/srv", "would hide the sandbox" },
                { "/srv", "/srv/slaves/", "would hide the sandbox" },
                { "/srv", SANDBOX, "would hide the sandbox" },
        };
        Asked a;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ask_host(&a, cases[i].host, cases[i].container);
                assert_volume_refused(&a, cases[i].expected);
        }

        ask_host(&a, "/srv", "data");
        a.source.type = MESOS__V1__VOLUME__SOURCE__TYPE__SECRET;
        assert_volume_refused(&a, "of a kind that this agent does not have");
}

static void assert_source(const IsolatorConfig *c, const char *path, const char *below, const char *rest) {
        _cleanup_(confinement_freep) Confinement *confinement = NULL;
        const Mount *m;
        Asked a;

        ask_host(&a, path, "data");
        confinement = plan_with("filesystem/linux", c, &a.request);
        m = find_mount(confinement, SANDBOX, "data");
        assert_string_equal(m->source, rest);
        assert_true(streq_ptr(m->source_below, below));
        assert_int_equal(m->make_source, below != NULL);
}

static void test_the_hosts_directories_are_made_below_some_only(void **state) {
        const IsolatorConfig some = {
                .work_dir = "/srv", .runtime_dir = "/run/agent",
                .host_path_volume_force_creation = "/data:relative:/mnt/disk/" };

        (void) state;
        assert_source(&some, "/data/a/b", "/data", "a/b");
        assert_source(&some, "/mnt/disk/x", "/mnt/disk/", "x");
        assert_source(&some, "/data", NULL, "/data");
        assert_source(&some, "/database/x", NULL, "/database/x");
        assert_source(&some, "/data/../etc", NULL, "/data/../etc");
        assert_source(&some, "/srv", NULL, "/srv");
        assert_source(&config, "/data/a", NULL, "/data/a");
}

static void test_a_mount_is_shared_if_the_nearest_above_is(void **state) {
        static const char mounts[] = "1 0 0:1 / / rw shared:1 - ext4 /dev/root rw\n"
                                     "2 1 0:2 / /mnt rw,noatime - tmpfs x rw\n"
                                     "3 2 0:3 / /mnt/a rw master:2 shared:3 - tmpfs x rw\n"
                                     "4 1 0:4 / /over rw - tmpfs shared: rw\n"
                                     "5 4 0:5 / /over rw shared:9 - tmpfs x rw\n";

        (void) state;
        assert_true(mount_is_shared(mounts, "/srv"));
        assert_false(mount_is_shared(mounts, "/mnt/b"));
        assert_true(mount_is_shared(mounts, "/mnt/a/b"));
        assert_true(mount_is_shared(mounts, "/mntx"));
        assert_true(mount_is_shared(mounts, "/over/x"));
        assert_false(mount_is_shared("", "/"));
}

static void test_mounts_of_a_users_container_never_get_out(void **state) {
        const IsolatorConfig user = { .work_dir = "/srv", .runtime_dir = "/run/agent", .unprivileged = true };
        Asked a;

        (void) state;
        ask_host(&a, "/srv", "data");
        a.host_path.mount_propagation = &a.propagation;
        a.propagation.has_mode = true;
        a.propagation.mode = MESOS__V1__MOUNT_PROPAGATION__MODE__BIDIRECTIONAL;
        assert_refused_with("filesystem/linux", &user, &a.request, "needs an agent that is root");
}

static void test_a_directory_of_the_sandbox_may_be_elsewhere(void **state) {
        _cleanup_(confinement_freep) Confinement *c = NULL, *old = NULL;
        const Mount *m;
        Asked a;

        (void) state;
        ask_sandbox(&a, MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__SELF, "tmp", "/tmp");
        c = plan_with("filesystem/linux", &config, &a.request);
        m = find_mount(c, NULL, "/tmp");
        assert_string_equal(m->source_below, SANDBOX);
        assert_string_equal(m->source, "tmp");
        assert_true(m->make_source);

        ask(&a);
        a.info.n_volumes = 1;
        a.volume.container_path = (char *) "data";
        a.volume.host_path = (char *) "old/way";
        old = plan_with("filesystem/linux", &config, &a.request);
        assert_string_equal(find_mount(old, SANDBOX, "data")->source, "old/way");

        ask_sandbox(&a, MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__PARENT, "x", "data");
        assert_volume_refused(&a, "PARENT sandbox path only works for nested container");
        ask_sandbox(&a, MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__UNKNOWN, "x", "data");
        assert_volume_refused(&a, "Unknown type");
        ask_sandbox(&a, MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__SELF, "../x", "data");
        assert_volume_refused(&a, "'../x' in SANDBOX_PATH volume is not below the sandbox");
}

/* -- Namespaces -- */

static void test_processes_are_the_containers_own_unless_it_asks(void **state) {
        const IsolatorConfig never = { .work_dir = "/srv", .runtime_dir = "/run/agent", .disallow_sharing_pid = true };
        _cleanup_(confinement_freep) Confinement *own = NULL, *shared = NULL;
        Asked a;

        (void) state;
        ask(&a);
        own = plan_with(LINUX, &config, &a.request);
        assert_true(confinement_has_namespace(own, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__PID));
        assert_string_equal(find_mount(own, NULL, "/proc")->type, "proc");

        a.linux_info.has_share_pid_namespace = a.linux_info.share_pid_namespace = true;
        shared = plan_with(LINUX, &config, &a.request);
        assert_false(confinement_has_namespace(shared, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__PID));
        assert_null(find_mount(shared, NULL, "/proc"));
        assert_refused_with(LINUX, &never, &a.request, "Sharing agent pid namespace");
}

static void assert_ipc(const IsolatorConfig *c, const Asked *a, bool own, const char *shm) {
        _cleanup_(confinement_freep) Confinement *confinement = plan_with(LINUX, c, &a->request);
        const Mount *m = find_mount(confinement, NULL, "/dev/shm");

        assert_int_equal(confinement_has_namespace(confinement, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__IPC), own);
        assert_true(streq_ptr(m ? m->data : NULL, shm));
}

static void test_ipc_and_shared_memory_follow_the_mode(void **state) {
        const IsolatorConfig sized = { .work_dir = "/srv", .runtime_dir = "/run/agent", .default_shm_bytes = 4096 };
        const IsolatorConfig never = { .work_dir = "/srv", .runtime_dir = "/run/agent", .disallow_sharing_ipc = true };
        Asked a;

        (void) state;
        ask(&a);
        assert_ipc(&config, &a, true, NULL);
        assert_ipc(&sized, &a, true, NULL);
        assert_ipc(&never, &a, true, "mode=1777");

        a.linux_info.has_ipc_mode = true;
        a.linux_info.ipc_mode = MESOS__V1__LINUX_INFO__IPC_MODE__PRIVATE;
        assert_ipc(&config, &a, true, "mode=1777");
        assert_ipc(&sized, &a, true, "mode=1777,size=4096");
        a.linux_info.has_shm_size = true;
        a.linux_info.shm_size = 3;
        assert_ipc(&sized, &a, true, "mode=1777,size=3145728");

        a.linux_info.ipc_mode = MESOS__V1__LINUX_INFO__IPC_MODE__SHARE_PARENT;
        assert_refused_with(LINUX, &config, &a.request, "when the IPC mode is `PRIVATE`");
        a.linux_info.has_shm_size = false;
        assert_ipc(&config, &a, false, NULL);
        assert_refused_with(LINUX, &never, &a.request, "Sharing agent IPC namespace");
        a.linux_info.ipc_mode = MESOS__V1__LINUX_INFO__IPC_MODE__UNKNOWN;
        assert_refused_with(LINUX, &config, &a.request, "Unknown IPC mode");
}

static void test_mounts_are_printed_with_what_is_trusted(void **state) {
        _cleanup_(confinement_freep) Confinement *c = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(16384);
        Asked a;

        (void) state;
        ask_host(&a, "/srv/\033[2J", "data");
        a.volume.mode = MESOS__V1__VOLUME__MODE__RO;
        c = plan_with(LINUX, &config, &a.request);
        assert_int_equal(confinement_print(c, &b), 0);
        assert_int_equal(buffer_append_char(&b, '\0'), 0);
        assert_non_null(strstr(buffer_data(&b), SANDBOX "//data (made) /srv/?[2J ro recursive bind\n"));
        assert_non_null(strstr(buffer_data(&b), "/proc proc nosuid nodev noexec\n"));
        assert_null(strchr(buffer_data(&b), '\033'));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_filesystem_is_always_there_and_brings_its_volumes),
                cmocka_unit_test(test_what_mounts_needs_a_filesystem_to_mount_in),
                cmocka_unit_test_setup_teardown(test_the_switch_that_forbids_user_namespaces_is_named, dir_setup,
                                                dir_teardown),
                cmocka_unit_test(test_the_hosts_filesystem_has_no_volumes_and_no_images),
                cmocka_unit_test(test_the_work_directory_is_empty_but_for_what_is_the_containers),
                cmocka_unit_test(test_sockets_in_the_work_directory_stay_where_executors_look),
                cmocka_unit_test(test_users_are_mapped_to_themselves_where_the_agent_is_one),
                cmocka_unit_test(test_cgroups_are_hidden_where_there_are_any),
                cmocka_unit_test(test_more_than_a_launcher_mounts_is_refused_before_there_is_one),
                cmocka_unit_test(test_a_volume_is_bound_below_the_sandbox_or_where_it_says),
                cmocka_unit_test(test_paths_that_lead_elsewhere_are_refused),
                cmocka_unit_test(test_the_hosts_directories_are_made_below_some_only),
                cmocka_unit_test(test_a_mount_is_shared_if_the_nearest_above_is),
                cmocka_unit_test(test_mounts_of_a_users_container_never_get_out),
                cmocka_unit_test(test_a_directory_of_the_sandbox_may_be_elsewhere),
                cmocka_unit_test(test_processes_are_the_containers_own_unless_it_asks),
                cmocka_unit_test(test_ipc_and_shared_memory_follow_the_mode),
                cmocka_unit_test(test_mounts_are_printed_with_what_is_trusted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
