/* SPDX-License-Identifier: Apache-2.0 */

/* What a launcher refuses to carry out: each text and each list of a confinement beyond its bound, one by one. */

#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "isolator/confinement.h"
#include "launcher/confine.h"

#define NAMESPACE(kind) HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__##kind

/* One with all there is. */
static Confinement *make_full(void) {
        static const uint8_t program[16];
        ConfinementNetwork network = HOLDFAST__LAUNCHER__CONFINEMENT__NETWORK__INIT;
        Mount mount = HOLDFAST__LAUNCHER__MOUNT__INIT;
        Confinement *c = confinement_new();

        for (int kind = NAMESPACE(MOUNT); kind <= NAMESPACE(CGROUP); kind++)
                assert_int_equal(confinement_add_namespace(c, (ConfinementNamespace) kind), 0);
        assert_int_equal(confinement_set_cgroup(c, "memory.max", 0, "1"), 0);
        assert_int_equal(confinement_add_rlimit(c, RLIMIT_NOFILE, 1, 2), 0);
        assert_int_equal(confinement_set_capabilities(c, &(uint64_t) { 3 }, &(uint64_t) { 1 }), 0);
        assert_int_equal(confinement_set_seccomp(c, "p.json", program, sizeof(program), SECCOMP_FILTER_FLAG_LOG), 0);
        assert_int_equal(confinement_add_file(c, "hosts", "127.0.0.1 localhost\n"), 0);
        assert_int_equal(confinement_set_text(&c->root, "/srv/root"), 0);
        assert_int_equal(confinement_set_text(&c->hostname, "Container-1.a_b"), 0);
        assert_int_equal(confinement_set_text(&c->uid_map, "0 1000 1\n"), 0);
        assert_int_equal(confinement_set_text(&c->gid_map, "0 1000 1\n"), 0);

        mount.target = (char *) "a/b";
        mount.target_below = (char *) "/t";
        mount.source = (char *) "c";
        mount.source_below = (char *) "/s";
        mount.data = (char *) "size=1";
        mount.flags = MS_BIND | MS_REC;
        assert_int_equal(confinement_add_mount(c, &mount), 0);
        mount.source_below = NULL;
        mount.source = mount.type = (char *) "tmpfs";
        assert_int_equal(confinement_add_mount(c, &mount), 0);

        network.helper = (char *) "/usr/libexec/holdfast-network";
        network.bridge = (char *) "br0";
        network.gateway = (char *) "10.0.0.1/8";
        network.host_interface = (char *) "hf0123456789abc";
        network.address = (char *) "10.0.0.2/8";
        assert_int_equal(confinement_set_network(c, &network), 0);

        c->device_program.data = calloc(1, 16);
        c->device_program.len = 16;
        c->has_device_program = true;
        return c;
}

static void assert_valid(const Confinement *c) {
        _cleanup_free_ char *message = NULL;
        int r = confinement_check(c, &message);

        if (r != CONFINEMENT_OK)
                fail_msg("refused: %s", message);
}

static void assert_invalid(const Confinement *c, const char *what) {
        _cleanup_free_ char *message = NULL;

        if (confinement_check(c, &message) != CONFINEMENT_E_INVALID)
                fail_msg("%s is not refused", what);
        assert_true(strlen(message) < 1024);
}

typedef enum Text {
        SETTING_FILE, SETTING_VALUE, ROOT, HOSTNAME, UID_MAP, GID_MAP, HELPER, BRIDGE, GATEWAY, HOST_INTERFACE, ADDRESS,
        FILE_NAME, PROFILE, TARGET, TARGET_BELOW, SOURCE, SOURCE_BELOW, TYPE, TYPE_SOURCE, DATA, N_TEXTS,
} Text;

