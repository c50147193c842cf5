/* SPDX-License-Identifier: Apache-2.0 */

/* Device programs, run on a machine of a dozen lines; tests/kernel/test_devices.py has the kernel run them. */

#include "tests/unit/test.h"

#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "isolator/device_program.h"
#include "isolator/registry.h"

#define RW (DEVICE_READ | DEVICE_WRITE)
#define RWM (RW | DEVICE_MKNOD)

static const IsolatorRequest request = { .container_id = "c", .sandbox = "/sandbox" };

static uint64_t alu(uint8_t operation, uint64_t a, uint64_t b) {
        switch (operation) {
        case BPF_MOV:
                return b;
        case BPF_AND:
                return a & b;
        case BPF_RSH:
                return a >> b;
        default:
                fail_msg("operation %x", operation);
                return 0;
        }
}

static uint64_t run(const struct bpf_insn *program, size_t n, const struct bpf_cgroup_dev_ctx *context) {
        uint64_t r[MAX_BPF_REG] = {};

        for (size_t i = 0; i < n; i++) {
                const struct bpf_insn *p = &program[i];
                uint64_t operand = (p->code & BPF_X) ? r[p->src_reg] : (uint64_t) (int64_t) p->imm;

                if (p->code == (BPF_LDX | BPF_MEM | BPF_W))
                        r[p->dst_reg] = *(const uint32_t *) (const void *) ((const char *) context + p->off);
                else if (p->code == (BPF_JMP | BPF_EXIT))
                        return r[0];
                else if (p->code == (BPF_JMP | BPF_JNE | BPF_K))
                        i += r[p->dst_reg] != operand ? (size_t) p->off : 0;
                else {
                        assert_int_equal(BPF_CLASS(p->code), BPF_ALU64);
                        r[p->dst_reg] = alu(BPF_OP(p->code), r[p->dst_reg], operand);
                }
        }

        fail_msg("the program has no end");
        return 0;
}