static char **text_of(Confinement *c, Text text) {
        char **const texts[N_TEXTS] = {
                [SETTING_FILE] = &c->cgroup[0]->file, [SETTING_VALUE] = &c->cgroup[0]->value,
                [ROOT] = &c->root, [HOSTNAME] = &c->hostname, [UID_MAP] = &c->uid_map, [GID_MAP] = &c->gid_map,
                [HELPER] = &c->network->helper, [BRIDGE] = &c->network->bridge, [GATEWAY] = &c->network->gateway,
                [HOST_INTERFACE] = &c->network->host_interface, [ADDRESS] = &c->network->address,
                [FILE_NAME] = &c->files[0]->name, [PROFILE] = &c->seccomp_profile,
                [TARGET] = &c->mounts[0]->target, [TARGET_BELOW] = &c->mounts[0]->target_below,
                [SOURCE] = &c->mounts[0]->source, [SOURCE_BELOW] = &c->mounts[0]->source_below,
                [TYPE] = &c->mounts[1]->type, [TYPE_SOURCE] = &c->mounts[1]->source, [DATA] = &c->mounts[0]->data,
        };

        return texts[text];
}

static void test_full_confinement_can_be_carried_out(void **state) {
        _cleanup_(confinement_freep) Confinement *c = make_full();

        (void) state;
        assert_valid(c);
}