static bool allows(const void *program, size_t n, bool block, unsigned access, uint32_t major, uint32_t minor) {
        const struct bpf_cgroup_dev_ctx context = {
                .access_type = (uint32_t) (block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR) |
                               (uint32_t) ((access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) |
                                           (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
                                           (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0))
                                               << 16,
                .major = major,
                .minor = minor,
        };

        return run(program, device_program_n_instructions(n), &context) == 1;
}

static void test_a_rule_allows_what_it_says_and_nothing_else(void **state) {
        static const DeviceRule rules[] = {
                { false, RW, 1, 3 },
                { true, DEVICE_READ, 8, DEVICE_ANY },
                { false, DEVICE_MKNOD, DEVICE_ANY, DEVICE_ANY },
        };
        _cleanup_free_ void *program = NULL;
        size_t n;

        (void) state;
        assert_int_equal(device_program_make(rules, ELEMENTSOF(rules), &program, &n), 0);
        assert_true(device_program_is_sane(n));

        assert_true(allows(program, n, false, RW, 1, 3));
        assert_true(allows(program, n, false, DEVICE_READ, 1, 3));
        assert_true(allows(program, n, false, DEVICE_MKNOD, 1, 3));
        assert_false(allows(program, n, true, RW, 1, 3));
        assert_false(allows(program, n, false, RW, 1, 4));
        assert_false(allows(program, n, false, RW, 2, 3));

        /* No rule has all of it, though two have it together. */
        assert_false(allows(program, n, false, RWM, 1, 3));

        assert_true(allows(program, n, true, DEVICE_READ, 8, 77));
        assert_false(allows(program, n, true, DEVICE_WRITE, 8, 77));
        assert_false(allows(program, n, true, RW, 8, 77));
        assert_false(allows(program, n, true, DEVICE_READ, 9, 0));

        assert_true(allows(program, n, false, DEVICE_MKNOD, 4095, 1048575));
        assert_false(allows(program, n, false, DEVICE_READ, 4095, 1048575));
}

static void test_without_rules_nothing_is_allowed(void **state) {
        _cleanup_free_ void *program = NULL;
        size_t n;

        (void) state;
        assert_int_equal(device_program_make(NULL, 0, &program, &n), 0);
        assert_false(allows(program, n, false, DEVICE_READ, 1, 3));
        assert_false(allows(program, n, true, DEVICE_MKNOD, 1, 3));
}

static void test_more_rules_than_the_kernel_takes_are_refused(void **state) {
        _cleanup_free_ DeviceRule *rules = calloc(1000, sizeof(*rules));
        _cleanup_free_ void *program = NULL;
        size_t n;

        (void) state;
        assert_non_null(rules);
        assert_int_equal(device_program_make(rules, 1000, &program, &n), -E2BIG);
        assert_int_equal(device_program_make(rules, 500, &program, &n), 0);
        assert_true(device_program_is_sane(n));

        assert_false(device_program_is_sane(0));
        assert_false(device_program_is_sane(7));
        assert_false(device_program_is_sane(8 * 4097));
}

static void test_the_kernel_takes_such_programs(void **state) {
        static const DeviceRule rules[] = { { false, RW, 1, 3 }, { true, RWM, DEVICE_ANY, DEVICE_ANY } };
        _cleanup_free_ void *program = NULL;
        _cleanup_fd_ int fd = -EBADF;
        size_t n;

        (void) state;
        assert_int_equal(device_program_make(rules, ELEMENTSOF(rules), &program, &n), 0);
        fd = device_program_load(program, n);
        if (fd == -EPERM || fd == -ENOSYS)
                skip();
        assert_true(fd >= 0);
}

static Confinement *plan(const IsolatorConfig *config) {
        Confinement *c = confinement_new();
        _cleanup_free_ char *message = NULL;

        assert_non_null(c);
        assert_int_equal(isolator_cgroups_devices.plan(config, &request, c, &message), ISOLATOR_OK);
        assert_int_equal(confinement_check(c, &message), CONFINEMENT_OK);
        return c;
}

static bool plan_allows(const Confinement *c, bool block, unsigned access, uint32_t major, uint32_t minor) {
        return allows(c->device_program.data, c->device_program.len, block, access, major, minor);
}

static void test_a_container_has_the_usual_devices_and_may_make_nodes_of_all(void **state) {
        static const IsolatorConfig config = {};
        static const uint32_t usual[][2] = { { 5, 1 }, { 4, 0 }, { 4, 1 }, { 136, 17 }, { 5, 2 }, { 10, 200 },
                                             { 1, 3 }, { 1, 5 }, { 1, 7 }, { 5, 0 }, { 1, 9 }, { 1, 8 } };
        _cleanup_(confinement_freep) Confinement *c = plan(&config);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(usual); i++) {
                assert_true(plan_allows(c, false, RWM, usual[i][0], usual[i][1]));
                assert_false(plan_allows(c, true, DEVICE_READ, usual[i][0], usual[i][1]));
        }

        assert_true(plan_allows(c, true, DEVICE_MKNOD, 8, 0));
        assert_false(plan_allows(c, true, DEVICE_READ, 8, 0));
        assert_false(plan_allows(c, false, DEVICE_READ, 1, 1));     /* mem */
        assert_false(plan_allows(c, false, DEVICE_READ, 1, 11));    /* kmsg */
        assert_false(plan_allows(c, false, RW, 10, 229));           /* fuse */
}

/* One device as --allowed_devices has them. */
typedef struct Allowed {
        Mesos__V1__Device device;
        Mesos__V1__DeviceAccess__Access access;
        Mesos__V1__DeviceAccess pb, *list[1];
        Mesos__V1__DeviceWhitelist whitelist;
        IsolatorConfig config;
} Allowed;

static void allow(Allowed *a, const char *path, bool read, bool write) {
        mesos__v1__device__init(&a->device);
        mesos__v1__device_access__access__init(&a->access);
        mesos__v1__device_access__init(&a->pb);
        mesos__v1__device_whitelist__init(&a->whitelist);
        a->device.path = (char *) path;
        a->access.has_read = a->access.read = read;
        a->access.has_write = a->access.write = write;
        a->pb.device = &a->device;
        a->pb.access = &a->access;
        a->list[0] = &a->pb;
        a->whitelist.allowed_devices = a->list;
        a->whitelist.n_allowed_devices = 1;
        a->config = (IsolatorConfig) { .allowed_devices = &a->whitelist };
}