static void test_text_of_a_wrong_form_is_refused(void **state) {
        static const struct {
                Text text;
                const char *value;
        } rows[] = {
                { SETTING_FILE, "" }, { SETTING_FILE, "memory" }, { SETTING_FILE, ".." }, { SETTING_FILE, "../memory.max" },
                { SETTING_FILE, "/memory.max" }, { SETTING_FILE, "cgroup.procs" }, { SETTING_FILE, "cgroup.kill" },
                { SETTING_FILE, "memory.max\n" }, { SETTING_FILE, ".memory" },
                { ROOT, "" }, { ROOT, "srv" },
                { HOSTNAME, "" }, { HOSTNAME, "a b" }, { HOSTNAME, "a\nb" }, { HOSTNAME, "a/b" },
                { UID_MAP, "" }, { UID_MAP, "0 0 -1" }, { UID_MAP, "a" }, { GID_MAP, "" }, { GID_MAP, "0\t0" },
                { HELPER, "" }, { HELPER, "holdfast-network" },
                { BRIDGE, "" }, { BRIDGE, "-v" }, { BRIDGE, "a/b" }, { BRIDGE, "a b" },
                { GATEWAY, "" }, { GATEWAY, "host" }, { GATEWAY, "-1" },
                { HOST_INTERFACE, "" }, { HOST_INTERFACE, "--help" }, { HOST_INTERFACE, "a\n" },
                { ADDRESS, "" }, { ADDRESS, "::1/8" },
                { FILE_NAME, "" }, { FILE_NAME, "." }, { FILE_NAME, ".." }, { FILE_NAME, "../hosts" }, { FILE_NAME, "a/b" },
                { FILE_NAME, ".hosts" },
                { TARGET, "/a" }, { TARGET, ".." }, { TARGET, "a/../b" }, { TARGET, "a//.." }, { TARGET_BELOW, "t" },
                { SOURCE, "/a" }, { SOURCE, "../a" }, { SOURCE, "a/.." }, { SOURCE_BELOW, "" }, { SOURCE_BELOW, "s" },
                { TYPE, "" }, { TYPE, "tmpfs " }, { TYPE, "../x" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(confinement_freep) Confinement *c = make_full();

                assert_int_equal(confinement_set_text(text_of(c, rows[i].text), "%s", rows[i].value), 0);
                assert_invalid(c, rows[i].value);
        }
}

/* n bytes: the beginning it needs, then zeros, which are good in all of them. */
static char *make_text(const char *beginning, size_t n) {
        char *text = malloc(n + 1);

        memset(text, '0', n);
        text[n] = '\0';
        memcpy(text, beginning, strlen(beginning));
        return text;
}

static void test_text_has_a_bound_and_may_reach_it(void **state) {
        static const struct {
                const char *beginning;
                size_t n_max;
        } bounds[N_TEXTS] = {
                [SETTING_FILE] = { "a.", 63 },    [SETTING_VALUE] = { "", 4095 },   [ROOT] = { "/", 4095 },
                [HOSTNAME] = { "", 64 },          [UID_MAP] = { "", 4095 },         [GID_MAP] = { "", 4095 },
                [HELPER] = { "/", 4095 },         [BRIDGE] = { "", 15 },            [GATEWAY] = { "", 18 },
                [HOST_INTERFACE] = { "", 15 },    [ADDRESS] = { "", 18 },           [FILE_NAME] = { "", 255 },
                [PROFILE] = { "", 4095 },         [TARGET] = { "", 4095 },          [TARGET_BELOW] = { "/", 4095 },
                [SOURCE] = { "", 4095 },          [SOURCE_BELOW] = { "/", 4095 },   [TYPE] = { "", 63 },
                [TYPE_SOURCE] = { "", 4095 },     [DATA] = { "", 4095 },
        };

        (void) state;
        for (int text = 0; text < N_TEXTS; text++) {
                _cleanup_(confinement_freep) Confinement *c = make_full();
                char name[32];

                free(*text_of(c, (Text) text));
                *text_of(c, (Text) text) = make_text(bounds[text].beginning, bounds[text].n_max);
                assert_valid(c);

                free(*text_of(c, (Text) text));
                *text_of(c, (Text) text) = make_text(bounds[text].beginning, bounds[text].n_max + 1);
                snprintf(name, sizeof(name), "text %i", text);
                assert_invalid(c, name);
        }
}

static void fill_settings(Confinement *c, size_t n) {
        while (c->n_cgroup < n)
                assert_int_equal(confinement_set_cgroup(c, "a.b", 0, "1"), 0);
}

static void fill_mounts(Confinement *c, size_t n) {
        while (c->n_mounts < n)
                assert_int_equal(confinement_add_mount(c, c->mounts[0]), 0);
}

static void fill_files(Confinement *c, size_t n) {
        while (c->n_files < n)
                assert_int_equal(confinement_add_file(c, "a", ""), 0);
}

static void fill_rlimits(Confinement *c, size_t n) {
        while (c->n_rlimits < n)
                assert_int_equal(confinement_add_rlimit(c, 0, 0, 0), 0);
}

static void fill_namespaces(Confinement *c, size_t n) {
        c->namespaces = reallocarray(c->namespaces, n, sizeof(*c->namespaces));
        while (c->n_namespaces < n)
                c->namespaces[c->n_namespaces++] = NAMESPACE(PID);
}

static void test_list_has_a_bound_and_may_reach_it(void **state) {
        static const struct {
                const char *name;
                void (*fill)(Confinement *c, size_t n);
                size_t n_max;
        } rows[] = {
                { "settings", fill_settings, 256 }, { "mounts", fill_mounts, 256 },  { "files", fill_files, 16 },
                { "limits", fill_rlimits, 16 },     { "namespaces", fill_namespaces, 7 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(confinement_freep) Confinement *c = make_full();

                rows[i].fill(c, rows[i].n_max);
                assert_valid(c);
                rows[i].fill(c, rows[i].n_max + 1);
                assert_invalid(c, rows[i].name);
        }
}

static void unknown_namespace(Confinement *c) {
        c->namespaces[0] = NAMESPACE(UNKNOWN);
}

static void future_namespace(Confinement *c) {
        c->namespaces[0] = (ConfinementNamespace) 99;
}

static void negative_namespace(Confinement *c) {
        c->namespaces[0] = (ConfinementNamespace) -1;
}

/* Leaves all but one. */
static void drop_namespace(Confinement *c, ConfinementNamespace kind) {
        for (size_t i = 0; i < c->n_namespaces; i++)
                if (c->namespaces[i] == kind)
                        c->namespaces[i] = NAMESPACE(CGROUP);
}

static void mounts_of_the_host(Confinement *c) {
        drop_namespace(c, NAMESPACE(MOUNT));
}

static void hostname_of_the_host(Confinement *c) {
        drop_namespace(c, NAMESPACE(UTS));
}

static void network_of_the_host(Confinement *c) {
        drop_namespace(c, NAMESPACE(NETWORK));
}

static void ids_of_the_host(Confinement *c) {
        drop_namespace(c, NAMESPACE(USER));
}

static void odd_device_program(Confinement *c) {
        c->device_program.len = 15;
}

static void no_device_program(Confinement *c) {
        c->device_program.len = 0;
}

static void long_device_program(Confinement *c) {
        c->device_program.len = 8U << 20;
}

static void odd_seccomp_program(Confinement *c) {
        c->seccomp_program.len = 15;
}

static void no_seccomp_program(Confinement *c) {
        c->seccomp_program.len = 0;
}

static void long_seccomp_program(Confinement *c) {
        c->seccomp_program.len = 4097 * 8;
}

static void seccomp_listener(Confinement *c) {
        c->seccomp_flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

static void capabilities_beyond_bounding(Confinement *c) {
        c->capabilities->effective = 4;
}

static void unknown_limit(Confinement *c) {
        c->rlimits[0]->resource = RLIM_NLIMITS;
}

static void limit_beyond_itself(Confinement *c) {
        c->rlimits[0]->soft = 3;
}

static void long_file(Confinement *c) {
        c->files[0]->content.len = (64U << 10) + 1;
}

static void mount_that_moves(Confinement *c) {
        c->mounts[0]->flags |= MS_MOVE;
}

static void mount_of_unknown_flags(Confinement *c) {
        c->mounts[0]->flags |= UINT64_C(1) << 60;
}

static void mount_of_nothing(Confinement *c) {
        free(c->mounts[0]->source);
        c->mounts[0]->source = NULL;
}

static void source_made_anywhere(Confinement *c) {
        assert_int_equal(confinement_set_text(&c->mounts[0]->source, "/c"), 0);
        free(c->mounts[0]->source_below);
        c->mounts[0]->source_below = NULL;
        c->mounts[0]->make_source = true;
}

static void target_made_on_the_host(Confinement *c) {
        assert_int_equal(confinement_set_text(&c->mounts[0]->target, "/c"), 0);
        free(c->mounts[0]->target_below);
        c->mounts[0]->target_below = NULL;
        free(c->root);
        c->root = NULL;
        c->mounts[0]->make_target = true;
}

static void test_what_cannot_be_is_refused(void **state) {
#define ROW(f) { #f, f }
        static const struct {
                const char *name;
                void (*spoil)(Confinement *c);
        } rows[] = {
                ROW(unknown_namespace), ROW(future_namespace), ROW(negative_namespace), ROW(mounts_of_the_host),
                ROW(hostname_of_the_host), ROW(network_of_the_host), ROW(ids_of_the_host), ROW(odd_device_program),
                ROW(no_device_program), ROW(long_device_program), ROW(odd_seccomp_program), ROW(no_seccomp_program),
                ROW(long_seccomp_program), ROW(seccomp_listener), ROW(capabilities_beyond_bounding), ROW(unknown_limit),
                ROW(limit_beyond_itself), ROW(long_file), ROW(mount_that_moves), ROW(mount_of_unknown_flags),
                ROW(mount_of_nothing), ROW(source_made_anywhere), ROW(target_made_on_the_host),
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(confinement_freep) Confinement *c = make_full();

                rows[i].spoil(c);
                assert_invalid(c, rows[i].name);
        }
}

static void test_update_has_the_same_bounds(void **state) {
        CgroupSetting s = HOLDFAST__LAUNCHER__CGROUP_SETTING__INIT, *settings[] = { &s };
        const CgroupTree tree = { .fd = -EBADF, .payload_fd = 0, .main_fd = -EBADF };

        (void) state;
        s.file = (char *) "cgroup.procs";
        s.value = (char *) "0";
        assert_int_equal(confine_update(&tree, settings, 1), -EINVAL);
        s.file = (char *) "../memory.max";
        assert_int_equal(confine_update(&tree, settings, 1), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_full_confinement_can_be_carried_out),
                cmocka_unit_test(test_text_of_a_wrong_form_is_refused),
                cmocka_unit_test(test_text_has_a_bound_and_may_reach_it),
                cmocka_unit_test(test_list_has_a_bound_and_may_reach_it),
                cmocka_unit_test(test_what_cannot_be_is_refused),
                cmocka_unit_test(test_update_has_the_same_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