/* A device of this host that is not among the usual ones. */
static const char *unusual_device(struct stat *ret) {
        static const char *const paths[] = { "/dev/kmsg", "/dev/fuse", "/dev/mem", "/dev/loop0", "/dev/rtc0" };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (stat(paths[i], ret) == 0 && (S_ISCHR(ret->st_mode) || S_ISBLK(ret->st_mode)))
                        return paths[i];

        skip();
        return NULL;
}

static void test_the_operator_allows_more(void **state) {
        _cleanup_(confinement_freep) Confinement *c = NULL;
        struct stat st;
        Allowed a;
        bool block;

        (void) state;
        allow(&a, unusual_device(&st), true, false);
        block = S_ISBLK(st.st_mode);
        c = plan(&a.config);
        assert_true(plan_allows(c, block, DEVICE_READ, major(st.st_rdev), minor(st.st_rdev)));
        assert_false(plan_allows(c, block, RW, major(st.st_rdev), minor(st.st_rdev)));
        assert_false(plan_allows(c, !block, DEVICE_READ, major(st.st_rdev), minor(st.st_rdev)));
        assert_false(plan_allows(c, block, DEVICE_READ, major(st.st_rdev), minor(st.st_rdev) + 1));
        assert_true(plan_allows(c, false, RWM, 1, 3));
}

static void assert_not_allowed(const char *path, bool read, const char *expected) {
        _cleanup_(confinement_freep) Confinement *c = confinement_new();
        _cleanup_free_ char *message = NULL;
        Allowed a;

        allow(&a, path, read, false);
        assert_int_equal(isolator_cgroups_devices.plan(&a.config, &request, c, &message), ISOLATOR_E_REFUSED);
        assert_non_null(strstr(message, expected));
}

static void test_what_is_no_device_cannot_be_allowed(void **state) {
        (void) state;
        assert_not_allowed("/dev/no-such-device", true, "cannot find '/dev/no-such-device'");
        assert_not_allowed("/dev", true, "'/dev' is not a device");
        assert_not_allowed("null", true, "absolute");
        assert_not_allowed(NULL, true, "'path'");
        assert_not_allowed("/dev/null", false, "allowed nothing");
}

static void test_a_container_with_a_root_of_its_own_is_given_the_operators_devices(void **state) {
        _cleanup_(confinement_freep) Confinement *with_root = confinement_new(), *without = confinement_new();
        _cleanup_free_ char *message = NULL;
        Allowed a;

        (void) state;
        allow(&a, "/dev/full", true, true);
        assert_int_equal(confinement_set_text(&with_root->root, "%s", "/image"), 0);
        assert_int_equal(isolator_linux_devices.plan(&a.config, &request, with_root, &message), ISOLATOR_OK);
        assert_int_equal(with_root->n_mounts, 1);
        assert_string_equal(with_root->mounts[0]->source, "/dev/full");
        assert_string_equal(with_root->mounts[0]->target, "/dev/full");
        assert_true(with_root->mounts[0]->make_target);

        assert_int_equal(isolator_linux_devices.plan(&a.config, &request, without, &message), ISOLATOR_OK);
        assert_int_equal(without->n_mounts, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_rule_allows_what_it_says_and_nothing_else),
                cmocka_unit_test(test_without_rules_nothing_is_allowed),
                cmocka_unit_test(test_more_rules_than_the_kernel_takes_are_refused),
                cmocka_unit_test(test_the_kernel_takes_such_programs),
                cmocka_unit_test(test_a_container_has_the_usual_devices_and_may_make_nodes_of_all),
                cmocka_unit_test(test_the_operator_allows_more),
                cmocka_unit_test(test_what_is_no_device_cannot_be_allowed),
                cmocka_unit_test(test_a_container_with_a_root_of_its_own_is_given_the_operators_devices),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
